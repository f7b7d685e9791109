#!/usr/bin/env bats
# Through ssh, with a real sshd: sending to HOST:PATH, and what can be wrong with
# the other host's login shell.

bats_require_minimum_version 1.5.0
load helper
load ssh

setup_file() { make_sshd; }
teardown_file() { end_sshd; }
setup() {
	make_dir
	use_sshd
}
teardown() { remove_dir; }

@test "send: a tree with odd names, to a directory with an odd name [san]" {
	dir=$'d st\'s "$(id)" `id` \\ * \n-x'
	mkdir "dst/$dir" src/sub src/sub/empty
	echo one >src/-rf
	echo two >$'src/sub/new\nline'
	head -c 3000000 /dev/urandom >"src/sub/large; id"
	push --json src "box:$work/dst/$dir" >events
	status 0
	same_tree src "dst/$dir/src"
	no_litter
	is member events session security ssh
	is member events summary exit 0
	# again: it is all there
	push src "box:$work/dst/$dir"
	status 0
	has sender "3 unchanged"
}

@test "send: standard input; --list connects to nobody" {
	push --name f - "box:$work/dst" < <(printf text)
	status 0
	is cat dst/f text
	printf more >src/g
	FERRY_SSH=false push --list src/g box:dst
	status 0
}

@test "no progress is shown while ssh may ask for a password" {
	echo text >src/f
	cat >slow <<-'EOF'
		#!/bin/bash
		echo asking >&2
		sleep 1.2
		echo answered >&2
		exec $REAL_SSH "$@"
	EOF
	chmod +x slow
	REAL_SSH=$FERRY_SSH push --progress always --ssh ./slow src/f \
		"box:$work/dst"
	status 0
	is grep -A 1 asking sender $'asking\nanswered'
}

@test "send: some files fail: exit status and message are as without ssh" {
	echo new >src/a
	echo new >src/b
	echo old >dst/a
	push src/a src/b "box:$work/dst"
	status 1
	has sender "a: on the receiver"
	is cat dst/b new
}

@test "send: the directory there is missing, or the host, or ssh" {
	echo text >src/f
	push src/f "box:$work/none"
	status 8
	has sender "ferry: send: box: directory $work/none does not exist"
	is grep -vc 'warning: no sandbox' sender 1
	push --ssh "$FERRY_SSH -oHostName=127.0.0.1 -p 1" src/f box:
	status 3
	has sender "box: ssh could not connect or log in; try: ssh box true"
	push --ssh "$work/none -p 22" src/f box:
	status 3
	has sender "cannot start $work/none (is it installed?)"
}

@test "a name that is no directory there, or here: how a file gets it" {
	echo text >src/f
	push src/f "box:$work/dst/new"
	status 8
	has sender "box: directory $work/dst/new does not exist"
	has sender "another: ferry send --name new - box:$work/dst/ <FILE)"
	push --name new - "box:$work/dst" <src/f
	status 0
	push src/f "box:$work/dst/new"
	status 8
	has sender "dst/new is not a directory"
	has sender "another: ferry send --name new - box:$work/dst/ <FILE)"
	# it was to be a directory
	push src/f "box:$work/dst/none/"
	status 8
	hasnt sender "--name"
	# no name that a file could get
	ln -s nowhere dangling
	push src/f "box:$work/dangling"
	status 8
	has sender "$work/dangling is a symlink to nowhere, which does not exist"
	hasnt sender "--name"
	push src/f "box:$work/dst/none/new"
	status 8
	has sender "directory $work/dst/none/new does not exist"
	hasnt sender "--name"
	push src/f box:/dev/null
	status 8
	has sender "/dev/null is not a directory"
	hasnt sender "--name"
	fetch "box:$work/src/f" copy
	fetched 7
	has messages "another: ferry receive --stdout box:$work/src/f >copy)"
	fetch "box:$work/src/" copy
	fetched 7
	hasnt messages "--stdout"
	fetch "box:$work/src/f" "box:$work/dst/new" copy
	fetched 7
	hasnt messages "--stdout"
}

