#!/usr/bin/env bats
# What is kept besides modes and times: send --preserve and -a, receive --accept.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# Of a build that cannot keep them, only the rest is tested.
attrs() {
	[ "$1" = show ] || build_has 'ACLs and extended' || return 0
	"$tools/attrs.py" "$@"
}

# same_meta A B - attributes, owners, modes and devices are the same
same_meta() {
	attrs show "$1" >a.show
	attrs show "$2" >b.show
	diff a.show b.show
}

# make_tree - src/t as an ordinary user can have it; $user and $group are in its
# ACLs
make_tree() {
	user=65534 group=8
	"$tools/can" 'ACLs of other users' || user=0 group=0
	mkdir -p src/t/d/sub src/t/sticky src/t/group
	echo a >src/t/a
	echo b >src/t/d/b
	head -c 300000 /dev/urandom >src/t/middle
	head -c 9000000 /dev/urandom >src/t/large
	ln -s /nowhere src/t/dangling
	chmod 1777 src/t/sticky
	chmod 2775 src/t/group
	chmod 4711 src/t/a
	chmod 2755 src/t/d/b
	chmod 0666 src/t/middle
	attrs set src/t/a user.one 1
	attrs set src/t/a user.two ''
	attrs set src/t/d user.dir x3000
	attrs set src/t/middle user.large x3000
	attrs set src/t/large user.large x3000
	attrs acl src/t/large access u::rw- "u:$user:r-x" g::r-- m::rwx o::---
	attrs acl src/t/d access u::rwx g::r-x "g:$group:rwx" m::rwx o::---
	attrs acl src/t/d default u::rwx "u:$user:r-x" g::r-x m::rwx o::---
	attrs acl src/t/d/sub access u::rwx g::--- "g:$group:rwx" m::rwx o::---
}

@test "-a keeps modes, ACLs and attributes [san]" {
	make_tree
	for mode in '-j 1 --key k' '-j 4 --plain' '-j 4 --plain --checksum sha256'; do
		[[ $mode != *--key* ]] || ferry keygen k
		rm -rf dst/t
		security=--plain
		[[ $mode != *--key* ]] || security='--key k'
		# shellcheck disable=SC2086
		receive $security --once --accept all dst
		# shellcheck disable=SC2086
		send $mode -a src/t
		status 0
		wait_receiver
		[ "$got" = 0 ]
		same_options=-A same_tree src/t dst/t
		same_meta src/t dst/t
	done
	no_litter
	build_has 'ACLs and extended' || {
		is grep -c 'ACLs and extended attributes are not kept' sender 1
		receive --plain --accept all --existing replace dst
		send --plain --preserve owner,acl src/t
		status 2
		has sender '--preserve acl: this ferry was built for any POSIX'
		stop_receiver
	}
}

@test "-a as root keeps owners, capabilities and trusted attributes" {
	needs_build 'ACLs and extended'
	needs 'a second user'
	make_tree
	chown 1234:4321 src/t/a src/t/large
	chmod 6755 src/t/a
	chown nobody src/t/d src/t/middle
	chown -h nobody:4321 src/t/dangling
	chgrp 4321 src/t/group
	kinds=capability
	# root of a container has no such
	if "$tools/can" 'trusted attributes'; then
		kinds+=,trusted
		attrs set src/t/a trusted.x y
		attrs set src/t/d trusted.y z
	fi
	setcap cap_net_raw+ep src/t/d/b 2>/dev/null || true
	receive --plain --accept all dst
	send --plain -a --preserve $kinds src/t
	status 0
	same_options=-A same_tree src/t dst/t
	same_meta src/t dst/t
	# what was not named stays behind
	rm -rf dst/t
	send --plain --preserve owner,setid,xattr,acl src/t
	status 1
	has sender dangling
	[ "$(stat -c %u:%g:%a dst/t/a)" = 1234:4321:6755 ]
	attrs show dst/t >b.show
	no_match b.show 'trusted|capability'
	stop_receiver
}

