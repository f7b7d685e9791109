#!/usr/bin/env bats
# Peers that are slow but alive: no time-out may end their session.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# A receiver with --stdout into a FIFO, whose reader is $reader.
receive_to_fifo() {
	mkfifo out
	: >events
	start receiver bash -c 'exec "$@" >out' - "$FERRY" receive --plain \
		-p 0 --stdout --json=9 "$@" 9>events 2>messages </dev/null
	receiver=${job[receiver]}
	exec {reader}<out
	await events '"event":"listening"'
	port=$(member events listening port)
}

@test "a reader of --stdout pauses for longer than --timeout" {
	head -c 9000000 /dev/urandom >src/f
	receive_to_fifo --timeout "$(limit 2)"
	start_send one --plain --timeout "$(limit 2)" src/f
	await events '"session"'
	sleep "$(limit 6)" # longer than the time-outs of both sides
	cat <&"$reader" >got.f
	ended one
	wait_receiver
	[ "$code" = 0 ] || { cat one.messages; return 1; }
	[ "$got" = 0 ]
	cmp src/f got.f
}

@test "a signal ends the receiver while the reader of --stdout pauses" {
	head -c 9000000 /dev/urandom >src/f
	receive_to_fifo
	start_send one --plain src/f
	await events '"session"'
	# wait until the pipe is full: its fill level no longer changes
	timeout "$(limit 20)" python3 - "$reader" <<-'EOF'
		import fcntl, struct, sys, termios, time
		seen = -1
		while True:
		    held = struct.unpack("i", fcntl.ioctl(
		        int(sys.argv[1]), termios.FIONREAD, b"0000"))[0]
		    if held and held == seen:
		        break
		    seen = held
		    time.sleep(0.5)
	EOF
	begin=$SECONDS
	kill -TERM "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	[ $((SECONDS - begin)) -le "$(limit 5)" ]
	ended one
	[ "$code" = 6 ] || [ "$code" = 10 ]
}

@test "a receiver's --limit-rate makes each chunk take longer than --timeout" {
	# the first chunk takes 3.4 s; rate and time-outs are scaled alike, for
	# machines that keep a process waiting for a processor
	head -c 1300000 /dev/urandom >src/f
	receive --plain --once --timeout "$(limit 2)" \
		--limit-rate $((307200 / $(limit 1))) dst
	send --plain --timeout "$(limit 2)" src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp src/f dst/f
	took=$(member events summary seconds)
	# the rate limit allows a burst of a tenth of a second
	[ "${took%.*}" -ge "$(limit 3)" ]
}

@test "all that is left is on a slow line for longer than --timeout" {
	# the sender has written all when little of it has passed
	head -c 1000000 /dev/urandom >src/f
	receive --plain --once --timeout "$(limit 2)" dst
	forward rule up@20000=trickle:$((200000 / $(limit 1)))
	send --plain -j 1 --timeout "$(limit 2)" src/f
	stop_forward
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp src/f dst/f
}

@test "a sender's --limit-rate" {
	head -c 3000000 /dev/urandom >src/f
	receive --plain --once dst
	start_send one --plain --limit-rate 1M src/f
	ended one
	wait_receiver
	[ "$code" = 0 ]
	took=$(member one.events summary seconds)
	[ "${took%.*}" -ge 2 ]
	[ "${took%.*}" -le "$(limit 20)" ]
}

@test "making symlinks during a session takes longer than --timeout" {
	needs 'a build without a sanitizer' # which strace does not mix with
	# targets so long that more than 4 MiB of them are deferred, and the first
	# group is made before all have arrived
	python3 - <<-'EOF'
		import os
		os.mkdir("src/t")
		for i in range(1100):
		    os.symlink("./" * 2000 + "f", f"src/t/{i}")
	EOF
	FERRY_WRAP="strace -f -qq -o /dev/null -e trace=symlinkat --seccomp-bpf
		-e inject=symlinkat:delay_enter=$(limit 4000)" \
		receive --plain --once --sync none --timeout "$(limit 2)" dst
	send --plain -j 1 --timeout "$(limit 2)" src/t
	wait_receiver
	status 0
	[ "$got" = 0 ] || { cat messages; return 1; }
	same_tree src/t dst/t
}

# ---- the two sides have different time-outs --------------------------------

# The longest interval between heart-beats is 5 s, so that a peer with a shorter
# time-out has to be asked for it.

