# fish completion of ferry: commands, options and values with their meanings from
# "ferry help --options", which prints the program's own tables; hosts from "ferry
# help --hosts", which reads ssh's files and /etc/hosts.

function __ferry_with
    contains -- (commandline -opc)[2] $argv
end

# The values of an option of a command, for the description beside each.
function __ferry_values
    ferry help --options $argv[1] 2>/dev/null | while read -d \t -l kind a b c d
        if test $kind = option
            set on (test "$b" = $argv[2]; and echo yes)
        else if test -n "$on"
            printf '%s\t%s\n' $a $b
        end
    end
end

# The same of an option that takes several, with commas between them: each after what
# stands before the last comma.
function __ferry_lists
    set -l before (commandline -ct | string replace -rf '^(--[^=]*=)?(.*,).*' '$2')
    for value in (__ferry_values $argv)
        echo "$before$value"
    end
end

# Also after USER@.
function __ferry_hosts
    set -l user (commandline -ct | string match -r '^[^@/:]+@')
    for host in (ferry help --hosts 2>/dev/null)
        echo "$user$host"
    end
end

set -l bare 'test (count (commandline -opc)) -eq 1'
ferry help --options 2>/dev/null | while read -d \t -l kind name summary
    complete -c ferry -n $bare -f -a $name -d $summary
    complete -c ferry -n '__ferry_with help' -f -a $name -d $summary
    set -l with "__ferry_with $name"
    ferry help --options $name 2>/dev/null | while read -d \t -l kind letter long arg text
        test $kind = option; or continue
        set -l spec -c ferry -n $with -d $text
        test $letter = -; or set -a spec -s $letter
        test $long = -; or set -a spec -l $long
        switch $arg
            case -
            case '[*'
                set -a spec -f -a "(__ferry_values $name $long)"
            case FILE PATH DIR CMD
                set -a spec -r -F
            case 'HOST*'
                set -a spec -x -a '(__ferry_hosts)'
            case LIST
                set -a spec -x -a "(__ferry_lists $name $long)"
            case '*'
                set -a spec -x -a "(__ferry_values $name $long)"
        end
        complete $spec
    end
end

complete -c ferry -n '__ferry_with send receive recv' -a '(__ferry_hosts)' -d host
# HOST:PATH: what is there is not known here, and it is no file.
complete -c ferry -n "string match -qr '^[^/]*:' -- (commandline -ct)" -f
