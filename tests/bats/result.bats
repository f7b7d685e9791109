#!/usr/bin/env bats
# The result of a session in which more than one thing went wrong: what left it
# incomplete decides the exit status, and single files are told as well; on both
# sides, in messages, events and FERRY_*.  All pairs are in
# tests/unit/test_totals.c; here are those that are made cheaply.

bats_require_minimum_version 1.5.0
load helper

setup() {
	make_dir
	mkdir src/d
	echo text >src/d/a
	mkfifo src/d/p
}
teardown() { remove_dir; }

# log_exit - a program for --exec that logs what it is told.
log_exit() {
	needs 'a safe temporary directory'
	cat >hook <<-EOF
		#!/bin/bash
		echo "exit \$FERRY_EXIT failed \$FERRY_FAILED skipped \$FERRY_SKIPPED" >>$work/hook.log
	EOF
	chmod +x hook
	: >hook.log
}

# summary_is FILE NAME VALUE... - members of the summary in FILE.
summary_is() {
	local file=$1
	shift
	while [ $# -gt 0 ]; do
		is member "$file" summary "$1" "$2"
		shift 2
	done
}

# A port on which nobody listens.
closed_port() {
	port=$(python3 "$tools/free_port.py")
}

# ---- a FIFO in the tree ------------------------------------------------------

@test "connection refused and a FIFO: 3, and both are told" {
	closed_port
	start_send one --plain src/d
	ended one
	[ "$code" = 3 ] || { cat one.messages; return 1; }
	has one.messages "d/p: on this side: a FIFO"
	has one.messages "connection refused"
	# d/a is not there either
	has one.messages "2 of 2 files were not sent, 1 failed (see above)"
	summary_is one.events exit 3 files 0 failed 1
	has one.events "connection refused"
}

@test "a wrong key and a FIFO: 4" {
	ferry keygen a 2>/dev/null
	ferry keygen b 2>/dev/null
	receive --key a --once dst
	start_send one --key b src/d
	ended one
	[ "$code" = 4 ] || { cat one.messages; return 1; }
	has one.messages "d/p: on this side: a FIFO"
	summary_is one.events exit 4 failed 1
}

@test "the receiver refuses the session and a FIFO: 3" {
	head -c 3000000 /dev/zero >src/f
	receive --plain --max-sessions 1 dst
	start_send one --plain -j 1 --limit-rate 1M src/f
	await events '"session"'
	start_send two --plain src/d
	ended two
	[ "$code" = 3 ] || { cat two.messages; return 1; }
	has two.messages "too many sessions"
	summary_is two.events exit 3 failed 1
}

@test "small files, large ones and a FIFO, and the receiver is killed: 6" {
	for i in {1..299}; do echo "$i" >"src/d/$i"; done
	head -c 9000000 /dev/urandom >src/d/large1
	head -c 9000000 /dev/urandom >src/d/large2
	receive --plain dst
	start_send one --plain --limit-rate 3M src/d
	await one.events '"status":"committed"'
	kill -KILL "${pid[receiver]}"
	wait_receiver
	ended one
	[ "$code" = 6 ] || { cat one.messages; return 1; }
	has one.messages "d/p: on this side: a FIFO"
	# 300 small files, two large ones, the FIFO; what has a verdict is
	# committed
	good=$(member one.events summary files)
	has one.messages "$((303 - good)) of 303 files were not confirmed as committed, 1 failed (see above)"
	summary_is one.events exit 6 failed 1
	[ ! -e dst/d/large1 ] || [ ! -e dst/d/large2 ]
}

# ---- what ends a session, with what befalls a file ---------------------------

# befall WHAT - make a source src/t, a destination dst and the receiver's options
# $existing so that it befalls a file, and is told, before src/t/z is sent, which
# takes seconds.
befall() {
	rm -rf src/t dst
	mkdir src/t dst
	existing=(--existing fail)
	head -c 20000000 /dev/urandom >src/t/z
	case $1 in
	fifo) mkfifo src/t/p ;;
	conflict)
		echo new >src/t/f
		mkdir dst/t
		echo old >dst/t/f
		;;
	skipped)
		echo new >src/t/f
		mkdir dst/t
		echo old >dst/t/f
		existing=(--existing skip)
		;;
	changed) head -c 9000001 /dev/urandom >src/t/f ;;
	esac
}

