#!/usr/bin/env bats
# Command lines, environments, messages, journals and core files contain no key
# or code.  That keys are read only from files with safe permissions is tested by
# tests/unit/test_key.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

# nowhere SECRET FILE... - none of the files contains it, in any encoding.
nowhere() {
	python3 "$tools/find_secret.py" "$@"
}

# look_into NAME - copy command line and environment of a started process to
# files.  The environment can be read with CAP_SYS_PTRACE only, not by the same
# user.
look_into() {
	cat "/proc/${pid[$1]}/cmdline" >"seen/$1.cmdline"
	[ -s "seen/$1.cmdline" ]
	if "$tools/can" CAP_SYS_PTRACE; then
		cat "/proc/${pid[$1]}/environ" >"seen/$1.environ"
		[ -s "seen/$1.environ" ]
	fi
}

# mode_of MODE SIDE - the options of a mode, for the receiver (b) or sender (a).
mode_of() {
	case $1 in
	key) echo --key key ;;
	cert) echo --cert $2.pem --cert-key $2.key --ca ca.pem ;;
	# a copy, as it is marked when it was used
	code) cp -p code "code.$2" && echo "--code-file code.$2" ;;
	esac
}

make_secrets() {
	ferry keygen key 2>seen/keygen
	ferry keygen another 2>/dev/null
	make_certs
	(umask 077 && echo 4821-river-anchor >code)
}

@test "the test's own search finds a key in each encoding" {
	mkdir seen
	make_secrets
	for form in 'bytes.fromhex(h)' 'h.encode()' 'h.upper().encode()' \
		'base64.b64encode(bytes.fromhex(h))' \
		'base64.b64encode(b"x" + bytes.fromhex(h) + b"y")' \
		'base64.b64encode(b"xy" + bytes.fromhex(h) + b"z")'; do
		python3 -c "import base64
h = open('key').read().strip().split(':')[-1]
open('f', 'wb').write(bytes(99) + $form + bytes(99))"
		run nowhere key f
		[[ $status == 1 && $output == *"f holds the key"* ]] ||
			{ echo "$form: $output"; return 1; }
	done
	run nowhere code code
	[ "$status" = 1 ]
	run nowhere a.key a.key
	[ "$status" = 1 ]
	nowhere key another
}

@test "command line, environment, messages, events and journal contain no key" {
	mkdir seen
	make_secrets
	head -c 67108864 /dev/urandom >src/f
	for mode in key cert code; do
		rm -f dst/.ferry-*
		# shellcheck disable=SC2046
		receive $(mode_of $mode b) -vvv dst
		# a sender with another key
		[ $mode = code ] || send -vvv --key another src/f
		[ $mode = code ] || status 4
		# shellcheck disable=SC2046
		start_send slow $(mode_of $mode a) -vvv --limit-rate 40M src/f
		await slow.events '"progress","bytes":[2-9][0-9]{7}'
		look_into receiver
		look_into slow
		kill -KILL "${pid[slow]}"
		ended slow
		await events '"summary".*"exit":6'
		[ $mode = code ] || stop_receiver
		[ $mode != code ] || wait_receiver
		for file in events messages slow.events slow.messages; do
			[ -s $file ]
		done
		[ "$(find dst -name '*.journal' -size +0 | wc -l)" = 1 ]
		for secret in key another a.key b.key code; do
			nowhere $secret seen events messages sender \
				slow.events slow.messages dst
		done
	done
}

@test "keys and codes are in memory that is not swapped out" {
	needs CAP_SYS_PTRACE
	needs 'a build without a sanitizer' # which keeps copies
	mkdir seen
	make_secrets
	echo small >src/f
	for mode in key code; do
		# shellcheck disable=SC2046
		receive $(mode_of $mode b) dst
		for secret in key code; do
			nowhere $secret --memory "${pid[receiver]}"
		done
		# locked: the stack, and a page
		locked=$(awk '/^VmLck:/ { print $2 }' \
			"/proc/${pid[receiver]}/status")
		[ "$locked" -ge 36 ] || { echo "$locked KiB locked"; return 1; }
		# shellcheck disable=SC2046
		send $(mode_of $mode a) src/f
		status 0
		[ $mode = code ] || stop_receiver
		[ $mode != code ] || wait_receiver
		rm -f dst/f
	done
}

# ---- core files ------------------------------------------------------------

# cores - the core files in the working directory.
cores() {
	local file
	for file in *; do
		[ -f "$file" ] || continue
		[ "$(head -c 4 "$file" | tr -d '\0')" != $'\x7fELF' ] ||
			echo "$file"
	done
}

# crash NAME - crash a started process; none of its secrets may be left on the
# disk.
crash() {
	local file
	kill -SEGV "${pid[$1]}"
	ended "$1"
	[ "$code" = 139 ] || { echo "$1: exit $code"; return 1; }
	for file in $(cores); do
		for secret in key a.key b.key code; do
			nowhere $secret "$file"
		done
		rm "$file"
	done
}

@test "a process killed by a signal leaves no key on the disk [--long]" {
	needs 'a build without a sanitizer'
	mkdir seen
	make_secrets
	ulimit -c unlimited || skip "needs core files in the working directory"
	# core files are made here, and a key in one would be found
	python3 -c 'import os, signal
text = open("key").read()
os.kill(os.getpid(), signal.SIGSEGV)' || true
	[ -n "$(cores)" ] || skip "needs core files in the working directory"
	# shellcheck disable=SC2046 # a plain name
	run nowhere key $(cores)
	[ "$status" = 1 ]
	# shellcheck disable=SC2046 # a plain name
	rm $(cores)

	head -c 67108864 /dev/urandom >src/f
	for mode in key cert code; do
		for sandbox in auto off; do
			# shellcheck disable=SC2046
			receive $(mode_of $mode b) --sandbox $sandbox dst
			# shellcheck disable=SC2046
			start_send slow $(mode_of $mode a) --limit-rate 20M \
				src/f
			under_way slow
			crash receiver
			receiver=
			# it may have ended by itself after losing its peer
			ended slow
			# shellcheck disable=SC2046
			receive $(mode_of $mode b) --sandbox $sandbox dst
			# shellcheck disable=SC2046
			start_send slow $(mode_of $mode a) --limit-rate 20M \
				src/f
			under_way slow
			crash slow
			[ $mode = code ] || stop_receiver
			[ $mode != code ] || wait_receiver
			rm -f dst/.ferry-*
		done
	done
	# while it is not yet confined
	mkfifo list
	# shellcheck disable=SC2094
	port=9 start_send early --key key --files-from list
	for _ in $(seq "$(limit 30)"); do
		[ "$(cat "/proc/${pid[early]}/wchan")" != wait_for_partner ] ||
			break
		sleep 0.1
	done
	crash early
}
