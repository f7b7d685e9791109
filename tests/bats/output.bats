#!/usr/bin/env bats
# Where messages and events go: closed, full and lost descriptors, and the
# progress line on a terminal.

bats_require_minimum_version 1.5.0
load helper

setup() {
	make_dir
	head -c 3000000 /dev/urandom >src/f
	echo text >src/g
}
teardown() { remove_dir; }

# with_fds REDIRECTIONS COMMAND...
with_fds() {
	local how=$1
	shift
	timeout "$run_limit" bash -c "exec \"\$@\" $how" - "$@" 3>&-
}

@test "a sender whose output is closed, full or lost" {
	receive --plain --existing replace dst
	for how in ">&-" "2>&-" "<&- >&- 2>&-" ">/dev/full 2>/dev/full"; do
		with_fds "$how" "$FERRY" send --plain -v --json --progress \
			always src/f src/g "127.0.0.1:$port" >out 2>&1
		cmp src/f dst/f
		is cat dst/g text
		rm dst/f dst/g
	done
	for kept in 1 2; do
		# the reader closes after one line
		set -o pipefail
		{ ferry send --plain -v --json=$kept src/f src/g \
			"127.0.0.1:$port" 2>&1 3>&-; } | head -n 1 >out
		set +o pipefail
		is wc -l out "1 out"
		cmp src/f dst/f
		rm dst/f dst/g
	done
}

@test "a receiver whose output is closed, full or lost" {
	for how in ">&-" "2>&-" "<&- >&- 2>&-" ">/dev/full 2>/dev/full"; do
		: >events
		start receiver bash -c "exec \"\$@\" $how" - "$FERRY" receive \
			--plain -p 0 --once -v --json=9 dst 9>events \
			>out 2>&1 </dev/null
		receiver=${job[receiver]}
		await events '"event":"listening"'
		port=$(member events listening port)
		send --plain src/f src/g
		wait_receiver
		status 0
		[ "$got" = 0 ]
		cmp src/f dst/f
		is cat dst/g text
		rm dst/f dst/g
	done
	mkfifo pipe
	start receiver bash -c 'exec "$@" >pipe' - "$FERRY" receive --plain \
		-p 0 --once --json dst 2>messages </dev/null
	receiver=${job[receiver]}
	# perhaps after a warning that there is no sandbox
	port=$(sed -n '/"listening"/{s/.*"port":\([0-9]*\).*/\1/p;q;}' pipe)
	send --plain src/f src/g
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp src/f dst/f
	hasnt messages "no more JSON"
}

# on_terminal COLUMNS COMMAND... - run it on a terminal of that width and print
# what its screen showed: how many progress lines at once, the widest, and the
# lines at the end.  The exit status is the command's.
on_terminal() {
	# which knows no colours
	NO_COLOR=1 timeout "$(limit 60)" python3 "$tools/terminal.py" "$@" 3>&-
}

@test "a terminal: one line that is redrawn, cut to its width, then removed" {
	receive --plain --existing replace dst
	for width in 80 30 12; do
		on_terminal $width "$FERRY" send --plain --limit-rate 2M \
			src/f "127.0.0.1:$port" >screen
		# a single progress line that never wraps
		has screen "progress lines on the screen at once: 1"
		has screen "widest: "
		widest=$(sed -n 's/widest: //p' screen)
		[ "$widest" -lt $width ]
		[ "$widest" -ge 10 ]
		hasnt screen "at the end: progress"
		rm dst/f
	done
}

@test "a terminal: without TERM, with TERM=dumb, -q, and --progress never" {
	receive --plain --existing replace dst
	for term in "-u TERM" TERM=dumb; do
		# shellcheck disable=SC2086
		on_terminal 80 env $term "$FERRY" send --plain \
			--limit-rate 2M src/f "127.0.0.1:$port" >screen
		has screen "progress lines on the screen at once: 1"
		rm dst/f
	done
	for option in -q "--progress never"; do
		# shellcheck disable=SC2086
		on_terminal 80 "$FERRY" send --plain $option --limit-rate 2M \
			src/f "127.0.0.1:$port" >screen
		has screen "progress lines on the screen at once: 0"
	done
}