@test "without --preserve nothing is kept that was not [asan]" {
	make_tree
	receive --plain --accept all dst
	send --plain src/t
	status 1 # the dangling symlink
	attrs show dst/t >b.show
	no_match b.show 'user[.]|posix_acl'
	[ "$(stat -c %a dst/t/a)" = 711 ]
	[ "$(stat -c %a dst/t/middle)" = "$(printf %o $((0666 & ~$(umask))))" ]
	stop_receiver
}

@test "what differs alone is set without content [asan]" {
	needs_build 'ACLs and extended'
	make_tree
	receive --plain --accept all dst
	send --plain -a src/t
	status 0
	attrs set src/t/a user.two changed
	attrs remove src/t/a user.one
	attrs acl src/t/large access u::rw- "u:$user:--x" g::r-- m::rwx o::---
	chmod 0600 src/t/middle
	attrs set src/t/d user.dir x10
	touch -h -d @1000000000 src/t/dangling
	find dst/t -type f -printf '%p %i\n' | sort >inodes
	for run in 1 2; do
		send --plain -a -v src/t
		status 0
		same_options=-A same_tree src/t dst/t
		same_meta src/t dst/t
		case $run in
		1) is grep -c 'metadata was set' sender 4 ;;
		*) no_match sender 'metadata was set|: committed' ;;
		esac
	done
	# none was written anew
	find dst/t -type f -printf '%p %i\n' | sort | diff inodes -
	stop_receiver
}

# decoys - give some files of dst other content, which a look at their size and
# time cannot tell
decoys() {
	for i in a d/b middle large; do
		touch -r dst/t/$i time
		head -c "$(stat -c %s dst/t/$i)" /dev/urandom |
			dd of=dst/t/$i conv=notrunc status=none
		# writing takes set-ID bits away
		chmod --reference src/t/$i dst/t/$i
		touch -r time dst/t/$i
	done
	sha256sum dst/t/{a,d/b,middle,large} >decoys
}

# by_time - send src/t with -a --compare time; into sent.events
by_time() {
	send --plain -a --compare time --json=7 "$@" src/t 7>sent.events
	status 0
	check_events sent.events
}

@test "an ACL and --chmod: each sets what the other does not" {
	needs_build 'ACLs and extended'
	make_tree
	rm src/t/dangling
	receive --plain --accept all --chmod D750,F640 dst
	send --plain --preserve acl,xattr --json=7 src/t 7>sent.events
	status 0
	is stat -c %a dst/t/large 640
	is stat -c %a dst/t/d 750
	attrs acl src/t/large access u::rw- "u:$user:r-x" g::r-- m::r-- o::---
	acl_of() {
		attrs show "$1" | sed -n 's/^large .*posix_acl_access=//p' |
			cut -d ' ' -f 1
	}
	[ -n "$(acl_of src/t)" ] && [ "$(acl_of dst/t)" = "$(acl_of src/t)" ]
	# so nothing differs the next time
	attrs acl src/t/large access u::rw- "u:$user:r-x" g::r-- m::rwx o::---
	send --plain --preserve acl,xattr --json=7 src/t 7>sent.events
	status 0
	hasnt sent.events updated
	stop_receiver
}

@test "set-ID bits that a file lost are taken away, and then it is unchanged" {
	mkdir -p src/t dst/t
	for i in 4711 2755 1644 6755; do
		echo $i >src/t/$i
		cp -p src/t/$i dst/t/
		chmod 0${i:1} src/t/$i dst/t/$i
		chmod $i dst/t/$i
	done
	receive --plain --accept all dst
	for how in '--compare time' '--compare content'; do
		for i in 4711 2755 1644 6755; do
			chmod $i dst/t/$i
		done
		for updated in 4 ''; do
			# shellcheck disable=SC2086
			send --plain --preserve setid $how --json=7 src/t \
				7>sent.events
			status 0
			is member sent.events summary updated "$updated"
			for i in 4711 2755 1644 6755; do
				is stat -c %a dst/t/$i "${i:1}"
			done
		done
	done
	stop_receiver
}

