#!/usr/bin/env bats
# Standard input and the output of a command: what is not whole is not
# committed.

load helper

MiB=1048576

setup() { make_dir; }
teardown() { remove_dir; }

# ---- a pipe whose writer is killed -------------------------------------------

# killed SIGNAL GAP BYTES [OPTION...] - as kill-pipe.py; then nothing of it is in
# dst.
killed() {
	local signal=$1 gap=$2 bytes=$3 code
	shift 3
	code=$("$tools/kill-pipe.py" "SIG$signal" "$gap" "$bytes" "$FERRY" \
		--plain -q --name n "$@" - "127.0.0.1:$port" 2>>sender)
	[ "$code" = late ] && return
	[ "$code" = $((128 + $(kill -l "$signal"))) ] || {
		echo "SIG$signal, $bytes bytes: status $code"
		return 1
	}
	[ ! -e dst/n ] || {
		echo "SIG$signal, gap $gap, $bytes bytes: committed"
		return 1
	}
}

@test "a signal just after the end of input outranks it" {
	receive --plain dst
	for signal in INT TERM HUP; do
		for bytes in 0 5 1048576 3000000; do
			killed "$signal" 10 "$bytes"
		done
	done
	killed TERM 10 5 -j 4
	no_litter
}

@test "a signal to a pipe's process group never commits half" {
	receive --plain dst
	for _ in {1..40}; do
		killed TERM -1 5
		killed INT -1 1500000
	done
	no_litter
}

@test "a signal to a pipe does not replace what is there" {
	echo good >dst/n
	receive --plain --existing replace dst
	"$tools/kill-pipe.py" SIGTERM 10 5 "$FERRY" --plain -q --name n - \
		"127.0.0.1:$port"
	is cat dst/n good
}

@test "a terminal that hangs up ends its input, but not by the end of it" {
	receive --plain dst
	cat >hang_up <<-'EOF'
		import os, subprocess, sys
		master, terminal = os.openpty()
		sender = subprocess.Popen(sys.argv[1:], stdin=terminal)
		os.close(terminal)
		os.write(master, b"half\n")
		os.close(master)
		sys.exit(sender.wait())
	EOF
	sent=0
	python3 hang_up "$FERRY" send --plain --name n - "127.0.0.1:$port" \
		2>sender || sent=$?
	status 7
	has sender "n: on this side: the terminal that it was read from hung up"
	only_dir
}

# ---- a lost connection -------------------------------------------------------

@test "--retry: what was read but not sent yet cannot be read again either" {
	head -c $((30 * MiB)) /dev/urandom >src/big
	mkfifo pipe go
	receive --plain dst
	forward rule up@total:20000000=stall
	start in bash -c 'exec 8>pipe; echo one >&8; echo >written
		read -r _ <go; echo two >&8'
	start all "$FERRY" send --plain -j 2 --retry 20 --name f src/big - \
		"127.0.0.1:$port" <pipe 2>all.messages
	await written ''
	# wait until the sender has read the first line
	timeout "$(limit 20)" python3 - "${pid[in]}" <<-'EOF'
		import fcntl, os, struct, sys, termios, time
		pipe = os.open(f"/proc/{sys.argv[1]}/fd/8", os.O_RDONLY | os.O_NONBLOCK)
		while struct.unpack("i", fcntl.ioctl(
		        pipe, termios.FIONREAD, b"0000"))[0]:
		    time.sleep(0.05)
	EOF
	stop_forward
	await all.messages 'retrying|again'
	echo >go &
	ended all
	# never the second line alone
	[ "$code" = 6 ]
	has all.messages 'standard input cannot be read again'
	[ ! -e dst/f ]
}

# ---- --stdin-from-command ----------------------------------------------------

# command ARG... - send the output of a command under the name "out"
command_sent() {
	sent=0
	timeout --foreground "$run_limit" "$FERRY" send --plain --name out \
		"${options[@]}" --stdin-from-command "127.0.0.1:$port" -- "$@" \
		2>sender 3>&- || sent=$?
}

@test "--stdin-from-command: the output of a command that succeeds" {
	receive --plain dst
	options=()
	for n in 0 5 1048576 9000001; do
		head -c "$n" /dev/urandom >src/in
		rm -f dst/out
		command_sent cat "$work/src/in"
		status 0
		cmp src/in dst/out
	done
	# its own options and operands; no shell; its standard error and input
	rm -f dst/out
	echo input | command_sent sh -c 'cat; printf "%s\n" "$@"; echo note >&2' \
		-- -z --name '$HOME *' --
	status 0
	has sender note
	is cat dst/out $'input\n-z\n--name\n$HOME *\n--'
	# with files
	echo x >src/file
	sent=0
	ferry send --plain --name out2 src/file --stdin-from-command \
		"127.0.0.1:$port" -- echo y || sent=$?
	[ "$sent" = 0 ]
	is cat dst/file x
	is cat dst/out2 y
	no_litter
}

