#!/usr/bin/env bats
# By ssh: content goes by direct connections where these are possible, else
# through ssh.
# shellcheck disable=SC2034,SC2154 # variables of helper.bash and ssh.bash

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

# way FILE WANTED - the way of content that the events in FILE tell of.
way() { is member "$1" session data "$2"; }

# with_firewall RULES COMMAND... - in a network of its own, whose only host is this
# one: with an sshd on port 22022, and these rules of nft(8) for all other ports.
with_firewall() {
	local rules=$1
	shift
	needs 'a firewall'
	sed "s/^Port .*/Port 22022/" "$sshd_dir/sshd_config" >sshd_config
	sed "s/Port .*/Port 22022/" "$sshd_dir/ssh_config" >ssh_config
	printf '[127.0.0.1]:22022 %s\n' "$(cat "$sshd_dir/host.pub")" \
		>>"$sshd_dir/known"
	# shellcheck disable=SC2016
	FERRY_SSH="ssh -F $work/ssh_config" run_limit=$run_limit \
		unshare --net --kill-child --pid --fork bash -ec '
		ip link set lo up
		rm -f sshd.log
		nft add table inet t
		nft "add chain inet t c { type filter hook input priority 0; }"
		nft "add rule inet t c tcp dport 22022 accept"
		nft "add rule inet t c tcp sport 22022 accept"
		nft "add rule inet t c $0"
		PATH=$PATH:/usr/sbin
		$(command -v sshd) -D -f sshd_config -E sshd.log &
		until grep -q "Server listening" sshd.log 2>/dev/null; do
			sleep 0.05
		done
		"$@"' "$rules" "$@" 3>&-
}

