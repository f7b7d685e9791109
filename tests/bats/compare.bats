#!/usr/bin/env bats
# What is there already is not sent again: metadata that alone differs is set,
# and with --compare time nothing is read either.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# again POLICY OPTION... - send src/. to dst
again() {
	receive --plain --once --existing "$@" dst
	send --plain --json=7 src/. 7>sent.events
	wait_receiver
	check_events events
	check_events sent.events
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
		[ "$(member sent.events summary wire_bytes)" -lt 5000000 ]
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
