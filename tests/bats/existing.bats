#!/usr/bin/env bats
# What receive --existing newer, rename and backup do with existing names;
# fail, skip and replace are in transfer.bats and resume.bats.

load helper

setup() { make_dir; same_options=; }
teardown() { remove_dir; }

# renamed FILE - the new paths in its events, sorted.
renamed() {
	sed -n 's/.*"renamed_to":"\([^"]*\)".*/\1/p' "$1" | sort
}

# both DIR TEXT - make two files in DIR: one that is sent in a pack, and a large
# one, which can be resumed.
both() {
	mkdir -p "$1"
	echo "$2" >"$1/small.tar.gz"
	{ echo "$2"; head -c 9000000 /dev/zero; } >"$1/large.bin"
}

@test "replace: what is the same is not replaced, nor told as sent [san]" {
	mkdir src/t
	echo x >src/t/small
	head -c 300000 /dev/urandom >src/t/middle
	head -c 9000000 /dev/urandom >src/t/large
	ln -s small src/t/link
	mkfifo src/t/fifo
	cp -a src/t dst/t
	touch -d 2001-01-01 dst/t/*
	find dst/t -type f -printf '%p %i\n' | sort >inodes
	receive --plain --accept all dst
	for run in 1 2; do
		send --plain -v --json=7 --existing replace -a src/t 7>sent.events
		status 0
		same_tree src/t dst/t
		no_match sender ': committed'
		is member sent.events summary replaced ''
		find dst/t -type f -printf '%p %i\n' | sort | diff inodes -
	done
	stop_receiver
}

@test "what cannot be read to compare it is not told as a different file" {
	needs 'a second user'
	mkdir src/t
	echo x >src/t/small
	head -c 300000 /dev/urandom >src/t/middle
	head -c 9000000 /dev/urandom >src/t/large
	cp -a src/t dst/t
	echo other >dst/t/other
	echo longer >src/t/other
	chmod 0 src/t/* dst/t/*
	touch -d 2001-01-01 dst/t/*
	chown -R 65534:65534 dst
	chmod 755 "$work"
	cp "$FERRY" ferry
	FERRY=$PWD/ferry FERRY_WRAP="setpriv --reuid=65534 --regid=65534
		--clear-groups" receive --plain --accept existing dst
	for options in --existing=fail --compare=time; do
		send --plain "$options" src/t
		status 8
		is grep -c 'permission denied' sender 3
		is grep -c 'a different file' sender 1
		has sender 'receive as a user who may read and write there'
	done
	send --plain --existing replace src/t
	status 0
	stop_receiver
}

@test "newer: older files are replaced, the rest is skipped [long-san]" {
	for size in 10 9000000; do
		rm -rf dst src; mkdir -p dst/t src/t
		for f in older same newer fraction; do
			head -c "$size" /dev/zero | tr '\0' "o" >dst/t/$f
			head -c "$size" /dev/zero | tr '\0' "n" >src/t/$f
			touch -d @1000000000.5 src/t/$f dst/t/$f
		done
		touch -d @999999999 dst/t/older
		touch -d @1000000001 dst/t/newer
		touch -d @1000000000.4 dst/t/fraction
		transfer newer
		status 1
		for f in same newer; do
			is head -c 1 dst/t/$f o
			grep -q "\"path\":\"t/$f\".*\"skipped\"" events
		done
		for f in older fraction; do
			cmp src/t/$f dst/t/$f
			grep -q "\"path\":\"t/$f\".*\"committed\"" events
		done
		is find dst/t -name '*[~)]' ''
		no_litter
		touch src/t/*
		transfer newer
		status 0
		diff -r src/t dst/t
	done
}

@test "rename: the new file gets a free name, which the events report [long-san]" {
	both dst/t old
	both src/t new
	transfer rename
	status 0
	[ "$got" = 0 ]
	is head -n 1 dst/t/small.tar.gz old
	is head -c 3 dst/t/large.bin old
	cmp src/t/small.tar.gz "dst/t/small (1).tar.gz"
	cmp src/t/large.bin "dst/t/large (1).bin"
	is renamed events $'t/large (1).bin\nt/small (1).tar.gz'
	has messages 't/large.bin: exists already; committed as t/large (1).bin'
	# the sender is not told
	is renamed sent.events ''
	is grep -c '"status":"committed"' sent.events 2
	# sending the same again makes no further copies
	transfer rename
	status 0
	is find dst -type f -name '*(2)*' ''
	is grep -c '"status":"unchanged"' events 2
	is renamed events $'t/large (1).bin\nt/small (1).tar.gz'
	both src/t newest
	for n in {2..40}; do echo "$n" >"dst/t/small ($n).tar.gz"; done
	transfer rename --quiet
	status 0
	cmp src/t/large.bin "dst/t/large (2).bin"
	cmp src/t/small.tar.gz "dst/t/small (41).tar.gz"
	hasnt messages 'exists already'
	no_litter
}

@test "backup: the old file gets a free name, the new one replaces it [tsan]" {
	same_options=-O
	both dst/t old
	both src/t new
	both src/u old
	transfer backup
	status 0
	same src/t dst/
	cmp src/u/small.tar.gz dst/t/small.tar.gz~
	cmp src/u/large.bin dst/t/large.bin~
	# equal files are no conflict
	transfer backup
	status 0
	is grep -c '"status":"unchanged"' events 2
	is find dst -name '*~?~' ''
	both src/t newest
	transfer backup
	status 0
	same src/t dst/
	cmp src/u/large.bin dst/t/large.bin~
	is head -n 1 dst/t/small.tar.gz~1~ new
	is head -c 3 dst/t/large.bin~1~ new
	is find dst -type f -printf . ......
	no_litter
}

@test "symlinks, standard input and every --sync follow the same policies" {
	mkdir -p dst/t src/t
	for sync in none batch file; do
		for existing in newer rename backup; do
			rm -rf dst; mkdir -p dst/t
			ln -s old dst/t/l
			touch -h -d @1000000000 dst/t/l
			rm -f src/t/l
			ln -s new src/t/l
			touch -h -d @1000000001 src/t/l
			transfer $existing --sync $sync
			status 0
			case $existing in
			rename) at="l (1)" old=l ;;
			backup) at=l old=l~ ;;
			newer) at=l old= ;;
			esac
			is readlink "dst/t/$at" new
			[ -z "$old" ] || is readlink "dst/t/$old" old
			is find dst/t -type l -printf . "$([ "$old" ] && echo ..||
				echo .)"
			# the same symlink again
			transfer $existing --sync $sync
			status 0
			is find dst/t -type l -printf . "$([ "$old" ] && echo ..||
				echo .)"
			# an older one
			ln -sf newest src/t/l
			touch -h -d @900000000 src/t/l
			transfer $existing --sync $sync
			case $existing in
			rename) status 0; is readlink "dst/t/l (2)" newest ;;
			backup) status 0; is readlink dst/t/l~1~ new ;;
			newer) status 1; is readlink dst/t/l new ;;
			esac
		done
	done
	for existing in rename backup; do
		rm -rf dst; mkdir dst
		echo old >dst/f.x
		receive --plain --once --existing $existing dst
		send --plain --name f.x - < <(echo new)
		wait_receiver
		status 0
		case $existing in
		rename) is cat "dst/f (1).x" new; is cat dst/f.x old ;;
		backup) is cat dst/f.x new; is cat dst/f.x~ old ;;
		esac
		no_litter
	done
}

@test "a directory is never replaced: the file fails, or gets another name" {
	for size in 5 9000000; do
		for existing in fail skip replace newer backup rename; do
			rm -rf dst src; mkdir -p dst/t/f src/t
			head -c "$size" /dev/zero >src/t/f
			transfer $existing
			[ -d dst/t/f ]
			if [ $existing = rename ]; then
				status 0
				cmp src/t/f "dst/t/f (1)"
			else
				status 8
				has sender 'a directory of that name exists'
				is find dst -printf . ...
			fi
		done
	done
}

@test "many small files that are offered: each follows the policy" {
	mkdir -p src/t dst/t
	python3 - <<-EOF
		import os
		for i in range(1350):
		    for top, text in ("src", "new"), ("dst", "old"):
		        with open(f"{top}/t/{i}", "w") as f:
		            f.write(text * 200 if i % 9 else "the same")
		        time = 10**9 + (i % 2 if top == "src" else 0)
		        os.utime(f"{top}/t/{i}", (time, time))
	EOF
	cp -a dst saved
	for existing in newer rename backup; do
		rm -rf dst; cp -a saved dst
		receive --plain --once --sync none --existing $existing dst
		send --plain --json=7 src/t 7>again
		wait_receiver
		case $existing in newer) status 1 ;; *) status 0 ;; esac
		is member again summary unchanged 150
		python3 - $existing <<-'EOF'
			import os, sys
			word, t = sys.argv[1], "dst/t/"
			def read(name):
			    with open(t + name) as f:
			        return f.read()
			names = set(os.listdir(t))
			for i in range(1350):
			    want = {"newer": [("%d", "new" if i % 2 else "old")],
			            "rename": [("%d", "old"), ("%d (1)", "new")],
			            "backup": [("%d", "new"), ("%d~", "old")],
			            }[word]
			    if i % 9 == 0:
			        want = [("%d", "the same")]
			    for name, text in want:
			        names.remove(name % i)
			        assert read(name % i).startswith(text), (name, i)
			assert not names, names
		EOF
		no_litter
	done
}

@test "two senders of one name at a time: both files are kept by rename and backup" {
	for existing in rename backup; do
		for size in 100 9000000; do
			rm -rf dst src; mkdir -p dst src/a src/b src/c
			for which in a b c; do
				mkdir -p src/$which
				head -c "$size" /dev/urandom >src/$which/f
			done
			cp src/c/f dst/f
			receive --plain --existing $existing dst
			start_send a --plain src/a/f
			start_send b --plain src/b/f
			for which in a b; do
				ended $which
				[ "$code" = 0 ] || {
					cat $which.messages
					return 1
				}
			done
			stop_receiver
			is find dst -type f -printf . ...
			diff <(sha256sum src/?/f | cut -c -64 | sort) \
				<(sha256sum dst/* | cut -c -64 | sort)
			no_litter
		done
	done
}

@test "killed halfway: each name has the old or the new content, no old file is lost [--long]" {
	mkdir -p src/t dst/t saved
	for i in {1..1500}; do
		echo "new $i" >"src/t/$i"
		echo "old $i" >"dst/t/$i"
	done
	cp -a dst saved/
	for at in 50 400 1000; do
		rm -rf dst; cp -a saved/dst dst
		receive --plain --sync none --existing backup dst
		start_send t --plain src/t
		timeout "$(limit 30)" bash -c 'until [ "$(find dst -name "*~" | wc -l)" -ge '$at' ]; do sleep 0.002; done'
		kill -KILL "${pid[receiver]}"
		wait_receiver
		ended t
		python3 - <<-'EOF'
			import os
			def read(name):
			    with open("dst/t/" + name) as f:
			        return f.read()
			names = set(os.listdir("dst/t"))
			done = 0
			for i in range(1, 1501):
			    old, new = f"old {i}\n", f"new {i}\n"
			    names.remove(str(i))
			    here = read(str(i))
			    assert here in (old, new), i
			    if f"{i}~" in names:
			        names.remove(f"{i}~")
			        assert {here, read(f"{i}~")} == {old, new}, i
			        done += 1
			    else:
			        assert here == old, i
			# what it was about to replace; the next run removes that
			names = {n for n in names if not n.startswith(".ferry-")}
			assert not names, names
			assert done, done
		EOF
	done
	# the next run completes it
	receive --plain --once --existing backup dst
	send --plain src/t
	wait_receiver
	status 0
	for i in 1 750 1500; do cmp "src/t/$i" "dst/t/$i"; done
	no_litter
}

@test "an interrupted large file is resumed, then renamed or backed up as asked" {
	for existing in rename backup; do
		rm -rf dst; mkdir dst
		echo old >dst/f.x
		head -c 50000000 /dev/urandom >src/f.x
		receive --plain --existing $existing dst
		start_send slow --plain --limit-rate 40M src/f.x
		await slow.events '"progress","bytes":[2-9][0-9]{7}'
		kill -KILL "${pid[slow]}"
		ended slow
		await events '"summary".*"exit":6'
		is find dst -type f -name '[!.]*' dst/f.x
		send --plain --json=7 src/f.x 7>again
		status 0
		[ "$(member again summary wire_bytes)" -lt 40000000 ]
		case $existing in
		rename) cmp src/f.x "dst/f (1).x"; is cat dst/f.x old ;;
		backup) cmp src/f.x dst/f.x; is cat dst/f.x~ old ;;
		esac
		no_litter
		stop_receiver
	done
}

@test "a kept part is not confused with another file of the same size [--long]" {
	# two whole ranges of the digest tree (64 MiB each) in the kept part, and
	# some leaves more
	head -c 200000000 /dev/urandom >src/f
	head -c 200000000 /dev/urandom >dst/f
	cp dst/f old
	receive --plain --existing backup dst
	start_send slow --plain -j 1 --limit-rate 40M src/f
	for _ in $(seq "$(limit 600)"); do
		journal=$(stat -c %s dst/.ferry-*.journal 2>/dev/null || echo 0)
		[ "$journal" -ge $((256 + 130 * 20)) ] && break
		sleep 0.05
	done
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	[ -e dst/.ferry-*.journal ]
	send --plain -j 1 src/f
	status 0
	cmp src/f dst/f
	cmp old dst/f~
	no_litter
	stop_receiver
}

@test "of a large file only what differs is sent, and the old file is kept" {
	for existing in rename backup; do
		rm -rf dst; mkdir dst
		head -c 20000001 /dev/urandom >src/f
		cp src/f saved
		printf other | dd of=saved bs=1 seek=15000000 conv=notrunc \
			status=none
		cp saved dst/f
		receive --plain --existing $existing dst
		send --plain src/f
		status 0
		case $existing in
		rename) cmp src/f "dst/f (1)"; cmp saved dst/f ;;
		backup) cmp src/f dst/f; cmp saved dst/f~ ;;
		esac
		no_litter
		stop_receiver
	done
}

@test "names of the maximum length, and names that are not UTF-8" {
	long=$(printf 'ä%.0s' {1..127})
	odd=$(printf 'a\377.txt')
	for existing in rename backup; do
		rm -rf dst src; mkdir -p dst/t src/t
		for f in "$long" "$odd"; do
			echo old >"dst/t/$f"
			echo new >"src/t/$f"
		done
		transfer $existing
		status 0
		is find dst/t -type f -printf . ....
		is cat "dst/t/$long" "$([ $existing = rename ] && echo old ||
			echo new)"
		case $existing in
		rename) is cat "dst/t/$(printf 'ä%.0s' {1..125}) (1)" new
			has events '"renamed_to_base64":' ;;
		backup) is cat "dst/t/$(printf 'ä%.0s' {1..127})~" old ;;
		esac
	done
}

@test "newer, rename and backup work with --sandbox require" {
	for existing in newer rename backup; do
		rm -rf dst src
		both dst/t old
		both src/t new
		ln -s old dst/t/l
		ln -s new src/t/l
		touch -h -d @1000000000 dst/t/*
		receive --plain --sandbox "$(confined)" --once --existing $existing dst
		send --plain src/t
		wait_receiver
		status 0
		[ "$got" = 0 ]
		case $existing in
		# a directory that was there has the time of its last change
		newer) same_options=-O same src/t dst/ ;;
		rename) cmp src/t/large.bin "dst/t/large (1).bin"
			is readlink "dst/t/l (1)" new ;;
		backup) cmp src/t/large.bin dst/t/large.bin
			is readlink dst/t/l~ old ;;
		esac
		no_litter
	done
}

@test "finding out what the file system does is no change of a directory" {
	# a part that has a name is one
	needs_build 'files without a name'
	both dst/t new
	both src/t old
	touch -d @1000000000 src/t/* dst/t dst
	for existing in newer skip; do
		receive --plain --once --existing $existing dst
		send --plain src/t
		wait_receiver
		status 1
		is stat -c %Y dst dst/t $'1000000000\n1000000000'
	done
}