# once TEXT FILE... - one line of the messages has it
once() {
	local text=$1
	shift
	is grep -chF -- "$text" "$@" 1
}

@test "directories in which nothing can be created" {
	echo text >src/f
	# the file system, and not the user who is logged in
	if [ "$(stat -f -c %T /proc)" = proc ] && [ -w /proc ]; then
		push src/f box:/proc
		status 8
		has sender "f: on the receiver box: nothing can be created in its directory; receive into another"
		push src/f box:/proc/self
		status 8
		has sender "nothing can be created in directory /proc/self"
	fi
	if [ "$(stat -f -c %T /dev/pts)" = devpts ] && [ -w /dev/pts ]; then
		mkdir src/t
		echo text >src/t/f
		push src/t box:/dev/pts
		status 8
		has sender "nothing can be created in its directory"
		hasnt sender "permission denied"
	fi
	needs mounting
	mount -t tmpfs -o ro none "$work/dst"
	push src/f "box:$work/dst"
	umount "$work/dst"
	status 8
	has sender "cannot write to directory $work/dst: its file system is read-only"
}

@test "what both sides know is told once, and by whom the user can ask" {
	mkdir src/t dst/t
	echo old >dst/t/f
	echo new >src/t/f
	echo other >src/t/g
	mkfifo src/t/fifo
	# what this side has to do: it is no receiver that one starts
	push src/t "box:$work/dst"
	status 1
	once "t/f: on the receiver box: a different file" sender
	has sender "or send with --existing skip,"
	hasnt sender "receive with"
	push -v --special skip --existing replace src/t "box:$work/dst"
	status 0
	once "t/f: committed" sender
	# of a file of the other host, that host's message says it
	rm dst/t/g
	echo old >dst/t/f
	fetch -v "box:$work/src/t" dst
	fetched 1
	once "t/fifo: " messages
	has messages "ferry: box: $work/src/t/fifo: a FIFO"
	once "t/f: from box: on this side: a different file" messages
	once "t/f: " messages
	has messages "or receive with --existing skip,"
	once "t/g: committed" messages
	# one that changes meanwhile
	head -c 20000000 /dev/urandom >src/t/large
	start one "$FERRY" receive --remote-ferry "$FERRY" --limit-rate "$(rate 8M)" \
		--json=9 "box:$work/src/t/large" dst 9>one.events 2>messages
	await one.events '"event":"progress","bytes":[1-9]'
	: >src/t/large
	ended one
	[ "$code" = 9 ] || { cat messages; false; }
	once "large: " messages
	rm src/t/large
	# what cannot be deleted, or kept
	: >dst/t/extra
	fetch --json --special skip --existing replace --delete \
		--max-delete 0 "box:$work/src/t" dst >events
	fetched 1
	once "deleted, as --max-delete is 0" messages
	has messages "1 item could not be deleted (see above)"
	is member events summary exit 1
	is member events summary not_deleted 1
	[ -e dst/t/extra ]
}

@test "more attributes than an item may have: told once, and exit 1 at both" {
	needs_build 'ACLs and extended'
	needs 'attributes of files in memory' # where there is room for them
	shm=$(mktemp -d -p /dev/shm)
	echo x >"$shm/f"
	python3 -c 'import os, sys
for i in range(600):
    os.setxattr(sys.argv[1], "user.a%d" % i, b"1")' "$shm/f"
	push --preserve xattr "$shm/f" "box:$work/dst"
	fetch --json --preserve xattr "box:$shm/f" src >events
	rm -r "$shm"
	status 1
	fetched 1
	once "the metadata of f was not sent whole" sender
	# that of $work may have no room for the others
	hasnt sender "on this side"
	once "not sent whole" messages
	has messages "not kept (see above)"
	is member events summary exit 1
}