@test "no terminal: no progress line, except with --progress always" {
	receive --plain --existing replace dst
	send --plain --limit-rate 2M src/f
	status 0
	hasnt sender "%"
	rm dst/f
	send --plain --limit-rate 2M --progress always src/f
	status 0
	grep -q '^ *[0-9]*%.*MiB/s' sender
	hasnt sender $'\r'
}

@test "both sides show the rate of the line, the time left, and no stall" {
	# a chunk takes 4 s, so one that is not whole has to count
	timeout "$(limit 60)" python3 "$tools/steady.py" "$FERRY" 250000 \
		1500000 >rates 3>&-
	cat rates
	for side in sender receiver; do
		read -r n rate times left < <(sed -n "s/^$side: \([0-9]*\) rates, \
off by up to \([0-9]*\).* %; \([0-9]*\) times left, off by up to \([0-9]*\).* \
%.*/\1 \2 \3 \4/p" rates)
		[ "$n" -ge 8 ] && [ "$times" -ge 8 ]
		[ "$rate" -lt 5 ] && [ "$left" -lt 15 ]
	done
	hasnt rates stalled
}

@test "the receiver shows how much of standard input has come" {
	receive --plain --once dst
	# a chunk of 1 MiB takes 10 s
	start_send slow --plain --limit-rate 100K --name in - < <(cat src/f; sleep 60)
	await events '"progress","bytes":[1-9][0-9]{0,5},"total_bytes":[1-9]'
	kill "${pid[slow]}"
	ended slow
	wait_receiver
}

@test "the receiver knows how much there is while the first packs are on a slow line" {
	mkdir src/many
	for i in {1..300}; do head -c 500 /dev/urandom >"src/many/$i"; done
	for streams in -j1 -j4; do
		receive --plain --once dst
		forward rule "up@0*=trickle:30000"
		start_send slow --plain "$streams" src/many
		# before two thirds of it have come
		await events '"progress","bytes":[1-9][0-9]{0,4},"total_bytes":[0-9]+,"files":[0-9]+,"total_files":[1-9]'
		kill "${pid[slow]}"
		ended slow
		stop_forward
		wait_receiver
		rm -rf dst/many
	done
}

@test "a terminal: without a connection the sender does not say that it stalls" {
	run timeout "$(limit 60)" python3 "$tools/at_terminal.py" \
		'no connection for [3-9] s' '\x03' -- bash -c 'exec "$@" \
		2>/dev/tty' - "$FERRY" send --plain --retry 60 src/g \
		127.0.0.1:1 3>&-
	[ "$status" = 130 ]
	[[ $output != *stalled* ]]
}

@test "a terminal: progress stops in the background and goes on in the foreground" {
	receive --plain --existing replace dst
	for begin in foreground background; do
		rm -f dst/f
		timeout "$(limit 60)" python3 "$tools/job_control.py" $begin \
			"$FERRY" send --plain --limit-rate 200K src/f \
			"127.0.0.1:$port" >jobs 2>&1 3>&-
		cat jobs
		[ $begin = background ] || has jobs "foreground: progress"
		has jobs "in the background: nothing"
		has jobs "in the foreground again: progress"
		has jobs "at the end: sent"
	done
}

