#!/usr/bin/env bats
# send --dry-run and receive --dry-run: what would be done, and that nothing is.

bats_require_minimum_version 1.5.0
load helper
load ssh

setup_file() { make_sshd; }
teardown_file() { end_sshd; }
setup() { make_dir; }
teardown() { remove_dir; }

snapshot() { python3 "$tools/planned.py" snapshot "$1"; }

# make_tree - of each kind something, in src/t and dst/t
make_tree() {
	mkdir -p src/t/sub src/t/made dst/t/sub dst/t/gone/deep
	echo new >src/t/new
	echo mine >src/t/sub/other
	echo theirs, older >dst/t/sub/other
	touch -d 2001-01-01 dst/t/sub/other
	echo same >src/t/same
	echo same >src/t/meta
	cp -p src/t/same src/t/meta dst/t/
	chmod 600 dst/t/meta
	ln -s same src/t/link
	echo old >dst/t/gone/deep/file
	echo blocked >src/t/blocked
	mkdir dst/t/blocked
	touch -d 2002-02-02 src/t/sub src/t
}

# listed LINE... - the lines of the file list, in any order
listed() {
	diff <(printf '%s\n' "$@" | sort) <(sort list)
}

# plan FILE - word and path of each event in it, sorted
plan() {
	python3 - "$1" <<-'END'
		import json, sys
		for line in sorted(map(str, (
		        e.get("plan", e["status"] + " by " + e["event"])
		        + " " + e["path"]
		        for e in map(json.loads, open(sys.argv[1]))
		        if e["event"] in ("file", "deleted")))):
		    print(line)
	END
}

@test "what would be done is listed, and nothing is changed [tsan]" {
	make_tree
	receive --plain --existing replace --accept delete --max-files 100 dst
	snapshot dst >before
	run -1 --separate-stderr ferry send -n --plain src/t \
		"127.0.0.1:$port"
	echo "$output" >list
	listed 'new       t/new (4 B)' 'new       t/link (0 B)' \
		'new       t/made/' 'replace   t/sub/other (5 B)' \
		'metadata  t/meta' 'metadata  t/' 'metadata  t/sub/' \
		'refuse    t/blocked (a directory of that name exists)'
	[[ "$stderr" == *"would send 3 files (9 B; 2 new, 1 to replace) to \
127.0.0.1:$port, 2 unchanged, 1 of these to get new metadata, 1 that would fail"* ]]
	[[ "$stderr" == *"1 of 6 files would not be sent (see above)"* ]]
	# the directory in the way would be deleted
	ferry send -nv --delete --plain src/t "127.0.0.1:$port" >list
	listed 'new       t/new (4 B)' 'new       t/link (0 B)' \
		'new       t/made/' 'replace   t/sub/other (5 B)' \
		'metadata  t/meta (5 B)' 'metadata  t/' 'metadata  t/sub/' \
		'new       t/blocked (8 B)' 'unchanged t/same (5 B)' \
		'delete    t/blocked/' 'delete    t/gone/' \
		'delete    t/gone/deep/' 'delete    t/gone/deep/file'
	ferry send -n --json --delete --plain src/t "127.0.0.1:$port" >planned
	check_events planned events
	has planned '"path":"t/made","size":0,"status":"planned","plan":"new","kind":"directory"'
	has planned '{"event":"deleted","path":"t/gone","kind":"directory","status":"planned"}'
	is member planned summary exit 0
	is member planned summary dry_run true
	is member planned summary deleted 4
	diff <(plan planned) <(plan <(tail -n 16 events))
	# patterns protect, and so does a limit
	ferry send -n --delete --exclude gone --plain src/t \
		"127.0.0.1:$port" >list
	hasnt list gone
	run -1 ferry send -n --delete --max-delete 1 --plain src/t \
		"127.0.0.1:$port"
	[[ "$output" == *"or more would not be deleted, as --max-delete is 1"* ]]
	[[ "$output" == *", 1 to delete, 1 not to delete"* ]]
	snapshot dst | diff before -
	stop_receiver
	has messages "session 1 from 127.0.0.1:"
	has messages " began: a dry run"
	has messages ": would receive 4 files (17 B; 3 new, 1 to replace)"
}