@test "bits of a directory that are not asked for stay as they are" {
	mkdir -p src/t dst/t
	echo new >src/t/f
	chmod 755 src/t
	touch -d 2001-01-01 src/t
	for mode in 4755 2755 1755; do
		rm -r dst/t
		mkdir dst/t
		chmod $mode dst/t
		receive --plain --once --accept existing,delete dst
		send --plain --mirror src/t
		status 0
		wait_receiver
		[ "$got" = 0 ]
		is stat -c %a dst/t $mode
		is stat -c %Y dst/t "$(stat -c %Y src/t)"
	done
}

@test "-a --compare time: what is unchanged is read on neither side [asan]" {
	make_tree
	ln src/t/middle src/t/name
	ln src/t/middle src/t/d/name
	mkfifo src/t/fifo
	chmod 4750 src/t/large
	receive --plain --accept all dst
	by_time
	same_meta src/t dst/t
	decoys
	find dst/t -printf '%p %i %C@\n' | grep -v ' .*/t/d ' | sort >before
	for mode in '-j 1' '-j 4 --existing replace'; do
		# shellcheck disable=SC2086
		by_time $mode
		is member sent.events summary unchanged 8
		hasnt sent.events updated
		[ "$(member sent.events summary wire_bytes)" -lt 6000 ]
		sha256sum -c --quiet decoys
		same_meta src/t dst/t
	done
	# no metadata of a file was set either
	find dst/t -printf '%p %i %C@\n' | sort >after
	for i in a middle large name fifo dangling sticky d/sub; do
		diff <(grep "/t/$i " before) <(grep "/t/$i " after)
	done
	stop_receiver
}

@test "-a --compare time: metadata that alone differs is set, and nothing is read [asan]" {
	needs_build 'ACLs and extended'
	make_tree
	for i in mode setid time xattr gone acl ungroup; do
		echo $i >src/t/$i
		attrs set src/t/$i user.old 1
	done
	attrs acl src/t/ungroup access u::rw- "g:$group:rwx" g::r-- m::rwx o::---
	receive --plain --accept all dst
	by_time
	decoys
	find dst/t -type f -printf '%p %i\n' | sort >inodes
	# First those with other content there: what has just been changed is
	# compared by content.
	changed=8
	if "$tools/can" 'a second user'; then
		chown 1234 src/t/a
		chgrp 4321 src/t/large
		changed=10
	fi
	chmod 0640 src/t/mode
	chmod 2755 src/t/setid
	touch -d @1000000000.5 src/t/time
	attrs set src/t/xattr user.old 2
	attrs set src/t/middle user.large x3001
	attrs remove src/t/gone user.old
	attrs acl src/t/acl access u::rw- "u:$user:r-x" g::r-- m::r-x o::---
	attrs remove src/t/ungroup system.posix_acl_access
	attrs set src/t/d/sub user.new x100
	by_time
	is member sent.events summary updated $changed
	[ "$(grep -c '"updated":"metadata"' sent.events)" = $changed ]
	# all but the one whose time differs, which is 5 bytes
	[ "$(member sent.events summary wire_bytes)" -lt 20000 ]
	sha256sum -c --quiet decoys
	same_meta src/t dst/t
	diff <(find src/t -printf '%P %T@\n' | sort) \
		<(find dst/t -printf '%P %T@\n' | sort)
	find dst/t -type f -printf '%p %i\n' | sort | diff inodes -
	by_time
	hasnt sent.events updated
	# the policy leaves what is there as it is
	chmod 0600 src/t/mode
	attrs set src/t/a user.two later
	stop_receiver
	receive --plain --accept all --existing skip dst
	by_time
	hasnt sent.events updated
	is stat -c %a dst/t/mode 640
	stop_receiver
}