# silent_pipe - a producer that pauses for longer than any time-out here
silent_pipe() { echo one; sleep 11; echo two; }

@test "a receiver with a short --timeout and a producer that is silent" {
	receive --plain --once --timeout 4 dst
	send --plain --name f - < <(silent_pipe)
	wait_receiver
	status 0
	[ "$got" = 0 ] || { cat messages; return 1; }
	is cat dst/f $'one\ntwo'
}

@test "a receiver with a short --timeout, and streams that have nothing to do" {
	ferry keygen key 2>/dev/null
	head -c 40M /dev/zero >src/big
	receive --key key --once --sync none --timeout 4 dst
	send --key key -j 4 --name f src/big - < <(silent_pipe)
	wait_receiver
	status 0
	[ "$got" = 0 ] || { cat messages; return 1; }
	is cat dst/f $'one\ntwo'
	cmp src/big dst/big
}

@test "a sender with a short --timeout and a reader of --stdout that pauses" {
	head -c 9000000 /dev/urandom >src/f
	receive_to_fifo
	start_send one --plain --timeout 4 src/f
	await events '"session"'
	sleep 11
	cat <&"$reader" >got.f
	ended one
	wait_receiver
	[ "$code" = 0 ] || { cat one.messages; return 1; }
	[ "$got" = 0 ]
	cmp src/f got.f
}

@test "the shortest --timeout on both sides and a producer that is silent" {
	needs 'the usual time limits'
	receive --plain --once --timeout 1 dst
	send --plain --timeout 1 --name f - < <(silent_pipe)
	wait_receiver
	status 0
	[ "$got" = 0 ] || { cat messages; return 1; }
	is cat dst/f $'one\ntwo'
}

# hold PORT WHAT - a sender with a session, that sends these frames, or files that
# come to nothing, for 15 s or until the receiver ends the session; prints why
hold() {
	timeout "$(limit 60)" python3 - "$@" <<-'EOF'
		import sys, time
		sys.path.insert(0, sys.argv[3])
		from lib.limits import scaled
		from lib.peer import Closed, Sender
		from lib.wire import (CHUNK, DELTAS, FEATURES, LISTS, list_of,
		                      listed_row, message, pack, row)

		def opened(ident):
		    return message("OPEN", id=ident, size=9 << 20,
		                   name=b"f%d" % ident)

		def rounds(what):
		    """The frames of each round."""
		    for i in range(2, 1 << 30):
		        if what == "refused":
		            yield opened(i),
		        elif what == "open":
		            yield opened(i), message("FILE_ABORT", id=i)
		        elif what == "abort":
		            yield message("FILE_ABORT", id=1),
		        elif what == "chunk":
		            yield message("CHUNK", id=1, payload=bytes(CHUNK)),
		        elif what == "hole":
		            yield message("HOLE", id=1, len=CHUNK),
		        elif what in ("FILE_END", "CHECK", "COMPARE"):
		            # of a file that was given up
		            yield message(what, id=1, size=9 << 20, **(
		                {"kind": 2, "bits": 12} if what == "COMPARE"
		                else {})),
		        elif what == "OFFER":
		            yield pack([row(1, b"x", name=b"o")], kind="OFFER", id=i),
		        elif what == "LIST":
		            yield list_of([listed_row(b"l", 5)], id=i),
		        else:
		            yield tuple(message(kind) for kind in what.split())

		s = Sender(int(sys.argv[1]), features=FEATURES | LISTS | DELTAS)
		if sys.argv[2] in ("abort", "chunk", "hole"):
		    s.send(opened(1))
		if sys.argv[2] in ("FILE_END", "CHECK", "COMPARE"):
		    s.send(opened(1), message("FILE_ABORT", id=1))
		end = time.monotonic() + scaled(15)
		s.sock.settimeout(0.2)
		todo = rounds(sys.argv[2])
		while time.monotonic() < end:
		    try:
		        kinds = sys.argv[2].split()
		        s.send(*next(todo))
		        if len(kinds) > 1:  # as fast as it can
		            s.send(message(kinds[0]) * 5000)
		            s.sock.settimeout(0.001)
		        while s.sock.recv(65536):
		            pass
		        raise Closed
		    except TimeoutError:
		        pass
		    except (Closed, OSError):
		        print("ended")
		        break
		else:
		    print("held")
	EOF
}