@test "push and fetch: a tree, a file, standard input; all of it goes directly [long-san]" {
	mkdir -p src/tree/sub
	for i in {1..600}; do echo "$i" >"src/tree/sub/$i"; done
	head -c 20000000 /dev/urandom >src/large
	push --json --checksum sha256 src/tree src/large "box:$work/dst" >events
	status 0
	same_tree src/tree dst/tree
	same src/large dst/large
	way events direct
	is grep -c '"event":"session"' events 2
	is member events session direct \
		"$(grep -o '127.0.0.1:[0-9]*' events | tail -n 1)"
	rm -r dst/*
	fetch --json "box:$work/src/tree" "box:$work/src/large" dst >events
	fetched 0
	same_tree src/tree dst/tree
	same src/large dst/large
	way events direct
	no_litter
	head -c 5000000 src/large |
		push -v -j 3 -p 0 --json=9 --name f - "box:$work/dst" 9>events
	status 0
	way events direct
	has sender "box: content goes directly, to 127.0.0.1:"
	head -c 5000000 src/large | cmp - dst/f
	fetch -j 2 -p 0 --data direct --json "box:$work/src/tree/sub/7" dst >events
	fetched 0
	is cat dst/7 7
	way events direct
}

@test "through ssh: when told, for --stdout, and for little" {
	head -c 9000000 /dev/urandom >src/f
	echo text >src/g
	push --data ssh --json src/f "box:$work/dst" >events
	status 0
	same src/f dst/f
	way events ssh
	fetch --data ssh --json "box:$work/src/f" dst >events
	fetched 0
	way events ssh
	fetch --json=9 --stdout "box:$work/src/f" >out 9>events
	fetched 0
	cmp src/f out
	way events ssh
	push --json src/g "box:$work/dst" >events
	status 0
	way events ssh
	rm dst/*
	# what a restricted key does not allow
	force "'$FERRY' remote --data ssh"
	push --json src/f "box:$work/dst" >events
	status 0
	same src/f dst/f
	way events ssh
	push --data direct src/g "box:$work/dst"
	status 3
	has sender "box: ferry there does not make direct connections"
	fetch --data direct "box:$work/src/g" dst
	fetched 8
	has messages "this log-in makes no direct connections (--data ssh)"
	[ ! -e dst/g ]
}

@test "a firewall that passes ssh alone, by dropping or rejecting all else" {
	head -c 9000000 /dev/urandom >src/f
	export FERRY
	# under RULES - push and fetch, each by one of the ways.  Slowly, as on a busy
	# machine all may have gone by ssh before a direct stream is there.
	under() {
		# shellcheck disable=SC2016
		with_firewall "$1" bash -ec '
			timeout "$run_limit" "$FERRY" send -v --data "$0" \
				--limit-rate "$2" \
				--remote-ferry "$FERRY" --json=9 src/f \
				"box:$PWD/dst" 9>push 2>sender || echo "push $?"
			cmp src/f dst/f 2>/dev/null || echo "not pushed"
			rm -f dst/f
			timeout "$run_limit" "$FERRY" receive -v --data "$1" \
				--remote-ferry "$FERRY" --json=9 \
				"box:$PWD/src/f" dst 9>fetch 2>messages ||
				echo "fetch $?"
			cmp src/f dst/f 2>/dev/null || echo "not fetched"
			rm -f dst/f' "$2" "$3" "$(rate 6M)" >results
	}
	under "meta l4proto tcp drop" auto direct
	is cat results $'fetch 3\nnot fetched'
	way push ssh
	has messages "box: no direct connection (--data direct): "
	has messages "127.0.0.1 port"
	has messages "timed out"
	# it is told once, by this side
	hasnt messages "ferry: remote:"
	under "tcp flags & (syn | ack) == syn reject with tcp reset" direct auto
	is cat results $'push 3\nnot pushed'
	way fetch ssh
	has sender "box: no direct connection (--data direct): "
	has sender "connection refused"
	under accept auto direct
	cat sender messages
	is cat results ''
	way push direct
	way fetch direct
}

@test "the port: that of -p; closed when the streams are there; -p that is taken" {
	head -c 20000000 /dev/urandom >src/f
	free=$("$tools/free_port.py")
	start one "$FERRY" send --remote-ferry "$FERRY" --limit-rate 4M -p "$free" \
		-j 2 --json=9 src/f "box:$work/dst" 9>one.events 2>one.messages
	await one.events '"data":"direct","direct":"127.0.0.1:'"$free"'"'
	# as soon as both are there
	for _ in $(seq "$(limit 100)"); do
		listens=$(PATH=$PATH:/usr/sbin ss -Hltn "sport = :$free")
		[ -n "$listens" ] || break
		sleep 0.05
	done
	[ -z "$listens" ]
	# another transfer: this one cannot have it
	push --json -p "$free" src/f "box:$work/dst" >events || true
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	same src/f dst/f
	rm dst/f
	start listener "$FERRY" receive --plain -p "$free" dst 2>listening
	await listening "receiving into"
	push --json -p "$free" src/f "box:$work/dst" >events
	status 0
	way events ssh
	has sender "no direct streams: port $free is in use"
	kill "${pid[listener]}"
	run -2 ferry send --data ssh -p 1234 src/f box:
	[[ "$output" == *"with --data ssh there are none"* ]]
	run -2 ferry receive --data ssh -j 2 box:f dst
	[[ "$output" == *"with --data ssh there are none"* ]]
	push -p 2222 --ssh "ssh -F $sshd_dir/ssh_config -oPort=1" src/f box:
	status 3
	has sender "ssh takes its own with: --ssh 'ssh -p N'"
}

@test "a direct stream or ssh is lost: --retry begins anew, without it exit 6" {
	head -c 30000000 /dev/urandom >src/f
	# lose RATE ARG...
	lose() {
		no_remote_ferry
		: >one.events
		start one "$FERRY" "${@:2}" --remote-ferry "$FERRY" \
			--limit-rate "$(rate "$1")" --json=9 9>one.events 2>one.messages
		await one.events '"data":"direct"'
	}
	kill_ssh() {
		kill -KILL "$(pgrep -f "^ssh -F $sshd_dir/ssh_config" |
			head -n 1)"
	}
	lose 8M send --retry 20 src/f "box:$work/dst"
	kill_ssh
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	same src/f dst/f
	has one.messages "connected to box again"
	rm dst/f
	lose 8M receive --retry 20 "box:$work/src/f" dst
	kill_ssh
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	same src/f dst/f
	rm dst/f
	lose 1M send src/f "box:$work/dst"
	kill -KILL "$(remote_ferry)"
	ended one
	[ "$code" = 6 ] || { cat one.messages; false; }
	lose 1M receive "box:$work/src/f" dst
	kill -INT "${pid[one]}"
	ended one
	[ "$code" = 130 ] || { cat one.messages; false; }
	no_remote_ferry
}

@test "who listens: nobody without the key, and not for longer than it has to" {
	needs CAP_SYS_PTRACE # to see the descriptors of a process that is confined
	is python3 "$tools/direct_peer.py" "$FERRY" "$work/dst" ok
	is cat dst/f text
}

@test "who connects: not to whatever the other side names" {
	# hostile TEXT ARG... - what is said comes from a thread of its own: the other
	# side ends the session after it
	hostile() {
		local text=$1
		shift
		rm -f go dst/photos
		start hostile "${FERRY_WRAP:-env}" "$FERRY" receive -v --ssh \
			"python3 $tools/hostile_remote.py direct $*" \
			box:photos dst 2>messages
		await messages "$text"
		touch go
		ended hostile
	}
	local where
	for where in "22 127.0.0.1" "1 192.0.2.1" "5000 224.0.0.1" \
		"5000 255.255.255.255" "5000 0.0.0.0"; do
		# shellcheck disable=SC2086
		hostile "the other side named an address that is not" $where photos
		is cat dst/photos evil
	done
	hostile "the other host cannot listen on a port" 0 0.0.0.0 photos
	is cat dst/photos evil
	hostile "unexpected DIRECT" 5000 127.0.0.1 twice photos
	is echo "$code" 5
}
