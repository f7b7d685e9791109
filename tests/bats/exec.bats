#!/usr/bin/env bats
# --exec: the program that runs after a session.

load helper

setup() {
	make_dir
	needs 'a safe temporary directory' # for the program
	echo hello >src/f
	: >log
	program 'exit 0'
}
teardown() {
	umount mnt 2>/dev/null || true
	remove_dir
}

# program LINE... - make the file hook a bash script of these lines
program() {
	{ printf '#!/bin/bash\n'; printf '%s\n' "$@"; } >hook
	chmod +x hook
}

@test "--exec: the program gets FERRY_* variables and a clean environment" {
	program "env -0 | sort -z | tr '\\0' '\\n' >$work/env" \
		'pwd -P >"$FERRY_DIR/../cwd"' \
		'echo "arguments: $#"; read -r line || echo "no input"' \
		"ls -l /proc/self/fd >$work/fds"
	ferry keygen key 2>/dev/null
	mkdir src/t
	printf abc >src/t/abc
	mkdir dst/t
	echo conflict >dst/t/f
	cp src/f src/t/f
	SECRET=1 HOME=/home/nobody LANG=C.UTF-8 receive --key key --once \
		--exec ./hook dst
	send --key key src/t
	wait_receiver
	status 1
	[ "$got" = 1 ]
	grep -vE '^(PWD|SHLVL|_|OLDPWD)=' env | sed -E 's/^(PATH)=.*/\1/' >vars
	peer=$(member events session peer)
	id=$(member events session peer_id)
	diff - vars <<-EOF
		FERRY_BYTES=3
		FERRY_DELETED=0
		FERRY_DIR=$(realpath dst)
		FERRY_EVENT=session
		FERRY_EXIT=1
		FERRY_FAILED=1
		FERRY_FILES=1
		FERRY_PEER=$peer
		FERRY_PEER_ID=$id
		FERRY_SECURITY=psk
		FERRY_SESSION=1
		FERRY_SKIPPED=0
		FERRY_UNCHANGED=0
		HOME=/home/nobody
		LANG=C.UTF-8
		PATH
	EOF
	[ "$(cat cwd)" = "$(realpath dst)" ]
	# its standard output goes to the receiver's standard error
	has messages "arguments: 0"
	has messages "no input"
	# 0, 1, 2, and the one that ls opened
	cat fds
	[ "$(grep -c ' -> ' fds)" = 4 ]
	hasnt fds socket
	grep -q ' 0 -> /dev/null$' fds
}

@test "--exec: the program is not confined, the receiver is" {
	# a container may have confined the test already
	local own="grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status"
	program "$own >$work/self" "touch $work/elsewhere"
	receive --plain --once --exec ./hook dst
	send --plain src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
	[ -e elsewhere ]
	eval "$own" | diff - self
}

@test "--exec: programs run one at a time, in order; --once waits for them" {
	program "echo begin \$FERRY_SESSION >>$work/log" \
		'sleep 0.$((5 - FERRY_SESSION))' \
		"echo end \$FERRY_SESSION >>$work/log"
	receive --plain --exec ./hook dst
	for i in 1 2 3 4; do
		echo "$i" >"src/f$i"
		send --plain "src/f$i"
		status 0
	done
	await log '^end 4$'
	stop_receiver
	diff log <(for i in 1 2 3 4; do echo "begin $i"; echo "end $i"; done)
	rm log
	receive --plain --once --exec ./hook dst
	send --plain src/f
	wait_receiver
	[ "$got" = 0 ]
	has log "end 1"
}

@test "--exec: a failing program causes a warning, the session succeeds [san]" {
	receive --plain --exec ./hook dst
	n=0
	while IFS='|' read -r code text; do
		n=$((n + 1))
		program "$code"
		[ -n "$code" ] || echo 'not a program' >hook
		echo $n >src/f$n
		send --plain src/f$n
		status 0
		await messages "^ferry: warning: session $n: the exec program $text\$"
	done <<-'EOF'
		exit 3|exited with status 3
		kill -KILL $$|was killed by signal 9
		|cannot be run: Exec format error
	EOF
	rm hook
	echo last >src/last
	send --plain src/last
	status 0
	await messages '^ferry: warning: session 4: the exec program cannot be run: No such file'
	stop_receiver
}

@test "--exec: the program does not run if nothing was committed" {
	program "echo \$FERRY_SESSION >>$work/log"
	echo other >dst/f
	ferry keygen key 2>/dev/null
	ferry keygen wrong 2>/dev/null
	receive --key key --exec ./hook dst
	send --key wrong src/f
	status 4
	send --key key src/f
	status 8
	echo new >src/new
	send --key key src/new
	status 0
	await log '^2$'
	# unchanged files count too: a sender may run again to be sure
	send --key key src/new
	status 0
	await log '^3$'
	stop_receiver
	[ "$(cat log)" = $'2\n3' ]
}

