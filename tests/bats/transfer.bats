#!/usr/bin/env bats
# Files, trees and standard input arrive as they were sent.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

make_tree() {
	mkdir -p src/t/empty src/t/a/b src/t/ro
	: >src/t/zero
	printf x >src/t/one
	printf text >"src/t/"$'new\nline'
	printf text >"src/t/"$'esc\e[31m'
	printf text >"src/t/"$'\xff\xfe'
	printf text >"src/t/-dash"
	printf text >"src/t/$(printf 'n%.0s' {1..255})"
	head -c 262144 /dev/urandom >src/t/a/pack-limit
	head -c 262145 /dev/urandom >src/t/a/pack-limit+1
	head -c 1048575 /dev/urandom >src/t/a/chunk-1
	head -c 1048576 /dev/urandom >src/t/a/chunk
	head -c 1048577 /dev/urandom >src/t/a/b/chunk+1
	head -c 8388609 /dev/urandom >src/t/a/b/large
	printf text >src/t/ro/file
	ln -s ../a/chunk src/t/ro/link
	chmod 4751 src/t/one
	chmod 0600 src/t/zero
	touch -d '2001-02-03 04:05:06.789012345' src/t/one src/t/a
	chmod 0555 src/t/ro
}

@test "one file, its mode, time and the committed event [san][vg]" {
	printf hello >src/f
	chmod 4751 src/f
	touch -d '1969-07-20 20:17:40.123456789' src/f
	receive --plain --once dst
	send --plain src/f
	wait_receiver
	[ "$sent" = 0 ]
	[ "$got" = 0 ]
	[ "$(cat dst/f)" = hello ]
	[ "$(stat -c %a dst/f)" = 751 ]
	[ "$(stat -c %.9Y dst/f)" = "$(stat -c %.9Y src/f)" ]
	grep -q '"path":"f","size":5,"status":"committed","digest":"xxh3:' events
	no_litter
}

@test "a tree with all kinds of items, one stream and four, plain and TLS [tsan]" {
	make_tree
	ferry keygen key 2>/dev/null
	for mode in --plain "--key key"; do
		for j in 1 4; do
			rm -rf out; mkdir out
			# shellcheck disable=SC2086
			receive $mode --once out
			# shellcheck disable=SC2086
			send $mode -j "$j" src/t
			wait_receiver
			[ "$sent" = 0 ] || { cat sender events; return 1; }
			[ "$got" = 0 ]
			chmod u-s src/t/one
			same src/t out/
			[ -d out/t/empty ]
			[ "$(readlink out/t/ro/link)" = ../a/chunk ]
			chmod u+w out/t/ro
		done
	done
}

@test "t/. sends the content of a directory, not its name" {
	make_tree
	receive --plain --once dst
	send --plain src/t/.
	wait_receiver
	[ "$sent" = 0 ]
	[ -f dst/a/chunk ]
	[ ! -e dst/t ]
}

@test "several paths, a deep tree, and a thousand files" {
	local deep=src/deep
	for _ in {1..90}; do deep+=/d; done
	mkdir -p "$deep" src/many
	printf bottom >"$deep/f"
	for i in {1..1000}; do echo "$i" >"src/many/$i"; done
	receive --plain --once dst
	send --plain src/deep src/many
	wait_receiver
	[ "$sent" = 0 ]
	same src/deep dst/
	same src/many dst/
}

@test "a sparse file stays sparse" {
	truncate -s 1G src/sparse
	printf data | dd of=src/sparse bs=1 seek=500000000 conv=notrunc status=none
	receive --plain --once dst
	send --plain src/sparse
	wait_receiver
	[ "$sent" = 0 ]
	cmp src/sparse dst/sparse
	[ "$(stat -c %b dst/sparse)" -lt 8192 ]
}

@test "symlinks: one that leads outside is reported, exit 1; follow; skip" {
	mkdir src/t
	echo secret >src/outside
	echo in >src/t/in
	ln -s ../outside src/t/out
	ln -s in src/t/ok
	receive --plain dst
	send --plain src/t
	[ "$sent" = 1 ]
	grep -q 'outside the tree' sender
	[ "$(readlink dst/t/ok)" = in ]
	[ ! -e dst/t/out ]
	rm -r dst/t
	send --plain --symlinks skip src/t
	[ "$sent" = 0 ]
	[ ! -L dst/t/ok ]
	rm -r dst/t
	send --plain --symlinks follow src/t
	[ "$sent" = 0 ]
	[ "$(cat dst/t/out)" = secret ]
	[ ! -L dst/t/out ]
}

