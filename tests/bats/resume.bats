#!/usr/bin/env bats
# Interrupted transfers are resumed, by another run or by --retry, and never with
# wrong content.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# parts [DIR] - the number of part files and journals.
parts() {
	find "${1:-dst}" -name '.ferry-*' | wc -l
}

# interrupted OPTION... - send src/f slowly to the running receiver until 20 MB
# or more of it are there, then kill the sender.
interrupted() {
	start_send slow "$@" --limit-rate 30M src/f
	await slow.events '"progress","bytes":[2-9][0-9]{7}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
}

@test "an interrupted file is resumed and verified [tsan]" {
	for mode in --plain "--key key"; do
		rm -rf dst key; mkdir dst
		ferry keygen key 2>/dev/null
		head -c $((64 * MiB + 5)) /dev/urandom >src/f
		# shellcheck disable=SC2086
		receive $mode dst
		# shellcheck disable=SC2086
		interrupted $mode
		[ ! -e dst/f ]
		[ "$(parts)" = 2 ]
		# shellcheck disable=SC2086
		send $mode --json=7 src/f 7>again
		status 0
		cmp src/f dst/f
		no_litter
		[ "$(member again summary wire_bytes)" -lt $((50 * MiB)) ]
		[ "$(member again summary resent_bytes)" = 0 ]
		stop_receiver
	done
}

@test "a file is resumed after its receiver was killed" {
	head -c $((64 * MiB)) /dev/urandom >src/f
	receive --plain dst
	start_send slow --plain --limit-rate 40M src/f
	await slow.events '"progress","bytes":[3-9][0-9]{7}'
	kill -KILL "${pid[receiver]}"
	wait_receiver
	ended slow
	[ "$code" = 6 ]
	[ "$(parts)" = 2 ]
	receive --plain dst
	send --plain --json=7 src/f 7>again
	status 0
	cmp src/f dst/f
	no_litter
	[ "$(member again summary wire_bytes)" -lt $((50 * MiB)) ]
}

# ours - print the tags of the parts and journals in dst.
ours() {
	find dst -name '.ferry-*' | sed 's/.*ferry-//; s/[.].*//' | sort -u
}

@test "an interrupted file whose source shrank: its part and journal are removed" {
	for size in 0 700 $((3 * MiB)); do
		rm -rf dst src/f; mkdir dst
		head -c $((32 * MiB)) /dev/urandom >src/f
		receive --plain dst
		interrupted --plain
		[ "$(parts)" = 2 ]
		head -c "$size" /dev/urandom >src/f
		send --plain src/f
		status 0
		cmp src/f dst/f
		no_litter
		stop_receiver
	done
}

@test "a small file does not remove the part of a transfer in progress" {
	head -c $((24 * MiB)) /dev/urandom >src/f
	mkdir other
	echo small >other/f
	receive --plain --existing replace dst
	start_send one --plain --limit-rate 10M src/f
	await_part 2
	send --plain other/f
	status 0
	cmp other/f dst/f
	[ "$(parts)" = 2 ]
	ended one
	[ "$code" = 0 ]
	cmp src/f dst/f
	no_litter
}

@test "a journal that could not be removed is removed by the next run" {
	head -c $((32 * MiB)) /dev/urandom >src/f
	receive --plain dst
	interrupted --plain
	cp "$(find dst -name '*.journal')" saved
	tag=$(ours)
	send --plain src/f
	status 0
	no_litter
	cp saved "dst/.ferry-$tag.journal"
	send --plain --json=7 src/f 7>again
	status 0
	has again '"status":"unchanged"'
	no_litter
}

