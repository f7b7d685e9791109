#!/usr/bin/env bats
# Limits on what peers can use: connections, descriptors, space.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# pending COUNT HOW ADDRESSES - run tests/tools/pending.py in the background,
# until stop_pending.
pending() {
	rm -f in
	mkfifo in
	: >pending.out
	start pending python3 "$tools/pending.py" "$port" "$@" \
		<>in >pending.out
	await pending.out '^ready$'
}

stop_pending() {
	kill "${pid[pending]}"
	ended pending
}

# Of the receiver: threads, descriptors, kilobytes in memory
threads() { ls "/proc/${pid[receiver]}/task" | wc -l; }
descriptors() { ls "/proc/${pid[receiver]}/fd" | wc -l; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/${pid[receiver]}/status"; }

# ---- pending connections ---------------------------------------------------

@test "a thousand pending connections that reconnect do not keep a sender out [--long]" {
	needs_build 'figures of TCP'
	# nine transfers to one receiver
	run_limit=$(limit 300)
	head -c 12000000 /dev/urandom >src/f
	ferry keygen key 2>/dev/null
	receive --key key --existing replace dst
	for how in silent trickle half; do
		# from many addresses, from one, and from the sender's own
		for addresses in 600 1 0; do
			pending 1000 $how $addresses
			rm -f dst/f
			send --key key -j 2 src/f
			status 0
			cmp src/f dst/f
			echo "$how $addresses: $(threads) threads," \
				"$(descriptors) descriptors, $(memory) KiB"
			# twice the pending places, and the streams of two sessions
			[ "$(threads)" -le 140 ]
			[ "$(descriptors)" -le 300 ]
			is_instrumented || [ "$(memory)" -le 100000 ]
			stop_pending
		done
	done
	stop_receiver
	hasnt messages "took too long"
}

@test "all pending places taken: a sender with four streams is not evicted" {
	needs_build 'figures of TCP'
	ferry keygen key 2>/dev/null
	receive --key key dst
	timeout "$(limit 60)" python3 - "$port" "$(limit 20)" <<-'EOF'
		import itertools, select, socket, sys, time

		PLACES, STREAMS = 64, 4
		# the beginning of a ClientHello, longer than that of a sender
		HELLO = bytes.fromhex("160301020001 0001fc0303") + bytes(300)
		numbers = itertools.count(256)

		def come(words, n=None):
		    n = n or next(numbers)
		    s = socket.socket()
		    s.bind((f"127.0.{n // 250}.{n % 250 + 1}", 0))
		    s.connect(("127.0.0.1", int(sys.argv[1])))
		    s.sendall(words)
		    return s

		def sent_away(crowd):
		    return len(select.select(crowd, [], [], 0)[0])

		for others in b"", b"\x16", HELLO:
		    for own in b"", HELLO:
		        # silent and speaking connections have half of the places each
		        late = 100 if (own == HELLO) != (others == HELLO) else 25
		        crowd = [come(others) for _ in range(PLACES)]
		        n = next(numbers)
		        mine = [come(own, n) for _ in range(STREAMS)]
		        crowd += [come(others) for _ in range(late)]
		        end = time.monotonic() + int(sys.argv[2])
		        while (sent_away(crowd) < late + STREAMS and
		               not sent_away(mine)):
		            assert time.monotonic() < end, sent_away(crowd)
		            time.sleep(0.01)
		        assert not sent_away(mine), (
		            f"{len(own)} bytes among {len(others)} are turned out")
		        for s in crowd + mine:
		            s.close()
	EOF
	stop_receiver
}

@test "pending connections are dropped at a deadline, whatever they send" {
	ferry keygen key 2>/dev/null
	receive --key key -v dst
	for how in silent trickle half; do
		: >"$how.out"
		mkfifo "$how.in"
		start $how python3 "$tools/pending.py" "$port" 1 $how 1 \
			<>"$how.in" >"$how.out"
	done
	for how in silent trickle half; do await "$how.out" '^ready$'; done
	before=$EPOCHSECONDS
	for _ in $(seq "$(limit 300)"); do
		count=$(grep -c 'no session: .* took too long' \
			messages || true)
		[ "$count" -ge 3 ] && break
		sleep 0.1
	done
	took=$((EPOCHSECONDS - before))
	echo "$count after $took s"
	[ "$count" -ge 3 ]
	[ "$took" -ge 8 ]
	[ "$took" -le "$(limit 20)" ]
	stop_receiver
}

@test "a thousand connections at once wait in the backlog, and none is dropped" {
	receive --plain dst
	# a stopped receiver accepts nothing; a connection that does not fit the
	# backlog would be retried by TCP only after a second, then after five
	kill -STOP "${pid[receiver]}"
	pending 1000 silent 600
	read -r _ waiting room _ < <(ss -ltnH "sport = :$port")
	echo "$waiting of $room"
	kill -CONT "${pid[receiver]}"
	[ "$waiting" -ge 1000 ]
	stop_pending
	stop_receiver
}

# say - send standard input over a new connection; the reply goes to answer
say() {
	exec {conn}<>"/dev/tcp/127.0.0.1/$port"
	cat >&"$conn" 2>/dev/null || true
	timeout "$(limit 20)" cat <&"$conn" >answer 2>/dev/null || true
	exec {conn}>&-
}

@test "peers that speak another protocol get one message each, and no session" {
	echo x >src/f
	ferry keygen key 2>/dev/null
	for mode in --plain "--key key"; do
		# shellcheck disable=SC2086
		receive $mode --once dst
		lines=$(wc -l <messages)
		printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | say
		head -c 1048576 /dev/urandom | say
		timeout "$(limit 20)" openssl s_client -connect "127.0.0.1:$port" \
			-tls1_3 </dev/null >/dev/null 2>&1 || true
		case $mode in
		--plain) sent=0; send --key key src/f ;;
		*) send --plain src/f ;;
		esac
		[[ $sent == [45] ]] || { echo "exit $sent"; cat sender; return 1; }
		# shellcheck disable=SC2086
		send $mode src/f
		wait_receiver
		cat messages
		# four refusals, and two messages about the session
		[ "$(wc -l <messages)" = $((lines + 6)) ]
		[ "$(grep -c 'no session: ' messages)" = 4 ]
		status 0
		[ "$got" = 0 ]
		rm dst/f
	done
}

