#!/usr/bin/env bats
# Transfers between two builds of ferry, in both directions: another processor,
# another version.  BETWEEN_A and BETWEEN_B are their commands, such as
# "build/release/ferry" and "qemu-s390x /tmp/s390x/release/ferry".
# scripts/test-elsewhere runs this.

load ../bats/helper

MiB=1048576

setup() { make_dir; make_tree; }
teardown() { remove_dir; }

# use COMMAND - what receive(), send() and ferry() run from now on
use() {
	FERRY=${1##* }
	FERRY_WRAP=${1%"$FERRY"}
}

# each_way COMMAND... - run it with $receiving and $sending set, for both ways.
each_way() {
	for way in "A B" "B A"; do
		echo "# $way"
		receiving=BETWEEN_${way% *} sending=BETWEEN_${way#* }
		receiving=${!receiving} sending=${!sending}
		rm -rf dst
		mkdir dst
		"$@"
	done
}

# pass RECEIVE_OPTION... -- SEND_OPTION... PATH... - one transfer, whose events are
# in sent.events.
pass() {
	local receive=()
	while [ "$1" != -- ]; do
		receive+=("$1")
		shift
	done
	use "$receiving"
	receive --once "${receive[@]}" dst
	use "$sending"
	send --json=7 "${@:2}" 7>sent.events
	status 0
	wait_receiver
	[ "$got" = 0 ]
	no_litter
}

make_tree() {
	mkdir -p src/t/deep/er "src/t/with space"
	head -c $((3 * MiB + 17)) /dev/urandom >src/t/random
	seq 1 300000 >src/t/deep/text
	truncate -s $((20 * MiB)) src/t/sparse
	printf x >>src/t/sparse
	: >src/t/deep/er/empty
	seq 1 300 | split -l 1 - "src/t/with space/"
	ln -s deep/text src/t/link
	ln src/t/deep/text src/t/deep/hard
	chmod 640 src/t/random
	touch -d '2040-02-03 04:05:06.123456789' src/t/random
	touch -d '1960-01-01 00:00:01' src/t/deep/text
}

with_every_codec_and_checksum() {
	for options in '-z' '-zzlib --checksum crc32' '-zzstd --checksum sha256 -j1'; do
		rm -rf dst/t
		# shellcheck disable=SC2086
		pass --plain -- --plain $options src/t
		same_tree src/t dst/t
	done
}

@test "plain: a tree, with each codec and checksum" {
	each_way with_every_codec_and_checksum
}

as_an_archive() {
	use "$receiving"
	rm -f key src/t/pipe
	mkfifo src/t/pipe
	ferry keygen key 2>/dev/null
	pass --key key --accept all -- --key key -a src/t
	same_options=-H same_tree src/t dst/t
	# again, changed, and less of it
	cp -a src/t changed
	printf y | dd of=changed/random bs=1 seek=99 conv=notrunc status=none
	rm changed/sparse changed/link
	mkdir again
	mv changed again/t
	pass --key key --accept all -- --key key -a --mirror again/t
	same_options=-H same_tree again/t dst/t
	rm -rf again
	[ "$(member sent.events summary unchanged)" -gt 300 ]
}

@test "a shared key: an archive with links and a FIFO, again as a mirror" {
	each_way as_an_archive
}

by_code() {
	use "$receiving"
	receive --once --code dst
	await events '"event":"code"'
	member events code code >code
	chmod 600 code
	use "$sending"
	seq 1 1000 >numbers
	send --code-file code --name counted - <numbers
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp numbers dst/counted
}

@test "a one-time code: standard input" {
	each_way by_code
}

interrupted() {
	head -c $((24 * MiB + 5)) /dev/urandom >src/f
	use "$receiving"
	receive --plain dst
	use "$sending"
	start_send slow --plain --limit-rate 10M src/f
	await slow.events '"progress","bytes":([5-9]|1[0-9])[0-9]{6}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	[ ! -e dst/f ]
	send --plain --json=7 src/f 7>again
	status 0
	cmp src/f dst/f
	no_litter
	[ "$(member again summary wire_bytes)" -lt $((21 * MiB)) ]
	stop_receiver
}

@test "a file is resumed where it was interrupted" {
	each_way interrupted
}

changed() {
	head -c $((12 * MiB)) /dev/urandom >src/f
	cp src/f dst/f
	{ head -c 100 src/f; echo inserted; tail -c +101 src/f; } >moved
	printf y | dd of=moved bs=1 seek=$((9 * MiB)) conv=notrunc status=none
	mv moved src/f
	pass --plain --existing replace -- --plain --delta on src/f
	cmp src/f dst/f
	[ "$(member sent.events summary wire_bytes)" -lt $MiB ]
}

@test "of a file that changed, what differs is sent" {
	each_way changed
}

taken() {
	local existing at old
	for existing in skip replace newer rename backup; do
		rm -rf dst
		mkdir dst
		echo old >dst/f
		touch -d @1000000000 dst/f
		echo new >src/f
		at=dst/f old=/dev/null
		case $existing in
		skip) at=/dev/null old=dst/f ;;
		rename) at='dst/f (1)' old=dst/f ;;
		backup) old=dst/f~ ;;
		esac
		use "$receiving"
		receive --plain --once --existing $existing dst
		use "$sending"
		send --plain src/f
		status $([ $existing = skip ] && echo 1 || echo 0)
		wait_receiver
		[ "$at" = /dev/null ] || is cat "$at" new
		[ $old = /dev/null ] || is cat $old old
		no_litter
	done
}

@test "a name that is taken: each policy" {
	each_way taken
}

retried() {
	head -c $((24 * MiB + 5)) /dev/urandom >src/f
	use "$receiving"
	receive --plain dst
	use "$sending"
	start_send slow --plain --retry 60 --limit-rate 10M src/f
	await slow.events '"progress","bytes":([5-9]|1[0-9])[0-9]{6}'
	kill -KILL "${pid[receiver]}"
	wait_receiver
	use "$receiving"
	receive --plain -p "$port" dst
	ended slow
	[ "$code" = 0 ]
	cmp src/f dst/f
	no_litter
	stop_receiver
}

@test "--retry: the receiver is killed, and started again" {
	each_way retried
}