@test "send: places are relative to the home directory, and ~ is it" {
	mkdir -p home/bin home/in
	ln -s "$FERRY" home/bin/ferry
	echo text >src/f
	force "export HOME=$work/home; cd /; sh -c \"\$SSH_ORIGINAL_COMMAND\""
	for where in in ./in '~/in'; do
		rm -f home/in/f
		sent=0
		ferry send src/f "box:$where" 2>sender || sent=$?
		status 0
		is cat home/in/f text
	done
	ferry send src/f box:
	is cat home/f text
}

@test "login shells: noise, fish, tcsh, zsh, restricted bash, none" {
	mkdir -p home/bin
	ln -s "$FERRY" home/bin/ferry
	echo text >src/f
	for shell in 'bash -r' 'bash' tcsh zsh fish; do
		command -v "${shell% *}" >/dev/null || {
			echo "# no $shell here" >&3
			continue
		}
		force "export HOME=$work/home; echo 'Welcome!'; echo -n noise; $shell -c \"\$SSH_ORIGINAL_COMMAND\""
		sent=0
		rm -f dst/f
		ferry send -v src/f "box:$work/dst" 2>sender || sent=$?
		status 0
		is cat dst/f text
		has sender "box: the login shell printed: Welcome!"
		has sender "box: the login shell printed: noise"
	done
}

@test "login shells: no ferry, one that cannot be run, too much noise, an end" {
	echo text >src/f
	force "HOME=/none PATH=/bin sh -c \"\$SSH_ORIGINAL_COMMAND\""
	ferry send src/f box: 2>sender || sent=$?
	if ! [ -e /usr/bin/ferry ] && ! [ -e /usr/local/bin/ferry ]; then
		status 3
		has sender "no ferry there in PATH"
		has sender "--remote-ferry PATH"
	fi
	force
	ferry send --remote-ferry /etc/passwd src/f box: 2>sender || sent=$?
	status 3
	has sender "ferry there cannot be run"
	force "head -c 100000 /dev/zero; sleep 5"
	push src/f box:
	status 3
	has sender "prints more than 64 KiB"
	force "echo 'This account is not available.'; exit 1"
	push src/f box:
	status 3
	has sender 'ended with status 1 without starting ferry: "This account is'
	# what a wrong forced command says is not taken for a message of this side
	force "'$FERRY' remote --only /none"
	push src/f box:
	status 3
	has sender "ferry: remote: $(hostname): --only: cannot enter /none"
	force "'$FERRY' remote --onyl /none"
	push src/f box:
	status 3
	has sender "ferry: $(hostname): unknown option '--onyl'; did you mean"
	# what we sent comes back: not an answer
	force "cat"
	push --timeout 1 src/f box: </dev/null
	status 3
	run ! ferry send --remote-ferry 'a b' src/f box:
}

@test "ssh that is killed, Ctrl-C, a remote ferry that is killed" {
	head -c 30000000 /dev/urandom >src/f
	start one "$FERRY" send --remote-ferry "$FERRY" --limit-rate 1M \
		--json=9 src/f "box:$work/dst" 9>one.events 2>one.messages
	under_way one
	kill -KILL "$(remote_ferry)"
	ended one
	[ "$code" = 6 ] || { cat one.messages; false; }
	: >one.events
	start one "$FERRY" send --remote-ferry "$FERRY" --limit-rate 1M \
		--json=9 src/f "box:$work/dst" 9>one.events 2>one.messages
	under_way one
	kill -INT "${pid[one]}"
	ended one
	[ "$code" = 130 ] || { cat one.messages; false; }
	no_remote_ferry
	# what arrived is resumed, and --retry starts ssh anew
	: >one.events
	start one "$FERRY" send --remote-ferry "$FERRY" --limit-rate "$(rate 8M)" \
		--retry 20 --json=9 src/f "box:$work/dst" 9>one.events \
		2>one.messages
	under_way one
	kill -KILL "$(pgrep -f "^ssh -F $sshd_dir/ssh_config" | head -n 1)"
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	same src/f dst/f
	no_litter
	has one.messages "connected to box again"
}

