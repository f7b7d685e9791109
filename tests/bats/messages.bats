#!/usr/bin/env bats
# What is said when two sides do not get on: why, where, and what to do.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; echo text >src/f; }
teardown() { remove_dir; }

plain="no encryption (--plain)"
key="a shared key (--key)"
cert="certificates (--cert with --ca or --pin)"
code="a one-time code"

# mode NAME SIDE - print the options of a mode
mode() {
	case $1 in
	plain) echo --plain ;;
	key) echo --key key ;;
	cert) echo "--cert $2.pem --cert-key $2.key --ca ca.pem" ;;
	pin) echo "--cert $2.pem --cert-key $2.key --pin $(pin_of a.pem)" ;;
	code) echo --code-file code ;;
	esac
}

# both_modes THERE HERE - whether the sender's message names them
both_modes() {
	case $1 in
	# a client with a certificate cannot tell a plain TLS refusal further
	*) has sender "127.0.0.1:$port: the other side uses $1, this side $2: both need the same security mode" ;;
	esac
}

@test "two security modes: exit 4, and the message names both" {
	ferry keygen key 2>/dev/null
	make_certs
	echo 4821-river-anchor >code
	chmod 600 code
	for there in plain key cert code; do
		for here in plain key cert pin code; do
			case $there/$here in
			plain/plain | key/key | cert/cert | code/code | cert/pin)
				continue ;;
			esac
			echo "receiver $there, sender $here"
			# shellcheck disable=SC2046
			receive $(mode $there b) dst
			# shellcheck disable=SC2046
			send $(mode $here a) src/f
			status 4
			ours=$here
			[ "$here" = pin ] && ours=cert
			cat sender
			both_modes "${!there}" "${!ours}"
			# so does the receiver's, as far as it can see it
			await messages ': no session: .*(uses|same|security mode)'
			only_dir
			stop_receiver
		done
	done
}

@test "one-time codes: the same code, not the same key" {
	echo 4821-river-anchor >code
	chmod 600 code
	cp -p code other
	echo 4822-river-anchor >other
	receive --code-file code dst
	send --code-file other src/f
	wait_receiver
	status 4
	hasnt sender "same key"
	has sender "127.0.0.1:$port: the code was wrong"
	[ "$got" = 4 ]
}

@test "--allow: the sender is told that its address is not allowed" {
	ferry keygen key 2>/dev/null
	echo 4821-river-anchor >code
	chmod 600 code
	for mode in key plain code; do
		# shellcheck disable=SC2046
		receive $(mode $mode) --allow 192.0.2.0/24 dst
		# shellcheck disable=SC2046
		send $(mode $mode) src/f
		status 4
		has sender "127.0.0.1:$port: the other side does not accept connections from this address (see --allow there)"
		hasnt sender "does the other side use"
		stop_receiver
	done
}

@test "a receiver that is stopped says so; its sender does not guess" {
	ferry keygen key 2>/dev/null
	head -c 30M /dev/urandom >src/big
	for mode in "--key key" --plain; do
		for streams in 1 4; do
			rm -f dst/*
			# shellcheck disable=SC2086
			receive $mode dst
			# shellcheck disable=SC2086
			start_send one $mode -j $streams --limit-rate 8M src/big
			under_way one
			stop_receiver
			ended one
			[ "$code" = 6 ]
			has one.messages "the other side says: interrupted by a signal"
			hasnt one.messages close_notify
		done
	done
	# while nothing is sent
	receive --key key dst
	mkfifo quiet
	exec 7<>quiet
	start_send one --key key --name x - <quiet
	await events '"session"'
	stop_receiver
	ended one
	exec 7>&-
	[ "$code" = 6 ]
	has one.messages "the other side says: interrupted by a signal"
}