# befallen WHAT - wait until the sender has told it.
befallen() {
	case $1 in
	skipped) await one.events '"path":"t/f".*"status":"skipped"' ;;
	changed)
		under_way one
		echo more >>src/t/f
		await one.events '"path":"t/f".*"status":"failed"'
		;;
	*) await one.events '"status":"failed"' ;;
	esac
}

# begin WHAT OPTION... - a session in which it has befallen a file; the options
# are the sender's.
begin() {
	local what=$1
	shift
	befall "$what"
	log_exit
	receive --plain --once --timeout 5 --exec ./hook "${existing[@]}" dst
	"${between[@]}"
	start_send one --plain -j 1 --limit-rate 4M --timeout 5 "$@" src/t
	befallen "$what"
	# what cannot be sent is told without the receiver
	await events '"event":"session"'
}

# both_end SENDER RECEIVER FAILED SKIPPED - the exit statuses of both sides, and
# the same in their events; -: this side was killed.
both_end() {
	ended one
	[ "$receiver" ] && wait_receiver
	if [ "$1" != - ]; then
		[ "$code" = "$1" ] || {
			echo "$what: send: $code, wanted $1"
			cat one.messages
			return 1
		}
		summary_is one.events exit "$1" failed "$3" skipped "$4"
	fi
	if [ "$2" != - ]; then
		[ "$got" = "$2" ] || {
			echo "$what: receive: $got, wanted $2"
			cat messages
			return 1
		}
		summary_is events exit "$2"
	fi
}

# counts WHAT - how many files failed and were skipped for the sender.
counts() {
	case $1 in
	skipped) failed=0 skipped=1 ;;
	*) failed=1 skipped=0 ;;
	esac
}

@test "the receiver is killed: 6 for the sender, whatever happened to a file" {
	between=(true)
	for what in fifo conflict skipped changed; do
		begin "$what"
		kill -KILL "${pid[receiver]}"
		counts "$what"
		both_end 6 - "$failed" "$skipped"
	done
}

@test "the sender is killed: 6 for the receiver, whatever happened to a file" {
	between=(true)
	for what in conflict skipped changed; do
		begin "$what"
		kill -KILL "${pid[one]}"
		both_end - 6
		[ "$what" = skipped ] || has messages "1 file from 127.0.0.1"
	done
}

@test "a signal ends the receiver: 128+N there, 6 for the sender" {
	between=(true)
	for what in fifo conflict; do
		begin "$what"
		kill -TERM "${pid[receiver]}"
		both_end 6 143 1 0
	done
}

@test "a signal ends the sender: 128+N there, 6 for the receiver" {
	between=(true)
	for what in fifo conflict; do
		begin "$what"
		kill -TERM "${pid[one]}"
		both_end 143 6 1 0
	done
}

@test "the connection is cut: 6 on both sides, whatever happened to a file" {
	# t/f, where that is the large one, and most of t/z
	between=(forward cut 18000000)
	for what in fifo conflict skipped changed; do
		begin "$what"
		counts "$what"
		both_end 6 6 "$failed" "$skipped"
		stop_forward
	done
}

@test "nothing arrives until the timeout: 6, whatever happened to a file" {
	between=(true)
	for what in fifo conflict; do
		# slowly: what is left must not fit into buffers
		begin "$what" --timeout 2 --limit-rate 1M
		kill -STOP "${pid[receiver]}"
		ended one
		kill -CONT "${pid[receiver]}"
		wait_receiver
		[ "$code" = 6 ] || { cat one.messages; return 1; }
		summary_is one.events exit 6 failed 1
		[ "$got" = 6 ]
	done
}

@test "FERRY_EXIT of a session that was lost after a file had failed" {
	between=(true)
	befall conflict
	echo text >src/t/good
	log_exit
	receive --plain --once --timeout 5 --exec ./hook dst
	start_send one --plain -j 1 --limit-rate 4M src/t
	await one.events '"path":"t/f".*"status":"failed"'
	await one.events '"path":"t/good".*"status":"committed"'
	kill -KILL "${pid[one]}"
	ended one
	wait_receiver
	[ "$got" = 6 ] || { cat messages; return 1; }
	has hook.log "exit 6 failed 1 skipped 0"
	summary_is events exit 6 files 1 failed 1
}

@test "FERRY_EXIT of a receiver that a signal ends is its exit status" {
	between=(true)
	befall conflict
	echo text >src/t/good
	log_exit
	receive --plain --once --timeout 5 --exec ./hook dst
	start_send one --plain -j 1 --limit-rate 4M src/t
	await one.events '"path":"t/good".*"status":"committed"'
	kill -TERM "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	has hook.log "exit 143 failed 1 skipped 0"
	ended one
	[ "$code" = 6 ]
}

