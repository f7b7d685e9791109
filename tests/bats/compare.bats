#!/usr/bin/env bats
# What is there already is not sent again: metadata that alone differs is set,
# and with --compare time nothing is read either.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# again POLICY [SENDER'S OPTION...] - send src/. to dst
again() {
	receive --plain --once --existing "$1" dst
	send --plain --json=7 "${@:2}" src/. 7>sent.events
	wait_receiver
	check_events events sent.events
}

# make_files - small and large ones, of an older time, in src; and their copies
make_files() {
	mkdir -p src/sub
	for i in {1..20}; do
		head -c 5000 /dev/urandom >"src/sub/$i"
	done
	head -c 200000 /dev/urandom >src/middle
	head -c 9000000 /dev/urandom >src/large
	find src -type f -exec touch -d '2020-02-02 02:02:02.123456789' {} +
	cp -a src/. dst
}

# meta FILE... - modes and times, in one line
meta() { stat -c '%a %y' "$@" | cut -c 1-33 | xargs; }

@test "files of some MiB are not sent again, and what is new among them is [tsan]" {
	for i in 300000 900000 2900000 8388608; do
		head -c $i /dev/urandom >src/$i
	done
	cp -a src/. dst
	for option in -j1 -j4 -a; do
		again fail $option
		status 0
		is member sent.events summary unchanged 4
		[ "$(member sent.events summary wire_bytes)" -lt 10000 ]
	done
	head -c 2000000 /dev/urandom >src/new
	head -c 2900000 /dev/urandom >src/2900000
	again replace
	is member sent.events summary unchanged 3
	is member sent.events summary sent_bytes 4900000
	same_options=-O same_tree src dst
	# the same size again, which may not be replaced
	head -c 2900000 /dev/urandom >src/2900000
	again fail
	status 1
	is member sent.events summary unchanged 4
	[ "$(member sent.events summary wire_bytes)" -lt 10000 ]
}