# A disk that takes a tenth of the time-out for each read of a file, by shim.so.
make_slow_disk() {
	cat >shim.c <<-'EOF'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdlib.h>
		#include <sys/stat.h>
		#include <sys/types.h>
		#include <time.h>

		static void wait_if_file(int fd)
		{
			const char *ms = getenv("SLOW_MS");
			const long n = ms ? atol(ms) : 0;
			const struct timespec t = { n / 1000, n % 1000 * 1000000 };
			struct stat st;

			if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
				nanosleep(&t, NULL);
		}

		ssize_t pread64(int fd, void *to, size_t n, off_t at)
		{
			ssize_t (*next)(int, void *, size_t, off_t) =
				dlsym(RTLD_NEXT, "pread64");

			wait_if_file(fd);
			return next(fd, to, n, at);
		}

		ssize_t pread(int fd, void *to, size_t n, off_t at)
		{
			return pread64(fd, to, n, at);
		}

		ssize_t read(int fd, void *to, size_t n)
		{
			ssize_t (*next)(int, void *, size_t) =
				dlsym(RTLD_NEXT, "read");

			wait_if_file(fd);
			return next(fd, to, n);
		}
	EOF
	cc -shared -fPIC -o shim.so shim.c -ldl
}

# Reading takes several times as long as the time-out: for a pack, for a list, to
# check what is there, to compare it.
@test "a slow disk of the sender: heart-beats are sent between files and chunks" {
	needs 'a build without a sanitizer'
	local timeout options path
	timeout=$(limit 1)
	make_slow_disk
	mkdir -p src/{pack,list} dst/list
	for i in {1..40}; do
		echo "$i" >"src/pack/$i"
		head -c 1000000 /dev/urandom >"src/list/$i"
		echo older >"dst/list/$i"
	done
	head -c $((24 * MiB)) /dev/urandom >src/check
	cp src/check dst
	head -c $((24 * MiB)) /dev/urandom >src/compare
	head -c $((24 * MiB)) /dev/zero >dst/compare
	receive --plain --timeout "$timeout" --existing replace dst
	for path in pack list check compare; do
		options=()
		[ "$path" != compare ] || options=(--delta on)
		SLOW_MS=$((timeout * 100)) LD_PRELOAD=$PWD/shim.so \
			start_send "$path" --plain -j 1 --timeout "$timeout" \
			"${options[@]}" "src/$path"
	done
	for path in pack list check compare; do
		ended "$path"
		cat "$path.messages"
		[ "$code" = 0 ]
		diff -r "src/$path" "dst/$path"
	done
}

@test "a slow disk of the receiver: heart-beats are sent between files and chunks" {
	needs 'a build without a sanitizer'
	local timeout path
	timeout=$(limit 1)
	make_slow_disk
	mkdir -p src/{pack,list}
	for i in {1..40}; do
		echo "$i" >"src/pack/$i"
		head -c 1000000 /dev/urandom >"src/list/$i"
	done
	cp -r src/. dst
	SLOW_MS=$((timeout * 100)) LD_PRELOAD=$PWD/shim.so \
		receive --plain --timeout "$timeout" --existing replace dst
	for path in pack list; do
		start_send "$path" --plain -j 1 --timeout "$timeout" "src/$path"
	done
	for path in pack list; do
		ended "$path"
		cat "$path.messages"
		[ "$code" = 0 ]
		has "$path.messages" '40 unchanged'
	done
}

# A sender that reads many files from a slow disk to ask for them sends neither data
# nor BUSY for a while.
@test "a sender that only asks what is wanted is at work" {
	receive --plain --timeout "$(limit 1)" dst
	hold "$port" OFFER "$BATS_TEST_DIRNAME/.." >held.offer &
	hold "$port" LIST "$BATS_TEST_DIRNAME/.." >held.list
	wait $!
	is cat held.offer held
	is cat held.list held
	stop_receiver
	# and so is one whose files are all refused, each with its verdict
	receive --plain --timeout "$(limit 1)" --max-size 1M dst
	is hold "$port" refused "$BATS_TEST_DIRNAME/.." held
	stop_receiver
}

