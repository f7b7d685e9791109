#!/usr/bin/env bats
# Choosing what is sent: --exclude, --include, --files-from; and -n.

bats_require_minimum_version 1.5.0
load helper

setup() {
	make_dir
	mkdir -p src/t/sub/deep src/t/.git src/t/empty
	echo 1 >src/t/a.c
	echo 22 >src/t/a.o
	echo 333 >src/t/sub/b.c
	echo 4444 >src/t/sub/deep/c.c
	echo 55555 >src/t/sub/deep/c.o
	echo 6 >src/t/.git/config
	ln -s a.c src/t/link
}
teardown() { remove_dir; }

# arrived NAME... - these files and directories are in dst, and no others.
arrived() {
	local got wanted
	got=$(cd dst && find . -mindepth 1 -printf '%P\n' | sort)
	wanted=$(printf '%s\n' "$@" | sort)
	[ "$got" = "$wanted" ] || {
		diff <(echo "$got") <(echo "$wanted")
		return 1
	}
}

# listed NAME... - these are what the last -n printed to list.
listed() {
	[ "$(sort list)" = "$(printf '%s\n' "$@" | sort)" ] || {
		diff <(sort list) <(printf '%s\n' "$@" | sort)
		return 1
	}
}

@test "--exclude: by name at any depth, by path, directories [san]" {
	receive --plain dst
	send --plain --exclude .git/ --exclude '*.o' --exclude /t/sub/deep \
		src/t
	status 0
	arrived t t/a.c t/link t/sub t/sub/b.c t/empty
}

