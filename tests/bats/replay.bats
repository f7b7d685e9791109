#!/usr/bin/env bats
# Replay of a recorded session: without TLS it is accepted as a session, with TLS
# it is refused by either side.

load helper

write_code() { (umask 077 && echo 4821-river-anchor >code); }

setup() {
	make_dir
	mkdir src/t
	head -c 300000 /dev/urandom >src/t/medium
	head -c 9000001 /dev/urandom >src/t/large
	write_code
	ferry keygen key 2>/dev/null
}
teardown() { remove_dir; }

# record OPTION... - record a session of one stream in this mode, both
# directions, in said.*
record() {
	receive "$@" --once dst
	forward record said
	send "$@" -j 1 src/t
	status 0
	stop_forward
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	[ "$(stat -c %s said.sent)" -gt 9000000 ]
	rm -r dst/t
}

# say_to_receiver - replay the sender; $came is how many bytes the receiver sent.
say_to_receiver() {
	came=$(timeout "$(limit 60)" python3 "$tools/replay.py" send "$port" said.sent)
	came=${came#came }
}

# send_to_replay OPTION... - run a new sender against the replayed receiver.
send_to_replay() {
	: >replay.out
	start replay python3 "$tools/replay.py" receive said.replies \
		>replay.out
	await replay.out '^[0-9]+$'
	port=$(head -n 1 replay.out)
	: >sender.events
	send --timeout "$(limit 10)" "$@" --json=8 src/t 8>sender.events
	ended replay
}

# too_few - enough came for a handshake, which is longer with a key share of
# ML-KEM, but too few for a session
too_few() {
	echo "$came bytes of $(stat -c %s said.replies)"
	[ "$came" -lt $(($(stat -c %s said.replies) * 3 / 4)) ]
}

@test "without TLS a replayed sender gets a session" {
	record --plain
	receive --plain --once dst
	say_to_receiver
	# the replay ends early, as it does not wait for verdicts
	wait_receiver
	has events '"event":"session"'
	diff -r src/t dst/t
	[ "$came" -gt 100 ]
}

@test "with a key a replayed sender is refused" {
	record --key key
	receive --key key dst
	for _ in 1 2; do
		say_to_receiver
		too_few
		only_dir
	done
	send --key key src/t
	status 0
	same_tree src/t dst/t
	# a receiver that has served the key refuses the replay too
	say_to_receiver
	stop_receiver
	is grep -c 'no session: ' messages 3
	is grep -c '"event":"session"' events 1
}

@test "with a key a replayed receiver is refused" {
	record --key key
	send_to_replay --key key
	status 4
	hasnt sender.events '"session"'
	hasnt sender.events '"committed"'
	hasnt replay.out "came 0"
}

@test "with a code a replayed sender uses it up and gets no session" {
	record --code-file code
	write_code # a file's code serves once
	receive --code-file code dst
	say_to_receiver
	# message 2 of the exchange, and no more
	[ "$came" = 73 ]
	wait_receiver
	[ "$got" = 4 ]
	has messages "no longer valid"
	only_dir
	hasnt events '"event":"session"'
}

@test "with a code a replayed receiver is refused" {
	record --code-file code
	write_code # a file's code serves once
	send_to_replay --code-file code
	status 4
	has sender "the code was wrong, or the connection was tampered with"
	hasnt sender.events '"session"'
	hasnt sender.events '"committed"'
	# messages 1 and 3, and nothing after them
	has replay.out "came 145"
}

@test "a replayed further stream cannot join another session" {
	# the second connection of a session begins in the same way
	receive --key key --once dst
	forward record said
	send --key key -j 2 src/t
	status 0
	stop_forward
	wait_receiver
	rm -r dst/t
	receive --key key dst
	start_send slow --key key -j 2 --limit-rate 4M src/t
	under_way slow
	say_to_receiver
	too_few
	ended slow
	[ "$code" = 0 ]
	same_tree src/t dst/t
	is grep -c '"event":"session"' events 1
}
