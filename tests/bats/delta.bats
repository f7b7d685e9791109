#!/usr/bin/env bats
# Only what differs from a file that is replaced is sent (--delta), and what
# arrives is right whatever becomes of that file meanwhile.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# edit KIND MIB - make dst/f and src/f, of which the second is the first, edited.
edit() {
	rm -f src/f dst/f
	python3 "$tools/edit.py" "$1" $(($2 * MiB)) dst/f src/f
	touch -d '2020-01-01' dst/f
}

# delta OPTION... - send src/f to the running receiver; $wire becomes how many
# bytes went over the network, $basis how many were taken from dst/f.
delta() {
	send --json=7 "$@" src/f 7>sent.events
	check_events sent.events
	wire=$(member sent.events summary wire_bytes)
	basis=$(member sent.events summary basis_bytes)
}

# at_most KIND MIB BYTES - edit, send, and compare: at most so many bytes are
# sent.
at_most() {
	receive --plain --once --existing replace dst
	edit "$1" "$2"
	delta --plain
	status 0
	wait_receiver
	cmp src/f dst/f
	no_litter
	[ "$wire" -le "$3" ] || { echo "$1: $wire bytes, not $3"; return 1; }
}

@test "only what differs is sent [long-san]" {
	at_most writes 24 $((24 * MiB / 50))
	at_most append 24 $((24 * MiB / 20 + 200000))
	at_most insert 24 $((24 * MiB / 100 + 100000))
	at_most cut 24 $((24 * MiB / 50 + 100000))
	at_most move 24 $((24 * MiB / 50 + 100000))
	at_most tar 24 $((24 * MiB / 20))
	at_most grow 24 $((24 * MiB / 20))
	at_most zeros 24 $((24 * MiB / 50))
	at_most page 24 $((24 * MiB / 20))
	at_most sparse 24 $((24 * MiB / 20))
	# what has nothing in common costs little more
	at_most other 24 $((24 * MiB * 103 / 100))
}

@test "what was compared is not read again by the sender" {
	needs ptrace
	needs 'a build without a sanitizer' # which strace does not mix with
	receive --plain --once --existing replace dst
	edit writes 24
	FERRY_WRAP="strace -f -qq -o calls -e trace=pread64" \
		delta --plain -j 1 --delta on
	status 0
	wait_receiver
	cmp src/f dst/f
	# lines that are split in two end with the result, too
	run awk '/ = [0-9]+$/ { n += $NF } END { print n }' calls
	[ "$output" -ge $((24 * MiB)) ]
	[ "$output" -le $((24 * MiB * 11 / 10)) ]
}

@test "with several connections, TLS, compression and other checksums" {
	ferry keygen key 2>/dev/null
	for options in "-j 4" "-j 4 -z" "--checksum sha256 -zzlib" \
		"--checksum crc32 -j 2"; do
		for kind in writes tar; do
			receive --key key --once --existing replace dst
			edit $kind 20
			# shellcheck disable=SC2086
			delta --key key $options
			status 0
			wait_receiver
			cmp src/f dst/f
			no_litter
			[ "$wire" -lt $((2 * MiB)) ]
		done
	done
}

@test "what is new is compressed" {
	receive --plain --existing replace dst
	edit append 16
	seq 1000000 >>src/f
	delta --plain -z
	status 0
	cmp src/f dst/f
	[ "$wire" -lt $((16 * MiB / 20 + 4 * MiB)) ]
	stop_receiver
}

@test "the summary says how much was sent" {
	receive --plain --existing replace dst
	edit append 40
	delta --plain
	status 0
	has sender "the file: 1 sent (2.0 MiB of 42.0 MiB; 1 replaced);"
	[ "$basis" -gt $((39 * MiB)) ]
	edit other 10
	delta --plain --delta off
	status 0
	cmp src/f dst/f
	[ -z "$basis" ]
	hasnt sender ' of '
	stop_receiver
}

@test "what the basis had is in the summary where the verdict comes before the answer" {
	cat >early.py <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		from lib.peer import Receiver
		from lib.wire import DELTAS, EXISTING, FEATURES, message

		SIZE = 3 << 20
		asked = []

		def opened(receiver, channel, m):
		    channel.send(message("SIGNATURE", id=m["id"], offset=SIZE),
		                 message("STATE", id=m["id"]))
		    return True

		def same(receiver, channel, m):
		    for c in asked:
		        channel.send(message(
		            "SIGNATURE", id=c["id"], kind=2, offset=c["offset"],
		            count=c["count"], list=b""))
		    return False

		r = Receiver({"OPEN": opened, "FINISH": same,
		              "COMPARE": lambda r, channel, m: asked.append(m) or True},
		             ready={"features": FEATURES | DELTAS | EXISTING})
		print(r.port, flush=True)
		sys.stdin.readline()
	EOF
	head -c $((3 * MiB)) /dev/urandom >src/f
	mkfifo in
	start early python3 early.py "$BATS_TEST_DIRNAME/.." <>in >early.out
	await early.out '^[0-9]+$'
	port=$(head -n 1 early.out)
	delta --plain --existing replace --delta on
	status 0
	[ "$(member sent.events summary sent_bytes)" = 0 ]
	[ "$basis" = $((3 * MiB)) ]
	echo >in
	ended early
}

