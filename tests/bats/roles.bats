#!/usr/bin/env bats
# Who sends and who connects: ferry send --listen and ferry receive --connect.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# send_listen OPTION... PATH... - start a sender that listens; $port is where, its
# events go to sent.events, its messages to sender.
send_listen() {
	: >sent.events
	# shellcheck disable=SC2086
	start sender ${FERRY_WRAP:-} "$FERRY" send --listen -p 0 --json=9 \
		"$@" 9>sent.events 2>sender
	await sent.events '"event":"listening"' || { cat sender; return 1; }
	port=$(member sent.events listening port)
}

# sender_ends WANTED - the exit status of the sender that listens.
sender_ends() {
	ended sender
	[ "$code" = "$1" ] || {
		echo "ferry send --listen: exit status $code, expected $1"
		cat sender
		return 1
	}
}

# fetch OPTION... [DIR] - run a receiver that connects to the sender; sets $got to
# its exit status, its messages go to messages, its events to events.
fetch() {
	got=0
	# shellcheck disable=SC2086
	timeout --foreground "$run_limit" ${FERRY_WRAP:-} "$FERRY" receive \
		--json=9 --connect "${host:-127.0.0.1}:$port" "$@" \
		9>events 2>messages || got=$?
}

# fetched WANTED - its exit status.
fetched() {
	[ "$got" = "$1" ] || {
		echo "ferry receive --connect: exit status $got, expected $1"
		cat messages
		return 1
	}
}

make_tree() {
	mkdir -p src/t/sub
	head -c 9000000 /dev/urandom >src/t/large
	for n in 1 2 3; do echo "$n" >"src/t/sub/$n"; done
	ln -s sub/1 src/t/link
}

# arrived - the tree came whole, and both sides say so.
arrived() {
	fetched 0
	sender_ends 0
	same_tree src/t dst/t
	no_litter
	check_events events sent.events
	rm -r dst/t
}

@test "each mode of security, by one connection and by four [long-san]" {
	make_tree
	make_certs
	ferry keygen key 2>/dev/null
	for j in 1 4; do
		send_listen -j $j --plain src/t
		fetch --plain dst
		arrived
		send_listen -j $j --key key src/t
		fetch --key key dst
		arrived
		is member sent.events session security psk
		is member events session security psk
		send_listen -j $j --cert a.pem --cert-key a.key --ca ca.pem \
			src/t
		fetch --cert b.pem --cert-key b.key --ca ca.pem dst
		arrived
		send_listen -j $j --cert a.pem --cert-key a.key \
			--pin "$(pin_of b.pem)" src/t
		fetch --cert b.pem --cert-key b.key --pin "$(pin_of a.pem)" dst
		arrived
		send_listen -j $j src/t
		await sent.events '"event":"code"'
		(umask 077 && member sent.events code code >code)
		fetch --code-file code dst
		arrived
		is member sent.events session verify \
			"$(member events session verify)"
	done
}

@test "the command and the code that the sender shows are what the receiver needs" {
	echo content >src/f
	send_listen -b 127.0.0.1 src/f
	await sent.events '"event":"code"'
	is grep -c "waiting for a receiver on 127.0.0.1:$port (TLS, one-time code)" \
		sender 1
	shown=$(sed -n 's/^ferry: on this host: //p' sender)
	[ "$shown" = "ferry receive --connect 127.0.0.1:$port" ]
	secret=$(sed -n 's/^ferry: one-time code:  *//p' sender)
	cd dst
	python3 "$tools/at_terminal.py" \
		"The code that ferry send shows on 127.0.0.1:$port: " \
		"$secret\n" -- "$FERRY" receive --connect "127.0.0.1:$port" \
		2>../messages || { cat ../messages; false; }
	cd ..
	sender_ends 0
	cmp src/f dst/f
	# after a wrong code the sender shows another, which is asked for at the
	# terminal
	rm dst/f
	send_listen -b 127.0.0.1 src/f
	await sent.events '"event":"code"'
	(umask 077 && echo 0000-river-anchor >code)
	fetch --code-file code dst
	fetched 4
	has sender "another, number 2 of 4"
	# shellcheck disable=SC2016
	python3 "$tools/at_terminal.py" \
		"The code that ferry send shows on 127.0.0.1:$port: " \
		'0000-river-anchor\n' \
		"The code was wrong, and there is a new one.*$port: " \
		'!sed -n "s/^ferry: one-time code:  *//p" sender | tail -n 1' \
		-- "$FERRY" receive --connect "127.0.0.1:$port" dst \
		2>messages || { cat messages; false; }
	sender_ends 0
	cmp src/f dst/f
}

