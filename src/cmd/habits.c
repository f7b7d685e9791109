/*
 * Mostly of rsync, scp, curl and netcat.  The options of the other command are
 * listed here and not looked up, because a command's file must not need another
 * command's; a test compares the lists with --help.
 */
#include "cmd/habits.h"

/* What ferry receive does of itself, and what a sender may ask it for. */
#define EXISTING(what) "write --existing " what ", by ssh or where ferry " \
	"receive has --accept existing; or ferry receive --existing " what

#define KEY "write --key FILE, with a key that ferry keygen made"

#define SSH_KEY "a key of ssh is written --ssh 'ssh -i FILE', and one that " \
	"ferry keygen made --key FILE"

/* of scp, and of rsync */
#define PORT_OR_PARTIAL "a port of ssh is written --ssh 'ssh -p N', one of " \
	"ferry -p N; what was interrupted is resumed, and progress is shown, " \
	"anyway"

const struct option_habit habits_send[] = {
	{ "--accept --once --stdout --sync --max-sessions --max-size "
	  "--max-files --keep-parts --max-kept --exec --chmod --connect "
	  "--config --check-config --drain",
	  "an option of ferry receive", 0 },
	{ "-r -R --recursive --recurse",
	  "a directory is sent with all that is in it", 1 },
	{ "-t --times --perms", "modes and times are kept", 1 },
	{ "-P", PORT_OR_PARTIAL, 1 },
	{ "--partial --partial-dir --resume --continue --append "
	  "--append-verify",
	  "what was interrupted is resumed", 1 },
	{ "-c",
	  "files are compared by content, unless --compare time says "
	  "otherwise",
	  1 },
	{ "-A -X -H -E --acls --xattrs --hard-links --owner --group --devices "
	  "--specials",
	  "write -a, or --preserve LIST", 0 },
	{ "-W --whole-file", "write --delta off", 0 },
	{ "-C", "-z compresses", 0 },
	{ "-s --sparse -S", "holes are sent as holes", 1 },
	{ "-l --bwlimit --limit --rate", "write --limit-rate RATE", 0 },
	{ "-i --identity", SSH_KEY, 0 },
	{ "-k --password --psk --secret", KEY, 0 },
	{ "-f --force --overwrite --clobber -y --yes", EXISTING("replace"), 0 },
	{ "-u --update", EXISTING("newer"), 0 },
	{ "-b --backup", EXISTING("backup"), 0 },
	{ "--ignore-existing --no-clobber", EXISTING("skip"), 0 },
	{ "--list-only", "write --list", 0 },
	{ "-L --copy-links --dereference", "write --symlinks follow", 0 },
	{ "-e --rsh -o", "write --ssh CMD, for example --ssh 'ssh -p 2222'",
	  0 },
	{ "--rsync-path", "write --remote-ferry PATH", 0 },
	{ "--host -d --dest --to",
	  "the host is the last operand: ferry send PATH... HOST", 0 },
	{ "-w --wait", "write --timeout S or --retry S", 0 },
	{ "--exclude-from --include-from --filter",
	  "write --exclude GLOB or --include GLOB for each pattern", 0 },
	{ "--delete-after --delete-before --delete-during --delete-delay --del",
	  "write --delete; it is done when all else is committed", 0 },
	{ "--delete-excluded", "what filters leave out is never deleted", 1 },
	{ "--remove-source-files --move",
	  "nothing is removed here: remove the sources after exit status 0", 0 },
	{ "--inplace",
	  "a file gets its name when it is complete, never in place", 1 },
	{ "--size-only --ignore-times -I",
	  "write --compare time (size and time) or --compare content", 0 },
	{ "--links --safe-links", "symlinks are sent as --symlinks says", 1 },
	{ "--info --stats --itemize-changes --out-format --log-file",
	  "-v names each file, and --json prints events", 0 },
	{ "--no-compress", "nothing is compressed, unless -z is given", 1 },
	{ "--text", "write: echo TEXT | ferry send --name NAME - HOST", 0 },
	{ "-J -F -O -3 --ssh-port", "ssh's options are written --ssh 'ssh "
	  "-J HOST', --ssh 'ssh -p N' and so on", 0 },
	{ "--hide-progress --no-progress", "write --progress never", 0 },
	{ "--verify", "-v shows four words to verify", 0 },
	{ "--hash", "write --checksum ALG", 0 },
	{ "--relay --pass --transit-helper",
	  "there is no relay: one of the two hosts has to reach the other",
	  0 },
	{ "-V --version", "write ferry version", 0 },
	{ NULL, NULL, 0 },
};

const struct option_habit habits_receive[] = {
	{ "--name --stdin-from-command "
	  "--list --files-from -0 --listen --receivers",
	  "an option of ferry send", 0 },
	{ "-o -O -d --out --output --output-dir --output-file --dir "
	  "--directory --dest",
	  "the directory is the operand: ferry receive DIR", 0 },
	{ "-r -R --recursive", "directories are received as they are sent", 1 },
	{ "-P", PORT_OR_PARTIAL, 1 },
	{ "--partial --resume --continue",
	  "what was interrupted is resumed", 1 },
	{ "-l", "ferry receive listens unless --connect HOST is given", 1 },
	{ "-k --daemon --keep-open",
	  "with a key (--key FILE), ferry receive serves until it is ended",
	  0 },
	{ "-i --identity", SSH_KEY, 0 },
	{ "--password --psk --secret", KEY, 0 },
	{ "-e --rsh", "write --ssh CMD, for example --ssh 'ssh -p 2222'", 0 },
	{ "-f --force --overwrite --clobber -y --yes",
	  "write --existing replace", 0 },
	{ "-u --update", "write --existing newer", 0 },
	{ "--backup", "write --existing backup", 0 },
	{ "--ignore-existing --no-clobber", "write --existing skip", 0 },
	{ "--bwlimit --limit --rate", "write --limit-rate RATE", 0 },
	{ "-H --host", "write --bind ADDR, the local address", 0 },
	{ "-c", "write --stdout", 0 },
	{ "-1", "write --once", 0 },
	{ "-w --wait", "write --timeout S", 0 },
	{ "--hide-progress --no-progress", "write --progress never", 0 },
	{ "--verify", "-v shows four words to verify", 0 },
	{ "--accept-file", "no question is asked before a file is received",
	  1 },
	{ "--relay --pass --transit-helper",
	  "there is no relay: one of the two hosts has to reach the other",
	  0 },
	{ "-V --version", "write ferry version", 0 },
	{ NULL, NULL, 0 },
};