@test "receive: --retry starts ssh anew" {
	head -c 30000000 /dev/urandom >src/f
	start one "$FERRY" receive --remote-ferry "$FERRY" --limit-rate "$(rate 8M)" \
		--retry 20 --json=9 "box:$work/src/f" dst 9>one.events \
		2>one.messages
	await one.events '"event":"session"'
	kill -KILL "$(pgrep -f "^ssh -F $sshd_dir/ssh_config" | head -n 1)"
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	same src/f dst/f
	no_litter
	has one.messages "; retrying for"
	is grep -c '"event":"summary"' one.events 1
	# the user is at this side
	grep -q '"event":"progress","bytes":[1-9]' one.events
}

@test "targets: options that do not go with ssh, and places that are none" {
	echo text >src/f
	refuse() {
		run -2 ferry send "${@:2}"
		[[ "$output" == *"$1"* ]] || { echo "$output"; false; }
	}
	refuse "--key and HOST:PATH exclude each other" --key k src/f box:
	refuse "--plain and HOST:PATH exclude each other" --plain src/f box:
	refuse "--ssh 'ssh -p N'" -p 2222 --data ssh src/f box:
	refuse "--data needs a place that ssh reaches" --data ssh src/f box
	refuse "--ssh needs a place that ssh reaches" --ssh ssh src/f box
	refuse "cannot begin with '-'" -- src/f -oProxyCommand=id:dir
	refuse "cannot begin with '-'" -- src/f me@-x:dir
	refuse "missing host" src/f me@:dir
	refuse "quote that is not closed" --ssh "ssh 'x" src/f box:
	refuse "names no program" --ssh " " src/f box:
	refuse "one side has to be this host; write: ferry receive a:x DIR" \
		a:x b:y
	refuse "write: ferry send src/f me@box:" src/f me@box
	refuse "write: ferry send src/f me@box:./22" src/f me@box:22
	refuse "to copy on this host, use cp -a" src/f ./dst
	refuse "a directory of digits" src/f box:99999
}

@test "receive: a tree with odd names, from a directory with an odd name [tsan]" {
	dir=$'d st\'s "$(id)" `id` \\ * \n-x'
	mkdir -p "src/$dir/sub/empty"
	echo one >"src/$dir/-rf"
	echo two >"src/$dir"/$'sub/new\nline'
	head -c 3000000 /dev/urandom >"src/$dir/sub/large; id"
	ln -s sub "src/$dir/link"
	fetch --json "box:$work/src/$dir" dst >events
	fetched 0
	same_tree "src/$dir" "dst/$dir"
	no_litter
	is member events session security ssh
	is member events session peer_id ssh:box
	is member events summary exit 0
	# the content of a directory, without its name; again, with less
	fetch "box:$work/src/$dir/." dst
	fetched 0
	rm -rf dst/-rf dst/sub
	fetch --exclude sub/ -zzstd "box:$work/src/$dir/" "box:$work/src" dst
	fetched 0
	[ ! -e dst/sub ]
	[ -e "dst/src/$dir/-rf" ]
}

@test "receive: a file to standard output, from the home directory, named -" {
	mkdir home
	printf text >home/-
	force "export HOME=$work/home; sh -c \"\$SSH_ORIGINAL_COMMAND\""
	is "$FERRY" receive --remote-ferry "$FERRY" --stdout box:- text
	fetch 'box:~' dst
	fetched 0
	is cat dst/- text
	fetch box: dst
	fetched 0
	has messages "1 unchanged"
}