@test "what a receiver does for it: no call that changes anything in DIR" {
	needs 'a safe temporary directory' # for --exec
	needs CAP_SYS_PTRACE
	make_tree
	cat >hook <<-'END'
		#!/bin/sh
		echo ran >>"$0.ran"
	END
	chmod +x hook
	FERRY_WRAP="strace -f -y -qq -o calls" receive --plain --once \
		--existing replace --accept all --exec "$PWD/hook" dst
	snapshot dst >before
	ferry send -n --plain --delete -j 3 src/t "127.0.0.1:$port" >list
	ferry send -n --plain --mirror src/t "127.0.0.1:$port" >list
	snapshot dst | diff before -
	await messages "still waiting"
	cp calls dry.calls
	# what is looked for is there in a transfer
	send --plain --mirror src/t
	status 0
	wait_receiver
	[ "$got" = 0 ]
	changes() {
		grep -E '^[0-9]+ +(openat.*O_(WRONLY|RDWR|CREAT|TMPFILE)|creat|mkdir|rename|unlink|link|symlink|mknod|f?chmod|[fl]?chown|utimensat|[fl]?setxattr|[fl]?removexattr|f?truncate|fallocate|copy_file_range|ioctl.*FICLONE|pwrite|fsync|fdatasync)' \
			"$1" | grep -F "$PWD/dst"
	}
	changes calls >made
	has made mkdirat
	has made unlinkat
	changes dry.calls >made || true
	is cat made ""
	# its program of --exec ran once
	is cat hook.ran "$(printf 'ran\n')"
}

@test "random trees and options: what was planned is what is done" {
	# others: make plans
	"$tools/../plans" --ferry "$FERRY" --rounds 12 --dir "$work" \
		--seed "${FERRY_TEST_SEED:-$RANDOM}"
}

@test "hard links, and what earlier transfers have left under further names" {
	mkdir -p src/t src/u dst/t dst/u
	echo one >src/t/a
	ln src/t/a src/t/b
	ln src/t/a src/t/c
	echo older >dst/t/a
	# a name of the old file, a copy of it, and a directory
	ln dst/t/a dst/t/b
	mkdir dst/t/c
	# not the same as that of dst/t, if both were made within a tick
	touch -d '2020-01-01 00:00:00' src/t
	receive --plain --accept all dst
	ferry send -n -a --existing backup --plain src/t "127.0.0.1:$port" \
		>list && return 1
	# which of the names is sent as a file is not known
	sed -i 's/ ([04] B)//' list
	listed 'backup    t/a' 'backup    t/b' 'metadata  t/' \
		'refuse    t/c (a directory of that name exists)'
	# what waits for a directory to be deleted may be a hard link
	ferry send -n -a --mirror --plain src/t "127.0.0.1:$port" >list
	sed -i 's/ ([04] B)//' list
	listed 'replace   t/a' 'replace   t/b' 'new       t/c' \
		'metadata  t/' 'delete    t/c/'
	# metadata of directories is not a matter of --existing
	chmod 700 src/u
	ferry send -n -a --existing skip --plain src/u "127.0.0.1:$port" >list
	listed 'metadata  u/'
	echo two >src/u/a
	ln -s a src/u/l
	send --plain --existing rename -a src/u
	status 0
	echo other >dst/u/a
	rm dst/u/l
	echo other >dst/u/l
	send --plain --existing rename -a src/u
	status 0
	is cat "dst/u/a (1)" two
	for by in time content; do
		ferry send -nv --existing rename --compare $by --plain src/u \
			"127.0.0.1:$port" >list
		listed 'unchanged u/a (4 B)' 'unchanged u/l (0 B)'
	done
	stop_receiver
}

@test "what the sender cannot read" {
	needs 'a second user'
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	make_tree
	chmod 755 . src
	chmod 0 src/t/new src/t/same
	ln src/t/new src/t/sub/link
	cp "$FERRY" bin
	chmod 755 bin
	receive --plain --existing replace dst
	run -1 --separate-stderr as ./bin send -n --compare time --plain src/t \
		"127.0.0.1:$port"
	[[ "$output" != *t/new* ]]
	[[ "$stderr" == *"t/new: on this side: open: "*"ermission denied"* ]]
	# by time it is not read
	[[ "$stderr" != *t/same* ]]
	[[ "$output" == *"t/blocked (a directory of that name exists)"* ]]
	# nor under another name
	run -1 --separate-stderr as ./bin send -n --preserve hardlinks --plain \
		src/t "127.0.0.1:$port"
	[[ "$output" != *t/new* && "$output" != *t/sub/link* ]]
	[[ "$stderr" == *"t/sub/link: on this side: open: "* ]]
	stop_receiver
	# what is compared by content is read first, whatever is done with it
	receive --plain --existing skip dst
	echo longer >>dst/t/same
	for option in -n -v; do
		run -1 --separate-stderr as ./bin send $option --plain src/t \
			"127.0.0.1:$port"
		[[ "$stderr" == *"t/same: on this side: open: "*"ermission denied"* ]]
	done
	stop_receiver
}

