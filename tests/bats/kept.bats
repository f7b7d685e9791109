#!/usr/bin/env bats
# What is kept of interrupted transfers: for how long, and how much of it.

load helper

setup() { make_dir; }
teardown() {
	umount dst 2>/dev/null || true
	remove_dir
}

# leave FROM TO [COUNT] - as one sender, send the first COUNT MiB (2) of a file of
# 9 MiB for each number, in a session each, as d/fN, and be gone.
leave() {
	python3 - "$tools" "$port" "$1" "$2" "${3:-2}" <<-'EOF2'
		import sys
		tools, port, first, last, count = sys.argv[1:]
		sys.path.insert(0, tools + "/..")
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import CHUNK, message
		for n in range(int(first), int(last) + 1):
		    s = Sender(int(port))
		    s.send(message("OPEN", id=1, size=9 << 20, name=b"d/f%d" % n))
		    for at in range(int(count)):
		        s.send(message("CHUNK", id=1, offset=at * CHUNK,
		                       payload=bytes([n % 255 + 1]) * CHUNK))
		    # the chunks are handled before this is answered
		    s.send(message("OPEN", id=2, size=1, name=b"d/x%d" % n))
		    s.until("STATE"), s.until("STATE")
		    s.sock.close()
	EOF2
}

# parts [DIR] - the number of kept parts, each with its journal.
parts() {
	local part count=0
	for part in "${1:-dst/d}"/.ferry-*.part; do
		[ ! -e "$part" ] || count=$((count + 1))
		[ ! -e "$part" ] || [ -e "${part%part}journal" ] || return 1
	done
	echo "$count"
}

# settles COUNT - so many are kept in the end.
settles() {
	local tries=$(limit 100)
	while [ "$(parts)" != "$1" ] && [ $((tries--)) -gt 0 ]; do
		sleep 0.1
	done
	is parts "$1"
}

@test "parts that were not used for a week are removed when the receiver starts" {
	mkdir -p dst/a/b dst/locked outside other
	old=0123456789abcdef
	for dir in dst dst/a/b outside dst/locked; do
		echo data >"$dir/.ferry-$old.part"
		echo data >"$dir/.ferry-$old.journal"
	done
	# a part that was about to be committed has the time of its source, and
	# some journals have no part
	for name in ffffffffffffffff.part ffffffffffffffff.journal \
		0000000000000001.journal 0000000000000002.new \
		0123456789ABCDEF.part 0123.part; do
		echo data >"dst/.ferry-$name"
	done
	mkdir dst/.ferry-0000000000000003.part
	mkfifo dst/.ferry-0000000000000004.part
	ln -s "$PWD/outside" dst/link
	ln -s "$PWD/outside/.ferry-$old.part" dst/.ferry-0000000000000005.part
	find dst outside -name '.ferry-*' -exec touch -h -d '8 days ago' {} +
	touch dst/.ferry-ffffffffffffffff.journal
	exec {lock}<"dst/locked/.ferry-$old.part"
	flock "$lock"
	find dst outside -name '.ferry-*' | sort >before
	receive --plain dst
	await messages 'removed 3 parts of interrupted transfers, .*: not used for more than 7 days'
	find dst outside -name '.ferry-*' | sort >after
	is comm -23 before after "dst/.ferry-0000000000000001.journal
dst/.ferry-$old.journal
dst/.ferry-$old.part
dst/a/b/.ferry-$old.journal
dst/a/b/.ferry-$old.part"
	stop_receiver
	# likewise with --once and another time
	exec {lock}<&-
	touch -d '2 hours ago' dst/.ferry-ffffffffffffffff.*
	echo x >src/x
	receive --plain --once --keep-parts 90m dst
	send --plain src/x
	status 0
	wait_receiver
	has messages "not used for more than 90 minutes (--keep-parts)"
	run find dst -name '.ferry-*' -type f
	[[ "$output" != *journal* && "$output" != *"$old"* ]]
}

@test "what one sender leaves is limited: the oldest parts go first" {
	receive --plain --max-kept 7M dst
	leave 1 5
	# parts of 2 MiB and their journals: three are kept, and a fourth is not
	await messages 'removed 1 part of interrupted transfers, .*--max-kept'
	# that is said of the first one alone, and one more comes after it
	settles 3
	stop_receiver
	# what was there counts after a restart, too
	receive --plain --max-kept 5M dst
	await messages 'removed 1 part of interrupted transfers'
	is parts 2
	leave 6 7
	settles 2
	# those of 6 and 7 are there, with the content that came
	is bash -c 'head -qc 1 dst/d/.ferry-*.part | od -An -tx1 | xargs -n1 |
		sort | xargs' "07 08"
	# one that alone is more than that is not kept
	stop_receiver
	receive --plain --max-kept 1M dst
	leave 8 8
	await messages 'removed [1-3] parts? of'
	settles 0
}

