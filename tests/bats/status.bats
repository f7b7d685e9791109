#!/usr/bin/env bats
# Every documented exit status, on each side that can have it.  2 (usage) is
# in usage.bats; wrong keys and certificates are in security-modes.bats.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# both SENDER RECEIVER - the two exit statuses of the session that ended.
both() {
	wait_receiver
	[ "$sent" = "$1" ] && [ "$got" = "$2" ] || {
		echo "send: $sent, wanted $1; receive: $got, wanted $2"
		cat sender messages
		return 1
	}
}

# The summary event of a side has the same status.
told() {
	is member "$1" summary exit "$2"
}

@test "0: everything is committed [san]" {
	echo text >src/f
	receive --plain --once dst
	send --plain src/f
	both 0 0
	told events 0
}

@test "1: some files were committed, others not" {
	echo new >src/a
	echo text >src/b
	echo old >dst/a
	receive --plain --once dst
	send --plain src/a src/b
	both 1 1
	told events 1
	has sender "a: on the receiver"
	has sender "different file of that name exists"
	is cat dst/a old
	is cat dst/b text
}

@test "1: a file was skipped by the receiver" {
	echo new >src/a
	echo old >dst/a
	receive --plain --once --existing skip dst
	send --plain src/a
	both 1 0
	has sender "a: skipped by the receiver"
}

@test "3: connection refused, port in use, host name without address" {
	echo text >src/f
	receive --plain dst
	run -3 ferry receive --plain -p "$port" dst
	[[ "$output" == *"port $port is in use: choose another with -p"* ]]
	stop_receiver
	send --plain src/f
	status 3
	has sender "cannot connect to 127.0.0.1 port $port: connection refused"
	has sender "(is 'ferry receive' running there?)"
	host=no-such-host.invalid
	send --plain src/f
	status 3
	has sender "cannot resolve host no-such-host.invalid"
}

@test "3: a receiver that has reached --max-sessions" {
	head -c 3000000 /dev/zero >src/f
	echo text >src/g
	receive --plain --max-sessions 1 dst
	start_send one --plain -j 1 --limit-rate 1M src/f
	await events '"session"'
	send --plain src/g
	status 3
	has sender "too many sessions at a time"
	ended one
	[ "$code" = 0 ]
	# the session has ended, so there is room for another
	send --plain src/g
	status 0
	is cat dst/g text
}

@test "4: a wrong key; the receiver goes on" {
	echo text >src/f
	ferry keygen a 2>/dev/null
	ferry keygen b 2>/dev/null
	receive --key a --once dst
	send --key b src/f
	status 4
	only_dir
	send --key a src/f
	both 0 0
}

@test "5: damaged data that cannot be sent again" {
	head -c 100000 /dev/urandom >src/f
	: >out
	start receiver "$FERRY" receive --plain -p 0 --stdout --json=9 \
		9>events 2>messages >out </dev/null
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(member events listening port)
	forward flip 50000
	sent=0
	ferry send --plain --name f - "127.0.0.1:$port" <src/f 2>sender ||
		sent=$?
	both 5 5
	told events 5
}

@test "6: the other side is killed during a session, for both sides" {
	head -c 9000000 /dev/urandom >src/f
	receive --plain --once dst
	start_send one --plain --limit-rate 2M src/f
	under_way one
	kill -KILL "${pid[one]}"
	wait_receiver
	[ "$got" = 6 ]
	told events 6
	ended one
	[ ! -e dst/f ]

	receive --plain dst
	start_send one --plain --limit-rate 2M src/f
	under_way one
	kill -KILL "${pid[receiver]}"
	wait_receiver
	ended one
	[ "$code" = 6 ] || { cat one.messages; return 1; }
	told one.events 6
	[ ! -e dst/f ]
}

@test "with several streams, the error of the one that failed is reported" {
	truncate -s 200M src/f # holes are sent fast, the data after them slowly
	head -c 20000000 /dev/urandom >>src/f
	for i in {1..20}; do
		head -c 600000 /dev/urandom >"src/g$i"
	done
	receive --plain --once dst
	start_send one --plain -j 4 --limit-rate 4M src/f src/g*
	under_way one
	kill -KILL "${pid[one]}"
	wait_receiver
	ended one
	[ "$got" = 6 ]
	hasnt messages interrupted
	hasnt events interrupted

	receive --plain dst
	start_send one --plain -j 4 --limit-rate 4M src/f src/g*
	under_way one
	kill -KILL "${pid[receiver]}"
	wait_receiver
	ended one
	[ "$code" = 6 ]
	hasnt one.messages interrupted
}

@test "6: no data from a stopped peer for --timeout" {
	head -c 9000000 /dev/urandom >src/f
	receive --plain --once --timeout 2 dst
	start_send one --plain --limit-rate 2M src/f
	under_way one
	kill -STOP "${pid[one]}"
	begin=$SECONDS
	wait_receiver
	# generous: other tests run at the same time
	[ $((SECONDS - begin)) -le "$(limit 12)" ]
	kill -CONT "${pid[one]}"
	ended one
	[ "$got" = 6 ]
	has messages "no data from the other side"
	[ "$code" = 6 ] || { cat one.messages; return 1; }

	# more than the socket buffers hold, or all would be sent at once
	head -c 60000000 /dev/zero >src/f
	receive --plain --once dst
	start_send one --plain -j 1 --limit-rate 8M --timeout 2 src/f
	under_way one
	kill -STOP "${pid[receiver]}"
	begin=$SECONDS
	ended one
	[ $((SECONDS - begin)) -le "$(limit 12)" ]
	kill -CONT "${pid[receiver]}"
	wait_receiver
	[ "$code" = 6 ] || { cat one.messages; return 1; }
	has one.messages "no data from the other side"
	[ "$got" = 6 ]
	[ ! -e dst/f ]
}

