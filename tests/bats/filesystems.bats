#!/usr/bin/env bats
# Receiving on file systems that lack calls, or accept them and do nothing:
# tests/tools/lackfs.c makes them.  What is left of the guarantees there is in
# ferry(1), FILE SYSTEMS.

load helper

setup() { make_dir; same_options=; }

teardown() {
	unmount
	chattr -i -a dst dst/* 2>/dev/null || true
	remove_dir
}

# lacking WHAT - dst is a file system that lacks WHAT (see lackfs.c), whose files
# are in back.
lacking() {
	unmount
	rm -rf dst back
	mkdir dst back
	"$FERRY_TOOLS/lackfs" "$1" back dst 3>&-
}

unmount() {
	# a daemon that lags behind may still have a descriptor
	while mountpoint -q dst 2>/dev/null; do
		umount dst 2>/dev/null || umount -l dst
	done
}

# tree DIR TEXT - small files, one that is received in chunks, a symlink.
tree() {
	mkdir -p "$1/sub"
	echo "$2" >"$1/small"
	echo "$2" >"$1/sub/small"
	{ echo "$2"; head -c 9000000 /dev/zero; } >"$1/sub/large"
	rm -f "$1/link"
	ln -s "$2" "$1/link"
	touch -d @1500000000 "$1/small" "$1/sub"/*
}

# ---- names -----------------------------------------------------------------

@test "without hard links or flags of renameat2, new files arrive, and none is overwritten" {
	same_options=-O
	needs FUSE
	tree src/t new
	for lack in link,flags link,noreplace flags link; do
		for how in fail skip newer rename backup replace; do
			case $lack$how in
			link,flags* | *fail | *replace) ;;
			*) [ -n "${FERRY_LONG:-}" ] || continue ;;
			esac
			echo "# $lack $how"
			lacking $lack
			transfer $how
			status 0
			[ "$got" = 0 ]
			same_tree src/t dst/t
			no_litter
			# the same again
			transfer $how
			status 0
			same_tree src/t dst/t
		done
		for how in fail skip; do
			lacking $lack
			tree dst/t old
			transfer $how
			case $how in fail) status 8 ;; skip) status 1 ;; esac
			is cat dst/t/small old
			is head -n 1 dst/t/sub/large old
			no_litter
		done
	done
}

@test "without hard links or flags of renameat2, rename and backup lose nothing" {
	same_options=-O
	needs FUSE
	tree src/t new
	for lack in link,flags flags link link,exchange-ignored \
		exchange-ignored; do
		echo "# $lack"
		lacking $lack
		tree dst/t old
		transfer backup
		status 0
		same src/t dst/
		is cat dst/t/small~ old
		is cat dst/t/sub/small~ old
		is head -n 1 dst/t/sub/large~ old
		is readlink dst/t/link~ old
		is find dst/t -name '*~' -printf . ....
		tree src/t newer
		transfer backup
		status 0
		is cat dst/t/small~1~ new
		tree src/t new
		no_litter
		lacking $lack
		tree dst/t old
		transfer rename
		status 0
		is cat dst/t/small old
		is cat "dst/t/small (1)" new
		is head -n 1 "dst/t/sub/large (1)" new
		no_litter
	done
}

@test "hard links that the file system or the system refuses, where files without a name can be made" {
	needs ptrace
	needs 'a build without a sanitizer' # which strace does not mix with
	needs_build 'files without a name'
	tree src/t new
	for error in EPERM EOPNOTSUPP ENOSYS; do
		for sync in none batch; do
			rm -rf dst; mkdir dst
			FERRY_WRAP="strace -f -qq -o /dev/null -e trace=linkat
				-e inject=linkat:error=$error" \
				receive --plain --once --sync $sync dst
			send --plain src/t
			wait_receiver
			status 0
			[ "$got" = 0 ]
			same_tree src/t dst/t
			no_litter
		done
	done
}

@test "symlinks that the file system does not have are told as that" {
	needs FUSE
	tree src/t new
	lacking symlink
	transfer fail
	status 1
	has sender 't/link: on the receiver'
	has sender 'not supported by the file system'
	hasnt sender 'permission'
	cmp src/t/sub/large dst/t/sub/large
}

# ---- resume ----------------------------------------------------------------

@test "an interrupted file is resumed where modes or owners are the mount's" {
	needs FUSE
	head -c 42000000 /dev/urandom >src/f
	# root writes there, if the user namespace has such a user
	owners=
	! "$tools/can" 'a second user' || owners='uid=65534 uid=65534,mode=0777'
	for mount in mode=0777 mode=0644 $owners; do
		echo "# $mount"
		lacking $mount
		receive --plain dst
		start_send slow --plain --limit-rate 20M src/f
		await slow.events '"progress","bytes":2[0-9]{7}'
		kill -KILL "${pid[slow]}"
		ended slow
		await events '"summary".*"exit":6'
		send --plain --json=7 src/f 7>again
		status 0
		cmp src/f dst/f
		[ "$(member again summary wire_bytes)" -lt 30000000 ]
		no_litter
		stop_receiver
	done
}

@test "a part that another user made is not used where modes are kept" {
	needs "a second user"
	head -c 20000000 /dev/urandom >src/f
	chmod 777 dst
	receive --plain dst
	start_send slow --plain --limit-rate 10M src/f
	await slow.events '"progress","bytes":[5-9][0-9]{6}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	chown 65534:65534 dst/.ferry-*.part
	send --plain --json=7 src/f 7>again
	status 0
	cmp src/f dst/f
	[ "$(member again summary wire_bytes)" -ge 20000000 ]
	no_litter
	stop_receiver
}

# ---- metadata --------------------------------------------------------------

@test "where mode or time cannot be set the content arrives, and both sides are told once" {
	needs FUSE
	tree src/t new
	chmod 640 src/t/small src/t/sub/*
	for what in chmod utimens chmod,utimens; do
		echo "# $what"
		lacking $what
		transfer fail
		status 1
		[ "$got" = 1 ]
		diff -r --no-dereference src/t dst/t
		is member sent.events summary failed 0
		is member events summary failed 0
		for side in sender messages; do
			case $what in chmod*)
				is grep -c 'mode of' $side 1 ;; esac
			case $what in *utimens)
				is grep -c 'modification time of' $side 1 ;;
			esac
			case $what in utimens) hasnt $side 'mode of ' ;; esac
			hasnt $side 'failed'
			hasnt $side 'was not sent'
		done
		grep -q '"path":"t/small".*"not_kept":' events
		grep -q '"path":"t/small".*"not_kept":' sent.events
		no_litter
	done
}

@test "modes and times that the file system accepts and ignores are told as not kept" {
	needs FUSE
	tree src/t new
	chmod 640 src/t/small src/t/sub/*
	touch -d @1500000000 src/t/sub src/t
	while read -r what lost; do
		lacking $what-ignored
		transfer fail
		status 1
		[ "$got" = 1 ]
		diff -r --no-dereference src/t dst/t
		is member events summary not_kept $lost
		is member sent.events summary not_kept $lost
		for side in sender messages; do
			is grep -c 'could not be kept' $side 1
			has $side 'not supported by the file system'
		done
	done <<-END
		chmod 3
		utimens 5
	END
}

@test "so are those of directories" {
	needs FUSE
	# one that is opened first, and gets its mode last
	mkdir -p src/t/sub src/t/locked
	chmod 2700 src/t/sub
	chmod 0555 src/t/locked
	touch -d @1500000000 src/t/sub src/t/locked src/t
	for what in utimens 'utimens,chmod'; do
		lacking "${what//,/-ignored,}-ignored"
		transfer fail
		status 1
		[ "$got" = 1 ]
		[ -d dst/t/sub ]
		is member events summary not_kept 3
		is member sent.events summary not_kept 3
		has sender 'not supported by the file system'
	done
}

@test "modes that are the mount's are a warning" {
	needs FUSE
	tree src/t new
	chmod 640 src/t/small src/t/sub/*
	lacking mode=0777
	transfer fail
	status 0
	[ "$got" = 0 ]
	diff -r --no-dereference src/t dst/t
	is grep -c 'warning: the file system does not keep modes' messages 1
	# each session says it, and which it is
	receive --plain --existing replace dst
	send --plain src/t
	chmod 600 src/t/small
	send --plain src/t
	status 0
	has messages 'warning: session 1: the file system does not keep modes'
	has messages 'warning: session 2: the file system does not keep modes'
	has events '{"event":"warning","session":2,"message":"the file system'
	check_events events
	stop_receiver
}

# ---- flushing --------------------------------------------------------------

@test "a file system that refuses content when the file is closed: the old file stays" {
	needs FUSE
	tree src/t new
	for sync in batch none; do
		lacking close
		tree back/t old
		receive --plain --once --sync $sync --existing replace dst
		send --plain src/t
		wait_receiver
		status 8
		[ "$got" = 7 ]
		has sender 'quota'
		for f in small sub/small sub/large; do
			is head -n 1 back/t/$f old
		done
		no_litter
	done
}

@test "a file system that cannot flush directories or files: committed, with a warning" {
	needs FUSE
	tree src/t new
	for what in fsyncdir fsync; do
		for sync in batch file; do
			lacking $what
			transfer fail --sync $sync
			status 0
			[ "$got" = 0 ]
			same_tree src/t dst/t
			is grep -c 'warning: the file system cannot flush' messages 1
			no_litter
		done
		lacking $what
		transfer fail --sync none
		status 0
		hasnt messages 'cannot flush'
	done
}

# ---- what is in the way ----------------------------------------------------

@test "backup and replace over a FIFO, a socket or a device" {
	mkdir -p src/t saved
	for name in fifo socket device; do echo new >src/t/$name; done
	for how in backup replace; do
		for sandbox in $(confined) off; do
			rm -rf dst; mkdir -p dst/t
			mkfifo dst/t/fifo
			python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' dst/t/socket
			mknod dst/t/device c 1 3 2>/dev/null ||
				mkfifo dst/t/device
			transfer $how --sandbox $sandbox
			status 0
			diff -r src/t/fifo dst/t/fifo
			is cat dst/t/socket new
			is cat dst/t/device new
			if [ $how = backup ]; then
				[ -p dst/t/fifo~ ] && [ -S dst/t/socket~ ]
				[ ! -f dst/t/device~ ] && [ -e dst/t/device~ ]
			fi
			no_litter
		done
	done
}

@test "files and directories with the immutable or append-only attribute are told as that" {
	needs_build 'flags of files'
	needs 'immutable files'
	tree src/t new
	for attribute in i a; do
		for how in replace backup; do
			chattr -ia dst dst/t 2>/dev/null || true
			rm -rf dst
			tree dst/t old
			chattr +$attribute dst/t/small dst/t/sub/large
			transfer $how
			status 1
			is grep -c 'immutable or append-only' sender 2
			is grep -c 'immutable or append-only' messages 2
			has sender chattr
			is cat dst/t/small old
			is cat dst/t/sub/small new
			chattr -$attribute dst/t/small dst/t/sub/large
			no_litter
		done
	done
	rm -rf dst; mkdir dst
	chattr +i dst
	run ferry receive --plain -p 0 dst
	[ "$status" = 7 ]
	[[ $output = *"dst is immutable"*chattr* ]]
	chattr -i dst
	receive --plain dst
	chattr +i dst
	send --plain src/t
	status 8
	grep -q 'immutable or append-only' sender
	hasnt sender 'permission denied'
	stop_receiver
	chattr -i dst
	rm -rf dst; mkdir -p dst/t/sub
	chattr +i dst/t/sub
	transfer fail
	status 1
	is grep -c 't/sub/.*immutable or append-only' sender 2
	chattr -i dst/t/sub
}

@test "the receive directory is removed, moved or replaced while the receiver runs" {
	tree src/t new
	mkdir other
	ln -s dst way
	for dir in dst "$PWD/dst" way .; do
		for what in remove replace move; do
			rm -rf dst moved; mkdir dst
			if [ "$dir" = . ]; then
				[ $what = remove ] || continue
				FERRY_WRAP="env -C dst" receive --plain "$dir"
			else
				receive --plain "$dir"
			fi
			send --plain src/t/small
			status 0
			echo "# $what $dir"
			case $what in
			remove) rm -r dst ;;
			replace) rm -r dst; mkdir dst ;;
			move) mv dst moved; mkdir dst ;;
			esac
			if [ $what = move ]; then
				send --plain src/t
				status 0
				cmp src/t/sub/large moved/t/sub/large
				grep -q 'warning: .*was moved' messages
				only_dir
				stop_receiver
				continue
			fi
			for path in src/t/small src/t/sub/large src/t; do
				send --plain "$path"
				status 8
				has sender 'directory that it receives into was removed'
				has sender 'restart the receiver'
			done
			has messages 'directory that it receives into was removed'
			[ ! -e dst ] || only_dir
			stop_receiver
		done
	done
}

@test "the directory of a file is removed while the file is received" {
	mkdir -p src/t
	head -c 30000000 /dev/urandom >src/t/f
	receive --plain --once dst
	start_send slow --plain --limit-rate 10M src/t
	await slow.events '"progress","bytes":[5-9][0-9]{6}'
	rm -r dst/t
	ended slow
	wait_receiver
	[ "$code" = 8 ]
	has slow.messages 'was removed'
	hasnt slow.messages vanished
}

# ---- what the file system cannot store -------------------------------------

@test "a name that cannot be stored is refused before any content is sent" {
	needs FUSE
	lacking names
	head -c 42000000 /dev/urandom >'src/big?x'
	head -c 42000000 /dev/urandom >src/good
	echo small >'src/small:x'
	mkdir 'src/dir|'
	cp src/good 'src/dir|/f'
	receive --plain --once dst
	send --plain --json=7 src/* 7>sent.events
	wait_receiver
	status 1
	cmp src/good dst/good
	[ "$(member sent.events summary wire_bytes)" -lt 45000000 ]
	is grep -c 'the file system cannot store this name' sender 4
	is ls -A dst good
}

@test "a file of a size that cannot be stored is refused before any content is sent" {
	needs FUSE
	needs_build 'limits of FUSE'
	lacking size=20000000
	head -c 42000000 /dev/urandom >src/big
	head -c 19000000 /dev/urandom >src/good
	receive --plain --once dst
	send --plain --json=7 src/* 7>sent.events
	wait_receiver
	status 1
	cmp src/good dst/good
	[ "$(member sent.events summary wire_bytes)" -lt 21000000 ]
	has sender 'file too large'
	is ls -A dst good
}

@test "a sparse file that is larger than ext2 can store is refused" {
	needs 'loop devices'
	truncate -s 40M image
	mkfs.ext2 -q -b 1024 image
	mount -o loop image dst
	truncate -s 20G src/big
	echo some | dd of=src/big conv=notrunc bs=1 seek=1000 status=none
	receive --plain --once dst
	send --plain --json=7 src/big 7>sent.events
	wait_receiver
	umount dst
	status 8
	has sender 'file too large'
	[ "$(member sent.events summary wire_bytes)" -lt 100000 ]
}

@test "a quota that is exceeded is told as such, not as a full disk" {
	needs btrfs mkfs.btrfs 'loop devices'
	PATH=$PATH:/usr/sbin:/sbin
	truncate -s 400M image
	mkfs.btrfs -q image
	mount -o loop image dst
	btrfs quota enable dst
	btrfs subvolume create dst/t
	btrfs qgroup limit 30M dst/t
	mkdir -p src/t
	# one that is known not to fit, and small ones, of which some do
	head -c 45M /dev/zero | tr '\0' x >src/t/large
	for i in {1..40}; do head -c 900K /dev/urandom >"src/t/small$i"; done
	transfer fail
	umount dst
	status 8
	for side in sender messages; do
		has $side 'disk quota exceeded'
		has $side 'free some of the quota'
		hasnt $side 'needs '
		hasnt $side 'no space left'
	done
	grep -q '"path":"t/large".*"status":"failed".*disk quota' events
	grep -q '"path":"t/small[0-9]*".*"status":"committed"' events
	is grep -c '"event":"file".*"status":"failed"' events \
		"$(member events summary failed)"
}

@test "what a new version of a file has in common with the old one shares its blocks" {
	needs btrfs mkfs.btrfs xfs mkfs.xfs 'loop devices'
	needs_build reflinks
	PATH=$PATH:/usr/sbin:/sbin
	for fs in btrfs xfs; do
		rm -f image
		truncate -s 600M image
		mkfs.$fs -q image
		mount -o loop image dst
		python3 "$tools/edit.py" writes $((48 << 20)) dst/f f
		# of the same size and time, and not
		cp dst/f dst/g
		cp -p f g
		touch -r dst/g g
		touch -d @1500000000 dst/f
		sync -f dst/f
		before=$(df --output=used -B1 dst | tail -n 1)
		receive --plain --once --sync file --existing backup \
			--sandbox "$(confined)" dst
		send --plain --delta on f g
		status 0
		wait_receiver
		cmp f dst/f
		cmp g dst/g
		sync -f dst/f
		after=$(df --output=used -B1 dst | tail -n 1)
		umount dst
		echo "# $fs: $((after - before)) bytes more"
		# two versions of two files, and only one of each was written
		[ $((after - before)) -lt $((24 << 20)) ]
	done
}

# ---- names that are the same there -----------------------------------------

@test "names that the file system folds: files of one session never overwrite each other" {
	needs FUSE
	lower=$(printf 'caf\303\251') combining=$(printf 'cafe\314\201')
	for pair in readme:README "$lower:$combining" dir/f:DIR/f; do
		for size in 10 9000000; do
			for how in fail skip replace newer backup; do
				case $pair$size$how in
				readme*:README10* | caf*10skip | caf*0newer | \
					readme*0replace | dir*0fail | dir*10replace) ;;
				*) [ -n "${FERRY_LONG:-}" ] || continue ;;
				esac
				echo "# $pair $size $how"
				rm -rf src; mkdir -p src/t/dir src/t/DIR
				{ echo one; head -c $size /dev/zero; } \
					>"src/t/${pair%:*}"
				{ echo two; head -c $size /dev/zero; } \
					>"src/t/${pair#*:}"
				touch -d @1500000000 "src/t/${pair%:*}"
				lacking fold
				for run in first again; do
					transfer $how
					status 1
					# skipping is no failure to a receiver
					case $run$how in
					againskip | againnewer) ;;
					*) [ "$got" = 1 ] ;;
					esac
					is find dst -type f -printf . .
					# the one that is there
					first=$(sed -n \
						's/.*"path":"\(t[^"]*\)".*"status":"\(committed\|unchanged\)".*/\1/p' \
						sent.events)
					cmp "src/$first" "$(find dst -type f)"
					no_litter
					# where nothing is replaced, what was
					# there before the session is not told
					# from what came in it, ...
					case $run$how in
					again[fs]* | againnewer) continue ;;
					esac
					has sender 'another file in this session: t/'
					has messages 'another file in this session: t/'
					# ... nor is a directory named as it is
					case $pair$how in
					dir*fail | dir*skip) continue ;;
					esac
					has sender "in this session: $first;"
					has messages "in this session: $first;"
					no_litter
				done
			done
		done
	done
}