@test "--exec: a receiver that ends does not wait long, and the program goes on" {
	mkfifo gate
	program "read -r line <$work/gate; echo \"\$line\" >$work/done"
	receive --plain --exec ./hook dst
	send --plain src/f
	status 0
	await events '"event":"summary"'
	before=$EPOCHSECONDS
	stop_receiver
	took=$((EPOCHSECONDS - before))
	[ "$took" -ge 9 ]
	[ "$took" -le "$(limit 30)" ]
	has messages "the exec program is still running"
	timeout "$(limit 20)" bash -c 'echo through >gate'
	for _ in $(seq "$(limit 100)"); do
		[ -s done ] && break
		sleep 0.1
	done
	[ "$(cat done)" = through ]
}

@test "--exec: queued programs run even if the receiver is killed" {
	# one FIFO per program: a program that opens a FIFO before the last writer
	# has closed it reads end of file
	mkfifo gate1 gate2
	program "read -r line <$work/gate\$FERRY_SESSION" \
		"echo \$FERRY_SESSION >>$work/log"
	receive --plain --exec ./hook dst
	for i in 1 2; do
		echo $i >src/f$i
		send --plain src/f$i
		status 0
	done
	await events '"event":"summary","session":2'
	kill -KILL "${pid[receiver]}"
	wait_receiver
	for i in 1 2; do
		timeout "$(limit 20)" bash -c "echo >gate$i"
		await log "^$i\$"
	done
}

# send_many OTHERS - send one file a session: from one address until it gets no
# more sessions, then from as many other addresses; prints how many it were each
send_many() {
	timeout "$run_limit" python3 - "$BATS_TEST_DIRNAME/.." "$port" "$@" \
		<<-'EOF'
		import socket, sys
		sys.path.insert(0, sys.argv[1])
		from lib import peer

		make = socket.create_connection

		def send(n, address):
		    peer.socket.create_connection = lambda to: make(
		        to, source_address=(address, 0))
		    s = peer.Sender(int(sys.argv[2]))
		    s.put_pack(1, [(b"f%d" % n, b"%d" % n)])
		    s.finish()
		    s.until("SUMMARY")
		    s.half_close()
		    s.rest()
		    s.close()

		first = 0
		try:
		    while first < 1000:
		        send(first, "127.0.0.1")
		        first += 1
		except peer.Closed as e:
		    assert b"of this sender" in e.args[0]["text"], e
		others = int(sys.argv[3])
		for n in range(others):
		    send(1000 + n, f"127.0.0.{n + 2}")
		print(first, others)
	EOF
}

@test "--exec: programs that wait keep no sender out, and one sender has a share of them" {
	mkfifo gate
	program "read -r -t $run_limit line <>$work/gate"
	receive --plain --sync none --exec ./hook dst
	send_many 20 >count
	cat count
	read -r first others <count
	[ "$first" -lt 1000 ]
	[ "$others" = 20 ]
	# what waited here when it ended is told
	stop_receiver
	for n in 0 19; do
		number=$(sed -n "s/.*\"session\",\"session\":\([0-9]*\),.*127.0.0.$((n + 2)):.*/\1/p" events)
		has messages "session $number: the exec program was not run: too many programs are waiting"
	done
	# those that were handed over go on by themselves: with this at once
	rm hook
	timeout "$(limit 20)" bash -c 'echo >gate'
}

@test "--exec: many programs that wait all run, in order of the sessions" {
	mkfifo gate
	# whichever is the first: sessions may end at the same time
	program "if mkdir $work/first 2>/dev/null; then" \
		"read -r line <$work/gate; fi" \
		"echo \$FERRY_SESSION >>$work/log"
	sed -i '1s/bash/sh/' hook
	receive --plain --sync none --exec ./hook dst
	send_many 2 >count
	read -r first others <count
	# the program of the first one runs only now
	is cat log ""
	timeout "$(limit 20)" bash -c 'echo >gate'
	await log '^[0-9]+$' $((first + others))
	stop_receiver
	hasnt messages "not run"
	is grep -c . log $((first + others))
	sort -n log | diff - <(seq $((first + others)))
	# as the sessions ended, of which up to 16 do so at the same time
	awk '$1 - NR > 32 || NR - $1 > 32 { exit 1 }' log
}