@test "--stdin-from-command: what a command that fails wrote is not committed" {
	receive --plain dst
	options=()
	command_sent false
	status 7
	has sender "the command false ended with exit status 1"
	for n in 5 3000000; do
		command_sent sh -c "head -c $n /dev/zero; exit 43"
		status 7
		has sender "the command sh ended with exit status 43"
	done
	# it fails long after the end of its output
	command_sent sh -c 'echo all; exec >&-; sleep 1; exit 3'
	status 7
	has sender "exit status 3"
	command_sent sh -c 'echo all; kill -KILL $$'
	status 7
	has sender "was ended by signal 9"
	options=(--retry 5)
	command_sent sh -c 'echo all; exit 4'
	status 7
	has sender "exit status 4"
	only_dir
}

@test "--stdin-from-command: a failure keeps what is there, and other files go on" {
	echo good >dst/out
	echo x >src/file
	receive --plain --existing replace dst
	options=("$work/src/file")
	command_sent false
	[ "$sent" != 0 ]
	has sender "ferry: out: on this side: the command false ended with exit status 1"
	is cat dst/out good
	is cat dst/file x
}

@test "--stdin-from-command: a command that cannot be run is told at once" {
	port=1
	options=()
	command_sent no-such-command-at-all
	status 7
	has sender 'cannot run no-such-command-at-all: No such file or directory'
	command_sent "$work/src"
	status 7
	has sender 'Permission denied'
}

@test "--stdin-from-command: signals reach the command" {
	receive --plain dst
	for signal in TERM INT HUP; do
		rm -f log started
		start all "$FERRY" send --plain --name out --stdin-from-command \
			"127.0.0.1:$port" -- bash -c "
				trap 'echo got $signal >log; exit 0' $signal
				echo half; echo >started
				while :; do sleep 0.1; done" 2>all.messages
		until [ -e started ]; do sleep 0.05; done
		kill -"$signal" "${pid[all]}"
		ended all
		# even though the command says that all is well
		[ "$code" = $((128 + $(kill -l $signal))) ]
		is cat log "got $signal"
		[ ! -e dst/out ]
	done
	only_dir
}

@test "--stdin-from-command: the command ends with ferry" {
	receive --plain dst
	forward cut 20000000
	for how in KILL forward; do
		rm -f started ended
		start all "$FERRY" send --plain --name out --stdin-from-command \
			"127.0.0.1:$port" -- bash -c "
				trap 'echo >ended; exit 0' TERM
				echo half; echo >started
				while :; do sleep 0.1; done" 2>all.messages
		until [ -e started ]; do sleep 0.05; done
		sleep 0.3
		if [ "$how" = KILL ]; then
			kill -KILL "${pid[all]}"
		else
			kill "${pid[forward]}"
			ended forward
		fi
		ended all
		[ "$code" != 0 ]
		for _ in $(seq "$(limit 100)"); do
			[ ! -e ended ] || break
			sleep 0.1
		done
		[ -e ended ]
	done
	only_dir
}

@test "--stdin-from-command: neither descriptors nor ignored signals are passed on" {
	echo text >src/file
	receive --plain dst
	sent=0
	(
		trap '' PIPE
		exec 9>events.out
		ferry send --plain --name out --json=9 src/file \
			--stdin-from-command "127.0.0.1:$port" -- sh -c '
			ls -l /proc/self/fd >&2
			grep -E "Sig(Ign|Blk)" /proc/self/status' 2>sender
	) || sent=$?
	[ "$sent" = 0 ]
	[ "$(grep -c ' [0-9]* -> ' sender)" -le 4 ]
	# the first 24 signals: none but what this test has been given, and of
	# these not SIGPIPE, nor SIGINT and SIGTERM, which ferry has caught
	given=$(sed -n 's/^SigIgn:\t//p' /proc/self/status)
	is cut -c 19- dst/out "$(printf '000000\n%06x' \
		$((0x${given: -6} & ~0x5002)))"
}

@test "--stdin-from-command: usage, --list, --retry" {
	usage() {
		local text=$1
		shift
		sent=0
		ferry send --plain "$@" 2>sender || sent=$?
		status 2
		has sender "$text"
	}
	usage 'needs a command' --stdin-from-command h
	usage 'needs a command' --stdin-from-command h --
	usage 'missing HOST' --stdin-from-command -- cat
	usage 'exclude each other' --stdin-from-command - h -- cat
	usage 'exclude each other' --stdin-from-command --files-from x h -- cat
	ferry send --list --name out --stdin-from-command h -- touch made >out
	has out out
	[ ! -e made ]
	receive --plain dst
	forward cut 8000000
	sent=0
	ferry send --plain -j 1 --retry 20 --name f --stdin-from-command \
		"127.0.0.1:$port" -- head -c 12000000 /dev/zero 2>sender || sent=$?
	status 6
	has sender 'the output of the command cannot be read again'
	[ ! -e dst/f ]
}