@test "as an ordinary user: a part that has its final mode, but not its name yet" {
	wrap=
	if "$tools/can" 'a second user'; then
		wrap="setpriv --reuid=65534 --regid=65534 --clear-groups"
		# so that the user nobody can reach it
		chmod 711 .
		chown 65534:65534 dst
		install -m 755 "$FERRY" ferry.nobody
		FERRY=$PWD/ferry.nobody
	fi
	head -c $((32 * MiB)) /dev/urandom >src/f
	for mode in 644 444 200; do
		FERRY_WRAP=$wrap receive --plain --existing replace dst
		interrupted --plain
		chmod $mode "$(find dst -name '*.part')"
		send --plain src/f
		status 0
		cmp src/f dst/f
		no_litter
		rm dst/f
		stop_receiver
	done
}

@test "a part that could not be reopened is not kept" {
	needs CAP_DAC_OVERRIDE 'a second user' # to read it, and to receive it
	chmod 711 .
	chown 65534:65534 dst
	install -m 755 "$FERRY" ferry.nobody
	FERRY=$PWD/ferry.nobody
	head -c $((32 * MiB)) /dev/urandom >src/f
	chmod 100 src/f
	FERRY_WRAP="setpriv --reuid=65534 --regid=65534 --clear-groups" \
		receive --plain dst
	start_send slow --plain --limit-rate 40M src/f
	under_way slow
	# elsewhere it has a name all the time
	! build_has 'files without a name' || [ "$(parts)" = 0 ]
	ended slow
	cmp src/f dst/f
	[ "$(stat -c %a dst/f)" = 100 ]
	no_litter
}

@test "another source of the same name: the stale part is not used" {
	head -c $((32 * MiB)) /dev/urandom >src/f
	receive --plain dst
	start_send slow --plain --limit-rate 20M src/f
	await slow.events '"progress","bytes":1[0-9]{7}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	head -c $((32 * MiB)) /dev/urandom >src/f
	send --plain --json=7 src/f 7>again
	status 0
	cmp src/f dst/f
	no_litter
	[ "$(member again summary wire_bytes)" -gt $((32 * MiB)) ]
}

@test "a source of the same size and time with other content is noticed" {
	head -c $((32 * MiB)) /dev/urandom >src/f
	touch -d @1000000000 src/f
	receive --plain dst
	start_send slow --plain --limit-rate 20M src/f
	await slow.events '"progress","bytes":1[0-9]{7}'
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	head -c $((32 * MiB)) /dev/urandom >src/f
	touch -d @1000000000 src/f
	send --plain src/f
	status 0
	cmp src/f dst/f
	no_litter
}

# make_part - put the saved part of src/f and its journal into dst.
make_part() {
	rm -rf dst; mkdir dst
	cp -a saved/. dst/
	part=$(find dst -name '*.part')
	journal=${part%.part}.journal
}

@test "modified parts and journals never lead to wrong content [--long]" {
	head -c $((48 * MiB)) /dev/urandom >src/f
	receive --plain dst
	interrupted --plain
	stop_receiver
	cp -a dst saved
	for harm in none part-byte part-cut part-gone journal-cut \
		journal-byte journal-gone journal-empty journal-link \
		part-link part-fifo part-mode journal-of-another; do
		make_part
		case $harm in
		part-byte) printf 'xyz' |
			dd of="$part" bs=1 seek=5000000 conv=notrunc status=none ;;
		part-cut) truncate -s 3000000 "$part" ;;
		part-gone) rm "$part" ;;
		journal-cut) truncate -s 300 "$journal" ;;
		journal-byte) printf '\377' |
			dd of="$journal" bs=1 seek=70 conv=notrunc status=none ;;
		journal-gone) rm "$journal" ;;
		journal-empty) : >"$journal" ;;
		journal-link) mv "$journal" elsewhere; ln -s ../elsewhere "$journal" ;;
		part-link) mv "$part" elsewhere; ln -s ../elsewhere "$part"
			sum=$(sha256sum <elsewhere) ;;
		part-fifo) rm "$part"; mkfifo "$part" ;;
		part-mode) chmod 644 "$part" ;;
		journal-of-another) sed 's/./x/20' "$journal" >j; cat j >"$journal" ;;
		esac
		receive --plain dst
		send --plain src/f
		status 0 || { echo "after $harm"; return 1; }
		cmp src/f dst/f || { echo "after $harm"; return 1; }
		no_litter
		[ "$harm" != part-link ] || [ "$(sha256sum <elsewhere)" = "$sum" ]
		stop_receiver
	done
}