@test "--include before --exclude: the first match decides" {
	receive --plain dst
	send --plain --include '*/' --include '*.c' --exclude '*' src/t/.
	status 0
	arrived a.c sub sub/b.c sub/deep sub/deep/c.c .git empty
	rm -r dst/* dst/.git
	# the first match decides; what is below an excluded directory is not seen
	send --plain --exclude '*' --include '*.c' src/t/.
	status 0
	only_dir
	# operands are sent whatever the patterns say
	send --plain --exclude '*' src/t src/t/a.o
	status 0
	arrived t a.o
}

@test "excluded items cause no error, whatever they are" {
	mkfifo src/t/fifo
	ln -s /etc src/t/out
	receive --plain dst
	send --plain src/t/.
	status 1
	rm -r dst/* dst/.git
	send --plain --exclude fifo --exclude out src/t/.
	status 0
	rm -r dst/* dst/.git
	# a followed symlink to a directory counts as a directory
	mkdir other
	ln -s ../../other src/t/dir
	send --plain --exclude fifo --exclude out/ --exclude dir/ \
		--symlinks follow src/t/.
	status 0
	[ ! -e dst/dir ]
	cmp src/t/a.c dst/link
}

@test "--files-from: lines, NULs, a file, standard input, a directory" {
	receive --plain dst
	printf 'a.c\n./sub/b.c\n\nsub/deep/' >list
	send --plain --files-from list src/t
	status 0
	arrived a.c sub sub/b.c sub/deep sub/deep/c.c sub/deep/c.o
	rm -r dst/*
	# names as find prints them: directories without their content
	cd src/t
	find . -name '*.c' -print0 | send --plain --files-from - -0
	printf 'sub\n.\n' | ferry send --plain --files-from - \
		--exclude '*.c' "127.0.0.1:$port" 2>/dev/null
	cd ../..
	arrived a.c sub sub/b.c sub/deep sub/deep/c.c
	rm -r dst/*
	odd=$'new\nline \xff'
	echo text >"src/t/$odd"
	printf '%s\0' "$odd" | send --plain -0 --files-from - src/t
	cmp "src/t/$odd" "dst/$odd"
}

@test "--files-from: a name that cannot be sent is reported, the rest is sent" {
	ln -s sub src/t/sublink
	printf '%s\n' none ../t/a.c /etc/passwd sublink/b.c a.c >list
	receive --plain dst
	send --plain --files-from list src/t
	status 1
	arrived a.c
	has sender "src/t/none: on this side: No such file or directory"
	has sender 'src/t/../t/a.c: on this side: a component of the name is ".."'
	has sender "passwd: on this side: the name is absolute"
	has sender "src/t/sublink/b.c: on this side: "
	rm dst/*
	send --plain --files-from list --symlinks follow src/t
	status 1
	arrived a.c sublink sublink/b.c
	printf 'a.c\0sub\0' >list
	send --plain --files-from list src/t
	status 7
	has sender "is -0 missing?"
}

@test "--files-from: memory does not grow with the list [--long]" {
	needs 'a build without a sanitizer' # which has memory of its own
	yes ./sub/deep/c.c | head -n 300000 >long
	ferry send --list --files-from long src/t h >list 2>sender
	is bash -c 'wc -l <list' 300000
	has sender "would send 300,000 files"
	peak() {
		python3 - "$FERRY" "$@" <<-'EOF'
			import os, resource, subprocess, sys
			subprocess.run(sys.argv[1:], check=True,
			               stdout=subprocess.DEVNULL,
			               stderr=subprocess.DEVNULL)
			print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
		EOF
	}
	echo a.c >short
	small=$(peak send --list --files-from short src/t h)
	large=$(peak send --list --files-from long src/t h)
	echo "peak memory: $small KiB for 1 name, $large KiB for 300000"
	[ "$large" -lt $((small + 2048)) ]
}

@test "--files-from: --retry needs a list that can be read again" {
	echo a.c >list
	run -2 bash -c 'cat list | "$0" send --plain --retry 5 \
		--files-from - src/t 127.0.0.1:1' "$FERRY"
	[[ "$output" == *"--retry needs a list that can be read again"* ]]
	# the connection is cut once; directories are sent again
	head -c 12000000 /dev/urandom >src/t/large
	touch -d 2001-01-01 src/t/empty
	printf '%s\n' empty large a.c >list
	receive --plain dst
	forward cut 6000000
	send --plain --retry 20 --files-from - src/t <list
	status 0
	cmp src/t/large dst/large
	is stat -c %Y dst/empty "$(stat -c %Y src/t/empty)"
}

@test "--files-from: a signal or a lost receiver ends the wait for a slow list" {
	mkfifo names
	receive --plain dst
	exec {writer}<>names
	echo a.c >&"$writer"
	start_send one --plain --files-from names src/t
	# a file is sent while the list is still open
	await events '"path":"a.c"'
	kill -TERM "${pid[one]}"
	ended one
	[ "$code" = 143 ]
	start_send one --plain --files-from names src/t
	await one.events '"session"'
	kill -KILL "${pid[receiver]}"
	wait_receiver
	begin=$SECONDS
	ended one
	[ "$code" = 6 ] || { cat one.messages; return 1; }
	[ $((SECONDS - begin)) -le "$(limit 10)" ]
	exec {writer}>&-
}

@test "--files-from: half a list, whose writer was killed, is not the whole" {
	receive --plain dst
	# the writer is killed between two names, and ferry just after it
	printf 'a.c\nsub/b.c\n' >half
	for options in "" -n; do
		code=$("$tools/kill-pipe.py" SIGTERM 40 half "$FERRY" --plain -q \
			$options --files-from - src/t "127.0.0.1:$port" |
			tail -n 1)
		[ "$code" = late ] || [ "$code" = 143 ] || {
			echo "$options: status $code"
			return 1
		}
	done
	rm -rf dst/sub # where ferry was killed too late
	# within a name that is there too
	printf 'a.c\nsub' >half
	run -7 bash -c 'cat half | "$0" send --plain --files-from - src/t \
		"127.0.0.1:$1"' "$FERRY" "$port"
	[[ "$output" == *"ends within a name, without a newline after sub: its"* ]]
	run -7 bash -c 'printf "a.c\0sub" | "$0" send --plain -0 --files-from - \
		src/t "127.0.0.1:$1"' "$FERRY" "$port"
	[[ "$output" == *"ends within a name, without a NUL after sub: its"* ]]
	[ ! -e dst/sub ]
	# a file ends where it ends
	send --plain --files-from half src/t
	status 0
	[ -d dst/sub ]
	printf 'a.c\0sub' >half
	send --plain -0 --files-from half src/t
	status 7
}

@test "--list: lists what would be sent, does not connect [san]" {
	run -0 --separate-stderr ferry send --list src/t no-such-host.invalid
	printf '%s\n' "${lines[@]}" >list
	listed t/a.c t/a.o t/sub/b.c t/sub/deep/c.c t/sub/deep/c.o \
		t/.git/config t/link
	[[ "$stderr" == *"would send 7 files, 22 B, to no-such-host.invalid" ]]
	run -0 --separate-stderr ferry send --list -q --exclude '*.o' src/t/. - h
	[ -z "$stderr" ]
	printf '%s\n' "${lines[@]}" >list
	listed stdin a.c sub/b.c sub/deep/c.c .git/config link
	ferry send --list -v src/t/a.o h >list 2>sender
	listed "a.o (3 B)"
	printf x >$'src/\e[31m'
	ferry send --list $'src/\e[31m' h >list 2>sender
	listed '\x1b[31m'
}

@test "--list: events, errors and their exit status, a list that cannot be written" {
	ln -s /etc src/t/out
	ferry send --list --json --files-from <(printf 'a.c\nout\n') src/t h \
		>out.json 2>sender && return 1
	check_events out.json 3
	has out.json '{"event":"file","path":"a.c","size":2,"status":"planned"}'
	has out.json '"path":"out","size":0,"status":"failed"'
	is member out.json summary exit 1
	has sender "the symlink's target is absolute"
	hasnt out.json '"session"'
	run -7 bash -c '"$0" send --list src/t/a.c h >/dev/full' "$FERRY"
	run -7 ferry send --list src/none h
	# it does not connect, so it needs no security mode, but allows one
	run -0 ferry send --list --plain src/t/a.c h
	run -0 ferry send --list --key none src/t/a.c h
}

@test "--special skip: FIFOs, sockets and devices are left out without a word" {
	mkfifo src/t/fifo src/t/sub/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("src/t/s")'
	echo fifo >names
	receive --plain dst
	send --plain src/t
	[ "$sent" = 1 ]
	grep -q "fifo: on this side: a FIFO, which cannot be sent" sender
	send --plain --special skip src/t
	[ "$sent" = 0 ]
	run ! grep -E "fifo|FIFO|socket|failed|not sent" sender
	send --plain --special skip --files-from names src/t
	[ "$sent" = 0 ]
	# one that is named itself is an error
	send --plain --special skip src/t/fifo
	[ "$sent" = 7 ]
}

@test "-x: mounted file systems are sent as empty directories" {
	needs mounting
	mkdir -p src/t/mnt src/t/sub/mnt
	mount -t tmpfs none src/t/mnt
	mount -t tmpfs none src/t/sub/mnt
	echo 7 >src/t/mnt/inside
	mkdir src/t/mnt/dir
	echo 8 >src/t/sub/mnt/inside
	receive --plain dst
	send --plain -x src/t
	[ "$sent" = 0 ]
	arrived t t/a.c t/a.o t/.git t/.git/config t/link t/empty t/mnt t/sub \
		t/sub/b.c t/sub/mnt t/sub/deep t/sub/deep/c.c t/sub/deep/c.o
	# what is named itself is entered, also in a list
	rm -r dst/t
	send --plain --one-file-system src/t/mnt
	[ "$sent" = 0 ]
	arrived mnt mnt/inside mnt/dir
	rm -r dst/mnt
	printf '%s\n' mnt/ sub/ >names
	send --plain -x --files-from names src/t
	umount src/t/mnt src/t/sub/mnt
	[ "$sent" = 0 ]
	arrived mnt mnt/inside mnt/dir sub sub/b.c sub/mnt sub/deep \
		sub/deep/c.c sub/deep/c.o
}