# without_bit N - put a proxy in front of the receiver that takes bit N out of the
# features of HELLO, so that the receiver seems not to know it
without_bit() {
	local rules
	rules=$(python3 - "$1" <<-'EOF'
	import sys, zlib
	bit = int(sys.argv[1])
	change = bytearray(12 + 36)
	change[12 + 19 - bit // 8] = 1 << bit % 8
	check = zlib.crc32(change[12:]) ^ zlib.crc32(bytes(36))
	change[8:12] = check.to_bytes(4, "big")
	for at, mask in enumerate(change):
	    if mask:
	        print(f"rule up@conn:1:{at}=xor:{mask}")
	EOF
	)
	# shellcheck disable=SC2086
	forward $rules
}

@test "-a --compare time: a receiver without lists of metadata compares by content" {
	make_tree
	receive --plain --accept all --existing replace dst
	by_time
	decoys
	attrs set src/t/d/sub user.new x100
	chmod 0640 src/t/middle
	without_bit 20
	by_time -v
	has sender 'does not know: lists of more metadata'
	stop_forward
	is member sent.events summary unchanged 1
	same_options=-A same_tree src/t dst/t
	same_meta src/t dst/t
	stop_receiver
}

@test "a receiver that does not accept it refuses before anything is sent [asan]" {
	needs_build 'ACLs and extended'
	make_tree
	for accept in '' '--accept owner,xattr'; do
		# shellcheck disable=SC2086
		receive --plain $accept dst
		for mode in '' '--retry 20' '-a'; do
			# shellcheck disable=SC2086
			send --plain $mode --preserve acl,setid src/t
			status 8
			has sender 'does not accept --preserve setid,acl'
			has sender 'ferry receive --accept setid,acl'
		done
		only_dir
		stop_receiver
		has messages 'the sender asks for --preserve, which is not accepted'
	done
}

@test "-a leaves out what is not accepted, with one warning [asan]" {
	needs_build 'ACLs and extended'
	make_tree
	ln -s a src/t/inside
	receive --plain --accept xattr dst
	send --plain -a -j 4 src/t
	status 1 # the dangling symlink
	is grep -c 'does not accept these of --archive' sender 1
	has sender 'not kept: owner,setid,acl'
	has sender 'only symlinks that stay inside the tree'
	is readlink dst/t/inside a
	attrs show dst/t >b.show
	grep -q 'user.large' b.show
	hasnt b.show posix_acl
	[ "$(stat -c %a dst/t/a)" = 711 ]
	stop_receiver
}

@test "a set-user-ID bit is kept only with its owner" {
	needs 'a second user'
	echo x >src/f
	chown 1234:4321 src/f
	chmod 6755 src/f
	receive --plain --accept all dst
	# as root's it would be a program that runs as root
	send --plain --preserve setid src/f
	status 1
	grep -q 'the set-ID bits of f could not be kept on the receiver .*: a file keeps them only with its owner and group$' sender
	[ "$(stat -c %u:%a dst/f)" = 0:755 ]
	rm dst/f
	send --plain --preserve setid,owner src/f
	status 0
	[ "$(stat -c %u:%g:%a dst/f)" = 1234:4321:6755 ]
	# owned by the same user here
	chown 0:0 src/f
	chmod 4755 src/f
	rm dst/f
	send --plain --preserve setid src/f
	status 0
	[ "$(stat -c %u:%a dst/f)" = 0:4755 ]
	stop_receiver
}

@test "metadata that differs alone: only what was set is said to be set" {
	needs 'a second user'
	mkdir src/t
	for i in other both own; do echo $i >src/t/$i; done
	chown 65534:65534 src/t src/t/own dst
	chmod 755 "$work"
	FERRY_WRAP="setpriv --reuid=65534 --regid=65534 --clear-groups" \
		receive --plain --accept all dst
	send --plain -a src/t
	status 1
	is stat -c %u dst/t/other 65534
	for compare in content time; do
		: >events
		chmod 600 src/t/both src/t/own
		send --plain -a --compare $compare --json=7 src/t 7>sent.events
		status 1
		has sender 'owner and group of t/'
		has sender '3 unchanged, 1 of these with new metadata'
		is stat -c %u:%a dst/t/other dst/t/both dst/t/own \
			$'65534:644\n65534:600\n65534:600'
		await events '"event":"summary"'
		for side in sent.events events; do
			is member $side summary unchanged 3
			is member $side summary updated 1
			is member $side summary not_kept 2
			is grep -c '"updated":"metadata"' $side 1
			is grep -c '"not_kept":"owner' $side 2
		done
		chmod 644 src/t/both src/t/own dst/t/both dst/t/own
	done
	stop_receiver
}

@test "an ordinary user keeps what it may, and is told the rest" {
	needs_build 'ACLs and extended'
	needs 'a second user'
	mkdir src/t
	echo x >src/t/own
	for i in 1 2 3; do echo $i >src/t/other$i; done
	chown 65534:65534 src/t src/t/own
	chmod 4755 src/t/other1
	attrs set src/t/own user.x y
	chown 65534:65534 dst
	chmod 755 "$work"
	start receiver setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$FERRY" receive -p 0 --json=9 --plain --once --accept all dst \
		9>events 2>messages </dev/null
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	send --plain -a -v --json=8 src/t 8>sent.events
	status 1
	grep -Eq 'the owner and group of t/other[123] and of 2 more could not be kept' sender
	has sender 'the set-ID bits of t/other1 could not be kept'
	has sender 'owners or other metadata of 3 items were not kept'
	is grep -c '"not_kept":"owner' sent.events 3
	wait_receiver
	[ "$got" = 1 ]
	[ "$(stat -c %u:%a dst/t/other1)" = 65534:755 ]
	attrs show dst/t | grep -q 'own .*user.x=79'
	# a device that is the same, but for its mode, which is not this user's
	mkdir src/u dst/u
	needs devices
	mknod -m 666 src/u/null c 1 3
	mknod -m 600 dst/u/null c 1 3
	touch -d @1000000000 src/u/null dst/u/null
	FERRY_WRAP="setpriv --reuid=65534 --regid=65534 --clear-groups" \
		receive --plain --once --accept all dst
	send --plain --preserve specials src/u
	status 1
	has sender 'the mode of u/null could not be kept'
	wait_receiver
}

@test "FIFOs, sockets, and as root devices" {
	needs_build 'device numbers'
	mkdir -p src/t/d
	mkfifo -m 640 src/t/fifo
	python3 -c 'import socket
socket.socket(socket.AF_UNIX).bind("src/t/d/socket")'
	mknod src/t/null c 1 3 2>/dev/null && mknod src/t/d/disk b 7 99999 &&
		chown 1234:4321 src/t/null src/t/fifo
	touch -d @1000000000 src/t/fifo
	receive --plain --accept all dst
	send --plain --preserve owner src/t
	status 7
	has sender 'FIFO'
	for edit in true 'chmod 600 src/t/fifo' 'touch -d @1100000000 src/t/d/socket' \
		'rm dst/t/fifo'; do
		$edit
		send --plain -a src/t
		status 0
		same_tree src/t dst/t
		same_meta src/t dst/t
	done
	# another kind, or device, is a conflict
	rm src/t/fifo dst/t/d/socket
	mkfifo dst/t/d/socket
	echo x >src/t/fifo
	send --plain -a src/t
	status 1
	is grep -c 'a different file of that name exists' sender 2
	stop_receiver
	no_litter
	receive --plain --accept all --existing replace dst
	send --plain -a src/t
	status 0
	same_tree src/t dst/t
	stop_receiver
	# their modes are changed as those of files
	chmod 666 src/t/d/socket
	receive --plain --accept all --chmod go-w --existing replace dst
	send --plain --preserve specials src/t
	status 0
	[ "$(stat -c %a dst/t/d/socket)" = 644 ]
	# not accepted: as ever
	stop_receiver
	receive --plain --accept owner dst
	send --plain -a src/t
	status 1
	grep -q 'not kept:.*specials' sender
	has sender 'socket'
	stop_receiver
}

@test "hard links: packs, large files, a second run, a copy becomes a link [tsan]" {
	mkdir -p src/t/d/e
	echo a >src/t/a
	ln src/t/a src/t/d/b
	ln src/t/a src/t/d/e/c
	head -c 9000000 /dev/urandom >src/t/large
	ln src/t/large src/t/d/large2
	head -c 300000 /dev/urandom >src/t/middle
	ln src/t/middle src/t/d/e/middle2
	for i in {1..300}; do echo "$i" >src/t/f$i && ln src/t/f$i src/t/d/f$i; done
	receive --plain --accept all dst
	for j in 1 4; do
		rm -rf dst/t
		send --plain -j $j -a src/t
		status 0
		same_options=-H same_tree src/t dst/t
	done
	# a copy of the same content becomes a link, and what is linked stays
	rm dst/t/d/large2 dst/t/d/b
	cp -p dst/t/large dst/t/d/large2
	cp -p dst/t/a dst/t/d/b
	# whichever name the source lists first
	before=$(stat -c %i dst/t/large dst/t/d/large2)
	for run in 1 2; do
		send --plain -a -v src/t
		status 0
		same_options=-H same_tree src/t dst/t
	done
	hasnt sender ': committed'
	grep -qx "$(stat -c %i dst/t/large)" <<<"$before"
	# and where metadata alone differs
	chmod 600 src/t/a src/t/large src/t/middle
	rm dst/t/d/b dst/t/d/large2 dst/t/d/e/middle2
	send --plain -a src/t
	status 0
	same_options=-H same_tree src/t dst/t
	# another content is a conflict
	rm dst/t/d/b
	echo other >dst/t/d/b
	send --plain -a src/t
	status 1
	is cat dst/t/d/b other
	# without it, copies
	rm -rf dst/t
	send --plain src/t
	status 0
	[ "$(stat -c %h dst/t/a)" = 1 ]
	stop_receiver
	no_litter
}

@test "hard links to files that got further names" {
	echo one >src/a
	ln src/a src/b
	# the name that the first of them gets is that of another file
	echo another >"src/a (1)"
	ln "src/a (1)" src/c
	echo theirs >dst/a
	printf '%s\n' a 'a (1)' b c >names
	receive --plain --accept all --existing rename dst
	for _ in 1 2; do
		send --plain -a --files-from names src
		status 0
		is cat dst/a theirs
		is cat dst/b one
		is cat dst/c another
		[ "dst/a (1)" -ef dst/b ]
		[ "dst/a (1) (1)" -ef dst/c ]
		is grep -c . <(ls dst) 5
	done
	stop_receiver
}

@test "hard links across a lost session, and to a first name that fails" {
	mkdir -p src/t/d dst/t
	head -c 30000000 /dev/urandom >src/t/large
	ln src/t/large src/t/d/large2
	echo first >src/t/a
	ln src/t/a src/t/d/b
	ln src/t/a src/t/d/c
	# the scan finds one of them first, which cannot be put there
	mkdir dst/t/a
	receive --plain --accept all dst
	send --plain -a src/t
	status 1
	has sender 'a directory of that name exists'
	[ "$(stat -c %h dst/t/d/b)" = 2 ] && [ dst/t/d/b -ef dst/t/d/c ]
	[ dst/t/large -ef dst/t/d/large2 ]
	rm -r dst/t
	start_send slow --plain -a -j 2 --retry 30 --limit-rate 12M src/t
	under_way slow
	kill -KILL "${pid[receiver]}"
	wait_receiver
	start receiver "$FERRY" receive -p "$port" --json=9 --plain \
		--accept all dst 9>events 2>messages </dev/null
	receiver=${job[receiver]}
	ended slow
	[ "$code" = 0 ] || { cat slow.messages; return 1; }
	same_options=-H same_tree src/t dst/t
	stop_receiver
}

@test "names of owners count, or --numeric-ids" {
	needs 'a second user' 'mount namespaces'
	echo x >src/f
	chown 1234:4321 src/f
	mkdir etc
	for db in passwd group; do cp /etc/$db etc/$db.here; cp /etc/$db etc/$db.there; done
	echo 'ferryu:x:1234:4321::/:/bin/false' >>etc/passwd.here
	echo 'ferryg:x:4321:' >>etc/group.here
	echo 'ferryu:x:2345:4321::/:/bin/false' >>etc/passwd.there
	# never root, whatever it is called
	echo 'ferryg:x:0:' >>etc/group.there
	cat >there <<-'END'
		mount --bind etc/passwd.$1 /etc/passwd
		mount --bind etc/group.$1 /etc/group
		shift
		exec "$@"
	END
	start receiver unshare --mount sh there there "$FERRY" receive -p 0 \
		--json=9 --plain --accept all dst 9>events 2>messages </dev/null
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	for ids in '' --numeric-ids; do
		rm -f dst/f
		# shellcheck disable=SC2086
		unshare --mount sh there here "$FERRY" send --plain \
			--preserve owner $ids src/f "127.0.0.1:$port" 2>sender
		case $ids in
		'') [ "$(stat -c %u:%g dst/f)" = 2345:4321 ] ;;
		*) [ "$(stat -c %u:%g dst/f)" = 1234:4321 ] ;;
		esac
	done
	stop_receiver
}