@test "names that the file system folds: nor do symlinks, hard links and FIFOs" {
	needs FUSE
	mkdir -p src/t
	# of each pair of one name, the second is of a kind that is made at the end
	ln -s one src/t/link; ln -s two src/t/LINK
	echo file >src/t/file; ln -s three src/t/FILE
	echo pipe >src/t/pipe; mkfifo src/t/PIPE
	echo text >src/t/text; echo other >src/t/other; ln src/t/text src/t/OTHER
	for how in replace backup rename; do
		lacking fold
		receive --plain --once --accept all --existing $how dst
		send --plain -a --json=8 src/t 8>sent.events
		wait_receiver
		if [ $how = rename ]; then
			status 0
			is find dst/t -name '* (1)*' -printf . ....
		else
			status 1
			[ "$got" = 1 ]
			has sender 'another file in this session: t/'
			has messages 'another file in this session: t/'
			# each that is said to be committed is there
			sed -n 's/.*"path":"\(t[^"]*\)".*"status":"committed".*/\1/p' \
				sent.events >names
			[ -s names ]
			while read -r name; do
				if [ -L "src/$name" ]; then
					is readlink "dst/$name" \
						"$(readlink "src/$name")"
				else
					[ -p "src/$name" ] ||
						cmp "src/$name" "dst/$name"
					[ ! -L "dst/$name" ]
				fi
			done <names
		fi
		no_litter
	done
}