@test "the certificate that must have the host's name is the listening sender's" {
	make_certs
	echo content >src/f
	send_listen --cert a.pem --cert-key a.key --ca ca.pem \
		--peer-name 127.0.0.1 src/f
	host=localhost
	fetch --cert b.pem --cert-key b.key --ca ca.pem dst
	fetched 4
	has messages "localhost"
	fetch --cert b.pem --cert-key b.key --ca ca.pem \
		--peer-name 127.0.0.1 dst
	fetched 0
	sender_ends 0
	cmp src/f dst/f
	# and the sender lets in whom --peer-name names
	send_listen --cert a.pem --cert-key a.key --ca ca.pem \
		--peer-name backup.example.org src/f
	host=127.0.0.1
	fetch --cert b.pem --cert-key b.key --ca ca.pem dst
	fetched 4
	kill -TERM "${pid[sender]}"
	sender_ends 143
}

@test "standard input, --stdout, a command, --files-from, --existing, the sandbox" {
	head -c 3000000 /dev/urandom >src/data
	send_listen --plain --sandbox "$(confined)" - <src/data
	fetch --plain --stdout >out
	fetched 0
	sender_ends 0
	cmp src/data out
	send_listen --plain --name made --stdin-from-command -- cat src/data
	fetch --plain dst
	fetched 0
	sender_ends 0
	cmp src/data dst/made
	echo data >list
	send_listen --plain --files-from list src
	fetch --plain dst
	fetched 0
	sender_ends 0
	cmp src/data dst/data
	echo other >dst/data
	send_listen --plain src/data
	fetch --plain dst
	fetched 7
	sender_ends 8
	has sender "exists"
	is cat dst/data other
}

@test "who has not the key, says nothing or leaves does not end a sender that listens" {
	echo content >src/f
	ferry keygen key 2>/dev/null
	ferry keygen wrong 2>/dev/null
	send_listen --key key --allow 127.0.0.0/8 src/f
	exec {silent}<>"/dev/tcp/127.0.0.1/$port"
	fetch --key wrong dst
	fetched 4
	fetch --plain dst
	[ "$got" != 0 ]
	only_dir
	fetch --key key dst
	fetched 0
	sender_ends 0
	exec {silent}>&-
	# the same without TLS: a port scan is no receiver
	send_listen --plain src/f
	exec {scan}<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET / HTTP/1.0\r\n\r\n' >&"$scan"
	await sender 'no session: the other side is an HTTP client, not ferry'
	exec {scan}>&-
	rm dst/f
	fetch --key key dst
	[ "$got" != 0 ]
	has messages "the other side uses no encryption (--plain)"
	fetch --plain dst
	fetched 0
	sender_ends 0
	# --allow keeps out who has another address
	send_listen --plain --allow 192.0.2.0/24 src/f
	fetch --plain dst
	[ "$got" != 0 ]
	await sender 'refused: not allowed'
	kill -TERM "${pid[sender]}"
	sender_ends 143
}

@test "both sides send, both receive, both listen, both connect" {
	echo content >src/f
	send_listen --plain src/f
	send --plain src/f
	status 5
	has sender "both sides send: one of them has to run 'ferry receive'"
	await sent.events . && kill -TERM "${pid[sender]}"
	ended sender
	receive --plain dst
	got=0
	ferry receive --plain --connect "127.0.0.1:$port" dst 2>second || got=$?
	[ "$got" = 5 ]
	has second "both sides receive: one of them has to run 'ferry send'"
	await messages 'both sides receive'
	stop_receiver
	# nobody listens
	got=0
	ferry receive --plain --connect "127.0.0.1:$port" dst 2>second || got=$?
	[ "$got" = 3 ]
	has second "is 'ferry send --listen' running there?"
	# the port that the first one listens on
	send_listen --plain src/f
	got=0
	ferry receive --plain -p "$port" dst 2>second || got=$?
	[ "$got" = 3 ]
	has second "port $port is in use"
	kill -TERM "${pid[sender]}"
	sender_ends 143
}

@test "--wait ends a side that listens when nobody comes" {
	echo content >src/f
	got=0
	ferry send --listen -p 0 --plain --wait 1 src/f 2>sender || got=$?
	[ "$got" = 6 ]
	has sender "no receiver came within 1 s (--wait)"
	got=0
	ferry receive -p 0 --plain --wait 1 dst 2>messages || got=$?
	[ "$got" = 6 ]
	has messages "no sender came within 1 s (--wait)"
	# after it has served one
	receive --plain --wait "$(limit 1)" dst
	send --plain src/f
	status 0
	wait_receiver
	[ "$got" = 0 ]
}

