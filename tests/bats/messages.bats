#!/usr/bin/env bats
# What is said when two sides do not get on: why, where, and what to do.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; echo text >src/f; }
teardown() { remove_dir; }

plain="no encryption (--plain)"
key="a shared key (--key)"
cert="certificates (--cert with --ca or --pin)"
code="a one-time code"

# mode NAME SIDE - print the options of a mode
mode() {
	case $1 in
	plain) echo --plain ;;
	key) echo --key key ;;
	cert) echo "--cert $2.pem --cert-key $2.key --ca ca.pem" ;;
	pin) echo "--cert $2.pem --cert-key $2.key --pin $(pin_of a.pem)" ;;
	code) echo --code-file code ;;
	esac
}

# both_modes THERE HERE - whether the sender's message names them
both_modes() {
	case $1 in
	# a client with a certificate cannot tell a plain TLS refusal further
	*) has sender "127.0.0.1:$port: the other side uses $1, this side $2: both need the same security mode" ;;
	esac
}

@test "two security modes: exit 4, and the message names both" {
	ferry keygen key 2>/dev/null
	make_certs
	echo 4821-river-anchor >code
	chmod 600 code
	for there in plain key cert code; do
		for here in plain key cert pin code; do
			case $there/$here in
			plain/plain | key/key | cert/cert | code/code | cert/pin)
				continue ;;
			esac
			echo "receiver $there, sender $here"
			# shellcheck disable=SC2046
			receive $(mode $there b) dst
			# shellcheck disable=SC2046
			send $(mode $here a) src/f
			status 4
			ours=$here
			[ "$here" = pin ] && ours=cert
			cat sender
			both_modes "${!there}" "${!ours}"
			# so does the receiver's, as far as it can see it
			await messages ': no session: .*(uses|same|security mode)'
			only_dir
			stop_receiver
		done
	done
}

@test "one-time codes: the same code, not the same key" {
	echo 4821-river-anchor >code
	chmod 600 code
	cp -p code other
	echo 4822-river-anchor >other
	receive --code-file code dst
	send --code-file other src/f
	wait_receiver
	status 4
	hasnt sender "same key"
	has sender "127.0.0.1:$port: the code was wrong"
	[ "$got" = 4 ]
}

@test "--allow: the sender is told that its address is not allowed" {
	ferry keygen key 2>/dev/null
	echo 4821-river-anchor >code
	chmod 600 code
	for mode in key plain code; do
		# shellcheck disable=SC2046
		receive $(mode $mode) --allow 192.0.2.0/24 dst
		# shellcheck disable=SC2046
		send $(mode $mode) src/f
		status 4
		has sender "127.0.0.1:$port: the other side does not accept connections from this address (see --allow there)"
		hasnt sender "does the other side use"
		stop_receiver
	done
}

@test "a receiver that is stopped says so; its sender does not guess" {
	ferry keygen key 2>/dev/null
	head -c 30M /dev/urandom >src/big
	for mode in "--key key" --plain; do
		for streams in 1 4; do
			rm -f dst/*
			# shellcheck disable=SC2086
			receive $mode dst
			# shellcheck disable=SC2086
			start_send one $mode -j $streams --limit-rate 8M src/big
			under_way one
			stop_receiver
			ended one
			[ "$code" = 6 ]
			has one.messages "the other side says: interrupted by a signal"
			hasnt one.messages close_notify
		done
	done
	# while nothing is sent
	receive --key key dst
	mkfifo quiet
	exec 7<>quiet
	start_send one --key key --name x - <quiet
	await events '"session"'
	stop_receiver
	ended one
	exec 7>&-
	[ "$code" = 6 ]
	has one.messages "the other side says: interrupted by a signal"
}

# ---- what the receiver's host lacks ----------------------------------------

@test "--stdout that cannot be written: the sender is told why" {
	head -c 3000000 /dev/zero >src/f
	mkfifo out
	: >events
	for to in reader /dev/full; do
		if [ $to = reader ]; then
			start head head -c 10 out >/dev/null
			to=out text="the program that reads the receiver's output has ended"
		else
			text="cannot write to its standard output: No space left on device"
		fi
		# shellcheck disable=SC2016
		start receiver bash -c 'exec "$1" receive --plain -p 0 --stdout \
			--json=9 9>events 2>messages >"$2"' - "$FERRY" "$to"
		await events listening
		port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
		send --plain src/f
		status 8
		has sender "the other side says: "
		has sender "$text"
		ended receiver
		[ "$code" = 7 ]
		: >events
	done
}

@test "inodes used up: that is said, not that space is missing" {
	needs mounting
	mkdir src/t
	for i in {1..30}; do echo "$i" >"src/t/$i"; done
	: >events
	# shellcheck disable=SC2016
	start receiver unshare --mount bash -c 'mount -t tmpfs \
		-o size=10M,nr_inodes=12 none dst && exec "$0" receive --plain \
		-p 0 --once --json=9 dst' "$FERRY" 9>events 2>messages
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(member events listening port)
	send --plain src/t
	wait_receiver
	status 8
	has sender "no room for more files on the file system; remove files there"
	has messages "no room for more files on the file system; remove files there"
	hasnt sender "free some space"
	hasnt sender "no space left"
}

@test "ulimit -f of the receiver: the limit is told, not the space" {
	head -c 300000 /dev/urandom >src/small
	head -c 20000000 /dev/urandom >src/big
	: >events
	# shellcheck disable=SC2016
	start receiver bash -c 'ulimit -f 100; exec "$0" receive --plain -p 0 \
		--once --json=9 dst' "$FERRY" 9>events 2>messages
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(member events listening port)
	send --plain src/small src/big
	wait_receiver
	status 8
	for file in sender messages; do
		has $file "file too large (needs 293.0 KiB, limit 100.0 KiB); receive without a limit on the size of files (ulimit -f)"
		has $file "file too large (needs 19.1 MiB, limit 100.0 KiB)"
	done
}

@test "the receiver's directory was removed: nothing vanished at the sender" {
	head -c 20000000 /dev/urandom >src/big
	receive --plain dst
	rm -r dst
	send --plain src/big
	[ "$sent" = 8 ] || { cat sender; return 1; }
	hasnt sender vanished
	has sender "the directory that it receives into was removed: make it again, and restart the receiver"
}

@test "too few descriptors are not told as too little memory" {
	needs 'a build without a sanitizer' # which has descriptors of its own
	# only 0 to 2 are open
	# shellcheck disable=SC2016
	few='for f in /proc/self/fd/*; do
		f=${f##*/}; [ "$f" -le 2 ] || eval "exec $f>&-"
	done; ulimit -n $1; exec "$0" receive --plain --wait 1 -p 0 dst'
	for n in {4..9}; do
		run timeout "$(limit 20)" bash -c "$few" "$FERRY" "$n" 3>&-
		[ "$status" != 124 ]
		[[ "$output" != *memory* ]] || { echo "$n: $output"; return 1; }
		[ "$status" != 11 ] ||
			[[ "$output" == *"Too many open files (raise ulimit -n)"* ]]
	done
	# enough to listen, but not for a session.  How many that is depends on
	# the system, and on whether this user reads what modes forbid.
	for n in {24..12}; do
		start_receiver_with "$n" --plain dst
		receiver=${job[receiver]}
		await events '"event":"listening"'
		port=$(member events listening port)
		send --plain --timeout 10 -j 1 src/f
		hasnt sender "of memory for"
		hasnt messages "of memory for"
		! grep -q "cannot begin a session" messages || break
		# with fewer, the connection would not even be accepted
		hasnt messages "cannot accept"
		stop_receiver
	done
	[ "$sent" != 0 ]
	has messages "no session: cannot begin a session: Too many open files (raise ulimit -n)"
}

