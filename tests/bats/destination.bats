#!/usr/bin/env bats
# Every form of DIR: the files are there, and nowhere else.

load helper

setup() {
	make_dir
	echo new >src/f
	mkdir outside
	echo old >outside/f
	touch -d @1000000000 outside/f outside
}
teardown() { remove_dir; }

# untouched - nothing has changed outside of the destination.
untouched() {
	is find outside -printf '%p %T@ ' \
		"outside 1000000000.0000000000 outside/f 1000000000.0000000000 "
	is cat outside/f old
}

# arrives DIR WHERE - a file received with the operand DIR is in WHERE, alone.
arrives() {
	receive --plain --once -- "$1"
	send --plain src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp src/f "$2/f"
	is find "$2" -mindepth 1 "$2/f"
	untouched
	rm "$2/f"
}

# refuses DIR TEXT - with exit 7 and this message, before it listens.
refuses() {
	run timeout "$(limit 20)" "$FERRY" receive --plain -p 0 -- "$1"
	[ "$status" = 7 ] && [[ $output == *"$2"* ]] || {
		echo "$1: $status $output"
		return 1
	}
	untouched
}

@test "a directory given by each of its names" {
	mkdir other
	for dir in dst dst/ dst// ./dst dst/. other/../dst "$PWD/dst"; do
		arrives "$dir" dst
	done
	for dir in - -x --plain 'a b' $'new\nline' $'\xff'; do
		mkdir "./$dir"
		arrives "$dir" "./$dir"
	done
}

@test "the working directory: no operand, . and ./" {
	for dir in "" . ./; do
		cd dst
		: >../events
		# shellcheck disable=SC2086 # no operand where it is empty
		"$FERRY" receive -p 0 --json=9 --plain --once $dir \
			9>../events 2>../messages </dev/null 3>&- &
		receiver=$!
		cd ..
		await events '"event":"listening"'
		port=$(member events listening port)
		send --plain src/f
		wait_receiver
		status 0
		[ "$got" = 0 ]
		is find dst -mindepth 1 dst/f
		rm dst/f
	done
}

@test "symlinks to directories, also chained, are followed in DIR" {
	ln -s dst link
	ln -s "$PWD/link/" far
	for dir in link link/ far far/.; do
		arrives "$dir" dst
	done
	# but a symlink at the final name is not followed
	ln -s ../outside/f dst/f
	receive --plain --once --existing replace link/
	send --plain src/f
	wait_receiver
	status 0
	[ ! -L dst/f ]
	cmp src/f dst/f
	untouched
}

@test "a DIR that is not a directory is refused, and nothing is created" {
	echo x >file
	ln -s nowhere dangling
	ln -s file link
	ln -s loop loop
	mkfifo fifo
	ls -A >before
	for dir in none none/ none/sub dst/none; do
		refuses "$dir" "directory $dir does not exist"
	done
	refuses dangling "dangling is a symlink to nowhere, which does not"
	for dir in file link fifo /dev/null; do
		refuses "$dir" "is not a directory"
	done
	for dir in file/ file/sub link/; do
		refuses "$dir" "Not a directory"
	done
	refuses loop "Too many levels of symbolic links"
	refuses "$(printf 'x%.0s' {1..300})" "File name too long"
	is ls -A "$(cat before)"
	only_dir
}

@test "a destination that is moved during the session" {
	receive --plain --existing replace dst
	send --plain src/f
	status 0
	mv dst moved
	ln -s outside dst
	echo newer >src/f
	send --plain src/f
	status 0
	cmp src/f moved/f
	untouched
	rm dst
	rm -r moved
	send --plain src/f
	status 8
	untouched
}

# ferry never opens an existing file for writing, and these file systems let
# nobody create files, so none of their files needs a rule of its own.  Where
# they are not writable, as for an ordinary user or in a container, the receiver
# says so at once.
@test "/proc, /sys: nothing is created or written, and the sender is told" {
	was=$(cat /proc/sys/kernel/hostname)
	mkdir -p src/sys/kernel
	echo evil >src/sys/kernel/hostname
	# of a size for which the part has a name
	truncate -s 9M src/sys/kernel/large
	for dir in /proc /sys; do
		# in a chroot it may be a directory like any other
		[[ "$(stat -f -c %T $dir)" == @(proc|sysfs) ]] || continue
		if [ ! -w $dir ]; then
			refuses $dir "cannot write to directory"
			continue
		fi
		for sandbox in off auto; do
			receive --plain --once --existing replace \
				--sandbox $sandbox $dir
			send --plain src/sys src/f
			wait_receiver
			status 8
			has sender "hostname: on the receiver"
			has sender "large: on the receiver"
			hasnt sender "directory is gone"
			grep -q "f: on the.* nothing can be created in its" sender
		done
	done
	is cat /proc/sys/kernel/hostname "$was"
}

@test "a part's name that is taken, also by another user in a sticky directory" {
	head -c 9M /dev/urandom >src/f
	chmod 1777 dst
	chmod 755 .
	# where the part of this sender and name would be
	receive --plain dst
	start_send one --plain --limit-rate 2M src/f
	under_way one
	kill -KILL "${pid[receiver]}"
	ended one
	wait_receiver || true
	part=$(find dst -name '.ferry-*.part')
	[ -n "$part" ]
	rm -f dst/.ferry-*
	mkdir "$part"
	receive --plain --once dst
	send --plain src/f
	wait_receiver
	status 0
	cmp src/f dst/f
	[ -d "$part" ]
	rmdir "$part"
	rm dst/f
	needs 'a second user'
	install -m 755 "$FERRY" ferry.other
	for mode in 600 666; do
		echo planted >"$part"
		chmod $mode "$part"
		FERRY=$PWD/ferry.other FERRY_WRAP="setpriv --reuid=65534
			--regid=65534 --clear-groups" \
			receive --plain --once dst
		send --plain src/f
		wait_receiver
		status 0
		cmp src/f dst/f
		is cat "$part" planted
		rm dst/f
	done
}