@test "more attributes than an item may have are told as not kept [asan]" {
	needs_build 'ACLs and extended'
	needs 'attributes of files in memory' # where there is room for them
	shm=$(mktemp -d -p /dev/shm)
	mkdir "$shm/t"
	echo x >"$shm/t/f"
	for i in 1 2 3; do attrs set "$shm/t/f" user.a$i x30000; done
	mkdir "$shm/dst"
	receive --plain --accept all "$shm/dst"
	send --plain --preserve xattr "$shm/t"
	status 1
	has sender 'the metadata of t/f was not sent whole'
	is cat "$shm/dst/t/f" x
	# it counts once, though a list has it as well as a pack, or both sides lose
	# something of it
	again() {
		send --plain --mirror --preserve xattr,owner --json=7 "$shm/t" \
			"${@:2}" 7>sent.events
		status 1
		has sender 'the metadata of t/f was not sent whole'
		has sender "metadata of 1 item $1 (see above)"
		is member sent.events summary not_kept 1
		! grep 'and of . more' sender
	}
	echo more >>"$shm/t/f"
	again 'would not be kept' -n
	again 'were not kept'
	stop_receiver
	if "$tools/can" 'a second user'; then
		chmod 755 "$shm"
		chown -R 65534 "$shm/dst" "$shm/t"
		chown 1234 "$shm/t/f"
		install -m 755 "$FERRY" "$shm/ferry"
		FERRY=$shm/ferry FERRY_WRAP="setpriv --reuid=65534
			--regid=65534 --clear-groups" \
			receive --plain --accept all "$shm/dst"
		echo more >>"$shm/t/f"
		again 'were not kept'
		has sender 'the owner and group of t/f could not be kept'
		stop_receiver
	fi
	rm -r "$shm"
}

