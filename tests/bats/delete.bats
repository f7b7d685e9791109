#!/usr/bin/env bats
# send --delete and --max-delete, receive --accept delete.

load helper

# times of directories that were there stay the receiver's
setup() { make_dir; same_options='-O -J'; }
teardown() { remove_dir; }

# make_tree - src/t, the same in dst/t, and more there
make_tree() {
	mkdir -p src/t/a src/t/b dst
	echo 1 >src/t/a/f
	echo 2 >src/t/b/g
	ln -s f src/t/a/l
	cp -a src/t dst/t
	mkdir -p dst/t/old/deep/er dst/t/a/empty
	echo 3 >dst/t/old/deep/er/h
	echo 4 >dst/t/old/i
	echo 5 >dst/t/a/j
	ln -s ../../../src dst/t/b/k
	# beside what is sent
	echo 6 >dst/beside
}

# deleted FILE - the paths in its events, sorted
deleted() {
	sed -n 's/.*"deleted".*"path":"\([^"]*\)".*"status":"deleted".*/\1/p' \
		"$1" | sort
}

all_extras='t/a/empty
t/a/j
t/b/k
t/old
t/old/deep
t/old/deep/er
t/old/deep/er/h
t/old/i'

# mirror OPTION... - send src/t with --delete; sets $sent and $got
mirror() {
	receive --plain --once --accept delete,existing dst
	send --plain --json=7 --delete "$@" src/t 7>sent.events
	wait_receiver
	check_events events sent.events
}

@test "what the sender does not have is deleted, and told [tsan]" {
	needs 'a safe temporary directory' # for --exec
	make_tree
	cat >hook <<-'END'
		#!/bin/sh
		echo "$FERRY_FILES $FERRY_DELETED $FERRY_EXIT" >>../hooked
	END
	chmod +x hook
	receive --plain --once --accept delete --exec ./hook dst
	send --plain --json=7 -v --delete src/t 7>sent.events
	wait_receiver
	status 0
	[ "$got" = 0 ]
	same_tree src/t dst/t
	is cat dst/beside 6
	check_events events sent.events
	is deleted events "$all_extras"
	is deleted sent.events "$all_extras"
	is member events summary deleted 8
	is member sent.events summary deleted 8
	has sender 't/old/deep/er/h: deleted'
	has sender '8 deleted'
	has messages '8 deleted'
	is cat hooked '3 8 0'
	# nothing is left to be deleted
	mirror
	status 0
	is deleted events ''
	is member sent.events summary unchanged 3
}

@test "without --delete, and where it is not accepted, nothing is deleted [asan]" {
	make_tree
	receive --plain --accept delete dst
	send --plain src/t
	status 0
	stop_receiver
	receive --plain --accept existing,links dst
	echo new >src/t/new
	send --plain --delete src/t
	status 8
	has sender 'does not accept --delete'
	has sender 'ferry receive --accept delete'
	[ ! -e dst/t/new ]
	stop_receiver
	has messages 'the sender asks for --delete'
	is cat dst/t/old/deep/er/h 3
	is find dst/t/a/empty dst/t/a/empty
}