@test "kept parts leave a tenth of the room free" {
	needs mounting
	mount -t tmpfs -o size=130M none dst
	receive --plain dst
	leave 1 15 8
	# of 8 MiB each; without the limit 15 of them fit
	settles 14
	stop_receiver
	free=$(stat -f -c %a dst)
	umount dst
	[ "$free" -ge $((13 * 256)) ]
}

@test "a sender's own parts give way to its new files where the disk is full" {
	needs mounting
	mount -t tmpfs -o size=64M none dst
	receive --plain --max-kept 1G dst
	leave 1 7 8
	is parts 7
	# what does not fit in any case costs no part
	fallocate -l 65M src/too-large
	send --plain src/too-large
	status 8
	is parts 7
	# a large file, of which it is known before; the oldest goes first
	head -c 12M /dev/zero >src/large
	send --plain src/large
	status 0
	settles 6
	is bash -c 'head -qc 1 dst/d/.ferry-*.part | od -An -tx1 | xargs -n1 |
		sort | xargs' "03 04 05 06 07 08"
	# a stream, of which it is not, and small files
	send --plain --name stream - < <(head -c 12M /dev/zero)
	status 0
	is parts 4
	mkdir src/small
	for i in {1..9}; do
		head -c 1M /dev/zero >src/small/$i
	done
	send --plain -j 1 src/small
	status 0
	is parts 3
	cmp src/small/9 dst/small/9
	has messages 'the disk was full, and the same sender sent a new file'
	stop_receiver
	# not for those of another sender, which the receiver knows of: it has
	# found one that is too old, so it has looked
	"$FERRY" keygen key 2>&-
	old=0123456789abcdef
	for name in part journal; do
		echo data >"dst/.ferry-$old.$name"
		touch -d '8 days ago' "dst/.ferry-$old.$name"
	done
	receive --key key --max-kept 1G dst
	await messages 'removed 1 part of .*: not used for more than 7 days'
	cp src/large src/other
	send --key key src/other
	status 8
	is parts 3
	hasnt messages 'the disk was full'
	stop_receiver
}

@test "sessions that are not reported one by one do not fill the log either" {
	receive --plain dst
	python3 - "$tools" "$port" <<-'EOF2'
		import sys
		sys.path.insert(0, sys.argv[1] + "/..")
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import message
		for i in range(124):
		    s = Sender(int(sys.argv[2]))
		    s.send(message("OPEN", size=1, name=b"f%d" % i))
		    s.send(message("CHUNK", payload=b"x", digest=bytes(32)))
		    s.until("RESEND")
		    s.sock.close()
	EOF2
	stop_receiver
	# 120 sessions are reported in a minute
	is grep -c 'arrived damaged' messages 120
	is grep -c 'arrived damaged' events 124
	has messages "4 more sessions from"
}

@test "--keep-parts 0: nothing is kept" {
	receive --plain --keep-parts 0 dst
	leave 1 2
	settles 0
	no_litter
}

# lose COUNT - so many times, as a sender that would come back, make a directory in
# a transfer, and be gone.
lose() {
	python3 - "$tools" "$port" "$1" <<-'EOF2'
		import sys
		sys.path.insert(0, sys.argv[1] + "/..")
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import DIRECTORY, pack, row
		for n in range(int(sys.argv[3])):
		    s = Sender(int(sys.argv[2]), hello_flags=2)
		    s.send(pack([row(DIRECTORY, name=b"d%d" % n)]))
		    s.verdicts(1)
		    s.close()
	EOF2
}

# journals - the number of those in dst.
journals() { find dst -name '.ferry-*.journal' | wc -l; }

@test "journals of lost transfers without a part count with what is kept" {
	receive --plain dst
	lose 30
	# each session has ended
	await events '"event":"summary"' 30
	is journals 30
	hasnt messages 'journals of'
	stop_receiver
	# what was there counts after a restart
	block=$(($(stat -c '%b * %B' dst/.ferry-*.journal | head -1)))
	receive --plain --max-kept $((20 * block)) dst
	await messages 'removed 10 journals of interrupted transfers .*--max-kept'
	is journals 20
	lose 5
	await events '"event":"summary"' 5
	is journals 20
	stop_receiver
}

@test "--keep-parts 0: no journal of a lost transfer is left when it ends" {
	receive --plain --keep-parts 0 dst
	lose 5
	await events '"event":"summary"' 5
	no_litter
	stop_receiver
}