@test "heart-beats alone hold no session: a sender that sends nothing else is cut" {
	local holders=()
	receive --plain --timeout "$(limit 1)" dst
	is hold "$port" "PING" "$BATS_TEST_DIRNAME/.." ended
	is hold "$port" "PING FLUSH" "$BATS_TEST_DIRNAME/.." ended
	await messages 'the sender has sent nothing but heart-beats for'
	# nor what brings no data: files that are given up, the same data again
	for what in open abort chunk hole FILE_END CHECK COMPARE; do
		hold "$port" "$what" "$BATS_TEST_DIRNAME/.." >"held.$what" &
		holders+=($!)
	done
	wait "${holders[@]}"
	is grep -L '^ended$' held.* ''
	# its place is free
	echo x >src/f
	send --plain src/f
	status 0
	stop_receiver
}

@test "heart-beats alone hold no sender: a receiver that answers nothing is left" {
	echo x >src/f
	head -c 50000000 /dev/zero >src/large
	cat >silent.py <<-'EOF'
		import sys, time
		sys.path.insert(0, sys.argv[1])
		from lib.peer import Closed, Receiver
		from lib.wire import message

		def silent(self, channel, m):
		    try:
		        while True:
		            channel.send(message("PING"))
		            time.sleep(0.2)
		    except Closed:
		        return True

		r = Receiver({sys.argv[2]: silent})
		print(r.port, flush=True)
		sys.stdin.readline()
	EOF
	# no READY; no verdict; no STATE; content that is not read; no SUMMARY
	for kind in HELLO PACK OPEN CHUNK FINISH; do
		mkfifo $kind.in
		: >$kind.out
		start $kind python3 silent.py "$BATS_TEST_DIRNAME/.." $kind \
			<>$kind.in >$kind.out
		await $kind.out '^[0-9]+$'
		port=$(cat $kind.out)
		[ $kind = CHUNK ] && what=src/large || what=src/f
		[ $kind = OPEN ] && what=src/large
		began=$SECONDS
		# xxh3 is not in Python's library
		send --plain -j 1 --checksum sha256 --timeout "$(limit 1)" $what
		# 10: everything was sent
		[ "$sent" = 10 ] || status 6
		[ $((SECONDS - began)) -le "$(limit 15)" ]
		has sender "the receiver has sent nothing but heart-beats for"
		echo >$kind.in
		ended $kind
	done
}

@test "replies that change nothing hold no sender" {
	mkdir src/t
	echo x >src/t/f
	ln -s f src/t/l
	head -c 9000000 /dev/zero >src/large
	cat >again.py <<-'EOF'
		import sys, time
		sys.path.insert(0, sys.argv[1])
		from lib.limits import scaled
		from lib.peer import Closed, Receiver
		from lib.wire import DELTAS, FEATURES, SYMLINK, message, rows

		def again(*frames):
		    def lie(self, channel, m):
		        end = time.monotonic() + scaled(15)
		        try:
		            while time.monotonic() < end:
		                channel.send(*frames)
		                time.sleep(0.2)
		        except Closed:
		            print("ended", flush=True)
		        return True
		    return lie

		def deferred(self, channel, m):
		    for item in rows(m, 32):
		        if item["kind"] != SYMLINK:
		            channel.send(message("VERDICT", id=item["id"]))
		        else:
		            link = item["id"]
		    return again(message("VERDICT", id=link, status=5))(
		        self, channel, m)

		# of what is over: item 1, or the file
		LIES = {
		    "VERDICT": {"FINISH": again(message("VERDICT", id=1))},
		    "OFFERED": {"FINISH": again(message("OFFERED", id=1, wanted=b"\0"))},
		    "CHECKED": {"FINISH": again(message("CHECKED", id=1))},
		    "SIGNATURE": {"FINISH": again(message("SIGNATURE", id=1, offset=9))},
		    "STATE": {"FILE_END": again(message("STATE", id=1))},
		    "RESEND": {"FILE_END": again(message("RESEND", id=1))},
		    "deferred": {"PACK": deferred},
		}
		r = Receiver(LIES[sys.argv[2]], ready={
		    "features": FEATURES | DELTAS})
		print(r.port, flush=True)
		sys.stdin.readline()
	EOF
	for kind in VERDICT OFFERED CHECKED SIGNATURE STATE RESEND deferred; do
		mkfifo $kind.in
		: >$kind.out
		start $kind python3 again.py "$BATS_TEST_DIRNAME/.." $kind \
			<>$kind.in >$kind.out
		await $kind.out '^[0-9]+$'
		port=$(head -n 1 $kind.out)
		case $kind in
		CHECKED | SIGNATURE | STATE | RESEND) what=src/large ;;
		*) what=src/t/. ;;
		esac
		start_send "to-$kind" --plain -j 1 --checksum sha256 \
			--timeout "$(limit 1)" $what
	done
	for kind in VERDICT OFFERED CHECKED SIGNATURE STATE RESEND deferred; do
		ended "to-$kind"
		has "to-$kind.messages" \
			"the receiver has sent nothing but heart-beats for"
		echo >$kind.in
		ended $kind
	done
}

