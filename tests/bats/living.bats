#!/usr/bin/env bats
# Sources that change while they are sent: only content counts.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# change_metadata FILE - all that leaves content, size and mtime as they are
change_metadata() {
	ln "$1" "$1.link"
	rm "$1.link"
	chmod 640 "$1"
	chmod 600 "$1"
	chown "$(id -u):$(id -g)" "$1"
	touch -a "$1"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.x", b"y")' \
		"$1" 2>/dev/null || true
}

# slow_send OPTION... PATH... - in the background, for some seconds
slow_send() {
	start_send all --plain --limit-rate 8M "$@"
	under_way all
}

@test "a large file whose metadata changes is committed" {
	head -c $((24 * MiB)) /dev/urandom >src/f
	# with holes at the beginning, in the middle and at the end
	truncate -s 40M src/sparse
	head -c $((9 * MiB)) /dev/urandom |
		dd of=src/sparse bs=$MiB seek=3 conv=notrunc status=none
	head -c $((9 * MiB + 5)) /dev/urandom |
		dd of=src/sparse bs=$MiB seek=20 conv=notrunc status=none
	for options in '-j 1' '-j 4' '--retry 20'; do
		rm -f dst/*
		chmod 644 src/*
		receive --plain dst
		# shellcheck disable=SC2086 # options
		slow_send $options src/f src/sparse
		change_metadata src/f
		sleep 0.2
		change_metadata src/sparse
		change_metadata src/f
		ended all
		[ "$code" = 0 ] || { cat all.messages; return 1; }
		cmp src/f dst/f
		cmp src/sparse dst/sparse
		stop_receiver
	done
	no_litter
}

@test "each change of metadata alone is none of content" {
	head -c $((12 * MiB)) /dev/urandom >src/f
	receive --plain dst
	for change in 'ln f g' 'chmod 600 f' 'chown 0 f' 'touch -a f' 'mv f h' \
		'rm f'; do
		rm -f dst/f
		slow_send src/f
		(cd src && ln f kept && $change)
		ended all
		[ "$code" = 0 ] || { echo "$change"; cat all.messages; return 1; }
		cmp src/kept dst/f
		(cd src && mv kept f.new && rm -f f g h && mv f.new f)
	done
}

@test "small files whose metadata changes all the time are committed" {
	mkdir src/t
	# in packs, and in chunks
	for i in {1..20}; do
		head -c 250000 /dev/urandom >"src/t/$i"
		head -c 1000000 /dev/urandom >"src/t/chunks$i"
	done
	receive --plain dst
	start change python3 -c '
import os, sys
fds = [os.open(name, os.O_RDONLY) for name in sys.argv[1:]]
while True:
    for fd in fds:
        os.fchmod(fd, 0o644)' src/t/{1,2,chunks1,chunks2}
	slow_send src/t
	ended all
	sent=$code
	kill "${pid[change]}"
	ended change
	[ "$sent" = 0 ] || { cat all.messages; return 1; }
	diff -r src/t dst/t
}

@test "content that changes is noticed, also if its time is put back" {
	receive --plain dst
	for how in 'touch -r ref f' true; do
		head -c $((24 * MiB)) /dev/urandom >src/f
		touch -r src/f src/ref
		slow_send src/f
		# at the beginning, which has been sent
		(cd src && printf changed |
			dd of=f conv=notrunc status=none && $how)
		ended all
		[ "$code" = 9 ] || { echo "$how: $code"; return 1; }
		has all.messages 'it changed while it was sent'
		[ ! -e dst/f ]
	done
	# and in what is read again after a change of metadata
	head -c $((24 * MiB)) /dev/urandom >src/f
	slow_send src/f
	chmod 600 src/f
	echo more >>src/f
	ended all
	[ "$code" = 9 ]
}
