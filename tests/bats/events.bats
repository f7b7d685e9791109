#!/usr/bin/env bats
# Readers of messages and events that pause or close: the transfer goes on, and
# a reader that resumes gets every line.

bats_require_minimum_version 1.5.0
load helper

setup() {
	make_dir
	mkdir src/t
	mkfifo pipe
}
teardown() { remove_dir; }

# many COUNT [PREFIX] - make COUNT empty files in src/t.
many() {
	(cd src/t && seq -f "${2:-f}%06g" "$1" | xargs touch)
}

# start_piped NAME REDIRECTION ARG... - run ferry in the background, with a
# descriptor redirected to pipe.  $reader is the other end, which is not read
# yet; $messages that of the pipe other, if there is one.
start_piped() {
	local name=$1 how=$2
	shift 2
	# shellcheck disable=SC2016,SC2086 # the inner shell's; and options
	start "$name" bash -c 'exec "$@" '"$how" - ${FERRY_WRAP:-} "$FERRY" \
		"$@" </dev/null
	exec {reader}<pipe
	[ ! -p other ] || exec {messages}<other
}

# read_rest - the reader resumes: all to the end of file goes to the file got.
read_rest() {
	timeout "$run_limit" cat <&"$reader" >got
	exec {reader}<&-
}

# each_once FILE PATTERN COUNT - that many lines match, and no two are the same.
each_once() {
	is grep -cE -- "$2" "$1" "$3"
	[ -z "$(grep -E -- "$2" "$1" | sort | uniq -d)" ]
}

# ---- nothing is read before the transfer is over ----------------------------

@test "a sender's --json: the transfer does not wait for its reader" {
	many 6000
	receive --plain --timeout "$(limit 20)" --once dst
	start_piped sender '>pipe 2>sender' send --plain --timeout "$(limit 20)" --json \
		src/t "127.0.0.1:$port"
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	# the process waits until the rest is read
	kill -0 "${pid[sender]}"
	read_rest
	ended sender
	[ "$code" = 0 ]
	each_once got '"event":"file","path":"t/f[0-9]+","size":0,"status":"committed"' 6000
	tail -n 1 got | grep -q '^{"event":"summary","exit":0,"files":6000,'
	check_events got
	# the other descriptor was written to meanwhile
	has sender "all 6,000 files: 6,000 sent (0 B);"
}

@test "a sender's messages: the transfer does not wait for their reader" {
	many 6000
	receive --plain --timeout "$(limit 20)" --once dst
	start_piped sender '2>pipe 9>sender.events' send --plain --timeout "$(limit 20)" \
		-v --json=9 src/t "127.0.0.1:$port"
	wait_receiver
	[ "$got" = 0 ]
	same_tree src/t dst/t
	# the events do not wait for the messages either
	await sender.events '"summary","exit":0'
	read_rest
	ended sender
	[ "$code" = 0 ]
	each_once got '^ferry: t/f[0-9]+: committed' 6000
	tail -n 1 got | grep -q '^ferry: .* has all 6,000 files: 6,000 sent'
}

@test "a receiver's --json and messages: the transfer does not wait" {
	many 6000
	start_piped receiver '>pipe 2>&1' receive --plain --timeout "$(limit 20)" -p 0 -v \
		--once --json dst
	# read up to the listening event only
	while read -r -t "$(limit 20)" line <&"$reader"; do
		[[ $line != *'"event":"listening"'* ]] || break
	done
	port=$(sed 's/.*"port":\([0-9]*\).*/\1/' <<<"$line")
	receiver=${job[receiver]}
	send --plain --timeout "$(limit 20)" src/t
	status 0
	same_tree src/t dst/t
	read_rest
	wait_receiver
	[ "$got" = 0 ]
}

# ---- many lines, and readers that close ------------------------------------

# peak_of NAME - the peak memory of a process so far, in KiB.
peak_of() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/${pid[$1]}/status"
}