@test "--preserve, --accept: their words" {
	for list in '' , owner, ,owner 'owner acl' modes all; do
		sent=0
		ferry send --plain --preserve "$list" src 127.0.0.1:1 2>sender ||
			sent=$?
		[ "$sent" = 2 ] || { echo "$list: $sent"; return 1; }
	done
	has sender '--preserve must be a list of owner'
}

# The long form: FERRY_ROUNDS=20, as root and as an ordinary user.
# rounds NAME EDIT OPTION... - src/NAME is edited and sent again and again; rsync
# and ferry find nothing left to do
rounds() {
	local name=$1 edit=$2
	shift 2
	[ "$(id -u)" != 0 ] || set -- "$@" --preserve capability
	for ((round = 0; round < ${FERRY_ROUNDS:-3}; round++)); do
		[ "$round" = 0 ] ||
			"$tools/rounds.py" "$edit" "src/$name" "$seed.$round"
		send --plain -a "$@" "src/$name"
		status 0
		same_options=-HAX same_tree "src/$name" "dst/$name"
	done
	send --plain -a -v "$@" "src/$name"
	status 0
	no_match sender ': committed|metadata was set'
}

@test "random rounds of edits: rsync -aHAX finds nothing left to do" {
	needs_build 'ACLs and extended'
	needs 'ACLs of other users'
	seed=${FERRY_ROUNDS_SEED:-$RANDOM$RANDOM}
	echo "again: FERRY_ROUNDS_SEED=$seed"
	"$tools/rounds.py" make src/t "$seed"
	mkdir -p src/u/d/e
	for i in {1..40}; do echo "$i" >src/u/d/$i; done
	"$tools/rounds.py" furnish src/u "$seed"
	receive --plain --accept all --existing replace dst
	rounds t edit
	rounds u mirror --mirror
	stop_receiver
	no_litter
}