@test "two senders of one name: a part each, and both files are complete" {
	head -c $((24 * MiB)) /dev/urandom >src/f
	receive --plain --existing replace dst
	start_send one --plain --limit-rate 1M src/f
	under_way one
	# it waits for the first, but not until that ends
	send --plain src/f
	status 0
	hasnt sender "going on"
	hasnt one.events '"summary"'
	cmp src/f dst/f
	ended one
	[ "$code" = 0 ]
	cmp src/f dst/f
	no_litter
}

@test "a large file that is there already is not sent again" {
	head -c $((40 * MiB + 1)) /dev/urandom >src/f
	for existing in fail skip replace; do
		receive --plain --existing $existing dst
		send --plain -q src/f
		send --plain --json=7 src/f 7>again
		status 0
		has again '"status":"unchanged"'
		[ "$(member again summary wire_bytes)" -lt $MiB ]
		stop_receiver
	done
	cmp src/f dst/f
	no_litter
}

@test "of a large file only what differs is sent" {
	head -c $((40 * MiB + 1)) /dev/urandom >src/f
	touch -d @1000000000 src/f
	cp -p src/f dst/f
	printf 'other' | dd of=dst/f bs=1 seek=30000000 conv=notrunc status=none
	touch -d @1000000000 dst/f
	receive --plain dst
	send --plain src/f
	status 8
	has sender 'a different file of that name exists'
	stop_receiver
	receive --plain --existing replace dst
	send --plain --json=7 src/f 7>again
	status 0
	cmp src/f dst/f
	no_litter
	[ "$(member again summary wire_bytes)" -lt $((41 * MiB)) ]
}

@test "small files that exist are offered and not sent again, the others are sent" {
	mkdir -p src/t/{a,b,c}
	python3 - <<-EOF
		import os
		for d, n in ("a", 1700), ("b", 10), ("c", 1700):
		    for i in range(1, n + 1):
		        with open(f"src/t/{d}/{i}", "wb") as f:
		            f.write(os.urandom(2000))
	EOF
	for existing in fail replace skip; do
		rm -rf dst; mkdir dst
		receive --plain --sync none --existing $existing dst
		send --plain -q src/t
		rm -r dst/t/b
		printf other >dst/t/c/1700
		send --plain --limit-rate 9M --json=7 src/t 7>again
		case $existing in
		fail) status 1; has sender 'different file of that name' ;;
		skip) status 1; has again '"status":"skipped"' ;;
		replace) status 0; same_tree src/t dst/t ;;
		esac
		[ "$existing" = replace ] || cp src/t/c/1700 dst/t/c/1700
		diff -r src/t dst/t
		[ "$(member again summary unchanged)" = 3399 ]
		[ "$(member again summary wire_bytes)" -lt $((11 * MiB / 2)) ]
		no_litter
		stop_receiver
	done
}

@test "a sparse file of 1 TiB is resumed within seconds [--long]" {
	needs 'files of 1 TiB'
	needs_build holes
	truncate -s 1T src/f
	head -c $((24 * MiB)) /dev/urandom |
		dd of=src/f bs=1M seek=500000 conv=notrunc status=none
	head -c $((24 * MiB)) /dev/urandom |
		dd of=src/f bs=1M seek=900000 conv=notrunc status=none
	touch -d @1000000000 src/f
	receive --plain dst
	start_send slow --plain --limit-rate 20M src/f
	await events '"session"'
	await_part 30
	kill -KILL "${pid[slow]}"
	ended slow
	await events '"summary".*"exit":6'
	send --plain --json=7 src/f 7>again
	status 0
	no_litter
	[ "$(member again summary wire_bytes)" -lt $((45 * MiB)) ]
	[ "$(stat -c %s dst/f)" = "$(stat -c %s src/f)" ]
	for at in 500000 900000; do
		cmp <(dd if=src/f bs=1M skip=$at count=25 status=none) \
			<(dd if=dst/f bs=1M skip=$at count=25 status=none)
	done
}