@test "more symlinks than are deferred at once, made while other streams end" {
	python3 - <<-'EOF'
		import os
		os.mkdir("src/k")
		for i in range(8448):
		    os.symlink("x", f"src/k/{i}")
		for i in range(600):
		    os.makedirs(f"src/z/{i}")
	EOF
	receive --plain --sync none dst
	for _ in 1 2; do
		send --plain -j 4 src/k src/z
		[ "$sent" = 0 ] || { cat sender; return 1; }
		is bash -c 'find dst/k -type l | wc -l' 8448
		rm -r dst/k dst/z
	done
}

@test "standard input: empty, whole chunks, and a short last chunk" {
	receive --plain dst
	for n in 0 1 1048576 3145728 9000001; do
		head -c "$n" /dev/urandom >src/in
		for j in 1 4; do
			rm -f dst/in
			sent=0
			ferry send --plain -q -j "$j" --name in - \
				"127.0.0.1:$port" <src/in || sent=$?
			[ "$sent" = 0 ]
			cmp src/in dst/in
		done
	done
}

@test "--stdout: small and large streams through a pipe" {
	for n in 5 9000001; do
		head -c "$n" /dev/urandom >src/in
		rm -f fifo
		mkfifo fifo
		timeout "$(limit 60)" "$FERRY" receive --plain -p 0 --stdout --json=9 \
			9>fifo >out 2>messages 3>&- &
		receiver=$!
		exec 8<fifo
		line=
		# after a warning, where there is no sandbox
		until [[ "$line" == *'"listening"'* ]]; do
			read -r -t "$(limit 20)" line <&8
		done
		port=$(sed 's/.*"port":\([0-9]*\).*/\1/' <<<"$line")
		cat <&8 >/dev/null 3>&- &
		exec 8<&-
		sent=0
		ferry send --plain -q - "127.0.0.1:$port" <src/in || sent=$?
		wait_receiver
		[ "$sent" = 0 ]
		[ "$got" = 0 ]
		cmp src/in out
	done
}

@test "every checksum: the event's digest equals the reference tool's" {
	printf 'some content\n' >src/f
	receive --plain --existing replace dst
	for c in xxh3 sha256 crc32; do
		case $c in
		xxh3) want=$(xxhsum -H2 src/f | cut -d' ' -f1) ;;
		sha256) want=$(sha256sum src/f | cut -d' ' -f1) ;;
		crc32) want=$(gzip -c src/f | tail -c 8 | head -c 4 |
			od -An -tx4 --endian=little | tr -d ' ') ;;
		esac
		ferry send --plain --checksum $c --json src/f \
			"127.0.0.1:$port" >sent.json 2>/dev/null
		grep -q "\"digest\":\"$c:$want\"" sent.json
	done
}

@test "compression: text shrinks, random data is sent as it is, all codecs are exact [san]" {
	head -c 3000000 /dev/urandom >src/noise
	seq 400000 >src/text
	receive --plain --existing replace dst
	for z in -z -zzlib:1 -zzlib:9 -zzstd:1 -zzstd:12 -zauto; do
		ferry send --plain "$z" --json src/text "127.0.0.1:$port" \
			2>/dev/null >t.json
		ferry send --plain "$z" --json src/noise "127.0.0.1:$port" \
			2>/dev/null >n.json
		cmp src/text dst/text
		cmp src/noise dst/noise
		text=$(sed -n 's/.*"summary".*"wire_bytes":\([0-9]*\).*/\1/p' t.json)
		noise=$(sed -n 's/.*"summary".*"wire_bytes":\([0-9]*\).*/\1/p' n.json)
		[ "$text" -lt 1400000 ]
		[ "$noise" -lt 3003000 ]
	done
}

@test "IPv6, a host name, and -4" {
	needs IPv6
	echo hi >src/f
	receive --plain --existing replace dst
	for host in '[::1]' localhost 127.0.0.1; do
		send --plain src/f
		[ "$sent" = 0 ]
	done
	host=localhost
	send --plain -4 src/f
	[ "$sent" = 0 ]
}