# links RECORD STEP... - as a sender that comes back when it is lost, in the
# transfer whose id is in the file RECORD: give=FILE; link=FILE, make "pub-FILE" a
# hard link to it; finish, with the last verdict on each link.
links() {
	python3 - "$tools" "$port" "$@" <<-'EOF2'
		import os, sys
		tools, port, record, *steps = sys.argv[1:]
		sys.path.insert(0, tools + "/..")
		sys.dont_write_bytecode = True
		from lib.peer import Sender
		from lib.wire import (FEATURES, LINK, PRESERVE, field, message,
		                      pack, row)
		if not os.path.exists(record):
		    with open(record, "wb") as f:
		        f.write(os.urandom(16))
		with open(record, "rb") as f:
		    s = Sender(int(port), session=f.read(), hello_flags=2,
		               features=FEATURES | PRESERVE)
		verdict = {}
		for ident, step in enumerate(steps, 1):
		    what, _, name = step.partition("=")
		    name = name.encode()
		    if what == "give":
		        s.send(pack([row(1, b"content", name=name, further=field(6))],
		                    b"content", id=ident), message("FLUSH"))
		        s.verdicts(1)
		    elif what == "link":
		        s.send(pack([row(LINK, name=b"pub-" + name, target=name,
		                         further=b"")], id=ident))
		        verdict[ident] = None
		    else:
		        s.finish()
		        for m in s.replies("SUMMARY"):
		            for i in range(m.get("id", 0),
		                           m.get("id", 0) + m.get("items", 0)):
		                if i in verdict:
		                    verdict[i] = (m["status"], m["cause"])
		for status, cause in verdict.values():
		    print(status, cause)
	EOF2
}

