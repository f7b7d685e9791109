#!/usr/bin/env bats
# Sessions with a peer that lacks optional parts of the protocol.  The peer is
# tests/tools/small_peer.py, which fails if a feature is used that was not
# granted, and verifies all digests.

load helper

# The bits of ferry-protocol(7).
zlib=0x1 zstd=0x2 holes=0x100 offers=0x200 resume=0x400 deferred=0x800 compare=0x40000

setup() {
	make_dir
	mkdir -p src/t/sub/empty src/t/many
	for i in {1..700}; do echo "file $i" >"src/t/many/$i"; done
	: >src/t/zero
	ln -s many/1 src/t/link
	ln -s nowhere src/t/sub/dangling
	head -c 300000 /dev/urandom >src/t/medium
	seq 1500000 >src/t/compressible
	truncate -s 12M src/t/sparse
	printf end | dd of=src/t/sparse bs=1 seek=9000000 conv=notrunc \
		status=none
	chmod 600 src/t/medium
	chmod 700 src/t/sub
	touch -d '2001-02-03 04:05:06.789' src/t/medium src/t/sub
}
teardown() { remove_dir; }

# small_receive FEATURES - start a small receiver for dst; sets $port
small_receive() {
	: >small
	start small python3 "$tools/small_peer.py" receive dst "$1" >small
	await small '^[0-9]+$'
	port=$(head -n 1 small)
}

small_ended() {
	ended small
	[ "$code" = 0 ] || { cat small; return 1; }
}

# used NAME - print that member of the last report, or "null"
used() {
	python3 - "$1" <<-'EOF2'
		import json, sys
		with open("small") as f:
		    print(json.dumps(json.loads(f.readlines()[-1]).get(sys.argv[1])))
	EOF2
}

# send_small FEATURES OPTION... - send src/t to a small receiver
send_small() {
	small_receive "$1"
	send --plain --checksum sha256 -v -j 1 "${@:2}" src/t
	small_ended
}

# receive_small FEATURES [SOURCE] - receive src/t from a small sender
receive_small() {
	timeout "$run_limit" python3 "$tools/small_peer.py" send "$port" \
		"${2:-src/t}" "$1" >small || { cat small messages; return 1; }
}

@test "a receiver that grants no features gets a whole tree" {
	send_small 0 -z
	status 0
	same_tree src/t dst/t
	is used granted 0
	is used codecs '[0]'
	is used HOLE null
	has sender "does not know: zlib compression, zstd compression, "
	has sender ", sparse chunks, "
	has sender ", holes, "
	# again: now all is there already, but without the feature none is offered
	send_small 0
	status 0
	same_tree src/t dst/t
	is used OFFER null
}

@test "granted features are used" {
	send_small "$zlib" -z
	status 0
	same_tree src/t dst/t
	is used codecs '[0, 1]'
	is used HOLE null
	rm -rf dst/t
	send_small "$((holes | offers | compare))"
	status 0
	same_tree src/t dst/t
	! build_has holes || [ "$(used HOLE)" != null ]
	is used codecs '[0]'
	# a bit that only the receiver knows
	send_small "$((holes | 1 << 30))"
	is used granted "$((holes))"
}

@test "a codec asked for by name that the receiver does not know" {
	for name in zstd zlib; do
		send_small "$((holes | offers | resume | deferred | compare))" -z"$name"
		status 5
		has sender "127.0.0.1:$port: the other side's ferry does not know $name compression: use --compress=auto or none, or a newer ferry there"
		# the receiver is told
		is used text '"the receiver does not know the compression that was asked for"'
		# an OPEN goes with HELLO if a large file is found in time
		[[ "$(used OPEN)" =~ ^(1|null)$ ]]
		is used PACK null
		is used CHUNK null
	done
	# a receiver that knows only the other codec
	send_small "$zstd" -zzlib
	status 5
	has sender "does not know zlib compression"
	send_small "$zlib" -zzlib
	status 0
	same_tree src/t dst/t
	is used codecs '[0, 1]'
}

@test "a receiver that would compare by another checksum than SHA-256" {
	for features in "$offers" "$resume"; do
		send_small "$features"
		status 5
		has sender "127.0.0.1:$port: the other side's ferry does not compare files by SHA-256: use the same release of ferry on both sides"
		is used PACK null
	done
}

@test "a tree from a sender without features is received" {
	mkdir -p dst/t/many
	cp -p src/t/many/[1-9]* dst/t/many
	cp -p src/t/compressible dst/t
	same_options=-O # directories that were there keep their times
	receive --plain --once dst
	receive_small 0
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	is used granted 0
	is used resumed null
	is used deferred null
	is used unchanged 701
	is member events summary unchanged 701
}

@test "a sender with all features is granted all of them" {
	mkdir -p dst/t
	cp -p src/t/compressible dst/t
	same_options=-O
	receive --plain --once dst
	receive_small "$((zlib | zstd | holes | offers | resume | deferred | compare | 1 << 31))"
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	is used granted "$((zlib | zstd | holes | offers | resume | deferred | compare))"
	is used resumed 1
	is used deferred 2
	is used unchanged 1
}

@test "a sender of a later release, with a second word of features" {
	same_options=-O
	receive --plain --once dst
	receive_small "$((zlib | holes | offers | deferred | compare | 1 << 7))"
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	is used granted "$((zlib | holes | offers | deferred | compare))"
}

# leave_part - leave a part of a large file in dst, by killing the sender.
leave_part() {
	rm -rf dst/t
	receive --plain dst
	start_send first --plain --checksum sha256 --limit-rate 10M large/t
	await first.events '"progress","bytes":[0-9]{8}'
	kill -KILL "${pid[first]}"
	ended first
	stop_receiver
	ls dst/t/.ferry-*.part
}

@test "a part of a large file is resumed only if the sender compares by SHA-256" {
	mkdir -p large/t
	head -c 30M /dev/urandom >large/t/file
	same_options=-O
	for features in 0 "$resume" "$((resume | compare))"; do
		leave_part
		receive --plain --once dst
		receive_small "$features" large/t
		wait_receiver
		[ "$got" = 0 ]
		same_tree large/t dst/t
		[ "$((features & compare))" != 0 ] && resumed=1 || resumed=null
		is used resumed "$resumed"
	done
}