@test "not confirmed and a FIFO or a conflict: 10" {
	receive --plain dst
	forward record rec
	send --plain -j 1 src/d
	status 1
	stop_forward
	length=$(stat -c %s rec.replies)
	rm -r dst/d
	forward cut-reply $((length - 1))
	send --plain -j 1 src/d
	status 10
	has sender "d/p: on this side: a FIFO"
	has sender "not confirmed"
	stop_forward
}

@test "a full disk and a FIFO, a conflict, a skipped file: 8 and 7" {
	needs mounting
	for what in fifo conflict skipped; do
		befall "$what"
		head -c 300000 /dev/urandom >src/t/z
		mkdir -p small
		mount -t tmpfs -o size=64k none small
		cp -r dst/. small
		receive --plain --once "${existing[@]}" small
		start_send one --plain src/t
		ended one
		wait_receiver
		umount small
		[ "$code" = 8 ] || { cat one.messages; return 1; }
		[ "$got" = 7 ] || { cat messages; return 1; }
		summary_is one.events exit 8
		summary_is events exit 7
	done
}

@test "too few descriptors and a FIFO in the tree: 11" {
	path=src/d
	for i in {1..60}; do path+=/d; done
	mkdir -p "$path"
	receive --plain dst
	: >one.events
	(
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
		ulimit -n 40
		exec "$FERRY" send --plain -j 1 --json=9 src/d \
			"127.0.0.1:$port" 9>one.events 2>one.messages
	) && code=0 || code=$?
	[ "$code" = 11 ] || { cat one.messages; return 1; }
	has one.messages "Too many open files"
	summary_is one.events exit 11
}

# ---- two sources with one name -----------------------------------------------

@test "what the sender cannot read or send counts as failed at the receiver, too" {
	mkdir src/t
	echo x >src/t/f
	ln -s /nowhere src/t/link
	mkfifo src/t/fifo
	log_exit
	receive --plain --once --exec ./hook dst
	send --plain --json=8 src/t src/missing 8>sent.events
	wait_receiver
	status 1
	[ "$got" = 1 ]
	has hook.log "exit 1 failed 3 skipped 0"
	for side in events sent.events; do
		is member $side summary exit 1
		is member $side summary files 1
		is member $side summary failed 3
		is grep -c '"status":"failed"' $side 3
	done
	for name in t/link t/fifo missing; do
		has messages "$name: not sent by the sender 127.0.0.1:"
	done
	# what was not to be sent does not
	receive --plain --once dst
	send --plain --special skip --symlinks skip src/t
	wait_receiver
	status 0
	[ "$got" = 0 ]
}

@test "what the sender may not name is told without a name, and ends no session" {
	mkdir src/t
	echo x >src/t/f
	echo x >src/t/.ferry-0123456789abcdef.part
	receive --plain --once dst
	send --plain src/t
	wait_receiver
	status 1
	[ "$got" = 1 ]
	is grep -c '"file",.*"path":"\.",.*"failed"' events 1
	is member events summary failed 1
	has messages ".: not sent by the sender 127.0.0.1:"
}

@test "two sources with one name: 2, before anything is sent" {
	mkdir -p src/a src/b/n
	echo 1 >src/a/n
	echo 2 >src/b/m
	echo 3 >src/m
	receive --plain --existing replace dst
	send --plain src/a/n src/b/n
	status 2
	has sender "src/a/n"
	has sender "src/b/n"
	send --plain src/a/n src/b/n/
	status 2
	send --plain src/b src/./b
	status 2
	send --plain src/m src/b/m
	status 2
	send --plain --name m src/m - </dev/null
	status 2
	send --plain src/b/m src/b/. # ends with the same name, twice
	status 2
	has sender "src/b/m"
	send --plain src/m src/b/.
	status 2
	send --plain src/b/. --name m - </dev/null
	status 2
	mkdir src/c
	echo 4 >src/c/m
	send --plain src/b/. src/c/.
	status 2
	only_dir
	hasnt events '"session"'
	# nobody is connected to, nor is a code asked for
	closed_port
	send --plain src/m src/b/m
	status 2
	run -2 ferry send --list src/m src/b/m h
	run -2 ferry send --code-file none src/m src/b/m h
	[[ "$output" == *"would both arrive as m"* ]]
}