# await_part MIB - wait until the part file occupies so many MiB.
await_part() {
	for _ in $(seq "$(limit 400)"); do
		[ "$(find dst -name '*.part' -size +"$1"M | wc -l)" = 1 ] &&
			[ "$(du -m "$(find dst -name '*.part')" | cut -f1)" -ge "$1" ] &&
			return 0
		sleep 0.05
	done
	return 1
}

@test "an interruption and what follows are told on both sides" {
	head -c $((64 * MiB + 5)) /dev/urandom >src/f
	echo x >src/g
	for how in "-INT 130" "-TERM 143"; do
		rm -rf dst; mkdir dst
		receive --plain dst
		start_send slow --plain --limit-rate 40M src/g src/f
		await slow.events '"progress","bytes":[2-9][0-9]{7}'
		kill "${how% *}" "${pid[slow]}"
		ended slow
		await events '"summary"'
		grep -qE '^ferry: stopped after [2-6][0-9]\.[0-9] MiB of 64\.0 MiB, [01] files? committed; the same command goes on from there$' \
			slow.messages
		await messages '^ferry: session 1 from 127.0.0.1:[0-9]+ began$'
		await messages '^ferry: session 1 from 127.0.0.1:[0-9]+ stopped after [2-9][0-9]\.[0-9] MiB of 64\.0 MiB, [01] files? committed; when the same is sent again'
		send --plain src/g src/f
		status 0
		grep -qE '^ferry: f: going on at [1-6][0-9]\.[0-9] MiB of 64\.0 MiB$' sender
		grep -qE '^ferry: session [0-9]+: f: from 127.0.0.1:[0-9]+: going on at [1-6][0-9]\.[0-9] MiB of 64\.0 MiB$' messages
		# what is there already is not gone on with
		send --plain src/g src/f
		status 0
		hasnt sender "going on"
		hasnt sender "stopped"
		stop_receiver
		is grep -c "going on at" messages 1
	done
	# the receiver is stopped: the sender is told of --retry, and -q is quiet
	receive --plain dst
	touch src/f
	for quiet in "" -q; do
		rm -rf dst/f dst/.ferry*
		start_send slow --plain $quiet --limit-rate 40M src/f
		await slow.events '"progress","bytes":[2-9][0-9]{7}'
		stop_receiver
		ended slow
		[ "$code" = 6 ]
		[ -n "$quiet" ] || has slow.messages "(with --retry S, by itself)"
		[ -z "$quiet" ] || hasnt slow.messages "stopped after"
		[ -n "$quiet" ] || receive --plain -q dst
	done
	hasnt messages "stopped after"
	hasnt messages "began"
}

@test "a resumed file: what is there counts at once, and both sides say how far they got" {
	head -c $((64 * MiB + 5)) /dev/urandom >src/f
	ferry keygen key 2>/dev/null
	receive --key key dst
	interrupted --key key
	for streams in 1 4; do
		stop_receiver
		receive --key key dst
		# a chunk takes 10 s, with four streams 40 s
		start_send slow --key key -j $streams --limit-rate 100K src/f
		await slow.messages "f: going on at"
		for side in slow.events events; do
			await $side '"progress","bytes":[2-9][0-9]{7},"total_bytes":67108869,.*"sent_bytes":[1-9][0-9]{0,5}[,}]'
		done
		kill -INT "${pid[slow]}"
		ended slow
		await events '"summary"'
		stopped='stopped after [2-9][0-9]\.[0-9] MiB of 64\.0 MiB, 0 files committed'
		await slow.messages "^ferry: $stopped; the same"
		await messages "^ferry: session 1 from 127.0.0.1:[0-9]+ $stopped; when"
		# what is in no part does not count: the next one goes on there
		at=$(sed -n 's/.* stopped after \(.*\) of .*/\1/p' messages)
		[ "$(member events summary sent_bytes)" = \
			"$(member events summary payload_bytes)" ]
		start_send slow --key key --limit-rate 100K src/f
		await slow.messages "f: going on at $at of 64.0 MiB"
		kill -KILL "${pid[slow]}"
		ended slow
	done
}

