#!/usr/bin/env bats
# A receiver as a service: sockets that it is given, readiness, watchdog, journal.

load helper

setup() { make_dir; echo text >src/f; ferry keygen key 2>/dev/null; }
teardown() { remove_dir; }

# activate OPTION... - have systemd-socket-activate listen and start ferry with
# what follows; $port is where.
activate() {
	port=$(python3 "$tools/free_port.py")
	start activate systemd-socket-activate -l "127.0.0.1:$port" \
		-E GCOV_PREFIX -E GCOV_PREFIX_STRIP "$@" 2>messages </dev/null
	await messages "Listening on 127.0.0.1:$port"
}

# notified - collect what is told on the socket $work/notify in the file told.
notified() {
	: >told
	start notified python3 -uc '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
print("bound")
while True:
    print(s.recv(100).decode())
' >told
	await told bound
}

@test "a socket that is given, readiness and watchdog, confined" {
	needs systemd-socket-activate
	local how=auto
	is_instrumented || how=$(confined)
	notified
	# ferry alone has them: systemd-socket-activate tells its own readiness
	activate -E "NOTIFY_SOCKET=$work/notify" -E WATCHDOG_USEC=1000000 \
		"$FERRY" receive --key key --sandbox $how dst
	hasnt told READY
	send --key key src/f
	status 0
	is cat dst/f text
	await told READY=1
	await told WATCHDOG=1
	has messages "receiving into dst on 127.0.0.1:$port"
	kill -TERM "${pid[activate]}"
	ended activate
	[ "$code" = 143 ]
	await told STOPPING=1
	kill "${pid[notified]}"
	ended notified
}

@test "a connection that is given: one session, one stream" {
	needs systemd-socket-activate
	activate -a "$FERRY" receive --key key dst
	head -c 20M /dev/zero >src/large
	send --key key -j 4 src/f src/large
	status 0
	is cat dst/f text
	same src/large dst/large
	await messages 'died with code 0'
	# a stranger's ends as well
	ferry keygen stranger 2>/dev/null
	send --key stranger src/f
	status 4
	await messages 'died with code 4'
	kill "${pid[activate]}"
	ended activate
}

@test "connections that are given, for named senders: a process each" {
	needs systemd-socket-activate
	ferry keygen other 2>/dev/null
	mkdir dst/a dst/b
	printf 'dir = %s/dst\n[a]\nkey = key\n[b]\nkey = other\n' "$work" >conf
	activate -a "$FERRY" receive --config conf
	head -c 2M /dev/urandom >src/large
	start_send slow --key key --limit-rate 1M src/large
	under_way slow
	send --key other src/f
	status 0
	is cat dst/b/f text
	ended slow
	[ "$code" = 0 ]
	same src/large dst/a/large
	kill "${pid[activate]}"
	ended activate
}

@test "a socket of another kind, or several, are refused" {
	run env LISTEN_FDS=2 LISTEN_FDNAMES=a:b bash -c \
		'export LISTEN_PID=$$; exec "$0" receive --key key dst' "$FERRY"
	[ "$status" = 2 ]
	[[ $output = *"2 sockets"* ]]
	run env LISTEN_FDS=1 bash -c \
		'export LISTEN_PID=$$; exec "$0" receive --key key dst 3<key' \
		"$FERRY"
	[ "$status" = 2 ]
	[[ $output = *"not one of TCP"* ]]
	# for another process
	LISTEN_PID=1 LISTEN_FDS=1 receive --key key dst
	send --key key src/f
	status 0
	stop_receiver
}

@test "messages to the journal have priorities" {
	printf 'dir = %s/dst\n[a]\nkey = key\n' "$work" >conf
	: >journal
	JOURNAL_STREAM=$(stat -c %d:%i journal) start receiver "$FERRY" \
		receive --config conf --plain 2>journal
	ended receiver
	grep -q '^<3>ferry: --config and --plain' journal
	: >journal
	start receiver env JOURNAL_STREAM="$(stat -c %d:%i journal)" "$FERRY" \
		receive -p 0 --key key --wait 1 dst 2>journal
	await journal '^<6>ferry: receiving into dst on'
	ended receiver
	grep -q '^<3>ferry: receive: no sender came' journal
	# another file is no journal
	JOURNAL_STREAM=1:1 receive --plain dst
	has messages 'ferry: warning: --plain'
	stop_receiver
}

@test "the units: correct, and confined" {
	needs systemd-analyze
	for unit in "$BATS_TEST_DIRNAME"/../../scripts/systemd/*.{service,socket,timer}; do
		sed -e "s|@BINDIR@/ferry|$FERRY|" -e /^Documentation/d "$unit" \
			>"${unit##*/}"
	done
	cp ferry-send@.service ferry-send@night.service
	cp ferry-send@.timer ferry-send@night.timer
	cp ferry-receive-each@.service ferry-receive-each@1.service
	run systemd-analyze verify ./ferry-receive.service \
		./ferry-receive.socket ./ferry-receive-each.socket \
		./ferry-receive-each@1.service ./ferry-send@night.service \
		./ferry-send@night.timer
	# what it says of the system's own units is not about these
	output=$(grep -v ^/usr/lib/systemd/ <<<"$output" || true)
	[ "$status" = 0 ] && [ -z "$output" ] || { echo "$output"; false; }
	# below 2.0, in tenths
	for unit in ferry-receive.service ferry-receive-each@1.service; do
		systemd-analyze security --offline=yes --no-pager \
			--threshold=20 "./$unit" >rating || { cat rating; false; }
	done
	# both receivers have the same confinement
	for unit in ferry-receive.service ferry-receive-each@.service; do
		sed -n '/^ReadWritePaths=/,/^\[Install/p' "$unit" |
			grep -v '^\[\|^$' >"$unit.confined"
		[ "$(wc -l <"$unit.confined")" -gt 20 ]
	done
	diff ./*.confined
}
