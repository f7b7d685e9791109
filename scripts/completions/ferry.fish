# fish completion of ferry

function __ferry_with
    contains -- (commandline -opc)[2] $argv
end

set -l bare 'test (count (commandline -opc)) -eq 1'
complete -c ferry -n $bare -f -a send -d 'Send files or standard input'
complete -c ferry -n $bare -f -a receive -d 'Listen and receive'
complete -c ferry -n $bare -f -a keygen -d 'Write a new shared key'
complete -c ferry -n $bare -f -a help -d 'Tell of commands and options'
complete -c ferry -n $bare -f -l version -d 'Show versions'
complete -c ferry -n '__ferry_with help' -f -a 'send receive keygen'

set -l send '__ferry_with send'
set -l receive '__ferry_with receive recv'
set -l both '__ferry_with send receive recv'

complete -c ferry -s h -l help -f -d 'Show help'
complete -c ferry -n $both -s p -l port -x -d Port
complete -c ferry -n $both -s b -l bind -x -d 'Local address'
complete -c ferry -n $both -s 4 -f -d 'Use IPv4 only'
complete -c ferry -n $both -s 6 -f -d 'Use IPv6 only'
complete -c ferry -n $both -l congestion -x -a 'bbr cubic reno' -d 'TCP congestion control'
complete -c ferry -n $both -l limit-rate -x -d 'Bytes a second'
complete -c ferry -n $both -l timeout -x -d 'Seconds without progress'
complete -c ferry -n $both -l code -f -d 'One-time code'
complete -c ferry -n $both -l code-file -r -F -d 'File with the code'
complete -c ferry -n $both -l key -r -F -d 'Shared key'
complete -c ferry -n $both -l cert -r -F -d 'Our certificate'
complete -c ferry -n $both -l cert-key -r -F -d 'Its private key'
complete -c ferry -n $both -l ca -r -F -d 'CA of the other side'
complete -c ferry -n $both -l pin -x -d 'Public key of the other side'
complete -c ferry -n $both -l plain -f -d 'No encryption'
complete -c ferry -n $both -l json -f -d 'Events as JSON Lines'
complete -c ferry -n $both -s q -l quiet -f -d 'Errors only'
complete -c ferry -n $both -s v -l verbose -f -d 'Say more'
complete -c ferry -n $both -l progress -x -a 'auto always never' -d 'Show progress'

complete -c ferry -n $send -s z -l compress -f -d Compress
complete -c ferry -n $send -l checksum -x -a 'xxh3 sha256 crc32' -d Checksum
complete -c ferry -n $send -s j -l streams -x -a 'auto 1 2 4 8 16' -d Connections
complete -c ferry -n $send -l retry -x -d 'Connect again for so many seconds'
complete -c ferry -n $send -l name -x -d 'Name for standard input'
complete -c ferry -n $send -s n -l dry-run -f -d 'Only list what would be sent'
complete -c ferry -n $send -l exclude -x -d 'Leave out what matches'
complete -c ferry -n $send -l include -x -d 'Send what matches'
complete -c ferry -n $send -l files-from -r -F -d 'List of names'
complete -c ferry -n $send -s 0 -f -d 'Names end with a NUL'
complete -c ferry -n $send -l symlinks -x -a 'keep follow skip' -d 'Symbolic links'

complete -c ferry -n $receive -l existing -x -a 'fail skip replace newer rename backup' -d 'Files that exist'
complete -c ferry -n $receive -l once -f -d 'End after one session'
complete -c ferry -n $receive -l stdout -f -d 'To standard output'
complete -c ferry -n $receive -l sync -x -a 'none batch file' -d 'Flush to the disk'
complete -c ferry -n $receive -l max-sessions -x -d 'Sessions at a time'
complete -c ferry -n $receive -l max-size -x -d 'Bytes in a session'
complete -c ferry -n $receive -l max-files -x -d 'Files in a session'
complete -c ferry -n $receive -l allow -x -d 'Who may connect'
complete -c ferry -n $receive -l exec -r -F -d 'Run after each session'
complete -c ferry -n $receive -l sandbox -x -a 'auto require off' -d 'Confine the receiver'