@test "both sides count content where a transfer was stopped, not what was on the line" {
	# 40 MiB that take little on the line, then 8 MiB that take long
	head -c $((40 * MiB)) /dev/zero | tr '\0' a >src/packed
	truncate -s 40M src/sparse
	for f in packed sparse; do
		head -c $((8 * MiB)) /dev/urandom >>src/$f
		[ $f = packed ] || build_has holes || continue
		[ "$(du -m src/$f | cut -f 1)" -lt 20 ] || [ $f = packed ] || continue
		receive --plain dst
		start_send slow --plain -z -j 1 --limit-rate 200K src/$f
		await slow.events '"progress","bytes":4[2-9][0-9]{6},'
		kill -INT "${pid[slow]}"
		ended slow
		stopped="stopped after 4[0-7]\\.[0-9] MiB of 48\\.0 MiB, 0 files"
		await slow.messages "^ferry: $stopped"
		await messages "^ferry: session 1 from 127.0.0.1:[0-9]+ $stopped"
		stop_receiver
	done
}

@test "the same again, while the receiver is still at what had arrived" {
	head -c $((24 * MiB)) /dev/urandom >src/f
	ferry keygen key 2>/dev/null
	for how in --plain "--key key"; do
		rm -rf dst; mkdir dst
		# the sockets hold more than the receiver takes in a second
		# shellcheck disable=SC2086
		receive $how --limit-rate 2M dst
		# shellcheck disable=SC2086
		start_send first $how -j 1 src/f
		await events '"progress","bytes":[3-9][0-9]{6}'
		kill -INT "${pid[first]}"
		ended first
		hasnt events '"summary"'
		# shellcheck disable=SC2086
		send $how src/f
		status 0
		grep -qE '^ferry: f: going on at [0-9.]+ MiB of 24\.0 MiB$' sender
		cmp src/f dst/f
		await events '"summary","session":2'
		is find dst -name '.ferry*' ""
		stop_receiver
	done
}

# ---- --retry ---------------------------------------------------------------

@test "--retry: the receiver may start later" {
	echo hi >src/f
	port=$("$tools/free_port.py")
	start_send early --plain --retry 30 src/f
	await early.messages 'retrying for'
	start late "$FERRY" receive --plain --once -p "$port" dst 2>late.messages
	ended early
	[ "$code" = 0 ]
	ended late
	[ "$code" = 0 ]
	[ "$(cat dst/f)" = hi ]
}

@test "--retry gives up at its limit: exit 3" {
	echo hi >src/f
	port=$("$tools/free_port.py")
	SECONDS=0
	send --plain --retry 2 src/f
	status 3
	[ "$SECONDS" -ge 1 ]
	[ "$SECONDS" -lt "$(limit 10)" ]
}

@test "--retry: the receiver is killed and restarted; a tree with its times" {
	mkdir -p src/t/d/e
	for i in {1..300}; do echo "$i" >"src/t/d/$i"; done
	head -c $((48 * MiB)) /dev/urandom >src/t/large
	touch -d @1000000000 src/t/d/e src/t/d src/t
	port=$("$tools/free_port.py")
	start one "$FERRY" receive --plain -p "$port" dst 2>one.messages
	await one.messages 'receiving into'
	start_send all --plain --retry 30 --limit-rate 30M src/t
	await all.events '"progress","bytes":[2-9][0-9]{7}'
	kill -KILL "${pid[one]}"
	ended one
	start two "$FERRY" receive --plain -p "$port" --json=9 dst 9>two.events
	ended all
	cat all.messages
	[ "$code" = 0 ]
	has all.messages 'retrying for'
	has all.messages "connected to 127.0.0.1:$port again"
	has all.messages 't/large: going on at '
	same_tree src/t dst/t
	[ "$(member all.events summary files)" = 301 ]
	[ "$(member all.events summary resent_bytes)" -lt $((40 * MiB)) ]
	kill "${pid[two]}"
}