@test "random edits: as rsync -a --delete, with and without patterns [long-san]" {
	type rsync >/dev/null
	mkdir -p src/t dst theirs
	receive --plain --accept delete,existing dst
	for i in 1 2 3 4; do
		python3 "$tools/edit-tree.py" src/t 40
		# the receiver's own as well
		[ ! -d dst/t ] || python3 "$tools/edit-tree.py" dst/t 15
		rm -rf theirs/t
		[ ! -e dst/t ] || cp -a dst/t theirs/t
		patterns=()
		[ $((i % 2)) = 1 ] ||
			patterns=(--exclude 'skip*' --exclude '*.tmp')
		rsync -a --checksum --force --delete "${patterns[@]}" src/t \
			theirs || [ $? = 23 ] || [ $? = 0 ]
		for streams in 1 4; do
			# src/t may have become empty
			send --plain -j $streams --existing replace --delete \
				--max-delete 10000 "${patterns[@]}" src/t
		done
		# a pattern may protect what is in the way of a file
		[ "$sent" = 0 ] || [ ${#patterns[@]} -gt 0 ]
		(cd theirs && find t -printf '%p %y %l\n' | sort) >wanted
		(cd dst && find t -printf '%p %y %l\n' | sort) >had
		diff wanted had
		diff -r --no-dereference theirs/t dst/t
		# so that the next round does not begin with a conflict
		[ "$sent" = 0 ] || rm -rf dst/t
	done
	stop_receiver
	no_litter
}

@test "what patterns leave out is protected, also in what is deleted [asan]" {
	make_tree
	mkdir -p dst/t/old/cache/x dst/t/cache
	touch dst/t/old/cache/x/y dst/t/cache/z dst/t/b/keep.o src/t/b/own.o
	mirror --exclude cache/ --exclude '*.o'
	status 0
	is find dst/t/old -type f dst/t/old/cache/x/y
	is find dst/t/cache -type f dst/t/cache/z
	is find dst/t/b -name '*.o' dst/t/b/keep.o
	[ ! -e dst/t/old/i ]
	[ ! -e dst/t/old/deep ]
}

@test "nothing is deleted where anything failed [asan]" {
	make_tree
	mkfifo src/t/fifo
	mirror
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	rm src/t/fifo
	ln -s /absolute src/t/absolute
	mirror
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	rm src/t/absolute
	# a conflict of a file, and of a symlink, whose verdict comes last
	echo other >dst/t/a/f
	mirror
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	cp -p src/t/a/f dst/t/a/f
	ln -sfn elsewhere dst/t/a/l
	mirror
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	ln -sfn f dst/t/a/l
	# a PATH that does not exist
	receive --plain --once --accept delete dst
	send --plain --delete src/t src/missing
	wait_receiver
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	is cat dst/t/old/deep/er/h 3
	is find dst/t/a/empty dst/t/a/empty
	is deleted events ''
	mirror
	status 0
	same_tree src/t dst/t
}

@test "a directory that cannot be read deletes nothing [asan]" {
	make_tree
	if [ "$(id -u)" = 0 ]; then
		needs 'a second user'
		chmod 755 .
		user='setpriv --reuid=65534 --regid=65534 --clear-groups'
	fi
	chmod 000 src/t/b
	receive --plain --once --accept delete dst
	FERRY_WRAP=${user:-} send --plain --delete src/t
	wait_receiver
	status 1
	has sender 'nothing was deleted'
	chmod 755 src/t/b
	is cat dst/t/old/deep/er/h 3
	[ -L dst/t/b/k ]
}

@test "an empty source deletes nothing without --max-delete [asan]" {
	make_tree
	rm -rf src/t
	mkdir src/t
	mirror
	status 1
	has sender 'were not deleted, as what was sent is empty'
	is deleted events ''
	is cat dst/t/b/g 2
	# also where patterns leave out all of it
	touch src/t/x.tmp
	mirror --exclude '*.tmp'
	status 1
	is deleted events ''
	rm src/t/x.tmp
	mirror --max-delete 100
	status 0
	only_dir dst/t
	# nothing there is no fault
	mirror
	status 0
}

@test "--max-delete: at most so many [asan]" {
	make_tree
	for n in 0 1 3; do
		mirror --max-delete $n
		status 1
		has sender "--max-delete is $n"
		is member sent.events summary deleted $n
		is sh -c "grep -c '\"deleted\",' events || :" $n
	done
	mirror --max-delete 4
	status 0
	is member sent.events summary deleted 4
	same_tree src/t dst/t
	for bad in -1 x ''; do
		send --plain --delete --max-delete=$bad src/t
		status 2
	done
	send --plain --max-delete 3 src/t
	status 2
	has sender '--max-delete needs --delete'
}

@test "directories in the way of files and symlinks, and the reverse [asan]" {
	mkdir -p src/t dst/t/{file,large,link}/sub src/t/dir/sub
	touch dst/t/{file,large,link}/sub/x src/t/dir/sub/y dst/t/dir
	mkdir -p src/t/was_link
	touch src/t/was_link/z
	ln -s /etc dst/t/was_link
	echo new >src/t/file
	head -c 9000000 /dev/urandom >src/t/large
	ln -s file src/t/link
	for options in '-j 1' '-j 4' '--compare time' '-a --compare time'; do
		rm -rf now
		cp -a dst now
		receive --plain --once --accept all now
		# shellcheck disable=SC2086
		send --plain $options --json=7 --delete --existing replace \
			src/t 7>sent.events
		wait_receiver
		status 0
		[ "$got" = 0 ]
		same_tree src/t now/t
		is member sent.events summary failed 0
		is member events summary failed 0
		is member events summary deleted 9
	done
	[ -f /etc/passwd ]
	# not without one of the two
	mirror
	[ "$sent" = 8 ]
	is sh -c 'find dst/t -name x -o -name dir | sort' 'dst/t/dir
dst/t/file/sub/x
dst/t/large/sub/x
dst/t/link/sub/x'
	# nor where something in it is protected
	rm dst/t/dir
	touch dst/t/file/kept.o
	mirror --existing replace --exclude '*.o'
	status 1
	is find dst/t/file -type f dst/t/file/kept.o
	has sender 't/file: on the receiver'
	cmp src/t/large dst/t/large
}

@test "directories in the way of hard links and FIFOs, also with --compare time" {
	mkdir src/t
	echo x >src/t/a
	ln src/t/a src/t/b
	ln src/t/a src/t/c
	head -c 300000 /dev/urandom >src/t/middle
	ln src/t/middle src/t/middle2
	mkfifo src/t/fifo
	for way in a b 'a b c middle' 'c fifo middle2' ''; do
		for options in '-a --mirror' '-j 4 -a --delete --existing replace'; do
			rm -rf now
			mkdir -p now/t
			for name in $way; do
				mkdir -p "now/t/$name/sub"
				echo y >"now/t/$name/sub/y"
			done
			receive --plain --once --accept all now
			# shellcheck disable=SC2086
			send --plain $options src/t
			status 0
			wait_receiver
			[ "$got" = 0 ]
			same_options=-H same_tree src/t now/t
		done
	done
}

@test "several streams meet what is in the way of one directory" {
	needs 'a build without a sanitizer' # which strace does not mix with
	# in some packs, each of a stream of its own, which all have found the file
	# in the way before the first of them has removed it
	python3 - <<-EOF
		import os
		for d in range(4):
		    for i in range(70):
		        os.makedirs(f"src/t/{d}/{i}")
		        for n in range(3):
		            with open(f"src/t/{d}/{i}/{n}", "wb") as f:
		                f.write(os.urandom(6000))
	EOF
	mkdir dst/t
	for i in {0..3}; do echo file >dst/t/$i; done
	FERRY_WRAP="strace -f -qq -o /dev/null -e trace=unlinkat --seccomp-bpf
		-e inject=unlinkat:delay_enter=$(limit 100000)" \
		receive --plain --once --accept all --sandbox off dst
	send --plain -j 8 -a --mirror src/t
	wait_receiver
	status 0
	same_tree src/t dst/t
}

@test "several sources: what any of them has stays [asan]" {
	mkdir -p one/sub two/sub three dst/sub dst/three
	touch one/a one/sub/b two/c two/sub/d three/e file
	touch dst/sub/x dst/y dst/three/z dst/stdin
	receive --plain --once --accept delete dst
	send --plain --delete one/. two/. three file - </dev/null
	wait_receiver
	status 0
	is sh -c 'cd dst && find . -type f | sort' './a
./c
./file
./stdin
./sub/b
./sub/d
./three/e'
	# by their names alone, nothing beside them is deleted
	touch dst/three/z
	receive --plain --once --accept delete dst
	send --plain --delete three file
	wait_receiver
	status 0
	[ -e dst/a ]
	[ ! -e dst/three/z ]
	send --plain --delete file
	status 2
	has sender '--delete needs a directory'
	echo three | send --plain --delete --files-from - .
	status 2
	has sender '--delete and --files-from exclude each other'
}

@test "symlinks and other file systems are not entered [asan]" {
	make_tree
	mkdir outside
	touch outside/safe
	ln -s "$work/outside" dst/t/old/out
	# a directory of the sender is a symlink here
	mkdir src/t/c
	ln -s "$work/outside" dst/t/c
	mirror
	[ -e outside/safe ]
	rm dst/t/c
	ln -sfn "$work/outside" dst/t/out
	mirror
	status 0
	[ -e outside/safe ]
	[ ! -L dst/t/out ]
	same_tree src/t dst/t
}

@test "backups, renamed files and ferry's own files stay [asan]" {
	make_tree
	hex=0123456789abcdef
	touch dst/t/.ferry-$hex.part dst/t/old/.ferry-$hex.journal
	echo changed >src/t/a/f
	mirror --existing backup
	status 1
	has sender 't/old: not deleted on the receiver'
	has sender 'the directory is not empty'
	has messages 't/old: from 127.0.0.1'
	is cat dst/t/a/f~ 1
	is find dst/t/old -type f dst/t/old/.ferry-$hex.journal
	[ -e dst/t/.ferry-$hex.part ]
	rm -r dst/t/old
	mirror --existing backup
	status 0
	is cat dst/t/a/f~ 1
	echo again >src/t/a/f
	mirror --existing rename
	status 0
	is cat 'dst/t/a/f (1)' again
	mirror --existing rename
	status 0
	is cat 'dst/t/a/f (1)' again
	[ ! -e dst/t/a/f~ ]
}

@test "a thousand directories, and names in them [long-asan]" {
	mkdir -p src/t dst/t
	for i in $(seq 300); do
		mkdir -p "src/t/d$i" "dst/t/d$i" "dst/t/gone$i/sub"
		touch "src/t/d$i/f" "dst/t/d$i/f" "dst/t/d$i/g"
	done
	(cd dst/t && seq -f 'x%.0f' 3000 | xargs touch)
	for j in 1 4; do
		rm -rf now
		cp -a dst now
		receive --plain --once --accept delete now
		send --plain -j $j --delete src/t
		wait_receiver
		status 0
		is member events summary deleted 3900
		is diff -r src/t now/t ''
	done
}

@test "a sender killed while it deletes: the rerun completes [long-san]" {
	mkdir -p src/t/d dst/t/d
	touch src/t/d/f
	for i in $(seq 40); do mkdir "dst/t/d/gone$i"; done
	(cd dst/t/d && for i in $(seq 40); do
		seq -f "gone$i/x%.0f" 200
	done | xargs touch)
	receive --plain --accept delete dst
	# after the names, it is told of some, and cannot come to its end
	forward rule down@113000=stall
	start_send a --plain --delete src/t
	await a.events '"deleted"'
	kill -KILL "${pid[a]}"
	ended a
	stop_forward
	send --plain --delete src/t
	status 0
	stop_receiver
	same_tree src/t dst/t
}

@test "--retry: a connection lost while it deletes [tsan]" {
	mkdir -p src/t/d dst/t/d
	touch src/t/d/f
	(cd dst/t/d && seq -f 'gone%.0f' 4000 | xargs touch)
	receive --plain --accept delete dst
	# the list of names is some 50 KB
	forward cut-reply 30000
	send --plain --retry 20 --delete src/t
	status 0
	has sender 'retrying'
	stop_forward
	stop_receiver
	same_tree src/t dst/t
}

@test "locked directories: deleted from, and locked again [asan]" {
	make_tree
	chmod 555 dst/t/b dst/t/old/deep
	chmod 000 dst/t/old/deep/er
	if [ "$(id -u)" = 0 ]; then
		needs 'a second user'
		chmod 755 .
		chown -R 65534:65534 dst
		user='setpriv --reuid=65534 --regid=65534 --clear-groups'
	fi
	FERRY_WRAP=${user:-} receive --plain --once --accept delete dst
	send --plain --delete src/t
	wait_receiver
	status 0
	is stat -c %a dst/t/b 555
	chmod 755 dst/t/b
	is deleted events "$all_extras"
}

# ---- --mirror ----------------------------------------------------------------

@test "--mirror: the trees are alike, and a second run sends nothing" {
	make_tree
	echo changed >src/t/a/f
	echo older >dst/t/b/g
	touch -d 2035-01-01 dst/t/b/g
	mkdir -p src/t/new/er
	seq 1000 >src/t/new/er/file
	receive --plain --once --accept delete,existing dst
	send --plain --mirror src/t
	wait_receiver
	status 0
	same_tree src/t dst/t
	receive --plain --once --accept delete,existing dst
	send --plain --json=7 --mirror src/t 7>sent.events
	wait_receiver
	status 0
	is member sent.events summary sent_bytes 0
	[ "$(member sent.events summary wire_bytes)" -lt 2000 ]
	# other options go before it
	echo newer >dst/t/b/g
	touch -d 2036-01-01 dst/t/b/g
	receive --plain --once --accept delete,existing dst
	send --plain --mirror --existing newer src/t
	wait_receiver
	is cat dst/t/b/g newer
}

@test "--mirror where it is not accepted" {
	make_tree
	receive --plain --once --accept delete dst
	send --plain --mirror src/t
	status 8
	[ -d dst/t/old ]
	wait_receiver
}

@test "--mirror: a directory in the place of a file, and of a symlink" {
	mkdir -p src/t/was-file/sub src/t/was-link dst/t
	echo 1 >src/t/was-file/sub/f
	echo 2 >src/t/was-link/g
	echo there >dst/t/was-file
	ln -s /etc dst/t/was-link
	receive --plain --once --accept delete,existing dst
	send --plain --mirror src/t
	status 0
	wait_receiver
	same_tree src/t dst/t
}

@test "--mirror: a symlink where a directory stays, as something failed, has failed" {
	mkdir -p src/t dst/t/blocked
	ln -s f src/t/blocked
	ln -s /absolute src/t/absolute
	mirror --existing replace
	status 1
	has sender 'nothing was deleted, as 1 file failed'
	has sender 't/blocked: on the receiver 127.0.0.1'
	has sender '2 of 2 files were not sent'
	is member sent.events summary failed 2
}

@test "--mirror by ssh: sending and fetching" {
	make_tree
	printf '#!/bin/sh\nexec "%s" remote\n' "$FERRY" >to_here
	chmod +x to_here
	# what is there only is told, and stays
	run "$FERRY" send --ssh ./to_here --mirror --max-delete 0 src/t/. \
		"h:$PWD/dst/t"
	[ "$status" = 1 ]
	[ -f dst/t/old/i ]
	"$FERRY" send --ssh ./to_here --mirror src/t/. "h:$PWD/dst/t"
	same_tree src/t dst/t
	mkdir -p back/old
	echo older >back/old/file
	echo older >back/f
	"$FERRY" receive --ssh ./to_here --mirror "h:$PWD/src/t/." back
	same_tree src/t back
}