@test "on: also of files up to 8 MiB; off: of none" {
	receive --plain --existing replace dst
	edit writes 5
	cp src/f src/g
	cp -p dst/f dst/g
	delta --plain --delta on src/g
	status 0
	cmp src/f dst/f
	cmp src/g dst/g
	[ "$wire" -lt $((2 * MiB)) ]
	edit writes 9
	delta --plain --delta off
	status 0
	cmp src/f dst/f
	[ "$wire" -gt $((9 * MiB)) ]
	stop_receiver
}

# again OPTION... - send two files: one that has nothing in common with what is
# there, by which the network is measured, then one that has all but a spot.
again() {
	edit writes 10
	mv src/f src/g
	mv dst/f dst/g
	edit other 40
	delta --plain -j 1 -v "$@" src/g
	status 0
	cmp src/f dst/f
	cmp src/g dst/g
}

@test "auto: not where the network is faster than comparing [--long]" {
	faster='what is left is sent whole, as comparing it'
	receive --plain --existing replace dst
	# Whether it is, is a matter of the machine; either way all arrives.
	again
	again --delta on
	[ "$basis" -gt $((8 * MiB)) ]
	hasnt sender "$faster"
	again --limit-rate 200M
	[ "$basis" -gt $((8 * MiB)) ]
	# a slow line
	forward rule 'up@0*=trickle:100000000'
	again
	[ "$basis" -gt $((8 * MiB)) ]
	hasnt sender "$faster"
	stop_forward
	stop_receiver
}

@test "only a file that is replaced is told about" {
	for existing in fail skip rename; do
		receive --plain --once --existing $existing dst
		edit writes 9
		cp dst/f old
		delta --plain
		wait_receiver
		cmp dst/f old
		[ -z "$basis" ]
		rm -rf dst; mkdir dst
	done
	receive --plain --once --existing backup dst
	edit writes 9
	cp dst/f old
	delta --plain
	status 0
	cmp src/f dst/f
	cmp 'dst/f~' old
	[ "$basis" -gt $((8 * MiB)) ]
	wait_receiver
	receive --plain --existing newer dst
	edit insert 9
	delta --plain
	status 0
	cmp src/f dst/f
	[ "$basis" -gt $((8 * MiB)) ]
	touch -d '2035-01-01' dst/f
	edit insert 9
	touch -d '2035-01-01' dst/f
	delta --plain
	status 1
	[ -z "$basis" ]
	stop_receiver
}

@test "a file of the same size and time that differs is compared closer [tsan]" {
	receive --plain --existing replace dst
	edit writes 80
	touch -r dst/f src/f
	delta --plain
	status 0
	cmp src/f dst/f
	[ "$wire" -lt $((3 * MiB)) ]
	# and one that does not differ is left alone
	before=$(stat -c %i dst/f)
	delta --plain
	status 0
	is stat -c %i dst/f "$before"
	[ "$wire" -lt 20000 ]
	stop_receiver
}

@test "a basis that changes costs another transmission, never a wrong file [long-san]" {
	for change in ': >dst/f' 'truncate -s 15M dst/f' \
		'head -c 30M /dev/urandom | dd of=dst/f conv=notrunc status=none' \
		'rm dst/f' 'mv src/g dst/f'; do
		receive --plain --once --existing replace dst
		cp /etc/passwd src/g
		edit tar 30
		# new content at the end, which keeps it at work
		head -c 8M /dev/urandom >>src/f
		start_send slow --plain -j 2 --limit-rate 6M src/f
		await slow.events '"progress","bytes":[1-9][0-9]{7}'
		eval "$change"
		ended slow
		[ "$code" = 0 ]
		wait_receiver
		cmp src/f dst/f
		hasnt slow.messages damaged
		hasnt messages damaged
		no_litter
	done
}

@test "a transfer that was interrupted goes on with what it has" {
	receive --plain --existing replace dst
	edit insert 40
	head -c $((12 * MiB)) /dev/urandom >>src/f
	cp dst/f old
	start_send slow --plain --limit-rate 4M src/f
	await slow.events '"progress","bytes":4[4-9][0-9]{6}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	cmp dst/f old
	delta --plain
	status 0
	cmp src/f dst/f
	no_litter
	[ "$wire" -lt $((12 * MiB)) ]
	stop_receiver
}