# What a stream is reading for a frame when the connection is lost is in no frame
# yet.  The connection is cut right after READY, at the latest while the files that
# are there already are digested for a list.
@test "--retry: the connection is lost while files are read for a list: all arrive" {
	mkdir src/t
	receive --plain --existing replace dst
	for i in {1..8}; do
		head -c $((4 * MiB)) /dev/urandom >"src/t/$i"
	done
	forward record all
	send --plain -j 1 src/t
	status 0
	stop_forward
	# a header of 12 bytes, of which 4 to 7 are the length of what follows
	ready=$((12 + 16#$(od -An -tx1 -j 4 -N 4 all.replies | tr -d ' ')))
	for _ in {1..8}; do
		for i in {1..8}; do
			head -c $((4 * MiB)) /dev/urandom >"src/t/$i"
		done
		forward cut-reply "$ready"
		send --plain -j 1 --retry 30 src/t
		cat sender
		status 0
		has sender 'retrying for'
		has sender '8 sent'
		stop_forward
		diff -r src/t dst/t
	done
}

@test "--retry with --once: the receiver waits for the sender to reconnect [san]" {
	head -c $((48 * MiB)) /dev/urandom >src/f
	receive --plain --once dst
	forward cut 20000000
	start_send all --plain -j 1 --retry 30 src/f
	ended all
	[ "$code" = 0 ]
	wait_receiver
	[ "$got" = 0 ]
	has messages 'waiting for the sender to reconnect'
	cmp src/f dst/f
	[ "$(grep -c '"summary"' events)" = 1 ]
	no_litter
}

@test "--retry with --once: the receiver does not wait for an interrupted sender [long-san]" {
	head -c $((48 * MiB)) /dev/urandom >src/f
	for options in "-j 1 --limit-rate 20M" "-j 4 --limit-rate 20M" \
		"-j 4 -z --limit-rate 20M"; do
		rm -rf dst; mkdir dst
		receive --plain --once --timeout 30 dst
		# shellcheck disable=SC2086
		start_send all --plain --retry 30 $options src/f
		await all.events '"progress","bytes":[1-9][0-9]{6}'
		SECONDS=0
		kill -INT "${pid[all]}"
		ended all
		[ "$code" = 130 ]
		wait_receiver
		[ "$got" = 6 ]
		[ "$SECONDS" -lt "$(limit 10)" ]
		has messages 'the other side says: interrupted'
		hasnt messages 'waiting for the sender to reconnect'
	done
}

@test "an interrupted sender does not wait for a stopped receiver" {
	head -c $((48 * MiB)) /dev/urandom >src/f
	receive --plain --once dst
	start_send all --plain --retry 30 src/f --limit-rate 20M
	under_way all
	kill -STOP "${pid[receiver]}"
	SECONDS=0
	kill -INT "${pid[all]}"
	ended all
	kill -CONT "${pid[receiver]}"
	[ "$code" = 130 ]
	[ "$SECONDS" -lt "$(limit 6)" ]
}

@test "--retry: standard input cannot be read again: exit 6" {
	head -c $((30 * MiB)) /dev/urandom >src/f
	receive --plain dst
	forward cut 20000000
	sent=0
	ferry send --plain -j 1 --retry 20 --name f - "127.0.0.1:$port" \
		<src/f 2>sender || sent=$?
	status 6
	has sender 'cannot be read again'
	[ ! -e dst/f ]
}
