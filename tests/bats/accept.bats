#!/usr/bin/env bats
# What a sender asks for and a receiver accepts: send --symlinks all and
# --existing, receive --accept.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# make_links - src/t with a symlink of each kind
make_links() {
	mkdir -p src/t/d outside
	echo x >outside/f
	ln -s "$work/outside" src/t/absolute
	ln -s ../../outside src/t/up
	ln -s d/../../../outside src/t/through
	ln -s /nowhere src/t/d/dangling
	ln -s d src/t/inside
	echo y >src/t/d/f
}

@test "--symlinks all: every symlink arrives as it is [long-san]" {
	make_links
	receive --plain --accept links dst
	for j in 1 4; do
		send --plain -j $j --symlinks all src/t
		status 0
		same_tree src/t dst/t
	done
	# without --symlinks all, the others are reported as ever
	rm -rf dst/t
	send --plain src/t
	status 1
	is find dst/t -type l dst/t/inside
	stop_receiver
	find outside -type f >left
	is cat left outside/f
}

@test "--symlinks all needs a receiver that accepts it [asan]" {
	make_links
	head -c 9000000 /dev/urandom >src/t/large
	for accept in '' '--accept existing'; do
		# shellcheck disable=SC2086
		receive --plain $accept dst
		for mode in '' '--retry 20'; do
			# shellcheck disable=SC2086
			send --plain $mode --symlinks all src/t
			status 8
			has sender 'does not accept'
			has sender 'ferry receive --accept links'
		done
		only_dir
		stop_receiver
		has messages 'the sender asks for --symlinks all'
	done
}

@test "--existing of the sender, where the receiver accepts it [asan]" {
	mkdir -p src/t dst/t
	receive --plain --existing skip --accept existing dst
	for policy in fail replace newer rename backup skip; do
		rm -rf dst/t/*
		for size in 10 9000000; do
			head -c $size /dev/zero | tr '\0' n >src/t/f$size
			head -c $size /dev/zero | tr '\0' o >dst/t/f$size
			touch -d @1000000000 dst/t/f$size
		done
		send --plain --existing $policy src/t
		# content of the two names, and how many files there are
		result=$(for n in 10 9000000; do head -c 1 dst/t/f$n; done)
		result+=$(find dst/t -type f | wc -l)
		case $policy in
		fail) wanted='oo2 8' ;;
		replace | newer) wanted='nn2 0' ;;
		rename) wanted='oo4 0' ;;
		backup) wanted='nn4 0' ;;
		skip) wanted='oo2 1' ;;
		esac
		is echo "$result $sent" "$wanted"
	done
	# that of the receiver, where it is not asked for
	send --plain src/t
	status 1
	is head -c 1 dst/t/f10 o
	stop_receiver
	no_litter
}

@test "--existing of the sender needs a receiver that accepts it [asan]" {
	echo n >src/f
	echo o >dst/f
	for accept in '' '--accept links'; do
		# shellcheck disable=SC2086
		receive --plain --existing replace $accept dst
		send --plain --existing replace src/f
		status 8
		has sender 'ferry receive --accept existing'
		is cat dst/f o
		stop_receiver
	done
}

@test "--accept: its words" {
	for list in links existing existing,links all owner,acl,links; do
		receive --plain --once --accept $list dst
		echo $list >src/f
		rm -f dst/f
		send --plain src/f
		status 0
		wait_receiver
	done
	for list in '' , link links, ,links 'links existing' deletes owners; do
		got=0
		ferry receive --plain -p 0 --accept "$list" dst 2>messages ||
			got=$?
		[ "$got" = 2 ] || { echo "$list: $got"; return 1; }
		has messages '--accept must be a list of existing'
	done
	# one by one
	receive --plain --accept links --accept existing dst
	send --plain --symlinks all --existing replace src/f
	status 0
	stop_receiver
}
