#!/usr/bin/env bats
# The wire format against ferry-protocol(7): recorded sessions are decoded by a
# second implementation, written from the manual.

load helper

setup() {
	make_dir
	mkdir -p src/t/sub/empty
	: >src/t/zero
	for i in {1..300}; do echo "file $i" >"src/t/sub/$i"; done
	ln -s sub/1 src/t/link
	head -c 300000 /dev/urandom >src/t/medium
	head -c 9500000 /dev/zero >src/t/large
	truncate -s 12M src/t/sparse
	printf end | dd of=src/t/sparse bs=1 seek=9000000 conv=notrunc status=none
}
teardown() { remove_dir; }

# record OPTION... - record a session of src/t with these sender options, into
# rec.*
record() {
	receive --plain --once dst
	forward record rec
	send --plain -j 1 "$@" src/t
	status 0
	wait_receiver
	[ "$got" = 0 ]
	stop_forward
}

decode() { timeout "$(limit 60)" python3 "$tools/decode_session.py" "$@"; }

@test "a recorded session decodes as the manual says" {
	for options in "--checksum sha256" "--checksum crc32 -zzlib" ; do
		rm -rf dst; mkdir dst
		# shellcheck disable=SC2086
		record $options
		decode rec src/t >counts
		grep -q 'CHUNK=.*FILE_END=3 .*OPEN=3 .*PACK=' counts
		! build_has holes || has counts HOLE=
	done
}

@test "the decoder detects a flipped bit" {
	record --checksum sha256
	decode rec src/t
	for at in 0 9 59 20000 5000000; do
		cp rec.sent bad.sent
		cp rec.replies bad.replies
		python3 - "$at" <<-'EOF'
			import sys
			with open("bad.sent", "r+b") as f:
			    f.seek(int(sys.argv[1]))
			    b = f.read(1)[0] ^ 4
			    f.seek(-1, 1)
			    f.write(bytes([b]))
		EOF
		code=0
		decode bad src/t || code=$?
		[ "$code" = 1 ] || { echo "at $at: $code"; return 1; }
	done
}
