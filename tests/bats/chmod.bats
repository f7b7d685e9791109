#!/usr/bin/env bats
# The modes that files and directories arrive with: the receiver's umask, and
# --chmod.

load helper

setup() {
	make_dir
	host=127.0.0.1
}
teardown() { remove_dir; }

# make_tree - src/t with files of several modes, one of them large
make_tree() {
	mkdir -p src/t/sub
	echo a >src/t/plain
	echo b >src/t/tool
	echo c >src/t/secret
	head -c 9000000 /dev/zero >src/t/sub/large
	chmod 664 src/t/plain
	chmod 755 src/t/tool
	chmod 600 src/t/secret
	chmod 644 src/t/sub/large
	chmod 2777 src/t/sub
	chmod 700 src/t
}

# modes - of what is in dst/t, in one line
modes() { (cd dst && stat -c %a t t/plain t/secret t/sub t/sub/large t/tool) |
	xargs; }

@test "standard input arrives with the receiver's umask" {
	for mask in 077 022 002 000 027 0777; do
		rm -rf dst/*
		mask_before=$(umask)
		umask "$mask"
		receive --plain dst
		umask "$mask_before"
		for n in 0 5 3000000; do
			head -c "$n" /dev/zero | (
				umask 000
				ferry send --plain -q --name "n$n" - \
					"$host:$port"
			)
			is stat -c %a "dst/n$n" \
				"$(printf %o $((0666 & ~0$mask)))"
		done
		(umask 077 && ferry send --plain -q --name cmd \
			--stdin-from-command "$host:$port" -- echo x)
		is stat -c %a dst/cmd "$(printf %o $((0666 & ~0$mask)))"
		stop_receiver
	done
}

# there - a directory of the receiver's user that the sender has a name of, with
# modes and times of its own
there() {
	mkdir -p dst/t/sub
	echo key >dst/t/secret-key
	chmod 700 dst/t dst/t/sub
	touch -d @1000000000 dst/t/sub dst/t/secret-key dst/t
}

@test "directories that are there keep their modes and times, unless they are replaced" {
	make_tree
	mkdir -p src/t/new/deep src/t/sub/below
	chmod 777 src/t src/t/sub
	chmod 750 src/t/new/deep
	touch -d @1500000000 src/t/sub/below src/t/new/deep src/t/new
	touch -d @1500000000 src/t/sub src/t
	for policy in fail skip newer rename backup; do
		rm -rf dst/t
		there
		receive --plain --once --existing "$policy" dst
		send --plain -j 4 src/t
		status 0
		wait_receiver
		is stat -c %a dst/t 700
		is stat -c %a dst/t/sub 700
		# made in this session
		is stat -c %a:%Y dst/t/sub/below 755:1500000000
		is stat -c %a:%Y dst/t/new/deep 750:1500000000
		is stat -c %Y dst/t/new 1500000000
		# nothing is new in it
		receive --plain --once --existing "$policy" dst
		touch -d @1000000000 dst/t/sub dst/t
		send --plain src/t
		status 0
		wait_receiver
		is stat -c %a dst/t 700
		is stat -c %a dst/t/sub 700
		# with the others, what the file system does with names and
		# times is tried out in them
		[[ $policy != fail && $policy != skip ]] ||
			is stat -c %Y dst/t/sub dst/t "1000000000
1000000000"
	done
	receive --plain --once --existing replace dst
	send --plain src/t
	status 0
	wait_receiver
	is stat -c %a:%Y dst/t 755:1500000000
	is stat -c %a:%Y dst/t/sub 755:1500000000
}

@test "the receiver's umask masks what arrives; with --chmod keep, nothing does" {
	make_tree
	for mask in 077 027 022 000; do
		for keep in "" "--chmod keep"; do
			rm -rf dst/t
			mask_before=$(umask)
			umask "$mask"
			# shellcheck disable=SC2086
			receive --plain --once $keep dst
			umask "$mask_before"
			send --plain src/t
			status 0
			wait_receiver
			m=0$mask
			[ -z "$keep" ] || m=0
			is modes "$(printf '%o %o %o %o %o %o' $((0700 & ~m)) \
				$((0664 & ~m)) $((0600 & ~m)) $((0777 & ~m)) \
				$((0644 & ~m)) $((0755 & ~m)))"
		done
	done
}

@test "--chmod: what rsync does with the same modes" {
	make_tree
	umask 027
	# of an ordinary user, rsync leaves directories open to their owner
	unsearchable=
	! "$tools/can" CAP_DAC_OVERRIDE || unsearchable=ug=r,u+w
	for modes in D755,F644 go-w u=rwX,go= Dg+rx,F-x ugo=rwX Fo= +X a+X,D711 \
		=rwX -w 640,D750 Fug=r,Fu+w $unsearchable umask; do
		rm -rf dst/* ref
		mkdir ref
		# rsync keeps set-id bits, ferry has none
		chmod g-s src/t/sub
		rsync -a --chmod="${modes/umask/=rwX}" src/t ref/
		chmod g+s src/t/sub
		receive --plain --chmod "$modes" dst
		send --plain src/t
		status 0
		stop_receiver
		wanted=$(cd ref && stat -c %a t t/plain t/secret t/sub \
			t/sub/large t/tool | xargs)
		is modes "$wanted"
		same_content
		chmod -R u+rwx dst ref
	done
}

same_content() {
	! "$tools/can" CAP_DAC_OVERRIDE || diff -r src/t dst/t
}

@test "--chmod: repeated, standard input, --once" {
	make_tree
	umask 022
	receive --plain --once --chmod F600 --chmod Dg-rx,Do= dst
	send --plain src/t
	status 0
	wait_receiver
	[ "$got" = 0 ]
	is modes '700 600 600 720 600 600'
	receive --plain --chmod o=,g+w dst
	echo x | ferry send --plain -q --name in - "$host:$port"
	is stat -c %a dst/in 660
}

@test "--chmod: what is malformed is refused" {
	for modes in '' x 8 999 1000 4755 u u+s g+s +t 'u+r,' ',u+r' DF644 D \
		u=rwZ umaskx; do
		got=0
		ferry receive --plain -p 0 --chmod "$modes" dst 2>messages ||
			got=$?
		[ "$got" = 2 ] || { echo "$modes: $got"; return 1; }
		has messages '--chmod must be umask, keep, or changes'
	done
}

# session RECORD STEP... - as a sender that comes back when it is lost, in the
# transfer whose id is in the file RECORD.  The steps that follow one another in
# one session: make DIR... -- (name them, with mode 0777), anew DIR (remove it,
# and put another one in its place as somebody else, with mode 0700), finish.
# Without finish the session is lost.
session() {
	python3 - "$tools" "$port" "$@" <<-'EOF2'
		import os, sys
		tools, port, record, *steps = sys.argv[1:]
		sys.path.insert(0, tools + "/..")
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import DIRECTORY, pack, row
		if not os.path.exists(record):
		    with open(record, "wb") as f:
		        f.write(os.urandom(16))
		with open(record, "rb") as f:
		    s = Sender(int(port), session=f.read(), hello_flags=2)
		ident = 1
		while steps:
		    what = steps.pop(0)
		    if what == "finish":
		        s.finish()
		        if s.replies("SUMMARY")[-1]["message"] != "SUMMARY":
		            sys.exit("no summary")
		    elif what == "anew":
		        path = os.path.join("dst", steps.pop(0))
		        os.mkdir(path + ".new", 0o700)
		        os.rmdir(path)
		        os.rename(path + ".new", path)
		        os.utime(path, (10**9, 10**9))
		    else:
		        names = []
		        while (name := steps.pop(0)) != "--":
		            names.append(name.encode())
		        s.send(pack([row(DIRECTORY, name=n, mode=0o777)
		                     for n in names], id=ident))
		        s.verdicts(len(names))
		        ident += len(names)
	EOF2
}

# reuse_inode - remove the directories dst/h*, and make one of them anew, with mode
# 0700 and the inode number that it had: its name is $reused, or empty where the
# file system does not use a number again.
reuse_inode() {
	reused=$(python3 - <<-'EOF2'
		import os
		made = {}
		for name in os.listdir("dst"):
		    if name.startswith("h"):
		        path = os.path.join("dst", name)
		        made[os.stat(path).st_ino] = name
		        last = os.stat(path).st_ctime_ns
		        os.rmdir(path)
		# the clock of the file system has gone on
		while True:
		    with open("dst/clock", "w"):
		        now = os.stat("dst/clock").st_ctime_ns
		    os.unlink("dst/clock")
		    if now > last:
		        break
		others = []
		for i in range(3000):
		    path = f"dst/new{i}"
		    os.mkdir(path, 0o700)
		    name = made.get(os.stat(path).st_ino)
		    if name:
		        os.rename(path, os.path.join("dst", name))
		        os.utime(os.path.join("dst", name), (10**9, 10**9))
		        print(name)
		        break
		    others.append(path)
		for path in others:
		    os.rmdir(path)
	EOF2
	)
}

@test "a directory that another has made in place of the transfer's keeps its mode" {
	receive --plain dst
	session a make one two -- anew one make one -- finish
	is stat -c %a:%Y dst/one 700:1000000000
	is stat -c %a:%Y dst/two 755:1700000000
	# after it was named for the last time
	session b make three -- anew three finish
	is stat -c %a:%Y dst/three 700:1000000000
	# with the same inode number, in a session that goes on with a lost one
	session c make mine h{1..200} --
	stop_receiver
	reuse_inode
	receive --plain dst
	session c make mine -- ${reused:+make "$reused" --} finish
	# it is told from others by the time when it was made, where there is one
	if [ "$(stat -c %W dst/mine)" = 0 ] || ! build_has 'times of creation'; then
		is stat -c %a dst/mine 755
	else
		is stat -c %a:%Y dst/mine 755:1700000000
	fi
	[ -z "$reused" ] || is stat -c %a:%Y "dst/$reused" 700:1000000000
	no_litter
}
