#!/usr/bin/env bats
# What is there already stands for what is sent only if it is the same by
# SHA-256, or byte by byte: files of other content with the same XXH3, which is
# the default of --checksum, are found to differ.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# twins SIZE NAME - src/NAME and dst/NAME: other content, the same XXH3 and time.
twins() {
	python3 "$tools/twins.py" "$1" "$2" "src/$2" "dst/$2"
	touch -d '2020-02-02 02:02:02' "src/$2" "dst/$2"
	! cmp -s "src/$2" "dst/$2"
}

# found_other POLICY STATUS VERDICT - send all of src: not one is "unchanged".
found_other() {
	receive --plain --once --existing "$1" dst
	send --plain --json=7 src/. 7>sent.events
	status "$2"
	wait_receiver
	hasnt sent.events '"status":"unchanged"'
	is grep -c "\"status\":\"$3\"" sent.events 4
}

@test "the twins of this test have the same XXH3, as a file of each size" {
	for size in 4096 $((3 * MiB)) $((20 * MiB + 7)); do
		twins $size f
		for side in src dst; do
			mkdir into
			receive --plain --once into
			send --plain --json=7 $side/f 7>$side.events
			status 0
			wait_receiver
			rm -r into
		done
		digest=$(member src.events file digest)
		[[ $digest == xxh3:* ]]
		is member dst.events file digest "$digest"
	done
}

@test "a planted file with the same XXH3 is not taken for what is sent [san]" {
	twins 4096 small
	twins 300000 packed
	twins $((3 * MiB)) whole
	twins $((20 * MiB)) large
	cp -a dst planted
	found_other fail 8 failed
	# parts that have names change the time of their directory
	build_has "files without a name" || same_options=-O
	same_tree planted dst
	found_other skip 1 skipped
	same_tree planted dst
	found_other replace 0 committed
	diff -r src dst
}

@test "with --existing rename, one under a further name is not taken for it" {
	for size in 4096 $((3 * MiB)) $((20 * MiB)); do
		twins "$size" f
		mv dst/f "dst/f (1)"
		echo else >dst/f
		receive --plain --once --existing rename dst
		send --plain src/f
		status 0
		wait_receiver
		cmp src/f "dst/f (2)"
		rm dst/*
	done
}

@test "planted files that are offered are not taken for what is sent" {
	# after the first packs it is asked which files are wanted
	python3 - "$tools" <<-'EOF2'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		from twins import twins
		for i in range(3000):
		    a, b = twins(600, i)
		    for name, data in (f"src/{i}", a), (f"dst/{i}",
		                                        b if i % 10 == 0 else a):
		        with open(name, "wb") as f:
		            f.write(data)
	EOF2
	receive --plain --once --existing replace dst
	# slow enough for the first answers to come before the last packs go
	send --plain -j 1 --limit-rate 4M --json=7 src/. 7>sent.events
	status 0
	wait_receiver
	is grep -c '"event":"file".*"status":"committed"' sent.events 300
	is grep -c '"status":"unchanged"' sent.events 2700
	diff -r src dst
	[ "$(member sent.events summary wire_bytes)" -lt 1500000 ]
}

# code_receive - a receiver with a new code, in the file code.
code_receive() {
	receive --once dst
	await events '"event":"code"'
	(umask 077 && member events code code >code)
}

@test "what the sender with one code left is not taken for that of the next" {
	python3 "$tools/twins.py" $((64 * MiB)) 1 src/f twin
	mkdir theirs
	mv twin theirs/f
	touch -d '2020-02-02 02:02:02' src/f theirs/f
	code_receive
	start_send slow --code-file code --limit-rate 40M theirs/f
	await slow.events '"progress","bytes":[2-9][0-9]{7}'
	kill -KILL "${pid[slow]}"
	ended slow
	wait_receiver
	[ "$(find dst -name '.ferry-*' | wc -l)" = 2 ]
	code_receive
	send --code-file code --json=7 src/f 7>sent.events
	status 0
	wait_receiver
	cmp src/f dst/f
	no_litter
	# all but its first MiB are the same, and not sent again
	[ "$(member sent.events summary wire_bytes)" -lt $((50 * MiB)) ]
}
