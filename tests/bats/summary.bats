#!/usr/bin/env bats
# What the last line of a transfer says, on both sides and in the events.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# says TEXT [EXIT] - send what $what says; its last line says TEXT, and so does
# the receiver's in its own way.
says() {
	# shellcheck disable=SC2086
	send --plain --json=7 $what 7>sent.events
	status "${2:-0}"
	summary=$(grep "^ferry: 127.0.0.1:$port has " sender)
	[[ $summary == "ferry: 127.0.0.1:$port has $1 "*" on the line in "* ]] ||
		{ echo "$summary"; return 1; }
	check_events sent.events
}

@test "new, replaced, renamed, unchanged and skipped files are told apart" {
	receive --plain --accept existing dst
	for i in 1 2 3 4 5; do echo "file $i" >"src/$i"; done
	what=src says "all 5 files: 5 sent (35 B);"
	has messages "received 5 files (35 B);"
	# of so little the rate would say how long connecting took
	[[ $summary != *"B/s)" ]]
	what=src says "all 5 files: 5 unchanged;"
	[[ $summary != *"B/s)" ]]
	has messages "received no new files, 5 unchanged;"
	echo "File 1" >src/1
	what="--existing replace src" \
		says "all 5 files: 1 sent (7 B; 1 replaced), 4 unchanged;"
	[ "$(member sent.events summary replaced)" = 1 ]
	has messages "received 1 file (7 B; 1 replaced), 4 unchanged;"
	echo "File 2" >src/2
	echo "file 6" >src/6
	what="--existing rename src" \
		says "all 6 files: 2 sent (14 B; 1 new, 1 renamed), 4 unchanged;"
	[ "$(member sent.events summary renamed)" = 1 ]
	what="--existing skip src" \
		says "5 of 6 files: 5 unchanged, 1 skipped;" 1
	mkdir src/empty
	what=src/empty says "everything: no files;"
}

@test "symlinks count as files wherever files are counted" {
	mkdir src/t src/links
	echo a >src/t/a
	ln -s a src/t/l
	ln -s a src/t/l2
	ln -s 2 src/links/1
	ln -s none src/links/2
	receive --plain --accept existing dst
	ferry send --plain --list src/t/. 127.0.0.1 >listed 2>&1
	has listed "would send 3 files, 2 B"
	send --plain -n src/t/.
	has sender "would send 3 files (2 B) to"
	mkfifo src/t/p
	what=src/t/. says "3 of 4 files: 3 sent (2 B), 1 failed;" 1
	has sender "1 of 4 files was not sent"
	await messages 'session 2 .*received 3 files [(]2 B[)], 1 failed;'
	[ "$(member sent.events summary files)" = 3 ]
	rm src/t/p
	what=src/t/. says "all 3 files: 3 unchanged;"
	# a file made way for a symlink
	rm dst/l
	echo mine >dst/l
	send --plain -n --existing replace src/t/.
	has sender "would send 1 file (0 B; 1 to replace) to"
	what="--existing replace src/t/." \
		says "all 3 files: 1 sent (0 B; 1 replaced), 2 unchanged;"
	[ "$(member sent.events summary replaced)" = 1 ]
	await messages 'session 5 .* received 1 file [(]0 B; 1 replaced[)], 2 unchanged;'
	[ "$(grep '"event":"summary"' events | member /dev/stdin summary replaced)" = 1 ]
	# and none of them with content
	what=src/links says "all 2 files: 2 sent (0 B);"
	await messages 'received 2 files [(]0 B[)];'
	what=src/links says "all 2 files: 2 unchanged;"
	check_events events
	stop_receiver
}

@test "bytes: compressed, holes, resumed by a delta, and those on the line" {
	receive --plain --accept existing dst
	head -c 3000000 /dev/zero | tr '\0' a >src/big
	what="-z src/big" says "the file: 1 sent (2.9 MiB as 146 B);"
	[[ $summary == *"B/s)" ]]
	has messages "received 1 file (2.9 MiB as 146 B);"
	[ "$(member sent.events summary payload_bytes)" = 146 ]
	[ "$(member sent.events summary sent_bytes)" = 3000000 ]
	truncate -s 30M src/sparse
	echo end >>src/sparse
	if build_has holes && [ "$(du -k src/sparse | cut -f 1)" -lt 1000 ]; then
		what=src/sparse says "the file: 1 sent (4 B of 30.0 MiB);"
	fi
	head -c 12000000 /dev/urandom >src/f
	what=src/f says "the file: 1 sent (11.4 MiB);"
	printf changed | dd of=src/f conv=notrunc status=none
	what="--existing replace src/f" \
		says "the file: 1 sent (4.0 KiB of 11.4 MiB; 1 replaced);"
	# with a rate for what was sent, and for nothing else
	[[ $summary != *"B/s)" ]]
}

# form - what is read from standard input, without what differs from run to run
form() {
	sed -E 's/[0-9]{4}-[a-z]+-[a-z]+/CODE/; s/[0-9]+([.][0-9]+)?/N/g; s/ +/ /g'
}

@test "the transfer that the README shows is one as users see it" {
	needs 'network namespaces'
	needs_build 'a sandbox' # its warning would be shown
	top=$BATS_TEST_DIRNAME/../..
	"$top/scripts/record" >new
	sed -n '/^<!-- made by scripts.record -->$/,/^<!-- end -->$/p' \
		"$top/README.md" | sed '1,2d; $d' | sed '$d' >shown
	[ -s shown ]
	diff <(form <shown) <(form <new)
}