@test "--exec: a program named by a symlink, with a space in its path" {
	mkdir "a b"
	program "printf '%s\\n' \"\$0\" >$work/name"
	mv hook "a b/hook"
	ln -s "a b/hook" link
	receive --plain --once --exec ./link dst
	send --plain src/f
	wait_receiver
	status 0
	[ "$(cat name)" = "$(realpath "a b/hook")" ]
}

@test "--exec: the program does not inherit the receiver's descriptors" {
	program "ls /proc/self/fd | wc -l >$work/count"
	: >events
	(
		for _ in {1..1000}; do exec {fd}</dev/null; done
		exec "$FERRY" receive --plain -p 0 --once --json=9 \
			--exec ./hook dst 9>events 2>messages </dev/null
	) &
	receiver=$!
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	send --plain src/f
	wait_receiver
	[ "$got" = 0 ]
	# 0, 1, 2 and the directory that ls reads
	[ "$(cat count)" = 4 ]
}

@test "--exec: other users cannot replace the program" {
	mkdir -p safe/sub
	cp hook safe/sub/hook
	refused() {
		run "$FERRY" receive --plain -p 0 --exec safe/sub/hook dst
		[ "$status" = 2 ]
		[[ "$output" == *"--exec: other users can write to $work/$1 (mode "*" and so replace the program $work/safe/sub/hook: chmod go-w $work/$1"* ]]
	}
	chmod 757 safe/sub/hook
	refused safe/sub/hook
	chmod 755 safe/sub/hook
	chmod 777 safe
	refused safe
	# others cannot rename what is ours there
	chmod 1777 safe
	receive --plain --once --exec safe/sub/hook dst
	send --plain src/f
	wait_receiver
	status 0
	needs 'a second user'
	for one in safe/sub/hook safe/sub; do
		chown 65534 $one
		run "$FERRY" receive --plain -p 0 --exec safe/sub/hook dst
		[ "$status" = 2 ]
		[[ "$output" == *"$work/$one belongs to another user (uid 65534), who could replace the program $work/safe/sub/hook"* ]]
		chown 0 $one
	done
}

# elsewhere - a command to run others with, in a mount namespace in which dst is
# also bo
elsewhere() {
	mkdir -p bo
	printf '#!/bin/sh\nmount --bind dst bo && exec "$@"\n' >bound
	chmod +x bound
	echo "unshare --mount $work/bound"
}

@test "--exec: the program is not inside the directory by another path" {
	cp hook dst
	mkdir dst/sub
	cp hook dst/sub
	inside() {
		# shellcheck disable=SC2086
		run $1 timeout "$(limit 10)" "$FERRY" receive --plain -p 0 \
			--exec "$2" "$3"
		[ "$status" = 2 ] || { echo "$1 $2: $status $output"; return 1; }
		[[ "$output" == *"$2 is inside the directory to receive into"* ]]
	}
	inside '' dst/hook dst
	inside '' dst/sub/hook dst
	needs 'mount namespaces'
	inside "$(elsewhere)" bo/hook dst
	inside "$(elsewhere)" bo/sub/hook dst
	inside "$(elsewhere)" dst/hook bo
	needs FUSE
	mkdir back mnt
	"$FERRY_TOOLS/lackfs" fold back mnt 3>&-
	mkdir mnt/dst
	cp hook mnt/dst
	inside '' mnt/DST/hook mnt/dst
	umount mnt
}

@test "--exec: nothing that a sender sent is run by name, by another path" {
	needs 'mount namespaces'
	program 'uname >/dev/null; exit 0'
	printf '#!/bin/sh\necho taken over >"%s/proof"\n' "$work" >src/uname
	chmod +x src/uname
	FERRY_WRAP=$(elsewhere) PATH=$work/bo:$PATH receive --plain --once \
		--exec ./hook dst
	send --plain src/uname
	wait_receiver
	status 0
	[ "$got" = 0 ]
	[ -x dst/uname ]
	[ ! -e proof ]
}

@test "--exec: nothing that a sender sent is run by name" {
	program 'uname >/dev/null; exit 0'
	printf '#!/bin/sh\necho taken over >"%s/proof"\n' "$work" >src/uname
	chmod +x src/uname
	mkdir dst/bin
	# shellcheck disable=SC2123
	for path in ".:$PATH" ":$PATH" "$work/dst:$PATH" "bin:$PATH"; do
		rm -rf dst/uname
		PATH=$path receive --plain --existing replace --once \
			--exec ./hook dst
		send --plain src/uname
		wait_receiver
		status 0
		[ ! -e proof ] || { echo "$path"; return 1; }
	done
}