@test "mode and time that alone differ are set, and no content is sent [san]" {
	make_files
	for policy in fail replace newer backup; do
		chmod 600 src/sub/1 src/large
		chmod 755 src/sub/2
		# large: its mode alone, as a file that is replaced is sent where
		# its time differs
		touch -d '2021-01-01 01:01:01.000000001' src/sub/2 src/middle
		for i in sub/1 sub/2 middle large; do
			stat -c %i "dst/$i"
		done >inodes
		again $policy
		status 0
		for i in sub/1 sub/2 middle large; do
			is meta "dst/$i" "$(meta "src/$i")"
			stat -c %i "dst/$i"
		done | diff inodes -
		is member sent.events summary unchanged 22
		is member sent.events summary updated 4
		is member events summary updated 4
		[ "$(grep -c '"updated":"metadata"' events)" = 4 ]
		has sender "22 unchanged, 4 of these with new metadata"
		[ "$(member sent.events summary wire_bytes)" -lt 100000 ]
		same_options=-O same_tree src dst
		again $policy
		is member sent.events summary unchanged 22
		hasnt sent.events updated
		# as they were
		rm -r dst
		mkdir dst
		chmod 644 src/sub/* src/large
		touch -d '2020-02-02 02:02:02.123456789' src/sub/2 src/middle
		cp -a src/. dst
	done
}

@test "skip and rename leave what is there as it is, and newer what is newer" {
	make_files
	chmod 600 src/sub/* src/middle src/large
	touch -d '2019-01-01' src/sub/1 src/middle
	chmod 640 src/sub/1
	meta dst/sub/* dst/middle dst/large >before
	for policy in skip rename; do
		again $policy
		status 0
		is member sent.events summary unchanged 22
		meta dst/sub/* dst/middle dst/large | diff before -
	done
	again newer
	status 0
	is member sent.events summary updated 20
	is stat -c %a dst/sub/1 644
	is stat -c %a dst/middle 644
	is stat -c %a dst/sub/2 600
	is stat -c %a dst/large 600
}

@test "metadata that cannot be set, of another user's file, is told" {
	needs "a second user"
	echo same >src/theirs
	echo same >dst/theirs
	chmod 644 src/theirs dst/theirs
	touch -d '2020-02-02' src/theirs
	chmod 777 . dst
	cp "$FERRY" ferry
	FERRY=$PWD/ferry FERRY_WRAP="setpriv --reuid=65534 --regid=65534
		--clear-groups" receive --plain --once dst
	send --plain --json=7 src/. 7>sent.events
	status 1
	wait_receiver
	[ "$got" = 1 ]
	check_events sent.events
	has sent.events '"status":"unchanged"'
	has sent.events '"not_kept":"time"'
	has sender "modes or times of 1 item were not kept"
}

# time_again POLICY OPTION... - send src/. to dst with --compare time
time_again() {
	local policy=$1
	shift
	receive --plain --once --existing "$policy" dst
	send --plain --compare time --json=7 "$@" src/. 7>sent.events
	wait_receiver
	check_events events sent.events
}

@test "--compare time: what has the same size and time is not read [san]" {
	make_files
	ln -s middle src/link
	# other content that a look at size and time cannot tell
	for i in sub/1 middle large; do
		head -c "$(stat -c %s dst/$i)" /dev/urandom >other
		touch -r "dst/$i" other
		mv other "dst/$i"
	done
	sha256sum dst/sub/1 dst/middle dst/large >before
	time_again replace
	status 0
	is member sent.events summary unchanged 22
	sha256sum dst/sub/1 dst/middle dst/large | diff before -
	is readlink dst/link middle
	[ "$(member sent.events summary wire_bytes)" -lt 4000 ]
	# of any policy
	time_again fail -j 4
	status 0
	# with the symlink
	is member sent.events summary unchanged 23
}

@test "--compare time: what differs is sent, replaced, or gets metadata alone" {
	make_files
	head -c 2000000 /dev/urandom >src/two
	cp -a src/. dst
	chmod 600 src/sub/1 src/large        # mode alone
	touch -d '2021-01-01' src/sub/2 src/two # time alone
	head -c 5000 /dev/urandom >src/sub/3 # content, of the same size
	touch -d '2021-01-01' src/sub/3
	echo more >>src/sub/4                # size
	echo more >>src/middle
	mkdir src/new
	echo new >src/new/small
	head -c 400000 /dev/urandom >src/new/larger
	touch -d '2020-02-02 02:02:02.123456789' src/sub/4 src/middle
	time_again replace
	status 0
	is member sent.events summary files 25
	is member sent.events summary unchanged 20
	is member sent.events summary updated 4
	same_options=-O same_tree src dst
	# not the 2 MB of the file whose time alone differed
	[ "$(member sent.events summary wire_bytes)" -lt 700000 ]
	time_again replace
	is member sent.events summary unchanged 25
	hasnt sent.events updated
}

@test "--compare time: conflicts are those of any other comparison" {
	make_files
	# older, newer and as old as what is there, of other content; and the same
	# content with other times
	head -c 5000 /dev/urandom >src/sub/1
	head -c 5000 /dev/urandom >src/sub/2
	echo more >>src/sub/3
	touch -d '2019-01-01' src/sub/1 src/sub/4
	touch -d '2021-01-01' src/sub/2 src/sub/5
	touch -d '2020-02-02 02:02:02.123456789' src/sub/3
	cp -a dst before
	for policy in fail skip newer rename backup replace; do
		rm -rf dst
		cp -a before dst
		receive --plain --once --existing $policy dst
		send --plain --json=7 src/. 7>sent.events
		content=$sent
		wait_receiver
		grep -o '"path":"[^"]*","size":[0-9]*,"status":"[^"]*"' \
			sent.events | sort >content.result
		cp -a dst by_content
		rm -rf dst
		cp -a before dst
		time_again $policy
		[ "$sent" = "$content" ]
		grep -o '"path":"[^"]*","size":[0-9]*,"status":"[^"]*"' \
			sent.events | sort | diff content.result -
		same_options=-O same_tree by_content dst
		rm -rf by_content
	done
}

@test "--compare time: a file that is changed at the start is compared by content" {
	make_files
	mkfifo names
	receive --plain --once --existing replace dst
	start_send one --plain --compare time --files-from names src
	exec 5>names
	await events '"event":"session"'
	# after the start: the time of its last change says nothing
	head -c 5000 /dev/urandom >src/sub/1
	touch -r dst/sub/1 src/sub/1
	printf 'sub/1\nsub/2\n' >&5
	exec 5>&-
	ended one
	[ "$code" = 0 ] || { cat one.messages; false; }
	wait_receiver
	cmp src/sub/1 dst/sub/1
	is member one.events summary unchanged 1
}

@test "--compare time: nothing there, a file for standard output, a lost connection" {
	make_files
	rm -rf dst
	mkdir dst
	time_again fail
	status 0
	same_options=-O same_tree src dst
	is member sent.events summary unchanged 0
	# 1.5 MB get through, then the connection breaks: what is there by then is
	# listed again
	rm -rf dst
	mkdir dst
	echo there >dst/other
	receive --plain dst
	forward cut 1500000
	send --plain --compare time --retry 20 --json=7 src/. 7>sent.events
	status 0
	stop_forward
	stop_receiver
	rm dst/other
	same_options=-O same_tree src dst
	receive --plain --once --stdout >out
	send --plain --compare time src/middle
	status 0
	wait_receiver
	cmp out src/middle
}