@test "a file that left another spelling to its entry is not overwritten, whatever its inode" {
	needs FUSE
	needs_build 'flags of files'
	for lacks in fold fold,inodes; do
		for old in f F; do
			rm -rf src; mkdir -p src/t
			echo lower >src/t/f
			echo UPPER >src/t/F
			lacking $lacks
			mkdir dst/t
			echo old >dst/t/$old
			transfer replace
			status 1
			is grep -c '"status":"committed"' sent.events 1
			has sender 'another file in this session: t/'
			is find dst/t -name '[fF]' -printf . .
			no_litter
		done
	done
}

@test "many names that may be spellings of each other cost no look at each for each" {
	needs FUSE
	needs_build 'flags of files'
	mkdir -p src/t
	# of which nothing is left of the key that all spellings share
	python3 -c '
for i in range(200):
    open(f"src/t/\u4e00{chr(0x4e01 + i)}", "w").write(f"{i}")'
	lacking fold
	cp -r src/t dst
	for f in src/t/*; do echo new >>"$f"; done
	SECONDS=0
	transfer replace
	status 0
	[ "$SECONDS" -lt "$(limit 10)" ]
	same_tree src/t dst/t
	no_litter
}

@test "names that only some directories fold: neither do their files overwrite each other" {
	needs FUSE
	needs_build 'flags of files'
	# old: the spelling that is there, which may be that of the one that comes
	# first or of the other
	for case in replace:f replace:F backup:f backup:F fail:; do
		how=${case%:*} old=${case#*:}
		rm -rf src; mkdir -p src/t/plain src/t/Plain src/t/folds
		for f in plain/f plain/F Plain/f folds/f folds/F; do
			echo "$f" >"src/t/$f"
		done
		lacking fold=folds
		# those of an earlier session
		mkdir -p dst/t/plain dst/t/Plain dst/t/folds
		for f in plain/f plain/F Plain/f folds/$old; do
			[ $how = fail ] || echo old >"dst/t/$f"
		done
		transfer $how
		status 1
		is grep -c '"status":"committed"' sent.events 4
		for f in plain/f plain/F Plain/f; do cmp src/t/$f dst/t/$f; done
		has sender 'another file in this session: t/folds/'
		is find dst/t/folds -name '[fF]' -printf . .
		grep -q 'folds/[fF]' dst/t/folds/f
		no_litter
	done
}

@test "names that the file system folds: rename keeps both, other sessions replace" {
	needs FUSE
	for sync in none batch; do
		rm -rf src; mkdir -p src/t
		echo one >src/t/readme
		echo two >src/t/README
		lacking fold
		transfer rename --sync $sync
		status 0
		is cat dst/t/*  $'one\ntwo' || is cat dst/t/* $'two\none'
		# an earlier session's file is replaced as anywhere
		lacking fold
		rm src/t/README
		transfer replace --sync $sync
		status 0
		mv src/t/readme src/t/README
		echo three >src/t/README
		transfer replace --sync $sync
		status 0
		is cat dst/t/readme three
		is find dst -type f -printf . .
		# the same content under both names loses nothing
		cp -p src/t/README src/t/readme
		transfer replace --sync $sync
		status 0
		no_litter
	done
}

# ---- temporary names that another file takes -------------------------------

# put_by OTHER NAME - what any process with the right to write there can do, and
# another sender's file could where names are folded
put_by() {
	echo EVIL >other
	touch -d 2037-01-01 other
	mv -f other "$1"
}

@test "names that the file system folds: no sender's file takes the place of a part" {
	needs FUSE
	head -c 20000000 /dev/urandom >src/victim
	for how in replace newer backup; do
		lacking fold
		receive --plain --existing $how dst
		start_send victim --plain --limit-rate 4M src/victim
		under_way victim
		part=$(cd dst && echo .ferry-*.part)
		[ -f "dst/$part" ]
		echo EVIL >"${part^^}"
		touch -d 2037-01-01 "${part^^}"
		# ferry's own sender refuses it, too
		send --plain "${part^^}"
		[ "$sent" != 0 ]
		has sender "ferry's own temporary names"
		python3 - "$port" "${part^^}" <<-EOF
			import sys
			sys.path[:0] = ["$BATS_TEST_DIRNAME/.."]
			from lib.peer import Sender
			from lib.wire import pack, row
			s = Sender(int(sys.argv[1]))
			s.send(pack([row(1, b"EVIL", name=sys.argv[2].encode())],
			            b"EVIL"))
			s.rest()
		EOF
		await messages 'temporary names'
		ended victim
		[ "$code" = 0 ] || { cat victim.messages; return 1; }
		cmp src/victim dst/victim
		is ls -A dst victim
		rm "${part^^}"
		stop_receiver
	done
}

@test "a part whose name another file has taken is not committed, nor is that file" {
	head -c 12000000 /dev/urandom >src/victim
	for how in fail replace newer backup rename; do
		rm -rf dst; mkdir dst
		[ $how = fail ] || echo old >dst/victim
		[ $how = fail ] || touch -d 2001-01-01 dst/victim
		receive --plain --once --existing $how dst
		start_send victim --plain --limit-rate 4M src/victim
		under_way victim
		part=$(echo dst/.ferry-*.part)
		put_by "$part"
		ended victim
		[ "$code" = 8 ] || { cat victim.messages; return 1; }
		has victim.messages 'in use by another transfer'
		wait_receiver
		[ "$got" = 7 ]
		# the other file stays what and where it is
		is cat "$part" EVIL
		rm "$part"
		if [ $how = fail ]; then
			only_dir
		else
			is ls -A dst victim
			is cat dst/victim old
		fi
	done
}

@test "a file or symlink that replaces another is not confused with what takes its temporary name" {
	needs ptrace
	needs 'a build without a sanitizer' # which strace does not mix with
	needs_build 'files without a name'
	for kind in file:linkat:replace:.ferry-*.new \
		symlink:symlinkat:replace:.ferry-*.new \
		file:linkat:backup:f~ symlink:symlinkat:backup:f~; do
		IFS=: read -r what call how taken <<<"$kind"
		echo "# $kind"
		rm -rf src dst; mkdir -p src/t dst/t
		case $what in
		file) echo new >src/t/f ;;
		symlink) ln -s new src/t/f ;;
		esac
		echo old >dst/t/f
		touch -d 2001-01-01 dst/t/f
		# long enough for what follows, after the call
		FERRY_WRAP="strace -f -qq -o /dev/null -e trace=$call
			-e inject=$call:delay_exit=$(limit 500000)" \
			receive --plain --once --existing $how dst
		start_send sender --plain src/t
		for _ in $(seq "$(limit 600)"); do
			there=$(find dst/t -name "$taken")
			[ -n "$there" ] && break
			sleep 0.05
		done
		[ -n "$there" ]
		put_by "$there"
		ended sender
		wait_receiver
		is cat "$there" EVIL
		rm "$there"
		is ls -A dst/t f
		# a symlink is made again by another name
		if [ $what:$how = symlink:replace ]; then
			[ "$code" = 0 ] || { cat sender.messages; return 1; }
			is readlink dst/t/f new
			continue
		fi
		[ "$code" = 8 ] || { cat sender.messages; return 1; }
		has sender.messages 'in use by another transfer'
		is cat dst/t/f old
	done
}

@test "where a file has another inode each time, all is received as elsewhere" {
	same_options=-O
	needs FUSE
	tree src/t new
	for how in fail replace backup; do
		for lack in inode flags,inode; do
			lacking $lack
			[ $how = fail ] || tree dst/t old
			transfer $how
			status 0
			same src/t dst/
			no_litter
		done
	done
}

# ---- times -----------------------------------------------------------------

# few_bytes MOST - the last transfer() sent at most so many
few_bytes() {
	[ "$(member sent.events summary wire_bytes)" -le "$1" ] || {
		cat sent.events
		return 1
	}
}

@test "what has only coarse times, or none, is not sent again" {
	needs FUSE
	tree src/t new
	head -c 9000000 /dev/urandom >src/t/sub/large
	# what is stored is less by 1.9 s at most
	touch -d '2005-06-07 08:09:11.9' src/t/small src/t/sub/*
	for lack in seconds=1 seconds=2 utimens utimens-ignored; do
		for how in replace rename backup newer; do
			case $lack$how in
			seconds=2* | *replace) ;;
			*) [ -n "${FERRY_LONG:-}" ] || continue ;;
			esac
			echo "# $lack $how"
			lacking $lack
			transfer $how
			diff -r --no-dereference src/t dst/t
			transfer $how
			few_bytes 100000
			diff -r --no-dereference src/t dst/t
		done
	done
	# another name for what was there with other content: once
	lacking seconds=2
	tree dst/t old
	transfer rename
	status 0
	cmp src/t/sub/large 'dst/t/sub/large (1)'
	transfer rename
	status 0
	is ls dst/t/sub $'large\nlarge (1)\nsmall\nsmall (1)'
}

# owner_not_kept STATUS WHAT - dst lacks WHAT: f arrives without its owner, with
# this exit status, and when that is asked for later, it is not kept.
owner_not_kept() {
	lacking "$2"
	receive --plain --accept all dst
	send --plain src/f
	status "$1"
	send --plain --preserve owner --json=7 src/f 7>sent.events
	status 1
	has sender 'the owner and group of f could not be kept'
	hasnt sent.events updated
}

@test "an owner that the file system does not take is not said to be set" {
	needs FUSE 'a second user' # whom files could be given to
	echo text >src/f
	owner_not_kept 0 uid=65534
	hasnt sender 'new metadata'
	is member sent.events summary not_kept 1
	# of new items, too, and what is told is the same each time
	mkdir src/t
	echo text >src/t/new
	for times in 1 2; do
		send --plain --preserve owner --existing replace --json=7 src/t \
			7>sent.events
		status 1
		has sender 'the owner and group of t'
		is member sent.events summary not_kept 2
		hasnt sent.events updated
	done
	stop_receiver
	unmount
	# also where it is not all that is ignored, of a file that was sent without
	touch -d @1500000000 src/f
	owner_not_kept 1 uid=65534,utimens-ignored
	stop_receiver
	unmount
}

@test "newer: times that the file system cannot tell apart are not newer" {
	needs FUSE
	mkdir src/t
	lacking seconds=2
	for name in small large; do
		size=10
		[ $name = small ] || size=9000000
		mkdir -p dst/t
		head -c $size /dev/urandom >dst/t/$name
		cp dst/t/$name kept
		touch -d '2005-06-07 08:09:10' dst/t/$name
		head -c $size /dev/urandom >src/t/$name
		touch -d '2005-06-07 08:09:11.5' src/t/$name
		transfer newer
		status 1
		cmp kept dst/t/$name
		touch -d '2005-06-07 08:09:12' src/t/$name
		transfer newer
		status 0
		cmp src/t/$name dst/t/$name
	done
}

@test "ext2 with times of seconds: large files are not sent again" {
	needs 'loop devices'
	truncate -s 32M image
	mkfs.ext2 -q -I 128 image 2>/dev/null
	mount -o loop image dst
	mkdir src/t
	head -c 9000000 /dev/urandom >src/t/large
	touch -d '2005-06-07 08:09:11.9' src/t/large
	transfer replace
	status 0
	is stat -c %y dst/t/large '2005-06-07 08:09:11.000000000 +0000'
	transfer replace
	few_bytes 100000
	is member sent.events summary unchanged 1
	cmp src/t/large dst/t/large
}

@test "a kept part is read again where times do not show that it was written to" {
	needs FUSE
	ferry keygen key 2>/dev/null
	head -c 24000000 /dev/urandom >src/f
	# all that happens in this test has the same time
	lacking seconds=100000
	receive --key key dst
	start_send one --key key --limit-rate 8M src/f
	# more than a leaf: what is not known to be there is not kept
	await one.events '"progress","bytes":[0-9]{8}'
	kill -KILL "${pid[one]}"
	ended one
	stop_receiver
	printf XXXX | dd of="$(ls dst/.ferry-*.part)" bs=1 seek=100 \
		conv=notrunc status=none
	receive --key key --once dst
	send --key key --json src/f >sent
	wait_receiver
	status 1 # its time cannot be kept
	cmp src/f dst/f
}

@test "a source that is changed twice within the unit of its times has changed" {
	needs FUSE
	lacking seconds=2
	receive --plain src
	head -c 16000000 /dev/urandom >dst/f
	# both in one unit, with some time in between
	python3 -c 'import time; time.sleep(2.02 - time.time() % 2)'
	printf one | dd of=dst/f bs=1 conv=notrunc status=none
	start_send one --plain --limit-rate 16M dst/f
	under_way one
	printf two | dd of=dst/f bs=1 conv=notrunc status=none
	ended one
	[ "$code" = 9 ]
	[ ! -e src/f ]
}
