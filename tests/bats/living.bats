#!/usr/bin/env bats
# Sources that change while they are sent: only content counts.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# change_metadata FILE - all that leaves the content as it is
change_metadata() {
	ln "$1" "$1.link"
	rm "$1.link"
	chmod 640 "$1"
	chmod 600 "$1"
	chown "$(id -u):$(id -g)" "$1"
	touch -a "$1"
	touch -m "$1"
	touch -d '2001-02-03 04:05:06' "$1"
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
	for change in 'ln f g' 'chmod 600 f' 'chown 0 f' 'touch -a f' \
		'touch -m f' 'mv f h' 'rm f'; do
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
import os, sys, time
fds = [os.open(name, os.O_RDONLY) for name in sys.argv[1:]]
while True:
    time.sleep(0.001)
    for fd in fds:
        os.fchmod(fd, 0o644)
        os.utime(fd)' src/t/{1,2,chunks1,chunks2}
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

@test "--growing: what was there at the start arrives, and nothing else does" {
	head -c $((20 * MiB)) /dev/urandom >src/f
	cp src/f start
	receive --plain dst
	slow_send src/f
	echo more >>src/f
	ended all
	[ "$code" = 9 ]
	has all.messages 'it grew while it was sent; --growing sends it as long as it was at the start'
	[ ! -e dst/f ]
	for options in '-j 1' '-j 4' '--retry 20' '--checksum sha256 -z'; do
		cp start src/f
		# shellcheck disable=SC2086 # options
		slow_send --growing $options src/f
		head -c $((3 * MiB)) /dev/urandom >>src/f
		ended all
		[ "$code" = 0 ] || { cat all.messages; return 1; }
		cmp start dst/f
		is member all.events summary bytes "$(stat -c %s start)"
		rm dst/f
	done
	# longer now, but not the same before
	for how in 'head -c 30000000 /dev/urandom >f' \
		'printf x | dd of=f bs=1 seek=70 conv=notrunc status=none; echo >>f'; do
		cp start src/f
		slow_send --growing src/f
		(cd src && eval "$how")
		ended all
		[ "$code" = 9 ] || { echo "$how: $code"; cat all.messages; return 1; }
		grep -E 'it (changed|shrank .*) while' all.messages
		[ ! -e dst/f ]
	done
	# shorter
	cp start src/f
	slow_send --growing src/f
	truncate -s 1M src/f
	ended all
	[ "$code" = 9 ]
	[ ! -e dst/f ]
	no_litter
}

@test "--growing: logs that many writers append to all the time" {
	mkdir src/log
	start writer python3 -c '
import time
files = [open(f"src/log/{name}{i}", "ab", 0)
         for i in range(8) for name in ("small", "large")]
for f in files[1::2]:
    f.write(b"the beginning\n" * 100000)
print("go", flush=True)
while True:
    for f in files:
        f.write(b"something happened\n")
    time.sleep(0.0005)
' >go
	await go go
	receive --plain --existing replace dst
	for options in '-j 1' '-j 4'; do
		# shellcheck disable=SC2086 # options
		send --plain --growing --limit-rate 30M $options src/log
		status 0
		# each is a beginning of the source
		for f in dst/log/*; do
			cmp -n "$(stat -c %s "$f")" "$f" "src/log/${f##*/}"
		done
	done
	kill "${pid[writer]}"
	ended writer
	no_litter
}