@test "a thread that cannot be started: why" {
	needs ptrace
	receive --plain dst
	sent=0
	strace -f -qq -o /dev/null -e trace=clone3 -e inject=clone3:error=EPERM \
		"$FERRY" send --sandbox off --plain src/f "127.0.0.1:$port" \
		2>sender || sent=$?
	status 11
	has sender "cannot start a thread (a container's seccomp policy may forbid clone3()): Operation not permitted"
	stop_receiver
	FERRY_WRAP="strace -f -qq -o /dev/null -e trace=clone3
		-e inject=clone3:error=EAGAIN" receive --plain --sandbox off dst
	send --plain src/f
	[ "$sent" != 0 ]
	await messages "no session: cannot start a thread \(ulimit -u"
	# it would outlive strace
	kill "$(pgrep -P "${pid[receiver]}")"
	wait_receiver
}

# ---- the network -----------------------------------------------------------

@test "a path that drops large packets: the sender is told what that means" {
	needs 'network namespaces'
	needs_build 'figures of TCP'
	head -c 3000000 /dev/urandom >src/big
	ferry keygen key 2>/dev/null
	# here - router - far.  The router sends packets of 1500 bytes to far, which
	# drops those of more than 600 and tells nobody.
	cat >path <<-'EOF2'
		for name in router far; do
			mkfifo hold.$name
			unshare --net sh -c 'echo $$ >pid.'$name'; cat hold.'$name &
		done
		until [ -s pid.router ] && [ -s pid.far ]; do sleep 0.1; done
		router=$(cat pid.router) far=$(cat pid.far)
		at() { local ns=$1; shift; nsenter --net=/proc/$ns/ns/net "$@"; }
		ip link add d0 type veth peer name d1
		ip link set d1 netns $router
		at $router ip link add e0 type veth peer name e1
		at $router ip link set e1 netns $far
		# packets as they are on a wire
		ip link set d0 gso_max_segs 1
		at $router ip link set e0 gso_max_segs 1
		ip link set d0 up
		ip addr add 192.0.2.1/24 dev d0
		ip route add 198.51.100.0/24 via 192.0.2.2
		at $router sh -c 'ip link set d1 up
			ip addr add 192.0.2.2/24 dev d1
			ip link set e0 up
			ip addr add 198.51.100.2/24 dev e0
			echo 1 >/proc/sys/net/ipv4/ip_forward'
		at $far sh -c 'ip link set e1 up
			ip addr add 198.51.100.1/24 dev e1
			ip route add default via 198.51.100.2'
		: >events
		at $far "$1" receive --key key --once --timeout 8 -p 0 --json=9 dst \
			9>events 2>messages &
		until grep -q listening events; do sleep 0.1; done
		port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' events)
		"$1" send --key key -j 1 --limit-rate 500K src/big \
			"198.51.100.1:$port" &
		until grep -q '"session"' events; do sleep 0.1; done
		at $far ip link set e1 mtu 600
		wait $!
		code=$?
		echo >hold.far
		echo >hold.router
		exit $code
	EOF2
	run -6 timeout "$(limit 60)" unshare --net bash path "$FERRY" 3>&-
	[[ "$output" == *"198.51.100.1:"*"(what this side sends does not arrive, though the other side's heart-beats do: a firewall or tunnel may drop large packets; try a smaller MTU here, such as 1280)"* ]]
	has messages "no data from the other side for 8.0 s"
}