@test "lines waiting for a reader take little memory, and none is lost [--long]" {
	needs 'a build without a sanitizer' # which has memory of its own
	local deep peak hold unwarned
	build_has 'a sandbox' || unwarned=--sandbox=off
	deep=$(printf 'd%.0s' {1..240})
	deep=$deep/$deep/$deep
	mkdir -p "src/t/$deep"
	(cd "src/t/$deep" && seq 8000 | xargs touch)
	receive --plain --sync none dst
	# A sender that has only its last message queued: the pipe for it is full,
	# so that the process is still there to be measured.
	exec {hold}<>pipe
	dd if=/dev/zero of=pipe bs=4096 oflag=nonblock 2>/dev/null || true
	start sender bash -c 'exec "$@" 2>pipe' - "$FERRY" send --plain \
		$unwarned --json=9 src/t "127.0.0.1:$port" 9>/dev/null </dev/null
	await events '"summary","session":1,"exit":0'
	peak=$(peak_of sender)
	kill -KILL "${pid[sender]}"
	ended sender
	exec {hold}>&-
	# 14 MB of events and messages
	mkfifo other
	start_piped sender '>pipe 2>other' send --plain -v --json src/t/. \
		"127.0.0.1:$port"
	await events '"summary","session":2,"exit":0'
	echo "peak: $peak KiB, with paused readers $(peak_of sender) KiB"
	[ "$(peak_of sender)" -lt $((peak + 4096)) ]
	cat <&"$messages" >said &
	read_rest
	ended sender
	[ "$code" = 0 ]
	wait $!
	each_once got '"event":"file","path":"[d/]+[0-9]+","size":0,"status":"committed"' 8000
	each_once said '^ferry: [d/]+[0-9]+: committed' 8000
	check_events got
	stop_receiver
}

@test "a reader that returns and then closes is not an error" {
	many 3000
	receive --plain --existing replace dst
	for how in '>pipe 2>sender' '2>pipe >sender'; do
		start_piped sender "$how" send --plain -v --json src/t \
			"127.0.0.1:$port"
		await events '"summary".*"exit":0'
		: >events
		head -n 1 <&"$reader" >got
		exec {reader}<&-
		ended sender
		[ "$code" = 0 ]
		is wc -l got "1 got"
		same_tree src/t dst/t
		rm -rf dst/t
	done
}

@test "messages and events to one pipe stay in order and whole" {
	many 3000 "$(printf 'n%.0s' {1..240})"
	receive --plain dst
	start_piped sender '>pipe 2>&1' send --plain -v --json src/t \
		"127.0.0.1:$port"
	await events '"summary".*"exit":0'
	read_rest
	ended sender
	# each file: the message, then the event
	grep -E 't/n' got | awk '
		NR % 2 && sub(/^ferry: /, "") && sub(/: committed.*/, "") {
			name = $0; next }
		!(NR % 2) && index($0, "{\"event\":\"file\",\"path\":\"" \
			name "\",") == 1 { n++; next }
		{ print NR ": " $0; exit 1 }
		END { if (n != 3000) exit 1 }'
}

# ---- signals ---------------------------------------------------------------

@test "a signal ends a receiver whose readers have paused" {
	many 6000
	start_piped receiver '>pipe 2>&1' receive --plain -p 0 -v --json dst
	port=$(sed -u '/"listening"/q' <&"$reader" |
		sed -n 's/.*"port":\([0-9]*\).*/\1/p')
	receiver=${job[receiver]}
	send --plain src/t
	status 0
	SECONDS=0
	kill -TERM "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	[ "$SECONDS" -lt "$(limit 15)" ]
}

@test "a signal ends a sender that is waiting for its readers" {
	many 6000
	receive --plain --existing replace dst
	# after one signal it waits a second more, after two it ends at once
	for count in 1 2; do
		: >sender
		start_piped sender '>pipe 2>sender' send --plain --json src/t \
			"127.0.0.1:$port"
		# its session has ended, too
		await sender 'has all 6,000 files'
		# another one, as the kernel makes one of two alike that wait
		kill -INT "${pid[sender]}"
		[ $count = 1 ] || kill -TERM "${pid[sender]}"
		ended sender
		exec {reader}<&-
		# all was committed; a second signal ends it with a status of its own
		if [ $count = 1 ]; then
			[ "$code" = 0 ]
		else
			[[ $code == @(130|143) ]]
		fi
		same_tree src/t dst/t
	done
	stop_receiver
}

@test "a signal ends a sender whose last message is not read" {
	local hold unwarned
	build_has 'a sandbox' || unwarned=--sandbox=off
	exec {hold}<>pipe
	dd if=/dev/zero of=pipe bs=4096 oflag=nonblock 2>/dev/null || true
	start sender bash -c 'exec "$@" 2>pipe' - "$FERRY" send --plain \
		$unwarned src/t 127.0.0.1:1 </dev/null
	sleep 1
	kill -0 "${pid[sender]}"
	kill -INT "${pid[sender]}"
	ended sender
	exec {hold}>&-
	[ "$code" = 130 ]
}