@test "receive: what is not there or cannot be sent: told, and exit 1" {
	echo text >src/f
	mkfifo src/fifo
	fetch --json "box:$work/src" "box:$work/none" dst >events
	fetched 1
	same src/f dst/src/f
	has messages "src/fifo: a FIFO, which cannot be sent"
	has messages "none: No such file or directory"
	is grep -c '"path":"\(none\|src/fifo\)".*"status":"failed"' events 2
	is member events summary exit 1
	is member events summary failed 2
	fetch "box:$work/src/*" dst
	fetched 8
	has messages "no shell there expands patterns"
	fetch "box:$work/none" dst
	fetched 8
	hasnt messages "patterns"
	has messages "ferry: receive: box: $work/none: No such file or directory"
	# existing files are protected by this side
	echo other >dst/src/f
	fetch --special skip "box:$work/src" dst
	fetched 7
	is cat dst/src/f other
	fetch --special skip --existing backup "box:$work/src" dst
	fetched 0
	is cat dst/src/f text
	is cat 'dst/src/f~' other
}

@test "receive: only names that were asked for are accepted" {
	hostile() {
		got=0
		ferry receive --ssh "python3 $tools/hostile_remote.py $*" \
			box:photos 'box:/a/b' dst 2>messages || got=$?
	}
	for what in files large link; do
		for name in .bashrc photo photosx b/../photos x/photos; do
			hostile $what $name
			fetched 5
			only_dir dst
		done
	done
	has messages "it was not asked for"
	hostile files photos photos/x b/.ssh photos2
	fetched 5
	only_dir dst
	# what was asked for does come; the sums of this peer are wrong
	hostile files photos b/x
	is cat dst/photos evil
	is cat dst/b/x evil
	hostile notes photos
	fetched 8
}

@test "receive: operands and options" {
	refuse() {
		run -2 ferry receive "${@:2}"
		[[ "$output" == *"$1"* ]] || { echo "$output"; false; }
	}
	refuse "missing DIR" box:x
	refuse "missing DIR" box:x box:y
	refuse "'y' is on this host" box:x y dst
	refuse "'other:y' is not on box: run one command for each host" \
		box:x other:y dst
	refuse "has no name to be received under" box:.. dst
	refuse "--key and HOST:PATH exclude each other" --key k box:x dst
	refuse "--symlinks must be keep, follow, skip or all" --symlinks x box:x dst
	refuse "--exclude is an option of ferry send" --exclude x dst
	refuse "--ssh needs a place that ssh reaches" --ssh ssh dst
	# a directory of that name, and nothing else: to listen for
	mkdir h:x
	start alone "$FERRY" receive --plain -p 0 h:x 2>messages
	await messages 'receiving into h:x'
	kill "${pid[alone]}"
}

@test "orders: options that another host may not give are refused" {
	order() {
		python3 -c 'import sys
sys.path.insert(0, sys.argv[1])
from lib.wire import order
sys.stdout.buffer.write(order(*(i.encode() for i in sys.argv[2:])))
' "$BATS_TEST_DIRNAME/.." "$@" |
			timeout "$(limit 20)" "$FERRY" remote 2>/dev/null |
			tr -d '\0' || true
	}
	for option in --stdin-from-command --files-from=/etc/passwd --key=k \
		--sandbox=off --json=2 --name=x -z --; do
		[[ "$(order send "$option" -- "$work/src")" == \
			*"does not take '$option'"* ]] || [ "$option" = -- ]
	done
	# what ferry receive forwards, and no more, whatever is wrong with it then
	fetched=$(ferry help receive | sed -nE '/^What to fetch/,/^$/s/^ {2,6}(-., )?(--[a-z-]+).*/\2/p')
	[[ $fetched == *--compress*--dry-run* ]]
	for option in $fetched; do
		[[ "$(order send "$option=?" -- "$work/src")" != \
			*"does not take"* ]]
	done
	for option in --exec=/bin/sh --stdout --config=x --existing=replace; do
		[[ "$(order receive "$option" -- "$work/dst")" == \
			*"does not take '$option'"* ]]
	done
	[[ "$(order keygen x)" == *"does not know what was ordered"* ]]
	[ ! -e "$HOME/x" ]
	[[ "$(order send --)" == *"malformed order"* ]]
	[[ "$(order receive -- a b)" == *"malformed order"* ]]
}