@test "a terminal whose locale is not UTF-8 gets ASCII only" {
	# U+011B is the bytes c4 9b: 9b begins a control sequence on an 8-bit
	# terminal
	letter=$'\xc4\x9b' name=$'src/\xc4\x9b[2J'
	echo x >"$name"
	mkfifo "src/p$letter"
	# shown LOCALE ARGUMENT... - what ferry writes to a terminal there
	shown() {
		timeout "$(limit 20)" env -u LANG -u LC_CTYPE LC_ALL="$1" \
			script -qec "$(printf '%q ' "$FERRY" "${@:2}")" /dev/null \
			</dev/null >screen 2>&1 3>&- || true
	}
	for locale in C en_US.ISO-8859-1 POSIX ""; do
		for args in "send --list $name h" "send --list -v src h" \
			"send --plain $name.none h" "send --plain $name.none/. h" \
			"receive --plain $name" "keygen key$letter$RANDOM" \
			"send --sym$letter" "send --plain src/g h$letter:x"; do
			# shellcheck disable=SC2086
			shown "$locale" $args
			[ -s screen ]
			[ -z "$(LC_ALL=C tr -d '\0-\177' <screen)" ]
		done
	done
	shown C send --list "$name" h
	has screen '\xc4\x9b[2J'
	# events stay JSON
	echo x >"$name"$'\xf0\x9f\x90\xa2'
	shown C send --list --json "$name"$'\xf0\x9f\x90\xa2' h
	has screen '"path":"\u011b[2J\ud83d\udc22"'
	[ -z "$(LC_ALL=C tr -d '\0-\177' <screen)" ]
	for locale in C.UTF-8 de_DE.utf8 en_US.UTF-8@euro; do
		shown $locale send --list "$name" h
		has screen $'\xc4\x9b[2J'
	done
	# what is no terminal gets the bytes
	is env LC_ALL=C "$FERRY" send --list -q "$name" h $'\xc4\x9b[2J'
}

@test "the code is bold and errors are red on a terminal, unless that is not wanted" {
	styled() {
		env "$@" python3 "$tools/at_terminal.py" -- \
			bash -c '"$0" receive -p 0 --plain --wait 1 . 2>/dev/tty
				"$0" receive -p 0 --code --wait 1 . 2>/dev/tty' \
			"$FERRY" >shown 2>&1 || true
	}
	bold=$(printf 'one-time code:     \033[1m')
	red=$(printf '\033[31mferry:\033[0m receive: no sender came')
	yellow=$(printf 'ferry: \033[33mwarning:\033[0m --plain')
	styled TERM=xterm NO_COLOR=
	has shown "$bold"
	has shown "$red"
	has shown "$yellow"
	for setting in TERM= TERM=dumb NO_COLOR=1; do
		styled TERM=xterm $setting
		has shown "one-time code:     "
		hasnt shown $'\033'
	done
	timeout "$(limit 20)" env TERM=xterm "$FERRY" receive --plain -p 0 \
		--wait 1 . 2>messages || true
	hasnt messages $'\033'
}

@test "SIGUSR1: both sides report what goes on, also with -q; their helpers go on" {
	head -c 4000000 /dev/urandom >src/big
	ferry keygen key 2>/dev/null
	receive --key key -q dst
	kill -USR1 "${pid[receiver]}"
	await messages "status: listening on \\[::\\]:$port, 0 sessions now, 0 since"
	start_send slow -q --key key --limit-rate 1M src/big
	under_way slow
	kill -USR1 "${pid[receiver]}" "${pid[slow]}"
	# "nothing yet" before its stream is known here; -- until the sender has
	# told how much there is, twice a second
	await messages "status: session 1 from 127.0.0.1:[0-9]+, [0-9]+ streams?: +(nothing yet|(--|[0-9]+)%)"
	await slow.messages \
		"status: to 127.0.0.1:$port, [0-9]+ streams?: +[0-9]+% .* 0/1 files"
	pkill -USR1 -P "${pid[receiver]},${pid[slow]}"
	ended slow
	[ "$code" = 0 ]
	cmp src/big dst/big
	stop_receiver
	is grep -c status: messages 3
	# whom it waits for
	start_send late --plain --retry 60 src/big
	await late.messages "retrying for"
	kill -USR1 "${pid[late]}"
	await late.messages "status: connecting to 127.0.0.1:$port"
	kill "${pid[late]}"
	ended late
}