@test "a session survives a peer that is stopped for less than --timeout" {
	head -c 6000000 /dev/urandom >src/f
	receive --plain --once --timeout 20 dst
	start_send one --plain --limit-rate 2M --timeout 20 src/f
	under_way one
	kill -STOP "${pid[one]}"
	sleep 2 # the pause that is tested
	kill -CONT "${pid[one]}"
	await one.events '"bytes":[34]'
	kill -STOP "${pid[receiver]}"
	sleep 2
	kill -CONT "${pid[receiver]}"
	ended one
	wait_receiver
	[ "$code" = 0 ]
	[ "$got" = 0 ]
	cmp src/f dst/f
}

@test "a side that was stopped for longer than its own --timeout goes on" {
	head -c 6000000 /dev/urandom >src/f
	receive --plain --once --timeout "$(limit 2)" dst
	start_send one --plain --limit-rate 2M --timeout "$(limit 20)" src/f
	under_way one
	kill -STOP "${pid[receiver]}"
	sleep "$(limit 4)"
	kill -CONT "${pid[receiver]}"
	ended one
	wait_receiver
	[ "$code" = 0 ]
	[ "$got" = 0 ]
	cmp src/f dst/f
}

@test "7: a local file cannot be read, or cannot be written" {
	needs mounting
	echo text >src/f
	mkdir small
	mount -t tmpfs -o size=64k none small
	head -c 200000 /dev/urandom >src/f
	receive --plain --once small
	send --plain src/f
	both 8 7 || { umount small; return 1; }
	umount small
	send --plain src/none
	status 7
	has sender "src/none: No such file or directory"
}

@test "8: the receiver could not write any file" {
	echo new >src/a
	echo old >dst/a
	receive --plain --once dst
	send --plain src/a
	both 8 7
	told events 7
	has sender "move or remove the existing file"
}

@test "8: several files for a receiver that wants one" {
	echo text | tee src/a >src/b
	receive --plain --stdout >out
	send --plain src/a src/b
	status 8
	has sender "accepts only a single file"
	stop_receiver
}

@test "9: the source changed while it was being sent" {
	head -c 9000000 /dev/urandom >src/f
	receive --plain --once dst
	start_send one --plain -j 1 --limit-rate 2M src/f
	under_way one
	echo more >>src/f
	ended one
	wait_receiver
	[ "$code" = 9 ]
	[ "$got" = 9 ]
	told one.events 9
	told events 9
	has one.messages "it grew while it was sent"
	only_dir
}

@test "10: all was sent, but the receiver's last frame is lost" {
	head -c 100000 /dev/urandom >src/f
	receive --plain dst
	forward record rec
	send --plain -j 1 src/f
	status 0
	stop_forward
	length=$(stat -c %s rec.replies)
	rm dst/f
	forward cut-reply $((length - 1))
	send --plain -j 1 src/f
	status 10
	has sender "the commit of some files was not confirmed"
	# it was committed all the same
	cmp src/f dst/f
	stop_forward
	# sent again, it is unchanged
	send --plain src/f
	status 0
	await events '"status":"unchanged"'
}

@test "6, not 10: the connection is cut while there is data to send" {
	# more than the socket buffers hold: otherwise the sender has written
	# everything before it notices the cut
	head -c 7000000 /dev/urandom >src/whole
	head -c 9000000 /dev/urandom >src/range
	for i in {1..40}; do
		head -c 200000 /dev/urandom >"src/pack$i"
	done
	receive --plain dst
	for f in "whole" "range" "pack*"; do
		forward cut 100000
		# shellcheck disable=SC2086
		send --plain -j 1 --limit-rate 2M src/$f
		status 6
		stop_forward
		is find dst -type f -not -name '.ferry-*' ""
	done
}

@test "11: too few descriptors, for either side" {
	echo text >src/f
	# only 0 to 2 are open, and the dynamic loader needs one more
	few='for f in /proc/self/fd/*; do
		f=${f##*/}; [ "$f" -le 2 ] || eval "exec $f>&-"
	done; ulimit -n 4;'
	run -11 bash -c "$few"'exec "$0" receive --plain -p 0 dst' "$FERRY"
	[[ "$output" == *"Too many open files"* ]]
	receive --plain dst
	run -11 bash -c "$few"'exec "$0" send --plain src/f "127.0.0.1:$1"' \
		"$FERRY" "$port"
	[[ "$output" == *"Too many open files"* ]]
	only_dir
	# the receiver still works
	send --plain src/f
	status 0
}

@test "128+N: either side ended by a signal, no final name" {
	head -c 20000000 /dev/urandom >src/f
	for signal in INT:130 TERM:143 HUP:129; do
		# start empty: existing files would make it end too early
		rm -rf dst; mkdir dst
		receive --plain dst
		start_send one --plain --limit-rate 2M src/f
		under_way one
		kill -"${signal%:*}" "${pid[one]}"
		ended one
		[ "$code" = "${signal#*:}" ]
		told one.events "$code"
		start_send two --plain --limit-rate 2M src/f
		under_way two
		kill -"${signal%:*}" "${pid[receiver]}"
		wait_receiver
		[ "$got" = "${signal#*:}" ]
		ended two
		[ "$code" = 6 ] || { cat two.messages; return 1; }
		[ ! -e dst/f ]
	done
}