@test "what this user may not do at the receiver" {
	needs 'a second user'
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	make_tree
	chown 65534 dst dst/t
	chmod 755 .
	cp "$FERRY" bin
	chmod 755 bin
	mkdir src/t/sub/deeper
	echo 1 >src/t/sub/deeper/f
	FERRY_WRAP="setpriv --reuid=65534 --regid=65534 --clear-groups" \
		FERRY=$PWD/bin receive --plain --existing replace dst
	run -1 --separate-stderr ferry send -n --plain src/t "127.0.0.1:$port"
	echo "$output" >list
	has list 'refuse    t/sub/other (permission denied)'
	has list 'refuse    t/sub/deeper/ (permission denied)'
	has list 'refuse    t/sub/deeper/f (permission denied)'
	has list 'new       t/new (4 B)'
	stop_receiver
}

@test "metadata that this user may not set is not planned" {
	needs 'a second user'
	mkdir -p src/t dst/t
	for f in owner mode both time; do
		echo $f >src/t/$f
		cp -p src/t/$f dst/t/
	done
	ln -s owner src/t/link
	cp -dp src/t/link dst/t/
	mkfifo -m 600 src/t/fifo
	mkfifo -m 640 dst/t/fifo
	touch -r src/t/fifo dst/t/fifo
	chmod 644 src/t/{owner,mode,both,time}
	chmod 755 . dst
	chmod 600 dst/t/mode dst/t/both
	chmod 644 dst/t/time # of root, as is its directory
	touch -d 2001-01-01 dst/t/time
	chown -h 65534:65534 dst dst/t/owner dst/t/mode dst/t/both dst/t/link \
		dst/t/fifo
	cp "$FERRY" bin
	chmod 755 bin
	FERRY_WRAP="setpriv --reuid=65534 --regid=65534 --clear-groups" \
		FERRY=$PWD/bin receive --plain --accept all dst
	ferry send -n --json --compare time --plain -a src/t \
		"127.0.0.1:$port" >planned
	plan planned >plans
	# the owner cannot be given away
	for f in owner mode both time link fifo; do
		grep -qx "unchanged t/$f" plans
	done
	is member planned summary updated ''
	ferry send -n --json --compare content --preserve xattr \
		--special skip --plain src/t "127.0.0.1:$port" >planned
	plan planned >plans
	for f in mode both; do
		grep -qx "metadata t/$f" plans
	done
	grep -qx "unchanged t/time" plans
	is member planned summary updated 2
	run -1 --separate-stderr ferry send --json --compare content \
		--preserve xattr --special skip --plain src/t "127.0.0.1:$port"
	echo "$output" >done
	is member done summary updated 2
	stop_receiver
}

# A place where only trying would tell, if its kind was not known.
@test "/proc and /sys: nothing can be created there" {
	needs_build 'a sandbox' # the same builds know the kinds of file systems
	use_sshd
	echo x >src/f
	for dir in /proc /proc/sys /sys /sys/kernel; do
		[[ "$(stat -f -c %T $dir)" == @(proc|sysfs) ]] && [ -w $dir ] ||
			continue
		run --separate-stderr ferry send -n --remote-ferry "$FERRY" \
			src/f "box:$dir"
		said=$status planned=$output
		run --separate-stderr ferry send --remote-ferry "$FERRY" \
			src/f "box:$dir"
		echo "$dir: $said, $status; $planned; $stderr"
		[ "$status" = 8 ]
		[ "$said" = "$status" ]
		[[ $planned == "refuse    f (nothing can be created in its directory"* ]]
	done
}

@test "standard input, a list of names, a reader that goes away" {
	make_tree
	receive --plain --existing fail dst
	echo there >dst/stdin
	printf 'new\nsub/other\n' >names
	ferry send -n --plain --files-from names src/t "127.0.0.1:$port" >list
	listed 'new       new (4 B)' 'new       sub/other (5 B)'
	# it is not read, and its command is not run
	run -8 bash -c 'echo text | "$0" send -n --plain - "127.0.0.1:$1" 2>&1;
		exit "${PIPESTATUS[1]}"' "$FERRY" "$port"
	[[ "$output" == *"refuse    stdin (a different file of that name"* ]]
	run -0 --separate-stderr ferry send -n --plain --name other \
		--stdin-from-command "127.0.0.1:$port" -- touch ran
	[ "$output" = "new       other (0 B)" ]
	[ ! -e ran ]
	run --separate-stderr bash -c '"$0" send -n --plain src/t \
		"127.0.0.1:$1" | head -n 1; exit "${PIPESTATUS[0]}"' \
		"$FERRY" "$port"
	[[ "$status" = 141 || "$status" = 1 ]]
	[[ "$stderr" != *standard\ output* ]]
	stop_receiver
}