@test "--retry of the side that connects: the sender waits for it, and nothing is sent twice" {
	head -c 20000000 /dev/urandom >src/large
	for n in $(seq 50); do echo "$n" >"src/$n"; done
	ferry keygen key 2>/dev/null
	send_listen -j 1 --key key src
	forward cut-reply 8000000
	fetch --key key --retry 30 dst
	fetched 0
	sender_ends 0
	has messages "retrying for"
	has sender "waiting for the receiver to reconnect"
	same_tree src dst/src
	no_litter
	check_events events sent.events
	# without --retry both end
	stop_forward
	rm -r dst/src
	send_listen -j 1 --key key src
	forward cut-reply 8000000
	fetch --key key dst
	fetched 6
	sender_ends 6
}

@test "--retry: the receiver may be started first" {
	echo content >src/f
	port=$(python3 "$tools/free_port.py")
	: >events
	start early "$FERRY" receive --connect "127.0.0.1:$port" --plain \
		--retry 30 dst 2>early
	await early 'retrying for'
	ferry send --listen -p "$port" --plain src/f 2>sender
	ended early
	[ "$code" = 0 ]
	cmp src/f dst/f
}

@test "--receivers: several, one after the other, each with a transfer of its own" {
	make_tree
	mkdir dst2 dst3
	ferry keygen key 2>/dev/null
	send_listen --key key --receivers 3 src/t
	fetch --key key --retry "$(limit 9)" dst
	fetched 0
	# one to which a file of it is a conflict
	mkdir -p dst2/t/sub
	echo other >dst2/t/sub/1
	fetch --key key --retry "$(limit 9)" dst2
	fetched 1
	fetch --key key --retry "$(limit 9)" dst3
	fetched 0
	sender_ends 1
	has sender "1 of 3 receivers did not get everything (see above)"
	is grep -c '"event":"summary"' sent.events 3
	same_tree src/t dst/t
	same_tree src/t dst3/t
	cmp src/t/large dst2/t/large
	is cat dst2/t/sub/1 other
	# any number, until nobody comes
	rm -r dst/t dst3/t
	send_listen --plain --receivers any --wait "$(limit 2)" src/t
	fetch --plain --retry "$(limit 9)" dst
	fetched 0
	fetch --plain --retry "$(limit 9)" dst3
	fetched 0
	sender_ends 0
	same_tree src/t dst3/t
	check_events sent.events
}

@test "--receivers: one that comes back and wants nothing keeps no other out for long" {
	echo content >src/f
	send_listen --plain --receivers 2 --checksum sha256 \
		--timeout "$(limit 2)" src/f
	# until the sender no longer says that it waits for this one
	timeout "$(limit 20)" python3 - "$BATS_TEST_DIRNAME/.." "$port" \
		>count <<-'EOF'
		import itertools, socket, sys
		sys.path.insert(0, sys.argv[1])
		from lib.peer import Channel, Closed
		from lib.wire import FEATURES, RECONNECT, message

		first = None
		for n in itertools.count():
		    c = Channel(socket.create_connection(
		        ("127.0.0.1", int(sys.argv[2]))), 10)
		    try:
		        c.send(message("PING"))
		        hello = c.until("HELLO")
		        first = first or hello["session"]
		        if hello["session"] != first:
		            break
		        c.send(message("READY", features=FEATURES | RECONNECT))
		    except Closed:
		        pass
		    c.close()
		print(n)
	EOF
	fetch --plain --retry "$(limit 9)" dst
	fetched 0
	cmp src/f dst/f
	sender_ends 6
	has sender "1 of 2 receivers did not get everything"
	cat count
	said=$(grep -c 'waiting for the receiver to reconnect' sender)
	[ "$said" -le 20 ]
	said=$(grep -c 'connected to ' sender)
	[ "$said" -le 120 ]
	is grep -c '"event":"summary"' sent.events 2
}

@test "a path of 80 ms: a key and a code, four connections, by a sender that listens" {
	make_tree
	ferry keygen key 2>/dev/null
	send_listen -j 4 --key key src/t
	forward rule 'up@0*=delay:40' rule 'down@0*=delay:40'
	fetch --key key dst
	arrived
	stop_forward
	send_listen -j 4 src/t
	await sent.events '"event":"code"'
	(umask 077 && member sent.events code code >code)
	forward rule 'up@0*=delay:40' rule 'down@0*=delay:40'
	fetch --code-file code dst
	arrived
}