@test "sources whose names only look alike are sent" {
	mkdir -p src/a src/b/sub src/c/sub
	echo 1 >src/a/n
	echo 2 >src/b/N
	echo 3 >src/b/sub/x
	echo 4 >src/c/sub/y
	echo 5 >src/c/n.o
	echo 6 >src/n.o
	receive --plain dst
	# the directories "sub" become one, and the filter leaves out c/n.o
	send --plain --exclude '*.o' src/a/n src/n.o src/b/. src/c/.
	status 0
	is cat dst/n 1
	is cat dst/N 2
	is cat dst/sub/x 3
	is cat dst/sub/y 4
	is cat dst/n.o 6
	# the same file of both directories "sub"
	echo 7 >src/c/sub/x
	send --plain --exclude '*.o' src/b/. src/c/.
	status 2
	has sender "src/b/sub/x"
	has sender "src/c/sub/x"
}

# ---- one bad source ----------------------------------------------------------

@test "one bad source does not stop the others: 1, and it is told" {
	echo text >src/ok
	mkfifo src/fifo
	ln -s nowhere src/dangling
	receive --plain dst
	start_send one --plain src/none src/fifo src/dangling src/ok src/d/a
	ended one
	[ "$code" = 1 ] || { cat one.messages; return 1; }
	has one.messages "src/none: on this side: No such file or directory"
	has one.messages "src/fifo: on this side: a FIFO"
	has one.messages "src/dangling: on this side: No such file"
	has one.messages "3 of 5 files were not sent (see above)"
	has one.events '"path":"none","size":0,"status":"failed"'
	summary_is one.events exit 1 files 2 failed 3
	is cat dst/ok text
	is cat dst/a text
	# standard input too
	send --plain --name in src/none - <<<input
	status 1
	is cat dst/in input
	# that is bad itself where it is closed
	rm dst/ok
	send --plain --name closed - src/ok <&-
	status 1
	has sender "-: on this side: standard input is not open for reading"
	is cat dst/ok text
	[ ! -e dst/closed ]
}

@test "bad sources alone: 7, without a connection" {
	mkfifo src/fifo
	closed_port
	start_send one --plain src/none src/fifo
	ended one
	[ "$code" = 7 ] || { cat one.messages; return 1; }
	has one.messages "src/none: No such file or directory"
	has one.messages "src/fifo: a FIFO"
	hasnt one.messages "refused"
	summary_is one.events exit 7 failed 2
	run -7 ferry send --plain src/none "127.0.0.1:$port"
	# no code is looked for
	run -7 ferry send --code-file none src/none src/fifo h
	[[ "$output" == *"2 of 2 files cannot be sent (see above)"* ]]
	# what is no name at all is still wrong usage
	send --plain src/d/a ..
	status 2
	send --plain src/d/a ''
	status 2
}

@test "a bad source and no receiver: 3, and both are told" {
	closed_port
	start_send one --plain src/none src/d/a
	ended one
	[ "$code" = 3 ]
	has one.messages "src/none: on this side: No such file"
	has one.messages "connection refused"
	summary_is one.events exit 3 failed 1
}

@test "--list has the exit status of sending" {
	needs 'a second user'
	chmod 755 . src
	mkdir src/t
	chmod 755 src/t
	echo secret >src/t/secret
	chmod 000 src/t/secret
	cp "$FERRY" bin
	chmod 755 bin
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	run -7 as ./bin send --list src/t h
	[[ "$output" == *"t/secret: "*"ermission denied"* ]]
	[[ "$output" == *"1 of 1 file cannot be sent (see above)"* ]]
	echo text >src/t/ok
	chmod 644 src/t/ok
	run -1 as ./bin send --list src/t h
	chmod 777 dst
	receive --plain dst
	run -1 as ./bin send --plain src/t "127.0.0.1:$port"
	rm dst/t/ok
	rm -f src/t/ok
	run -7 as ./bin send --plain src/t "127.0.0.1:$port"
	echo text >src/f
	run -1 ferry send --list src/none src/f h
	run -7 ferry send --list src/none src/none2 h
}

# ---- what is counted and said ------------------------------------------------

@test "-q and a skipped file: nothing is said to be above" {
	receive --plain --existing skip dst
	echo new >src/f
	echo old >dst/f
	echo new >src/g
	send -q --plain src/f src/g
	status 1
	hasnt sender "above"
	has sender "1 of 2 files was skipped by the receiver"
	# with one that failed, that is above
	mkfifo src/d/q
	rm dst/g
	send -q --plain src/f src/g src/d
	status 1
	has sender "3 of 5 files were not sent"
	has sender "2 failed (see above), 1 skipped by the receiver"
}