@test "an older ferry there, which does not know the item with the host's name" {
	# reads the order as that does, and passes one without the item on
	cat >older <<-'EOF'
		#!/usr/bin/env python3
		import os, subprocess, sys
		def take(n):
		    got = b""
		    while len(got) < n:
		        got += os.read(0, n - len(got))
		    return got
		head = take(32)
		order = take(int.from_bytes(head[12:16], "big"))
		if b"\0\x0a--host=box" in order:
		    text = (b"ferry here does not take '--host=box' from another host"
		            b" (is it an older release?)")
		    items = b"\0\1" + len(text).to_bytes(2, "big") + text
		    os.write(1, b"ferry-remote:" + head[16:].hex().encode() + b"\n\0\1\0\10"
		             + len(items).to_bytes(4, "big") + items)
		    os.write(2, b"refused\n")
		    sys.exit(2)
		to, mine = os.pipe()
		if os.fork() == 0:
		    os.close(to)
		    os.write(mine, head + order)
		    os.dup2(mine, 1)
		    os.execlp("cat", "cat")
		os.dup2(to, 0)
		os.close(mine)
		os.execl(os.environ["FERRY"], "ferry", "remote")
	EOF
	sed -i "s|os.environ\[\"FERRY\"\]|'$FERRY'|" older
	chmod +x older
	mkfifo src/fifo
	echo text >src/f
	fetch --remote-ferry "$work/older" "box:$work/src" dst
	fetched 1
	same src/f dst/src/f
	is grep -c '^refused' messages 1
	# it has no other name for itself
	has messages "ferry: $(hostname): $work/src/fifo: a FIFO"
	push --remote-ferry "$work/older" src/f "box:$work/dst"
	status 0
	is grep -c '^refused' sender 1
	same src/f dst/f
}