@test "--existing: equal files are unchanged; others fail, are skipped or replaced" {
	for size in 10 9000000; do
		rm -rf dst; mkdir dst
		head -c "$size" /dev/zero >src/f
		receive --plain dst
		send --plain src/f
		[ "$sent" = 0 ]
		send --plain src/f
		[ "$sent" = 0 ]
		await events '"status":"unchanged"'
		printf y | dd of=src/f bs=1 conv=notrunc status=none
		send --plain src/f
		[ "$sent" = 8 ]
		grep -q 'different file of that name exists' sender
		[ "$(head -c 1 dst/f | tr '\0' z)" = z ]
		kill "$receiver"; wait_receiver
		receive --plain --existing skip dst
		send --plain src/f
		[ "$sent" = 1 ]
		[ "$(head -c 1 dst/f | tr '\0' z)" = z ]
		kill "$receiver"; wait_receiver
		receive --plain --existing replace dst
		send --plain src/f
		[ "$sent" = 0 ]
		cmp src/f dst/f
		kill "$receiver"; wait_receiver
		no_litter
	done
}

@test "a planted symlink is never followed, as target or as directory" {
	mkdir outside src/d
	echo old >outside/f
	echo new >src/f
	echo new >src/d/f
	ln -s ../outside/f dst/f
	ln -s ../outside dst/d
	receive --plain --existing replace dst
	send --plain src/d
	[ "$sent" = 8 ]
	[ "$(cat outside/f)" = old ]
	send --plain src/f
	[ "$sent" = 0 ]
	[ ! -L dst/f ]
	[ "$(cat outside/f)" = old ]
}

@test "several senders at once; killing one does not disturb the others" {
	for i in 1 2 3; do
		head -c 20000000 /dev/urandom >"src/f$i"
	done
	receive --plain dst
	"$FERRY" send --plain -q --limit-rate 400K src/f1 "127.0.0.1:$port" 3>&- &
	victim=$!
	"$FERRY" send --plain -q src/f2 "127.0.0.1:$port" 3>&- &
	two=$!
	send --plain src/f3
	wait "$two"
	[ "$sent" = 0 ]
	kill -9 "$victim"
	wait "$victim" || true
	cmp src/f2 dst/f2
	cmp src/f3 dst/f3
	send --plain src/f1
	[ "$sent" = 0 ]
	cmp src/f1 dst/f1
}

@test "no warning about streams that join after the session ended" {
	mkdir src/t
	for i in {1..300}; do echo "$i" >"src/t/$i"; done
	receive --plain dst
	for i in {1..40}; do
		send -q --plain -j 8 src/t
		is echo "$sent" 0
	done
	stop_receiver
	hasnt messages "no session"
}

@test "a warning about a stream with a wrong token or a used index" {
	receive --plain dst
	timeout "$(limit 60)" python3 - "$port" "$BATS_TEST_DIRNAME/.." <<-'EOF'
		import os, sys
		sys.path.insert(0, sys.argv[2])
		from lib import peer

		def refused(stream):
		    assert stream.recv() | {"text": b""} == {
		        "message": "ERROR", "code": 4, "text_len": 15, "text": b""}
		    stream.close()

		first = peer.Sender(int(sys.argv[1]))
		refused(first.join(1, os.urandom(16)))
		refused(first.join(1, bytes(16)))
		second = first.join(1)
		second.until("READY")
		refused(first.join(1))
		second.send(peer.message("STREAM_END"))
		first.finish()
		assert first.rest()[-1]["message"] == "SUMMARY"
		refused(first.join(2)) # the session has ended: no warning
	EOF
	stop_receiver
	is grep -c "warning: .*: no session: no such session" messages 3
}

@test "a symlink is reported when it is on the disk" {
	mkdir src/t dst/t
	for i in {10..69}; do
		ln -s "to$i" "src/t/l$i"
		# every other name is taken, so that verdicts alternate
		[ $((i % 2)) = 0 ] || echo old >"dst/t/l$i"
	done
	FERRY_WRAP="strace -f -qq -o calls -e trace=symlinkat,/sync,sendto,sendmsg
		-e inject=symlinkat:delay_enter=$(limit 50000)" \
		receive --plain --once --timeout "$(limit 2)" dst
	# heart-beats wake the stream meanwhile
	send --plain -j 1 --timeout "$(limit 2)" src/t
	status 1
	wait_receiver
	# no VERDICT between the first symlink and the flush after the last
	has calls symlinkat
	awk '/symlinkat/ { on = 1 }
		/sync/ { on = 0 }
		on && /send.*"\\22\\0/ { bad = 1 }
		END { exit bad }' calls || { cat calls; return 1; }
}