@test "resent_bytes counts only what was sent before" {
	head -c 20000000 /dev/urandom >src/f
	cp src/f dst/f
	# all leaves are compared, and three of them sent
	for i in 1 7 13; do
		printf x | dd of=dst/f bs=1 seek=$((i * 1048576)) \
			conv=notrunc status=none
	done
	touch -r src/f dst/f
	receive --plain --existing replace dst
	start_send one --plain src/f
	ended one
	[ "$code" = 0 ]
	cmp src/f dst/f
	summary_is one.events resent_bytes 0
	# a session that was lost before anything was sent
	rm dst/f
	forward cut 100
	start_send two --plain --retry 20 src/d/a src/f
	ended two
	[ "$code" = 0 ] || { cat two.messages; return 1; }
	summary_is two.events resent_bytes 0
}

# ---- signals -----------------------------------------------------------------

# died COMMAND... - run it in a process of its own, send it $signals (numbers)
# once a line of the file $await matches $pattern, and print how it ended:
# "signal N" or "exit N".  $first is a prefix of Python that runs in the child.
died() {
	python3 - "$await" "$pattern" "$signals" "$(limit 20)" "$@" <<-EOF
		import os, re, sys, time
		path, pattern, signals, limit, *argv = sys.argv[1:]
		end = time.monotonic() + int(limit)
		${prepare:-}
		if os.path.exists("events9"):
		    os.unlink("events9")
		pid = os.fork()
		if pid == 0:
		    fd = os.open("events9", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
		    os.dup2(fd, 9)
		    os.execv(argv[0], argv)
		while time.monotonic() < end:
		    try:
		        with open(path) as f:
		            if re.search(pattern, f.read()):
		                break
		    except OSError:
		        pass
		    time.sleep(0.02)
		for number in signals.split():
		    os.kill(pid, int(number))
		_, status = os.waitpid(pid, 0)
		if os.WIFSIGNALED(status):
		    print("signal", os.WTERMSIG(status))
		else:
		    print("exit", os.WEXITSTATUS(status))
	EOF
}

@test "a signal: either side cleans up and dies by it" {
	head -c 20000000 /dev/urandom >src/f
	receive --plain dst
	await=events9
	for signals in 1 2 15; do
		pattern='"progress","bytes":[1-9]'
		is died "$FERRY" send --plain --json=9 --limit-rate 2M src/f \
			"127.0.0.1:$port" "signal $signals"
		is member events9 summary exit $((128 + signals))
		await events '"event":"summary","session":.*"exit":6'
		pattern='"listening"'
		is died "$FERRY" receive --plain --json=9 -p 0 dst \
			"signal $signals"
		is died "$FERRY" receive --plain --json=9 --once -p 0 dst \
			"signal $signals"
		is member events9 summary exit $((128 + signals))
	done
	no_litter src
	# one after the other, at once
	signals="2 15"
	pattern='"progress","bytes":[1-9]'
	[[ "$(died "$FERRY" send --plain --json=9 --limit-rate 2M src/f \
		"127.0.0.1:$port")" == "signal "@(2|15) ]]
}

@test "a signal ends the first process of a PID namespace with status 128+N" {
	# the kernel does not let it die by a signal of its own
	needs 'PID namespaces'
	prepare='import ctypes; ctypes.CDLL(None).unshare(0x20000000)'
	await=events9
	pattern='"listening"'
	signals=15
	is died "$FERRY" receive --plain --json=9 -p 0 dst "exit 143"
	signals=2
	is died "$FERRY" receive --plain --json=9 --sandbox off -p 0 dst \
		"exit 130"
}

@test "a shell loop ends by the signal that ends ferry" {
	head -c 20000000 /dev/urandom >src/f
	receive --plain dst
	: >one.events
	# the terminal sends SIGINT to all processes of the foreground's group;
	# bash goes on where its command exits by itself
	setsid bash -c 'trap - INT; for i in 1 2 3; do
			"$0" send --plain --json=9 --limit-rate 2M src/f \
				"127.0.0.1:$1" 9>>one.events 2>>one.messages
			echo "$i" >>rounds
		done' "$FERRY" "$port" 3>&- &
	shell=$!
	under_way one
	python3 -c 'import os, signal, sys
os.killpg(int(sys.argv[1]), signal.SIGINT)' "$shell"
	wait "$shell" && code=0 || code=$?
	[ "$code" = 130 ]
	[ ! -e rounds ]
}