@test "no hard link is made to another's file in the place of one that came" {
	receive --plain dst
	links record give=mine give=doc{1..30}
	stop_receiver
	# another's private file gets the inode number of one that is gone, unless
	# the file system does not use a number again
	reused=$(python3 - <<-'EOF2'
		import os
		gone = {}
		for name in os.listdir("dst"):
		    if name.startswith("doc"):
		        st = os.stat("dst/" + name)
		        gone[st.st_ino] = name
		        last = st.st_ctime_ns
		        os.unlink("dst/" + name)
		others = []
		for i in range(3000):
		    path = f"dst/new{i}"
		    with open(path, "w") as f:
		        f.write("private")
		    st = os.stat(path)
		    if st.st_ctime_ns <= last:
		        # the clock of the file system has not gone on
		        os.unlink(path)
		    elif st.st_ino in gone:
		        os.chmod(path, 0o600)
		        os.rename(path, "dst/" + gone[st.st_ino])
		        print(gone[st.st_ino])
		        break
		    else:
		        others.append(path)
		for path in others:
		    os.unlink(path)
	EOF2
	)
	receive --plain dst
	is links record link=mine ${reused:+"link=$reused"} finish \
		"1 0${reused:+
4 14}"
	[ dst/mine -ef dst/pub-mine ]
	[ -z "$reused" ] || is stat -c %h:%a "dst/$reused" 1:600
	stop_receiver
	no_litter
}
