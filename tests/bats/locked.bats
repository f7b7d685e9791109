#!/usr/bin/env bats
# Directories at the receiver whose modes keep their owner out: they are opened
# for as long as a session changes what is in them.

load helper

setup() {
	make_dir
	# a user whom modes keep out
	if "$tools/can" CAP_DAC_OVERRIDE; then
		needs 'a second user'
		chmod 755 .
		chown -R 65534:65534 dst
		user='setpriv --reuid=65534 --regid=65534 --clear-groups'
	else
		user=
	fi
}
teardown() { remove_dir; }

# receive_as_user OPTION... - as receive, by a user whom modes keep out
receive_as_user() { FERRY_WRAP=$user receive --plain --chmod keep "$@" dst; }

modes() { (cd "$1" && find . -type d -printf '%p %m\n' | sort | xargs); }

# make_tree MODE - src/t: directories of that mode, one in another, with a small
# and a large file and a symlink each
make_tree() {
	local dir
	for dir in src/t src/t/sub src/t/sub/deep; do
		mkdir -p $dir
		echo small >$dir/small
		ln -sf small $dir/link
		truncate -s 9M $dir/large
	done
	chmod "$1" src/t/sub/deep src/t/sub src/t
}

# add_to_tree MODE - a further file of each kind in each of them
add_to_tree() {
	local dir
	chmod -R u+rwx src/t
	for dir in src/t src/t/sub src/t/sub/deep; do
		echo small >$dir/added
		ln -s added $dir/more
		truncate -s 9M $dir/enlarged
		mkdir -p $dir/new
		echo x >$dir/new/x
		chmod "$1" $dir/new
	done
	chmod "$1" src/t/sub/deep src/t/sub src/t
}

# contents_same - what arrived equals the source, whatever the modes
contents_same() {
	chmod -R u+rwx src/t dst/t
	diff -r --no-dereference src/t dst/t
}

# arrives_again MODE - a tree of directories of that mode, then the same again, then
# with more in it
arrives_again() {
	rm -rf src/t dst/t
	make_tree "$1"
	receive_as_user
	send --plain src/t
	status 0
	is modes dst/t "$(modes src/t)"
	send --plain src/t
	status 0
	await events '"status":"unchanged"' 9
	is modes dst/t "$(modes src/t)"
	add_to_tree "$1"
	send --plain src/t
	status 0
	stop_receiver
	is modes dst/t "$(modes src/t)"
	contents_same
}

@test "files are added to directories that their owner may not write to [long-asan]" {
	# a sender that is kept out of its own tree cannot send it
	for mode in 555 500; do arrives_again $mode; done
	! "$tools/can" CAP_DAC_OVERRIDE ||
		for mode in 444 600 477; do arrives_again $mode; done
}

@test "files are added to directories that their owner may not read or search [san]" {
	needs CAP_DAC_OVERRIDE 'a second user' # to send them, and to receive them
	for mode in 0 333 100 200 077; do arrives_again $mode; done
	# also without the sandbox, and by several streams
	rm -rf src/t dst/t
	make_tree 0
	receive_as_user --sandbox off
	send --plain -j 4 src/t
	status 0
	add_to_tree 0
	send --plain -j 4 src/t
	status 0
	stop_receiver
	is modes dst/t "$(modes src/t)"
	contents_same
}

# is_unlocked DIR - wait until its owner may write to it: bytes of another
# directory can come first
is_unlocked() {
	timeout "$(limit 30)" bash -c \
		'until [ "$(stat -c %a "$0")" = 755 ]; do sleep 0.05; done' "$1"
}

@test "a session that fails locks the directories again [asan]" {
	make_tree 555
	receive_as_user
	send --plain src/t
	status 0
	stop_receiver
	receive_as_user
	add_to_tree 555
	chmod u+w src/t/sub/deep
	head -c 30000000 /dev/urandom >src/t/sub/deep/big
	chmod u-w src/t/sub/deep
	# the sender is killed, then the receiver is ended
	start_send one --plain --limit-rate 10M src/t
	is_unlocked dst/t/sub/deep
	kill -KILL "${pid[one]}"
	ended one
	await events '"event":"summary"'
	is stat -c %a dst dst/t dst/t/sub dst/t/sub/deep $'755\n555\n555\n555'
	start_send two --plain --limit-rate 10M src/t
	is_unlocked dst/t/sub/deep
	stop_receiver
	ended two
	is stat -c %a dst dst/t dst/t/sub dst/t/sub/deep $'755\n555\n555\n555'
	receive_as_user
	send --plain src/t
	status 0
	is stat -c %a dst dst/t dst/t/sub dst/t/sub/deep $'755\n555\n555\n555'
	contents_same
	no_litter
}

@test "a journal that is left in a locked directory goes with the next transfer" {
	mkdir src/t
	head -c 20000000 /dev/urandom >src/t/big
	receive_as_user
	start_send one --plain --limit-rate 10M src/t
	# more than a leaf of it
	await one.events '"progress","bytes":[2-9][0-9]{6}'
	kill -KILL "${pid[one]}"
	ended one
	await events '"event":"summary"'
	cp -p dst/t/.ferry-*.journal .
	send --plain src/t
	status 0
	no_litter
	# as of a receiver that ended between the commit and the removal
	cp -p .ferry-*.journal dst/t
	chmod 555 dst/t src/t
	send --plain src/t
	status 0
	is stat -c %a dst/t 555
	no_litter
	stop_receiver
	chmod 755 src/t
}

@test "which directories are not unlocked [long-asan]" {
	make_tree 755
	receive_as_user
	send --plain src/t
	status 0
	stop_receiver
	# the one that is received into
	add_to_tree 755
	chmod 755 dst
	receive_as_user
	chmod 555 dst
	mkdir src/u
	echo x >src/u/f
	send --plain src/t src/u
	status 1
	has sender 'u/f: on the receiver'
	has sender 'permission denied'
	is stat -c %a dst 555
	diff -r --no-dereference src/t dst/t
	chmod 755 dst
	stop_receiver
	[ "$(id -u)" = 0 ] || return 0
	# another user's
	chown 0:0 dst/t/sub
	echo y >src/t/sub/y
	receive_as_user
	send --plain src/t
	status 1
	has sender 't/sub/y: on the receiver'
	is stat -c %a dst/t/sub 755
	stop_receiver
}

@test "every process of a receiver has the filter of the sandbox" {
	needs 'a build without a sanitizer' # no other confines itself
	needs_build 'a sandbox'
	receive_as_user
	children=$(pgrep -P "${pid[receiver]}")
	# what sets attributes, and what opens directories
	[ "$(wc -w <<<"$children")" = 2 ]
	for process in "${pid[receiver]}" $children; do
		tries=$(limit 50)
		until grep -q '^Seccomp:.2$' "/proc/$process/status" ||
			[ $((tries--)) = 0 ]; do
			sleep 0.1
		done
		grep '^Seccomp:.2$' "/proc/$process/status"
	done
}
