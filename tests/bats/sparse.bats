#!/usr/bin/env bats
# Holes arrive as holes, at the grain of blocks and not of chunks, on the wire
# and on the disk.

load helper

setup() { make_dir; mounted=; }
teardown() {
	local at=$mounted
	[ -z "$receiver" ] || stop_receiver || true
	[ -z "$at" ] || umount "$work/$at"
	remove_dir
}

# scatter FILE SIZE COUNT [BLOCK] - make a file of SIZE bytes of holes, with
# COUNT blocks of random bytes at random places, all multiples of BLOCK
scatter() {
	python3 - "$@" <<-'EOF2'
		import os, random, sys
		path, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		block = int(sys.argv[4]) if len(sys.argv) > 4 else 4096
		seed = int.from_bytes(os.urandom(4), "big")
		print("seed", seed)
		chance = random.Random(seed)
		with open(path, "wb") as f:
		    f.truncate(size)
		    for i in chance.sample(range(size // block), count):
		        f.seek(i * block)
		        f.write(chance.randbytes(block))
	EOF2
}

# occupies FILE - how many bytes it takes on the disk
occupies() { echo $(($(stat -c %b "$1") * 512)); }

# sparse FILE - dst/FILE equals src/FILE, and takes hardly more room
sparse() {
	cmp "src/$1" "dst/$1"
	[ "$(occupies "dst/$1")" -le $(($(occupies "src/$1") + 65536)) ] || {
		stat -c '%n: %b blocks' {src,dst}/"$1"
		return 1
	}
}

# few_bytes MOST - the last send() sent at most so many
few_bytes() {
	[ "$(member sent summary wire_bytes)" -le "$1" ] || {
		cat sent
		return 1
	}
}

@test "small blocks in a large hole: 4 KiB each on the wire and on the disk" {
	scatter src/large $((256 << 20)) 200
	scatter src/whole $((7 << 20)) 20	# sent without waiting for STATE
	scatter src/small $((250 << 10)) 3	# in a pack
	truncate -s 200K src/empty
	receive --plain dst
	for options in '-j 1' '-j 4' '--checksum sha256' '--compress=auto' \
		'--compress=zlib'; do
		rm -f dst/*
		# shellcheck disable=SC2086 # options
		send --plain --json $options src/* >sent
		status 0
		for f in large whole small empty; do sparse $f; done
		# 223 blocks
		few_bytes 1000000
	done
	no_litter
}

@test "blocks of zeros that are on the disk need not arrive there" {
	# between data, so that there is no hole of the size of a chunk
	scatter src/f $((64 << 20)) 40
	cp --sparse=never src/f src/full
	truncate -s 65M src/full	# a hole at its end: now it has some
	receive --plain dst
	send --plain --json src/f src/full >sent
	status 0
	sparse f
	cmp src/full dst/full
	[ "$(occupies dst/full)" -le 300000 ]
	few_bytes 1000000
}

@test "a sparse file whose transfer was broken off is sparse after the rest" {
	scatter src/f $((80 << 20)) 2000
	receive --plain dst
	start_send all --plain --limit-rate 1M src/f
	under_way all
	kill -KILL "${pid[all]}"
	ended all
	# other data in the same place, also where there are holes now
	scatter src/f $((80 << 20)) 2000
	send --plain src/f
	status 0
	sparse f
	# a file that is there, whose first range of chunks is the same
	printf other | dd of=src/f bs=1 seek=70000000 conv=notrunc status=none
	touch -r dst/f src/f
	stop_receiver
	receive --plain --existing replace dst
	send --plain --json src/f >sent
	status 0
	sparse f
	few_bytes 3000000
	no_litter
}

# mount_at DIR ARG... - for this test
mount_at() {
	mkdir "$1"
	mount "${@:2}" "$1"
	mounted=$1
}

@test "room is asked for what a sparse file takes, not for its size" {
	needs mounting
	scatter src/f $((40 << 20)) 300
	# what has no holes needs its size
	head -c 5000000 /dev/urandom >src/g
	mount_at small -t tmpfs -o size=4m none
	receive --plain small
	send --plain src/f
	status 0
	cmp src/f small/f
	send --plain src/g
	status 8
	has sender 'no space left on the disk (needs 4.8 MiB, has '
}

@test "blocks of 1 KiB on a file system of such blocks" {
	needs 'loop devices'
	truncate -s 64M image
	mkfs.ext4 -q -b 1024 image
	mount_at small -o loop image
	mkdir small/from small/to
	scatter small/from/f $((40 << 20)) 700 1024
	head -c 500 /dev/urandom >>small/from/f
	receive --plain small/to
	send --plain --json small/from/f >sent
	status 0
	cmp small/from/f small/to/f
	[ "$(occupies small/to/f)" -le $(($(occupies small/from/f) + 16384)) ]
	few_bytes 900000
}