@test "a forced command: one directory, one direction, and ways around it" {
	mkdir -p in/sub other
	echo text >in/f
	echo secret >other/secret
	ln -s "$work/other" in/out
	ln -s ../other/secret in/link
	echo new >src/g
	denied() {
		push src/g "box:$1"
		status 8
		has sender "$2"
	}
	kept() {
		fetch "${@:2}" dst
		fetched "$1"
		only_dir dst
	}
	only="'$FERRY' remote --only '$work/in'"
	force "$only"
	# what the client's command line would be makes no difference
	for place in '' . '~' "$work/in" sub ./sub "$work/in/sub/"; do
		sent=0
		ferry send --remote-ferry /none src/g "box:$place" \
			2>sender || sent=$?
		status 0
	done
	is cat in/sub/g new
	fetch box:f box:sub dst
	fetched 0
	is cat dst/f text
	rm -r dst/*
	for place in .. sub/.. ../other "$work" "$work/other" / out out/.; do
		denied "$place" "to which this log-in is restricted (--only)"
	done
	denied '~root' "(--only)"
	for place in ../other/secret "$work/other/secret" out/secret out link \
		sub/../../other/secret /etc/passwd; do
		kept 8 "box:$place"
		has messages "restricted (--only)"
	done
	kept 8 --symlinks follow box:.
	has messages "(--only)"
	is ls other secret
	force "$only --read-only"
	denied sub "only for receiving from here (--read-only)"
	fetch box:f dst
	fetched 0
	rm dst/f
	force "$only --write-only"
	kept 8 box:f
	has messages "only for sending to here (--write-only)"
	push src/g box:sub
	status 0
	# what a sender may ask for: all, unless it is said
	echo newer >src/g
	push --existing replace src/g box:sub
	status 0
	is cat in/sub/g newer
	force "$only --accept links"
	echo newest >src/g
	push --existing replace src/g box:sub
	status 8
	has sender "existing"
	is cat in/sub/g newer
	run -2 ferry remote --read-only --write-only </dev/null
	run -7 ferry remote --only /none </dev/null
}

@test "ferry remote: at a terminal, without an order, with a wrong one" {
	run -2 script -qec "$FERRY remote" /dev/null
	[[ "$output" == *"it is started by ssh"* ]]
	run -6 ferry remote </dev/null
	run -5 bash -c 'head -c 100 /dev/zero | "$1" remote' - "$FERRY"
}

@test "--symlinks all and --existing need no --accept by ssh" {
	mkdir src/t dst/t
	ln -s /nowhere src/t/l
	echo new >src/t/f
	echo old >dst/t/f
	push --symlinks all --existing replace src/t "box:$work/dst"
	status 0
	same_tree src/t dst/t
	rm -r dst/t
	fetch --symlinks skip --symlinks all "box:$work/src/t" dst
	fetched 0
	same_tree src/t dst/t
	# only what this side asked for
	rm -r dst/t
	fetch "box:$work/src/t" dst
	fetched 1
	is find dst/t -type l ''
}

@test "ssh asks at the terminal: for an unknown host, a passphrase; both can be refused" {
	echo text >src/f
	ssh-keygen -q -t ed25519 -N 'a secret' -f locked </dev/null
	cat locked.pub >>"$sshd_dir/authorized"
	sed -e "s,^\(\s*UserKnownHostsFile\).*,\1 $work/known," \
		-e 's/Checking yes/Checking ask/' -e 's/BatchMode yes/BatchMode no/' \
		-e "s,^\(\s*IdentityFile\).*,\1 $work/locked," \
		"$sshd_dir/ssh_config" >config
	asked() {
		sent=0
		env -u SSH_AUTH_SOCK -u DISPLAY timeout --foreground "$run_limit" \
			"$tools/at_terminal.py" "$@" -- "$FERRY" send \
			--ssh "ssh -F $work/config -oNumberOfPasswordPrompts=1 -oPreferredAuthentications=publickey" \
			--remote-ferry "$FERRY" src/f "box:$work/dst" \
			>shown 2>sender || sent=$?
	}
	asked 'fingerprint\]\)\?' 'no\n'
	status 3
	has sender "box: ssh could not connect or log in; try: ssh box true"
	asked 'fingerprint\]\)\?' 'yes\n' 'passphrase for key' 'wrong\n'
	status 3
	asked 'passphrase for key' 'a secret\n'
	status 0
	is cat dst/f text
}

@test "an agent, a shared connection, and ssh -D as a proxy" {
	mkdir src/t
	head -c 9000000 /dev/urandom >src/t/large
	eval "$(ssh-agent -a "$work/agent" | grep -v '^echo')"
	pid[agent]=$SSH_AGENT_PID
	ssh-add -q "$sshd_dir/user"
	cp "$sshd_dir/ssh_config" config
	sed -i -e '/Identit/d' config
	push --ssh "ssh -F $work/config" src/t "box:$work/dst"
	status 0
	same_tree src/t dst/t
	rm -r dst/t
	unset SSH_AUTH_SOCK
	push --ssh "ssh -F $work/config -oIdentityFile=none" src/t box:
	status 3
	proxy=$("$tools/free_port.py")
	start master ssh -F "$sshd_dir/ssh_config" -M -N -S "$work/control" \
		-D "127.0.0.1:$proxy" -oExitOnForwardFailure=yes box 2>master
	for _ in $(seq "$(limit 100)"); do
		ssh -F config -S "$work/control" -O check box 2>/dev/null && break
		sleep 0.05
	done
	push --json --ssh "ssh -F $work/config -oIdentityFile=none -S $work/control" \
		src/t "box:$work/dst" >events
	status 0
	same_tree src/t dst/t
	is member events session data direct
	rm -r dst/t
	receive --plain --once dst
	host=localhost send --plain -j 3 --proxy "socks5://127.0.0.1:$proxy" \
		src/t
	status 0
	wait_receiver
	same_tree src/t dst/t
	kill "${pid[master]}"
	ended master
}