# come_back HOW - in sessions of one transfer that are lost one after the other;
# prints how many there were when the receiver took no more, or HOW ended
come_back() {
	timeout "$(limit 20)" python3 - "$BATS_TEST_DIRNAME/.." "$port" "$@" \
		<<-'EOF'
		import itertools, os, sys, time
		sys.path.insert(0, sys.argv[1])
		from lib.limits import scaled
		from lib.peer import Closed, Sender
		from lib.wire import message

		RETRY = 2
		port, how = int(sys.argv[2]), sys.argv[3]
		ident, end = os.urandom(16), time.monotonic() + scaled(5)
		for n in itertools.count():
		    try:
		        s = Sender(port, session=ident, hello_flags=RETRY)
		    except (OSError, Closed):
		        break
		    if how == "files":
		        s.put_pack(1, [(b"f%d" % n, b"%d" % n)])
		        s.send(message("FLUSH"))
		        s.verdicts(1)
		        if time.monotonic() > end:
		            s.finish()
		            s.until("SUMMARY")
		            break
		        time.sleep(0.2)
		    s.close()
		print(n)
	EOF
}

@test "--once: a sender that comes back and brings nothing is not waited for any longer" {
	receive --plain --once --timeout "$(limit 2)" dst
	come_back empty >count
	wait_receiver
	[ "$got" = 6 ]
	is grep -c '"event":"summary"' events 1
	# and the messages are limited
	cat count
	said=$(grep -c 'waiting for the sender to reconnect' messages)
	[ "$said" -le 20 ]
	[ "$(cat count)" -le 20 ] ||
		grep -qE '[0-9] more sessions? w(as|ere) lost within a minute' \
			messages
	# one that brings something is
	receive --plain --once --timeout "$(limit 2)" dst
	come_back files >count
	wait_receiver
	[ "$got" = 0 ]
	cat count
	is cat dst/f0 0
	is cat "dst/f$(cat count)" "$(cat count)"
}

@test "--retry ends where a receiver asks for all again and finishes nothing" {
	mkdir src/d
	echo x >src/d/f
	cat >again.py <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		from lib.peer import Closed, Receiver
		from lib.wire import DIRECTORY, message, rows

		def again(self, channel, m):
		    # a verdict on an id that is over, and on the directory, which
		    # comes again in each session
		    channel.send(message("RESEND", id=m["id"]),
		                 message("VERDICT", id=m["id"], items=m["items"]))
		    raise Closed

		def directory(self, channel, m):
		    for item in rows(m, 32):
		        if item["kind"] == DIRECTORY:
		            channel.send(message("VERDICT", id=item["id"]))
		    raise Closed

		r = Receiver({"PACK": {"again": again,
		                       "directory": directory}[sys.argv[2]]})
		print(r.port, flush=True)
		sys.stdin.readline()
	EOF
	for how in again directory; do
		mkfifo $how.in
		: >$how.out
		start $how python3 again.py "$BATS_TEST_DIRNAME/.." $how \
			<>$how.in >$how.out
		await $how.out '^[0-9]+$'
		port=$(cat $how.out)
		run_limit=$(limit 20)
		send --plain --checksum sha256 --retry 3 src/d
		[ "$sent" = 6 ] || status 10
		echo >$how.in
		ended $how
	done
}

@test "connections that are still being made do not hold up the end" {
	for i in {1..300}; do echo "$i" >"src/$i"; done
	ferry keygen key 2>/dev/null
	for mode in '--key key' --plain; do
		rm -rf dst/*
		# shellcheck disable=SC2086
		receive $mode --once dst
		start forward "$tools/forward.py" "$port" rule up@conn:2:0=dead \
			rule up@conn:3:0=dead rule up@conn:4:0=dead >forward
		await forward '^[0-9]+$'
		port=$(head -n 1 forward)
		# shellcheck disable=SC2086
		send $mode -v -j 4 --timeout 3600 src/*
		status 0
		hasnt sender "cannot add a connection"
		wait_receiver
		kill "${pid[forward]}"
		ended forward
		is ls dst "$(ls src)"
	done
}