# ---- descriptors -----------------------------------------------------------

# few N - send src/t to a receiver with a limit of N descriptors
few() {
	: >events
	(
		ulimit -n "$1"
		# close those that bats has open
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
		exec "$FERRY" receive --plain -p 0 --once --json=9 dst \
			9>events 2>messages </dev/null
	) &
	receiver=$!
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	send --plain -j 1 src/t
	# without a session --once would wait for the next sender
	[ "$sent" != 3 ] || kill "$receiver"
	wait_receiver
}

@test "too few descriptors: the transfer works, or fails and says why" {
	needs 'a build without a sanitizer' # which has descriptors of its own
	needs_build 'files without a name' # without, it takes some more
	mkdir -p src/t/a/b
	for i in {1..50}; do echo "$i" >"src/t/a/b/$i"; done
	head -c 3000000 /dev/urandom >src/t/large
	few 27
	status 0
	[ "$got" = 0 ]
	same src/t dst/
	rm -r dst/t
	few 20
	[[ $sent == 0 || $sent$got == @(11|87) ]]
	[ "$sent" = 0 ] || has sender "out of memory or descriptors"
	no_litter
	few 17
	status 3
	has sender "cannot begin a session: Too many open files (raise ulimit -n)"
	[ "$got" = 143 ]
}

@test "256 and 1024 descriptors per side are enough for 5000 small files" {
	needs 'a build without a sanitizer' # with one it takes minutes
	python3 - <<-EOF
		import os
		for d in range(20):
		    os.makedirs(f"src/t/{d}")
		    for i in range(250):
		        with open(f"src/t/{d}/{i}", "wb") as f:
		            f.write(b"%d " % d + bytes(i))
	EOF
	for limit in 256 1024; do
		: >events
		(
			ulimit -n "$limit"
			exec "$FERRY" receive --plain -p 0 --once --json=9 \
				--sync none dst 9>events 2>messages </dev/null
		) &
		receiver=$!
		await events '"event":"listening"'
		port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' events)
		sent=0
		(
			ulimit -n "$limit"
			exec timeout "$(limit 60)" "$FERRY" send --plain -j 4 src/t \
				"127.0.0.1:$port"
		) 2>sender 3>&- || sent=$?
		wait_receiver
		status 0
		[ "$got" = 0 ]
		same_tree src/t dst/t
		no_litter
		rm -r dst/t
	done
}