@test "a signal: 128+N, no final name, no litter" {
	# not of a size that could be resumed, for which a part is kept
	head -c 8000000 /dev/urandom >src/f
	receive --plain --once dst
	start_send slow --plain --limit-rate 100K src/f
	await events '"event":"session"'
	kill -TERM "${pid[slow]}"
	ended slow
	[ "$code" = 143 ]
	wait_receiver
	[ "$got" = 6 ]
	[ ! -e dst/f ]
	no_litter
}

@test "a full disk: exit 8, space needed and available; the part is removed" {
	needs mounting
	mkdir full
	mount -t tmpfs -o size=8m none full
	head -c 20000000 /dev/urandom >src/f
	receive --plain --once full
	send --plain src/f
	wait_receiver
	left=$(find full -type f)
	umount full
	[ "$sent" = 8 ]
	[ -z "$left" ]
	grep -q 'no space left on the disk (needs 19.1 MiB, has 8.0 MiB)' sender
}

@test "a sparse file arrives on a tmpfs without a limit" {
	needs mounting
	mkdir unlimited
	mount -t tmpfs -o size=0 none unlimited
	truncate -s 20M src/f
	printf end >>src/f
	receive --plain --once unlimited
	send --plain src/f
	wait_receiver
	same=0
	cmp src/f unlimited/f || same=1
	umount unlimited
	cat sender
	[ "$sent" = 0 ]
	[ "$same" = 0 ]
}

@test "power cut: committed files are on the disk: new, nested, replaced" {
	needs 'loop devices'
	truncate -s 96M image
	mkfs.ext4 -q image
	mkdir mnt copy src/t
	mount -o loop,commit=300 image mnt
	mkdir -p src/t/new/nested
	for i in {1..300}; do echo "$i" >"src/t/new/nested/$i"; done
	head -c 9000000 /dev/urandom >src/large
	echo old >mnt/small
	sync -f mnt
	echo new >src/small
	receive --plain --existing replace mnt
	send --plain src/t src/large src/small
	pkill -9 -P "$receiver"
	cp image image2
	wait_receiver
	umount mnt
	mount -o loop image2 copy
	ok=1
	diff -r src/t copy/t || ok=0
	cmp src/large copy/large || ok=0
	cmp src/small copy/small || ok=0
	umount copy
	[ "$sent" = 0 ]
	[ "$ok" = 1 ]
}

@test "a btrfs that compresses: a large file is stored compressed" {
	needs 'loop devices' btrfs
	truncate -s 256M image
	mkfs.btrfs -q image
	mkdir mnt
	mount -o loop,compress=zstd image mnt
	seq 4000000 >src/f
	sync -f mnt
	before=$(df --output=used -B1 mnt | tail -n 1)
	receive --plain --once mnt
	send --plain src/f
	wait_receiver
	sync -f mnt
	after=$(df --output=used -B1 mnt | tail -n 1)
	ok=1
	cmp src/f mnt/f || ok=0
	umount mnt
	[ "$sent" = 0 ]
	[ "$ok" = 1 ]
	echo "used: $before, then $after"
	[ $((after - before)) -lt 20000000 ]
}

@test "a heart-beat during a long pause does not corrupt a frame" {
	head -c 3000000 /dev/urandom >src/f
	receive --plain --once --timeout "$(limit 4)" dst
	send --plain -j 1 --timeout "$(limit 4)" \
		--limit-rate $((614400 / $(limit 1))) src/f
	wait_receiver
	[ "$sent" = 0 ]
	[ "$got" = 0 ]
	cmp src/f dst/f
	grep -q '"resent_bytes":0' events
}

@test "no large file has to wait for a heart-beat" {
	head -c 9000000 /dev/urandom >src/f
	receive --plain --existing replace --sync none dst
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		send --plain src/f
		[ "$sent" = 0 ]
	done
	# heart-beats come after 5 seconds: one stuck send would show, unless the
	# machine is so busy that all of them take as long
	python3 - "$(limit 1)" <<-'EOF'
		import json, sys
		took = [e["seconds"] for e in map(json.loads, open("events"))
		        if e["event"] == "summary"]
		assert len(took) >= 9 and max(took) < 4.5 * int(sys.argv[1]), took
	EOF
}