@test "neither --once nor a one-time code is used up; a file of a code either" {
	make_tree
	receive --once --code dst
	code=$(sed -n 's/.*"code":"\([^"]*\)".*/\1/p' events)
	(umask 077 && echo "$code" >code)
	ferry send -n --code-file code src/t "127.0.0.1:$port" >list || true
	has list 'new       t/new (4 B)'
	await messages "the code stays valid"
	is cat code "$code"
	ferry send -n --code-file code src/t "127.0.0.1:$port" >list || true
	send --code-file code src/t/new
	status 0
	wait_receiver
	[ "$got" = 0 ]
	is cat dst/new new
	has code used
	# nobody comes: that is not a success
	receive --plain --once --wait "$(limit 1)" dst
	ferry send -n --plain src/t/new "127.0.0.1:$port" >list
	wait_receiver
	[ "$got" = 6 ]
	has messages "no sender came within $(limit 1) s"
}

@test "by ssh, in both directions" {
	use_sshd
	make_tree
	snapshot dst >before
	push -n --mirror src/t "box:$work/dst" >list
	status 0
	has list 'new       t/new (4 B)'
	has list 'delete    t/gone/'
	snapshot dst | diff before -
	fetch -n --mirror "box:$work/src/t" dst >list
	fetched 0
	has list 'new       t/new (4 B)'
	has list 'metadata  t/meta'
	has list 'delete    t/gone/'
	has messages "would receive 4 files"
	snapshot dst | diff before -
	fetch -n --json "box:$work/src/t" dst >planned
	has planned '"plan":"new"'
	is member planned summary dry_run true
	# then it is done
	fetch --mirror "box:$work/src/t" dst
	fetched 0
	same_tree src/t dst/t
	fetch -n --mirror "box:$work/src/t" dst >list
	is cat list ""
}

@test "receive -n: a remote side that is not ferry" {
	hostile() {
		got=0
		ferry receive -n --ssh "python3 $tools/hostile_remote.py $*" \
			box:photos dst >list 2>messages || got=$?
		only_dir dst
	}
	# other names than were asked for, or content
	for what in "listed .bashrc" "listed photos/../x" "listed photos b/.ssh" \
		"sent photos"; do
		hostile "$what"
		fetched 5
		is cat list ""
	done
	hostile files photos
	fetched 5
	has messages "wants a dry run"
	hostile listed photos
	has list 'new       photos (4 B)'
}

@test "a dry run that is interrupted: nothing is said to be committed" {
	receive --plain dst
	timeout "$(limit 20)" python3 - "$BATS_TEST_DIRNAME/.." "$port" <<-'EOF'
		import sys
		sys.path.insert(0, sys.argv[1])
		from lib.peer import Sender
		from lib.wire import DRY_RUN, FEATURES, LISTS, list_of, listed_row

		s = Sender(int(sys.argv[2]), features=FEATURES | LISTS | DRY_RUN)
		s.send(list_of([listed_row(b"f%d" % i) for i in range(5)]))
		s.until("LISTED")
		s.close()
	EOF
	await messages ', a dry run, was interrupted; nothing was changed$'
	has messages "would receive 5 files"
	hasnt messages "committed"
	hasnt messages "goes on from there"
	only_dir dst
	stop_receiver
}

@test "usage: what --dry-run excludes, and whom it needs" {
	run -2 ferry send -n --list --plain x h
	[[ "$output" == *"--dry-run and --list exclude each other"* ]]
	run -2 ferry receive -n dst
	[[ "$output" == *"ferry receive HOST:PATH DIR"* ]]
}

# reads NAME... - how often the receiver reads from a directory with files of these
# names in a dry run that would delete them
reads() {
	rm -rf dst/t
	mkdir -p src/t dst/t
	(cd dst/t && touch "$@")
	FERRY_WRAP="strace -f -qq -y -o calls -e trace=getdents64" \
		receive --plain --once --accept delete dst
	send --plain -n --delete --max-delete 9 src/t >/dev/null
	await messages "still waiting"
	# strace has written all when it ends, with the receiver: by a file
	# for which dst/t is not read
	echo x >src/f
	send --plain src/f
	wait_receiver
	rm dst/f
	grep -c 'getdents64(.*dst/t>' calls
}

@test "whether a directory folds names is seen without reading it once more" {
	needs 'a build without a sanitizer' # which strace does not mix with
	needs CAP_SYS_PTRACE # for strace -y, of a process that nobody may inspect
	needs_build 'a sandbox'
	is reads 1 2 3 "$(reads a b c)"
}