# many_senders LIMIT COUNT - COUNT senders at a time, with 100 files of 8.5 MB
# each, to a receiver with a limit of LIMIT descriptors.
many_senders() {
	: >events
	(
		ulimit -n "$1"
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
		exec "$FERRY" receive --plain -p 0 --json=9 dst 9>events \
			2>messages </dev/null
	) &
	receiver=$!
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	for ((s = 1; s <= $2; s++)); do
		run_limit=$(limit 110) start_send "s$s" --plain "src/$s"
	done
	for ((s = 1; s <= $2; s++)); do
		ended "s$s"
		[ "$code" = 0 ] || {
			echo "sender $s: $code"
			tail -n 3 "s$s.messages"
			tail -n 3 messages
			return 1
		}
	done
	kill "$receiver"
	wait_receiver
	is sh -c 'find dst -type f -size 8500000c | wc -l' $(($2 * 100))
	no_litter
	rm -r dst/*
}

@test "eight senders at a time share 1024 descriptors, four share 256" {
	needs 'a build without a sanitizer' # with one it takes minutes
	# too large for packs, and large enough to be resumed
	for s in {1..8}; do
		mkdir "src/$s"
		for i in {1..100}; do truncate -s 8500000 "src/$s/$i"; done
	done
	many_senders 1024 8
	many_senders 256 4
}

@test "eleven hundred inherited descriptors do no harm" {
	mkdir src/t
	for i in {1..200}; do echo "$i" >"src/t/$i"; done
	head -c 3000000 /dev/urandom >src/t/large
	: >events
	(
		ulimit -n 1200
		for _ in {1..1100}; do exec {fd}</dev/null; done
		exec "$FERRY" receive --plain -p 0 --once --json=9 dst \
			9>events 2>messages </dev/null
	) &
	receiver=$!
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	(
		ulimit -n 1200
		for _ in {1..1100}; do exec {fd}</dev/null; done
		exec timeout "$(limit 60)" "$FERRY" send --plain src/t "127.0.0.1:$port"
	) 2>sender
	wait_receiver
	[ "$got" = 0 ]
	same src/t dst/
}

@test "no descriptor left for accept(): one warning, no busy loop" {
	echo x >src/f
	needs 'a build without a sanitizer' # which strace does not mix with
	FERRY_WRAP="strace -f -qq -o calls -e trace=accept,accept4
		-e inject=accept,accept4:error=EMFILE:when=1..20" \
		receive --plain --once dst
	send --plain src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
	[ "$(grep -c 'cannot accept a connection: Too many open' messages)" = 1 ]
	# 20 failures in 2 seconds, and a few calls more
	[ "$(grep -c accept calls)" -le 40 ]
}

# ---- what a session may send -----------------------------------------------

@test "--max-size: a file over the limit is refused before it is written" {
	mkdir src/t
	head -c 100000 /dev/urandom >src/t/a-small
	head -c 3000000 /dev/urandom >src/t/large
	receive --plain --max-size 1M dst
	send --plain -j 1 src/t/large
	status 8
	has sender "over a limit of the receiver (needs 2.9 MiB, has 1.0 MiB)"
	has sender "--max-size"
	await messages 'over a limit of the receiver \(needs 2.9 MiB, has 1.0'
	only_dir
	# the others arrive: what is refused is not counted
	send --plain -j 1 src/t
	status 1
	cmp src/t/a-small dst/t/a-small
	[ ! -e dst/t/large ]
	# the limit is per session
	head -c 1048576 /dev/urandom >src/exact
	send --plain src/exact
	status 0
	head -c 1048577 /dev/urandom >src/more
	send --plain src/more
	status 8
	stop_receiver
	no_litter
}

@test "--max-size counts small files one by one, across all streams" {
	mkdir src/t
	for i in {1..40}; do head -c 50000 /dev/urandom >"src/t/$i"; done
	for j in 1 4; do
		rm -rf dst/t
		receive --plain --once --max-size 1000K dst
		send --plain -j $j --json=1 src/t >sender.events
		wait_receiver
		status 1
		[ "$got" = 1 ]
		# 20 files of 50,000 bytes fit in 1000K = 1,024,000
		is sh -c 'find dst/t -type f | wc -l' 20
		is grep -c '"status":"failed".*limit of the receiver (needs 48.8' \
			sender.events 20
	done
}

@test "--max-size ends endless standard input" {
	receive --plain --once --max-size 2M dst
	send --plain --name zeros - < <(head -c 5000000 /dev/zero)
	wait_receiver
	status 8
	[ "$got" = 7 ]
	has sender "over a limit of the receiver"
	only_dir
}

@test "--max-files counts files, symlinks and directories" {
	mkdir -p src/t/d
	for i in {1..7}; do echo "$i" >"src/t/$i"; done
	ln -s 1 src/t/l
	# 7 files, 1 symlink, 2 directories
	receive --plain --once --max-files 10 dst
	send --plain src/t
	wait_receiver
	status 0
	[ "$got" = 0 ]
	same src/t dst/
	head -c 3000000 /dev/urandom >src/t/large
	rm -r dst/t
	receive --plain --once --max-files 10 dst
	send --plain src/t
	wait_receiver
	status 1
	[ "$got" = 1 ]
	is grep -c 'over a limit of the receiver (number of files in one session)' sender 1
	is grep -c 'over a limit of the receiver (number of files in one session)' messages 1
	no_litter
}

# hostile_rows PYTHON - run a sender of tests/lib with these lines after HELLO: s
# is the sender, and verdicts() puts their causes by id into cause.
hostile_rows() {
	python3 - "$tools/.." "$port" "$1" <<-'EOF2'
		import sys, textwrap, zlib
		sys.path.insert(0, sys.argv[1])
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import message, pack, row
		s, cause = Sender(int(sys.argv[2])), {}

		def verdicts(count):
		    s.send(message("FLUSH"))
		    while len(cause) < count:
		        m = s.until("VERDICT")
		        for i in range(m["id"], m["id"] + m["items"]):
		            cause[i] = m["cause"]

		exec(textwrap.dedent(sys.argv[3]))
	EOF2
}

# occupied - how many MiB the part files in dst occupy.
occupied() {
	find dst -name '.ferry-*.part' -printf '%b\n' |
		awk '{ n += $1 } END { print int(n / 2048) }'
}

@test "a file that is announced takes no space before it comes" {
	needs ext4 # which reserves, and tells what
	receive --plain dst
	mkfifo go
	hostile_rows '
		for i in (1, 2, 3):
		    s.send(message("OPEN", id=i, size=1 << 30, allocated=1 << 30,
		                   name=b"f%d" % i))
		    assert s.until("STATE")["state"] == 1
		print("opened", flush=True)
		open("go").read()
		from lib.wire import CHUNK
		for i in (1, 2, 3):
		    for at in range(0, 1024, 64):
		        s.send(message("CHUNK", id=i, offset=at * CHUNK, codec=1,
		                       raw=bytes(CHUNK),
		                       payload=zlib.compress(bytes(CHUNK))))
		s.send(message("OPEN", id=4, size=1, name=b"x"))
		s.until("STATE")
		print("sent", flush=True)
		open("go").read()' >said &
	job[peer]=$! pid[peer]=$!
	await said opened
	is occupied 0
	echo >go
	await said sent
	# what has come, 48 MiB, and two windows of each file
	[ "$(occupied)" -le $((48 + 3 * 128)) ]
	echo >go
	ended peer
	[ "$code" = 0 ]
}

# flood MODE PYTHON - these lines yield the frames of a sender without end to a
# receiver with limits: the session ends, and the events stay within bounds.  MODE:
# a feature that HELLO has too, or 0.
flood() {
	receive --plain --max-files 1 --max-size 1M dst
	hostile_rows "
		import itertools, threading
		from lib.peer import Closed
		from lib.wire import (DRY_RUN, FEATURES, LISTS, UNSENT, UPDATED,
		                      list_of, listed_row)
		s.close()
		LONG = b'/'.join([b'\x01' * 255] * 16)[:4080]

		def frames():
$2

		s = Sender(int(sys.argv[2]),
		           features=FEATURES | LISTS | UPDATED | $1)
		got = []
		reader = threading.Thread(target=lambda: got.extend(s.rest()))
		reader.start()
		try:
		    for frame in frames():
		        s.send(frame)
		except Closed:
		    pass
		# it has ended, or waits for more
		s.half_close()
		reader.join()
		print(got[-1]['message'], got[-1].get('text', b'').decode())" >said
	await events '"event":"summary"'
	stop_receiver
	cat said messages
	grep -c '"event":"file"' events
	wc -c <events
}

@test "a sender that goes on beyond --max-files and --max-size is stopped" {
	beyond="ERROR too many items are beyond the receiver's --max-files or"
	# more names than 8 MiB, as 6 bytes of JSON for each of theirs: directories
	flood 0 "
		    for i in range(0, 24 * 200, 200):
		        table = b''.join(row(2, name=LONG + b'%d' % (i + k))
		                         for k in range(200))
		        yield pack([table], id=i + 1, items=200, codec=1,
		                   raw_len=len(table), table_len=len(table),
		                   payload=zlib.compress(table))"
	has said "$beyond"
	[ "$(grep -c '"event":"file"' events)" -lt 3000 ]
	[ "$(wc -c <events)" -lt 80000000 ]
	has messages "beyond what --max-files and --max-size allow"
	# those of a dry run
	flood DRY_RUN "
		    for i in range(0, 24 * 200, 200):
		        yield list_of([listed_row(LONG + b'%d' % (i + k), kind=2)
		                       for k in range(200)], id=i + 1)"
	has said "$beyond"
	[ "$(grep -c '"event":"file"' events)" -lt 3000 ]
	[ "$(wc -c <events)" -lt 80000000 ]
	# short names, of items that fail and do not count for the limit
	rm -rf dst/*
	echo x >dst/f
	flood 0 "
		    for i in range(0, 80000, 1000):
		        yield pack([row(2, name=b'f/%d' % (i + k))
		                    for k in range(1000)], id=i + 1)"
	has said "$beyond"
	[ "$(grep -c '"event":"file"' events)" -lt 70000 ]
	# files that are begun and given up
	flood 0 "
		    for i in range(1, 4000):
		        yield message('OPEN', id=i, size=1, name=LONG + b'%d' % i)
		        yield message('FILE_ABORT', id=i)"
	has said "$beyond"
	[ "$(grep -c '"event":"file"' events)" -lt 3000 ]
	# what could not be sent, at most 1 MiB
	flood UNSENT "
		    for i in range(1000):
		        yield message('NOTE', kind=1, name=LONG)"
	has messages 'the sender sent NOTE frames of more than 1 MiB'
	[ "$(grep -c '"event":"file"' events)" -lt 300 ]
}

@test "a sender of a few thousand files beyond --max-files is told of each" {
	mkdir src/t
	(cd src/t && seq -f file%g 5000 | xargs touch)
	receive --plain --once --max-files 10 dst
	start_send one --plain src/t
	ended one
	wait_receiver
	[ "$code" = 1 ]
	[ "$got" = 1 ]
	is grep -c '"file","path".*"status":"failed"' one.events 4991
	is member events summary failed 4991
}

@test "--max-files: directories that are made for what lies in them count" {
	receive --plain --max-files 10 dst
	hostile_rows '
		names = [b"/".join([b"%d" % i] + [b"d"] * 126 + [b"f"])
		         for i in range(10)]
		s.send(*(pack([row(1, b"x", name=n)], b"x", id=i + 1)
		         for i, n in enumerate(names)))
		verdicts(10)
		assert set(cause.values()) == {12}, cause'
	[ "$(find dst -mindepth 1 | wc -l)" -le 10 ]
}

@test "--max-size: what the receiver writes to remember directories counts" {
	receive --plain --max-size 1M dst
	# 11 MiB of rows, of which 4 MiB are kept in memory
	hostile_rows '
		one = row(2, name=b"/".join([b"x" * 250] * 15))
		table = one * 250
		for i in range(12):
		    s.send(message("PACK", id=1 + 250 * i, items=250, table=table,
		                   raw_len=len(table), codec=1,
		                   payload=zlib.compress(table)))
		verdicts(3000)
		over = sum(c == 12 for c in cause.values())
		assert 1500 < over < 2500, over'
}

@test "--max-size: extended attributes count" {
	for way in PACK OPEN LIST; do
		receive --plain --max-size 1M --accept xattr dst
		hostile_rows '
			from lib.wire import (FEATURES, LIST_META, LISTS, PRESERVE,
			                      list_of, listed_row, xattrs)
			way = "'$way'"
			s = Sender(int(sys.argv[2]), features=FEATURES | PRESERVE |
			           LISTS | LIST_META)
			more = xattrs((b"user.a", bytes(60000)))
			# of each, 1 MiB has room for 17; what is offered and wanted
			# counts when it comes
			for i in range(1, 31):
			    s.send(pack([row(1, b"", name=b"f", further=more)],
			                kind="OFFER", id=i))
			    assert s.until("OFFERED", "VERDICT")["message"] == "OFFERED"
			for i in range(31, 61):
			    if way == "PACK":
			        s.send(pack([row(1, b"", name=b"f%d" % i,
			                         further=more)], id=i))
			    elif way == "LIST":
			        s.send(list_of([listed_row(b"d%d" % i, kind=2,
			                                   further=more)], id=i))
			    else:
			        s.send(message("OPEN", id=i, name=b"f%d" % i,
			                       further=more),
			               message("CHUNK", id=i),
			               message("FILE_END", id=i))
			verdicts(30)
			over = sum(c == 12 for c in cause.values())
			assert over == 13, cause'
		stop_receiver
		rm -r dst/*
	done
}

@test "a sender that is gone: what it has sent is not compared to the end" {
	for i in {0..7}; do
		head -c 1M /dev/urandom >"dst/f$i"
	done
	receive --plain dst
	# 60 GiB, which takes half a minute at least
	hostile_rows '
		# as slowly as the receiver compares
		s.sock.settimeout(None)
		many = [row(1, name=b"f%d" % (i % 8), size=1 << 20,
		            digest=bytes(32)) for i in range(512)]
		for i in range(120):
		    s.send(pack(many, kind="OFFER", id=1 + 512 * i))
		s.sock.close()'
	await messages 'session 1 .*: (cannot send|disconnected)'
	stop_receiver
}

# ---- who may connect -------------------------------------------------------

@test "--allow: connections from other addresses are closed before a handshake" {
	echo x >src/f
	ferry keygen key 2>/dev/null
	receive --key key --allow 192.0.2.0/24 --allow 127.0.0.9 \
		--allow 2001:db8::/32 dst
	send --key key src/f
	[[ $sent == @(3|4|6) ]] || { echo "exit $sent"; cat sender; return 1; }
	await messages '^ferry: warning: 127.0.0.1:[0-9]+: refused: not allowed \(--allow\)$'
	hasnt messages "handshake"
	only_dir
	send --key key -b 127.0.0.9 src/f
	status 0
	rm dst/f
	stop_receiver
	receive --key key --once --allow ::1/128 --allow 127.0.0.0/8 dst
	send --key key src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
}

@test "one sender cannot take all of --max-sessions" {
	echo x >src/f
	receive --plain --max-sessions 4 dst
	timeout "$(limit 60)" python3 - "$port" "$BATS_TEST_DIRNAME/.." <<-'EOF'
		import socket, sys
		sys.path.insert(0, sys.argv[2])
		from lib.peer import Closed, Sender

		held = [Sender(int(sys.argv[1])) for _ in range(3)]
		try:
		    Sender(int(sys.argv[1]))
		    sys.exit("a fourth session of the same sender")
		except Closed as e:
		    assert b"of this sender" in e.args[0]["text"], e
		# as another host
		plain = socket.create_connection
		socket.create_connection = lambda to: plain(
		    to, source_address=("127.0.0.2", 0))
		Sender(int(sys.argv[1]))
	EOF
	stop_receiver
}

@test "connections that get no session cannot fill the log: they are counted" {
	receive --plain dst
	timeout "$(limit 60)" python3 - "$port" <<-'EOF'
		import socket, sys
		for _ in range(400):
		    with socket.create_connection(("127.0.0.1",
		                                   int(sys.argv[1]))) as s:
		        s.sendall(b"x" * 300)
		        s.settimeout(20)
		        try:
		            while s.recv(4096):
		                pass
		        except ConnectionError:
		            pass
	EOF
	kill -TERM "${pid[receiver]}"
	wait_receiver
	is grep -c 'no session: ' messages 20
	has messages "warning: 380 more connections got no session within a minute"
	# nor can those who are not allowed to connect
	echo x >src/f
	receive --plain --allow 192.0.2.0/24 dst
	for _ in {1..25}; do : >/dev/tcp/127.0.0.1/"$port"; done
	kill -TERM "${pid[receiver]}"
	wait_receiver
	is grep -c 'refused: not allowed' messages 20
	has messages "5 more connections"
}

@test "streams in deep directories do not use up the descriptors of others" {
	mkdir -p src/t
	for i in {1..50}; do echo "$i" >"src/t/$i"; done
	: >events
	start receiver bash -c 'ulimit -n 400; exec "$@"' - "$FERRY" receive \
		-p 0 --plain --json=9 dst 9>events 2>messages
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(member events listening port)
	mkfifo hold
	: >deep.out
	start deep python3 - "$port" "$BATS_TEST_DIRNAME/.." <<-'EOF' >deep.out
		import os, sys, time
		sys.path.insert(0, sys.argv[2])
		from lib.limits import scaled
		from lib.peer import Sender
		from lib.wire import SHA256, message, pack, row

		# each stream writes a file 126 directories deep
		s = Sender(int(sys.argv[1]), streams=16)
		streams = [s] + [s.join(i) for i in
		                 range(1, min(16, s.ready["streams"]))]
		for other in streams[1:]:
		    other.until("READY")
		for i, other in enumerate(streams):
		    name = b"/".join([b"%d" % i] + [b"d"] * 126)
		    other.send(pack([row(1, b"x", SHA256, name=name)], b"x",
		                    id=1000 + i), message("FLUSH"))
		end = time.monotonic() + scaled(20)
		while not all(os.path.exists(f"dst/{i}/" + "d/" * 125 + "d")
		              for i in range(len(streams))):
		    assert time.monotonic() < end
		    time.sleep(0.05)
		print("deep", len(streams), flush=True)
		open("hold").read()
	EOF
	await deep.out '^deep [0-9]+$'
	cat deep.out
	send --plain -j 4 src/t
	status 0
	same_tree src/t dst/t
	echo >hold
	ended deep
	hasnt messages "Too many open files"
	stop_receiver
}

# ---- what a receiver allows ------------------------------------------------

# generous COMMAND... - run it with a port as its last operand, of a receiver that
# allows any number of open files, and gives verdicts only when the sender has
# nothing more to send; prints how many files were without one at most.
generous() {
	PYTHONPATH=$BATS_TEST_DIRNAME/.. timeout "$run_limit" python3 - "$@" <<-'EOF'
		import subprocess, sys
		from lib.peer import Receiver
		from lib.wire import message

		held, most = [], 0

		def keep(r, link, m):
		    global most
		    r.good.append((m["id"], m["size"], m["digest"]))
		    held.append((link, m["id"]))
		    most = max(most, len(held))
		    return True

		def release(r, link, m):
		    for to, ident in held:
		        to.send(message("VERDICT", id=ident))
		    held.clear()

		r = Receiver({"FILE_END": keep, "FLUSH": release},
		             ready={"open_files": 2**32 - 1})
		code = subprocess.call([*sys.argv[1:], f"127.0.0.1:{r.port}"])
		r.close()
		assert not r.errors, r.errors
		print("most", most)
		sys.exit(code)
	EOF
}

@test "a sender has no more files open than it has descriptors for" {
	for i in {1..600}; do truncate -s 2M "src/$i"; done
	local fds most
	while read -r fds most; do
		# shellcheck disable=SC2016
		generous bash -c 'ulimit -n "$0" && exec "$@"' "$fds" \
			"$FERRY" send --plain src >most 2>sender ||
			{ cat sender; false; }
		hasnt sender "Too many open files"
		cat most
		[[ $(cat most) =~ ^most\ ([0-9]+)$ ]]
		[ "${BASH_REMATCH[1]}" -ge 8 ]
		[ "${BASH_REMATCH[1]}" -le "$most" ]
	done <<-EOF
		80 40
		256 64
		2048 64
	EOF
}

@test "sixteen streams in deep directories have enough descriptors for the files" {
	local deep i
	deep=$(printf 'd/%.0s' {1..30})
	for i in {1..64}; do
		mkdir -p "src/$i/$deep"
		truncate -s 2M "src/$i/$deep/f"
	done
	receive --plain --once dst
	sent=0
	timeout --foreground "$run_limit" bash -c 'ulimit -n 256 && exec "$@"' - \
		"$FERRY" send --plain -j 16 src "127.0.0.1:$port" \
		2>sender || sent=$?
	status 0
	wait_receiver
	[ "$got" = 0 ]
	same_tree src dst/src
}
