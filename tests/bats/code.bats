#!/usr/bin/env bats
# One-time codes: shown by the receiver, asked for by the sender, valid for one
# guess.

load helper

setup() { make_dir; echo MARKER-content >src/MARKER-name; }
teardown() { remove_dir; }

# receive_code - start a receiver that makes a code: $secret, and the file code
# for senders.
receive_code() {
	receive "$@"
	await events '"event":"code"' || { cat messages; return 1; }
	secret=$(member events code code)
	write_code "$secret"
}

write_code() {
	(umask 077 && echo "$1" >code)
}

# wrong_code - print a code other than $secret.
wrong_code() {
	case $secret in
	0000-*) echo "0001-${secret#*-}" ;;
	*) echo "0000-${secret#*-}" ;;
	esac
}

peer() { timeout "$(limit 60)" python3 "$tools/code_peer.py" "$@" || true; }

# served - a sender with the right code is still served, by the same receiver.
served() {
	write_code "$secret"
	send --code-file code src/MARKER-name
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp src/MARKER-name dst/MARKER-name
}

# renewed [NUMBER] - the code is no longer valid and nothing was created: the
# receiver shows another one, its second unless stated otherwise, which becomes
# $secret.
renewed() {
	local former=$secret
	await events '"event":"code"' "${1:-2}"
	has messages "gave a wrong code, so the one above is no longer valid; \
here is another, number ${1:-2} of 4"
	secret=$(member events code code)
	[ "$secret" != "$former" ]
	has messages "one-time code:     $secret"
	only_dir
}

# used_up - the code is no longer valid, and no other is shown: the receiver
# exited with 4, created nothing, and no longer listens.
used_up() {
	wait_receiver
	[ "$got" = 4 ]
	has messages "no longer valid"
	has messages "start this side again"
	only_dir
	write_code "$secret"
	send --code-file code src/MARKER-name
	status 3
}

@test "one-time code: one session, both sides show the same verify words [tsan] [vg]" {
	# Valgrind beside other programs takes more than the 10 s that a
	# connection has to prove that it may have a session.  scripts/test has
	# a factor of 4 for it on a quiet machine.
	[ -z "${FERRY_WRAP:-}" ] || [ "${FERRY_TEST_SLOWNESS:-1}" -le 4 ] ||
		needs 'the usual time limits'
	receive_code -v dst
	[[ $secret =~ ^[0-9]{4}-[a-z]{3,8}-[a-z]{3,8}$ ]]
	has messages "one-time code:     $secret"
	sent=0
	ferry send -v --json=8 --code-file code src "127.0.0.1:$port" \
		8>sender.events 2>sender || sent=$?
	status 0
	wait_receiver
	[ "$got" = 0 ]
	same_tree src dst/src
	is member sender.events session security code
	is member events session security code
	verify=$(member events session verify)
	[[ $verify =~ ^[a-z]+-[a-z]+-[a-z]+-[a-z]+$ ]]
	is member sender.events session verify "$verify"
	has sender "$verify"
	has messages "$verify"
	check_events events sender.events
}

# listening_there OPTION... - what a receiver says in a network of this shape.
listening_there() {
	unshare -n bash -c '
		ip link set lo up
		for i in docker0 wlan0 eth0; do
			ip link add $i type veth peer name p-$i &&
				ip link set $i up || exit
		done
		ip addr add 172.17.0.1/16 dev docker0
		ip addr add 2001:db8::5/64 dev wlan0 nodad
		ip addr add 192.0.2.5/24 dev wlan0
		ip addr add 198.51.100.7/24 dev eth0
		exec "$@"' - "$FERRY" receive --wait 1 "$@" dst 2>messages ||
		[ $? = 6 ]
}

@test "the addresses that can work are shown, the best one first" {
	needs 'network namespaces'
	listening_there
	has messages "on the other host: ferry send PATH... 192.0.2.5"
	has messages "or by another address of this host: \
198.51.100.7 (eth0), 2001:db8::5 (wlan0), 172.17.0.1 (docker0)"
	has messages "TCP port 9473 of this host must be open to it"
	listening_there -6
	has messages "on the other host: ferry send PATH... 2001:db8::5"
	hasnt messages "another address"
	listening_there -b 198.51.100.7
	has messages "on the other host: ferry send PATH... 198.51.100.7"
	hasnt messages "another address"
	listening_there -p 9000
	has messages "on the other host: ferry send PATH... 192.0.2.5:9000"
	has messages "or by another address of this host: \
198.51.100.7:9000 (eth0), [2001:db8::5]:9000 (wlan0), 172.17.0.1:9000 (docker0)"
	listening_there -4
	hasnt messages "2001:db8::5"
}

@test "the command that the receiver shows works" {
	receive_code -b 127.0.0.1 dst
	shown=$(sed -n 's/^ferry: on this host: ferry send PATH... //p' \
		messages)
	[ "$shown" = "127.0.0.1:$port" ]
	hasnt messages "must be open"
	host=${shown%:*} port=${shown##*:}
	served
}

@test "listening on all addresses: one that works is shown; -q shows only the code" {
	receive_code -v dst
	shown=$(sed -n 's/^ferry: on the other host: ferry send PATH... //p' \
		messages)
	[ "${shown##*:}" = "$port" ]
	has messages "TCP port $port of this host must be open to it"
	write_code "$secret"
	ferry send --code-file code src/MARKER-name "$shown"
	wait_receiver
	[ "$got" = 0 ]
	rm dst/MARKER-name
	receive_code -q dst
	[ "$(cat messages)" = "ferry: one-time code:     $secret" ]
	served
}

@test "--code is the default mode" {
	receive_code --code dst
	send --code --code-file code src/MARKER-name
	status 0
	wait_receiver
	[ "$got" = 0 ]
}

@test "several streams, standard input, --stdout" {
	head -c 50000000 /dev/urandom >src/big
	receive_code dst
	send --code-file code -j 4 src
	status 0
	wait_receiver
	[ "$got" = 0 ]
	same_tree src dst/src
	: >events
	start receiver "$FERRY" receive -p 0 --json=9 --stdout 9>events \
		2>messages >out
	receiver=${job[receiver]}
	await events '"event":"code"'
	port=$(member events listening port)
	write_code "$(member events code code)"
	send --code-file code - <src/big
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp src/big out
}

@test "a sender whose connection was cut reconnects with the same key" {
	head -c 8000000 /dev/urandom >src/big
	receive_code dst
	forward cut 3000000
	send --code-file code --retry 30 src
	status 0
	stop_forward
	wait_receiver
	[ "$got" = 0 ]
	same_tree src dst/src
	is grep -c '"event":"code"' events 1
}

# ---- at the terminal -------------------------------------------------------

# at_terminal [EXPECT SEND]... - run ferry send on a terminal; its screen goes
# to the file shown.
at_terminal() {
	sent=0
	timeout --foreground "$run_limit" python3 "$tools/at_terminal.py" \
		"$@" -- "$FERRY" send src/MARKER-name "127.0.0.1:$port" \
		>shown 2>sender 3>&- || sent=$?
}

@test "the sender asks for the code on the terminal" {
	receive_code dst
	at_terminal "The code that ferry receive shows on 127.0.0.1:$port: " \
		"$secret\\n"
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp src/MARKER-name dst/MARKER-name
	has shown "$secret"
}

@test "a wrong code at the terminal: the new one is asked for, from standard input" {
	receive_code dst
	sent=0
	began=${EPOCHREALTIME/./}
	# shellcheck disable=SC2016
	timeout --foreground "$run_limit" python3 "$tools/at_terminal.py" \
		"$port: " "$(wrong_code)\n" \
		"The code was wrong, and there is a new one.*$port: " \
		'nonsense\n' "Not a valid code.*$port: " \
		'!sleep 1; sed -n "s/^ferry: one-time code:  *//p" messages |
			tail -n 1' \
		-- bash -c 'cat "$1" | "${@:2}" 8>sent.events' - \
		src/MARKER-name "$FERRY" send --json=8 - "127.0.0.1:$port" \
		>shown 2>sender 3>&- || sent=$?
	status 0
	# who thinks about what to type is no slow line
	took=$((${EPOCHREALTIME/./} - began))
	awk -v s="$(member sent.events summary seconds)" -v t="$took" \
		'BEGIN { exit !(s > 0 && s < t / 1e6 - 1) }'
	wait_receiver
	[ "$got" = 0 ]
	cmp src/MARKER-name dst/stdin
	is grep -c '"event":"code"' events 2
}

@test "Tab completes words, and typing errors are reported before the code is used" {
	write_code 4821-river-anchor
	receive --code-file code dst
	# capitals, a list, two completions, corrections by each of the keys
	at_terminal \
		"$port: " '4821\tRIVR\n' \
		"'rivr' is not in the word list.*$port: " '4821-RIV\t' \
		'rival +river' 'E\t' \
		'r-' 'zzz\x17\x1b[Aanchx\x7f\t' \
		'\x08or' '\n'
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp src/MARKER-name dst/MARKER-name
}

@test "a mistyped code: the word and the nearest are named, the line begins anew" {
	write_code 9816-thing-wagon
	receive --code-file code dst
	at_terminal "$port: " '1234-rivr-anchor\n' \
		"'rivr' is not in the word list; did you mean river" '' \
		'Type the whole code again' '' \
		"$port: " '9816-thing-wagon\n'
	status 0
	wait_receiver
	hasnt shown "anchor9816"
	# both words, one without a near one, one that is too long
	receive --code-file <(echo 4821-river-anchor) --existing skip dst
	at_terminal "$port: " '1234-rivr-ancor\n' \
		"'rivr' is not.*'ancor' is not in the word list; did you mean anchor" \
		'' "$port: " '1234-zzzzz-riveroflife\n' \
		"'zzzzz' is not in the word list.*'riveroflife' is not" '' \
		"$port: " '12-river-anchor\n' \
		'does not begin with four digits.*Type the whole code again' '' \
		"$port: " '4821-river-anchor-x\n' \
		'continues after the second word' '' \
		"$port: " '\x03'
	status 130
	hasnt shown "'zzzzz' is not in the word list; did"
}

@test "^U clears the line" {
	receive_code dst
	at_terminal "$port: " "nonsense\\x15$secret\\n"
	status 0
}

@test "a host that cannot be reached is told before the code is asked for" {
	port=1
	at_terminal
	status 3
	has sender "cannot connect to 127.0.0.1 port 1: connection refused"
	hasnt shown "The code that"
	needs 'network namespaces'
	# nobody answers
	sent=0
	timeout "$(limit 20)" unshare -n bash -c '
		ip link add v0 type veth peer name v1
		ip link set v0 up && ip link set v1 up
		ip addr add 192.0.2.1/24 dev v0
		ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0
		exec "$@"' - python3 "$tools/at_terminal.py" -- "$FERRY" send \
		--timeout 4 src/MARKER-name 192.0.2.9 >shown 2>sender || sent=$?
	status 3
	has sender "connecting to 192.0.2.9, port 9473: no answer for 3 s; is \
TCP port 9473 open there, in its firewall?"
	hasnt shown "The code that"
}

@test "SIGUSR1 before the code is asked for: what host is being connected to" {
	local operands
	needs 'network namespaces'
	for operands in "send src/MARKER-name 192.0.2.9" \
		"receive --connect 192.0.2.9 dst"; do
		: >messages
		# nobody answers
		# shellcheck disable=SC2016
		start late unshare -n bash -c '
			ip link add v0 type veth peer name v1
			ip link set v0 up && ip link set v1 up
			ip addr add 192.0.2.1/24 dev v0
			ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0
			exec "$@" 2>messages' - python3 "$tools/at_terminal.py" \
			-- "$FERRY" $operands >shown
		await messages "connecting to 192.0.2.9, port 9473: no answer"
		pkill -USR1 -x ferry -P "${pid[late]}"
		await messages "^ferry: status: connecting to 192.0.2.9$"
		pkill -x ferry -P "${pid[late]}"
		ended late
		[ "$code" = 143 ]
		hasnt shown "The code that"
	done
}

@test "^C and ^D at the prompt: the terminal is restored" {
	receive_code dst
	at_terminal "$port: " '48\x03'
	status 130
	at_terminal "$port: " '\x04'
	status 2
	has sender "no code given"
	# what is said after the second prompt has a line of its own
	at_terminal "$port: " "$(wrong_code)\n" "new one.*$port: " '\x03'
	status 130
	is sed -n '$s/.*\^C\r$/whole/p' shown whole
}

@test "^Z at the prompt: the terminal is restored, and the code is asked for again" {
	receive_code dst
	sent=0
	# shellcheck disable=SC2016
	timeout --foreground "$run_limit" python3 "$tools/at_terminal.py" \
		"$port: " '48\x1a' "stopped.*$port: 48" '\x15\x1a' \
		"stopped.*$port: " "$(wrong_code)\n" \
		"there is a new one.*$port: " '\x1a' "stopped.*$port: " \
		'!sed -n "s/^ferry: one-time code:  *//p" messages | tail -n 1' \
		-- --job "$FERRY" send src/MARKER-name "127.0.0.1:$port" \
		>shown 2>sender 3>&- || sent=$?
	status 0
	wait_receiver
	[ "$got" = 0 ]
}

# restarted COMMAND... - send src/big slowly by COMMAND to a receiver that is
# killed meanwhile, and started again with another code.
restarted() {
	head -c 40000000 /dev/urandom >src/big
	write_code 4821-river-anchor
	start one "$FERRY" receive --code-file code -p "$port" dst 2>one.messages
	await one.messages 'receiving into'
	: >all.messages
	start all "$@" 2>all.messages
	await all.messages ' [1-9][0-9][.][0-9] MiB / 38'
	kill -KILL "${pid[one]}"
	ended one
	write_code 9816-thing-wagon
	start two "$FERRY" receive --code-file code -p "$port" dst 2>two.messages
	ended all
}

@test "SIGUSR1 at the prompt: that it waits is told, and the question shown again" {
	receive_code dst
	# shellcheck disable=SC2016
	ask='!pkill -USR1 -x ferry -P $PPID'
	# shellcheck disable=SC2016
	at_terminal "$port: " 48 48 "$ask" \
		"status: waiting for the code.*$port: 48" \
		"\\x15$(wrong_code)\\n" \
		"there is a new one.*$port: " "$ask" \
		"status: waiting for the code.*$port: " \
		'!sed -n "s/^ferry: one-time code:  *//p" messages | tail -n 1'
	status 0
	wait_receiver
	[ "$got" = 0 ]
	hasnt shown "connecting to"
}

@test "--retry: the receiver was restarted with another code, which is asked for" {
	port=$("$tools/free_port.py")
	restarted bash -c 'exec python3 "$1" "$4: " "4821-river-anchor\\n" \
		"started again and has a new code.*$4: " "nonsense\\n" \
		"Not a valid code.*$4: " "9816-thing-wagon\\n" -- "$2" send \
		--progress always --retry 60 --limit-rate 20M "$3" "127.0.0.1:$4" \
		>shown' - "$tools/at_terminal.py" "$FERRY" src/big "$port"
	cat all.messages
	[ "$code" = 0 ]
	cmp src/big dst/big
	ended two
	[ "$code" = 0 ]
}

@test "--retry: another code, and no terminal: the message says so" {
	port=$("$tools/free_port.py")
	(umask 077; echo 4821-river-anchor >old)
	restarted "$FERRY" send --progress always --code-file old --retry 60 \
		--limit-rate 20M src/big "127.0.0.1:$port"
	[ "$code" = 4 ]
	has all.messages "it was started again and shows a new code"
	hasnt all.messages "security mode"
	kill "${pid[two]}"
}

@test "without a terminal and a code file: the message names the alternatives" {
	sent=0
	setsid -w "$FERRY" send src/MARKER-name 127.0.0.1:1 2>sender \
		</dev/null || sent=$?
	status 2
	for line in "cannot ask for the code without a terminal" \
		"ferry send --code-file FILE PATH... HOST" \
		"ferry send --key FILE PATH... HOST" \
		"ferry send --plain PATH... HOST" "Try: ferry help send"; do
		has sender "$line"
	done
}

# ---- files with codes ------------------------------------------------------

@test "--code-file on both sides: the code is not shown" {
	write_code 4821-river-anchor
	receive --code-file code -v dst
	send -v --code-file code src/MARKER-name
	status 0
	wait_receiver
	[ "$got" = 0 ]
	for file in messages events sender; do
		hasnt $file anchor
	done
	hasnt events '"event":"code"'
}

# burnt SIDE TARGET - it does not start with the code file any more
burnt() {
	local code=0
	timeout --foreground "$(limit 20)" "$FERRY" "$1" --code-file file \
		"${@:2}" 2>again </dev/null || code=$?
	[ "$code" = 4 ] || { echo "$1: $code"; cat again; return 1; }
	has again "the code in file was used or guessed wrong"
}

@test "a code in a file allows one guess, also if the receiver is started again" {
	secret=4821-river-anchor
	(umask 077; echo " $secret" >file)
	receive --code-file file dst
	is peer send "$port" "$(wrong_code)" "refused 0"
	wait_receiver
	[ "$got" = 4 ]
	burnt receive dst
	has messages "no longer valid: write a new one to file"
	hasnt file river
	# used by the right sender, whose own copy is marked as well
	(umask 077; echo "$secret" | tee copy >file)
	receive --code-file file dst
	# two receivers would allow two guesses
	sent=0
	timeout --foreground "$(limit 20)" "$FERRY" receive --code-file file \
		dst 2>sender || sent=$?
	status 2
	has sender "the code in file is in use by another ferry"
	send --code-file copy src/MARKER-name
	status 0
	wait_receiver
	burnt receive dst
	mv copy file
	burnt send src 127.0.0.1:1
	# one that poses as the receiver gets one guess of a sender's code
	echo "$secret" >file
	start other python3 "$tools/code_peer.py" receive "$(wrong_code)" \
		>other.out
	await other.out '^[0-9]+$'
	port=$(cat other.out)
	send --code-file file src/MARKER-name
	status 4
	ended other
	burnt send src 127.0.0.1:1
	# nobody was there to guess: the code stays
	echo "$secret" >file
	send --code-file file src/MARKER-name
	status 3
	is cat file "$secret"
}

# collect - a peer that shows its share to all senders that come when a line is
# written to collect.in; $port is where it listens.
collect() {
	rm -f collect.in
	mkfifo collect.in
	: >collect.out
	start collect python3 "$tools/code_peer.py" collect \
		9816-thing-wagon <>collect.in >collect.out
	await collect.out '^[0-9]+$'
	port=$(cat collect.out)
}

# collected N - so many senders went on when they saw its share
collected() {
	echo >collect.in
	ended collect
	has collect.out "guesses $1"
}

# refused_beside SENDER_FILE - another sender with that file is told so
refused_beside() {
	send --code-file "$1" src/MARKER-name
	status 2
	has sender "the code in $1 is in use by another ferry"
}

@test "senders that use one code file at the same time make one guess together" {
	write_code 4821-river-anchor
	cp -p code before
	ln -s code link
	ln code same
	collect
	start_send first --code-file code src/MARKER-name
	await collect.out '^begun$'
	for file in code link same; do refused_beside $file; done
	# one that listens may share it with one that connects
	receive --code-file code dst
	stop_receiver
	collected 1
	ended first
	[ "$code" = 4 ]
	send --code-file link src/MARKER-name
	status 4
	has sender "the code in link was used or guessed wrong"
	# one that was killed before it made a guess has left the code valid
	cat before >code
	collect
	start_send first --code-file code src/MARKER-name
	await collect.out '^begun$'
	kill -KILL "${pid[first]}"
	ended first
	cmp before code
	collected 0
	receive --code-file code dst
	send --code-file code src/MARKER-name
	status 0
	wait_receiver
	[ "$got" = 0 ]
}

@test "a sender that finds its code marked when it comes to use it does not" {
	write_code 4821-river-anchor
	collect
	start_send first --code-file code src/MARKER-name
	await collect.out '^begun$'
	# as the other side does with a file that both have
	printf '%-17s\n' used >code
	collected 0
	ended first
	[ "$code" = 4 ]
	has first.messages "the code in code was used or guessed wrong"
}

@test "the next code can be used from the same file while a session goes on" {
	head -c 8000000 /dev/zero >src/big
	write_code 4821-river-anchor
	: >one.events
	start one "$FERRY" receive -p 0 --json=9 \
		--code-file <(echo 4821-river-anchor) dst 9>one.events
	await one.events '"event":"listening"'
	port=$(member one.events listening port)
	start_send slow --code-file code --limit-rate 2M src/big
	under_way slow
	has code used
	echo 9816-thing-wagon >code
	receive --code-file <(echo 9816-thing-wagon) dst
	send --code-file code src/MARKER-name
	status 0
	wait_receiver
	[ "$got" = 0 ]
	cmp src/MARKER-name dst/MARKER-name
	ended slow
	[ "$code" = 0 ]
	ended one
	[ "$code" = 0 ]
}

@test "a code file that cannot be marked is refused; a pipe needs no mark" {
	secret=4821-river-anchor
	local wrap=()
	mkdir ro
	echo "$secret" >ro/file
	chmod 400 ro/file
	if "$tools/can" CAP_DAC_OVERRIDE; then
		needs 'mount namespaces'
		# shellcheck disable=SC2016
		wrap=(unshare --mount bash -c 'mount --bind ro ro &&
			mount -o remount,bind,ro ro && exec "$@"' -)
	fi
	sent=0
	timeout --foreground "$(limit 20)" "${wrap[@]}" "$FERRY" receive \
		--code-file ro/file dst 2>sender || sent=$?
	status 2
	has sender "ro/file cannot be written to"
	receive --code-file <(echo "$secret") dst
	send --code-file /dev/stdin src/MARKER-name < <(echo "$secret")
	status 0
	wait_receiver
	[ "$got" = 0 ]
}

@test "code files that others can read or that hold no code are refused" {
	write_code 4821-river-anchor
	chmod 640 code
	port=1
	send --code-file code src/MARKER-name
	status 2
	has sender "chmod 600"
	chmod 600 code
	for text in "" 4821 4821-river 4821-river-ankor river-anchor \
		"4821-river-anchor 5" hunter2; do
		echo "$text" >code
		send --code-file code src/MARKER-name
		status 2
		has sender "code does not contain a valid code"
		sent=0
		ferry receive --code-file code dst 2>sender || sent=$?
		status 2
	done
	send --code-file none src/MARKER-name
	status 7
}

@test "the code is in neither command line nor environment" {
	head -c 20000000 /dev/zero >src/big
	receive_code dst
	start_send slow --code-file code --limit-rate 2M src
	under_way slow
	for name in receiver slow; do
		for of in cmdline environ; do
			# ferry's environment can be read with this capability only
			[ $of = cmdline ] || "$tools/can" CAP_SYS_PTRACE ||
				continue
			tr '\0' '\n' <"/proc/${pid[$name]}/$of" >seen
			[ -s seen ]
			hasnt seen "$secret"
			hasnt seen "${secret#*-}"
		done
	done
}

# ---- wrong codes and other peers -------------------------------------------

@test "a wrong guess invalidates the code: another is shown, which works [long-san]" {
	receive_code dst
	write_code "$(wrong_code)"
	send --code-file code src/MARKER-name
	status 4
	has sender "the code was wrong, or the connection was tampered with"
	has sender "the other side shows a new code"
	renewed
	served
	is grep -c '"event":"code"' events 2
	check_events events
}

@test "four codes at most are shown, and none of them works after a wrong guess" {
	receive_code dst
	for number in 2 3 4; do
		# the one that was burnt just now is another wrong guess
		[ "$number" = 2 ] || write_code "$burnt"
		[ "$number" != 2 ] || write_code "$(wrong_code)"
		burnt=$secret
		send --code-file code src/MARKER-name
		status 4
		renewed "$number"
	done
	write_code "$burnt"
	send --code-file code src/MARKER-name
	status 4
	has sender "start the other side again for a new code"
	used_up
	is member events summary exit 4
	is grep -c '"event":"code"' events 4
	check_events events
	# one that the user has chosen has no successor
	secret=4821-river-anchor
	write_code "$secret"
	receive --code-file code dst
	is peer send "$port" "$(wrong_code)" "refused 0"
	used_up
}

@test "an exchange that was begun with the former code is no guess of the next one" {
	receive_code dst
	half good "$secret"
	is peer send "$port" "$(wrong_code)" "refused 8"
	renewed
	echo >good.in
	await good.out '^refused 0$'
	ended good || true
	served
}

@test "a bit changed in transit counts as a wrong code" {
	receive_code dst
	# the sender's confirmation begins at byte 40 + 8 + 65
	forward flip 120
	send --code-file code src/MARKER-name
	status 4
	stop_forward
	renewed
	served
}

@test "port scans, garbage and partial exchanges do not invalidate the code" {
	receive_code dst
	for _ in 1 2 3; do
		: >/dev/tcp/127.0.0.1/"$port"
		head -c 300 /dev/urandom >/dev/tcp/127.0.0.1/"$port" || true
		printf 'GET / HTTP/1.0\r\n\r\n' >/dev/tcp/127.0.0.1/"$port" ||
			true
		printf 'ferry/2\1' >/dev/tcp/127.0.0.1/"$port" || true
		peer send "$port" "$(wrong_code)" 1
		peer send "$port" "$(wrong_code)" 2
		timeout "$(limit 15)" openssl s_client -connect "127.0.0.1:$port" \
			</dev/null >client 2>&1 || true
		has client 'Cipher is (NONE)'
	done
	# without -v: it may be somebody who tries to get in between
	is grep -c 'began a code exchange and did not finish it' messages 6
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	served
	exec 7>&-
}

@test "silent connections are dropped and do not keep a sender out" {
	receive_code dst
	for i in {1..20}; do
		eval "exec $((i + 20))<>/dev/tcp/127.0.0.1/$port"
	done
	began=$SECONDS
	# the receiver's deadline is 10 s: read until it hangs up
	timeout "$(limit 30)" cat <&21
	[ $((SECONDS - began)) -lt "$(limit 25)" ]
	served
}

@test "a refused peer learns nothing" {
	receive_code dst
	# only that its guess was wrong, which it knows, and that there is a next
	is peer send "$port" "$(wrong_code)" "refused 8"
	renewed
	stop_receiver
	receive_code dst
	head -c 20000000 /dev/zero >src/big
	start_send slow --code-file code --limit-rate 2M src
	under_way slow
	is peer send "$port" "$secret" "refused 0"
	is peer send "$port" "$(wrong_code)" "refused 0"
	kill "${pid[slow]}"
	ended slow
}

# half NAME CODE - a peer that has exchanged shares and has yet to confirm.
half() {
	mkfifo "$1.in"
	: >"$1.out"
	start "$1" python3 "$tools/code_peer.py" send "$port" "$2" wait \
		<>"$1.in" >"$1.out"
	await "$1.out" '^half$'
}

@test "of concurrent guesses only one is judged" {
	for order in "bad good" "good bad"; do
		rm -f ./*.in
		receive_code dst
		half good "$secret"
		half bad "$(wrong_code)"
		for name in $order; do
			echo >"$name.in"
			[ "$name" = "${order% *}" ] || ended "$name"
			await "$name.out" '^(agreed|refused)'
		done
		case $order in
		bad*)
			has bad.out "refused 8"
			# the right one comes too late
			has good.out "refused 0"
			ended good || true
			renewed
			stop_receiver
			;;
		*)
			has bad.out "refused 0"
			has good.out agreed
			kill "${pid[good]}"
			ended good
			wait_receiver
			[ "$got" = 6 ]
			only_dir
			;;
		esac
	done
}

@test "a second guess during the session changes nothing" {
	head -c 8000000 /dev/zero >src/big
	receive_code dst
	start_send slow --code-file code --limit-rate 4M src
	under_way slow
	write_code "$(wrong_code)"
	send --code-file code src/MARKER-name
	status 4
	ended slow
	[ "$code" = 0 ]
	wait_receiver
	[ "$got" = 0 ]
	same_tree src dst/src
}

# ---- in the middle ---------------------------------------------------------

# cheat FOR SHARE - with the right code and this share; FOR: the receiver's port,
# or "-" for a sender, which is then started
cheat() {
	start cheat python3 "$tools/code_peer.py" cheat "$1" "$secret" "$2" \
		>cheat.out
	if [ "$1" = - ]; then
		await cheat.out '^[0-9]+$'
		port=$(cat cheat.out)
		write_code "$secret"
		send --code-file code src/MARKER-name
		status 4
	fi
	ended cheat
	hasnt cheat.out accepted
}

@test "a man in the middle who knows the code cannot choose the words to verify" {
	# shares that are no points, or would make the key known, or are another
	# one than was promised: nothing was guessed, so the code stays valid
	receive_code dst
	for share in another neutral infinity "infinity, 4" "off the curve" \
		compressed hybrid "not reduced" theirs "theirs, negative"; do
		cheat "$port" "$share"
		has cheat.out "refused 0"
	done
	is grep -c 'began a code exchange and did not finish it' messages 10
	served
	rm dst/MARKER-name
	# points of which the other side's key cannot be computed are a guess
	receive_code dst
	for share in generator blinding "theirs blinded"; do
		cheat "$port" "$share"
		has cheat.out "refused 8"
		renewed $((++number + 1))
	done
	served
	rm dst/MARKER-name
	# the sender likewise; what it refuses it has not answered
	secret=4821-river-anchor
	for share in neutral infinity "infinity, 4" "off the curve" compressed \
		hybrid "not reduced"; do
		cheat - "$share"
		is cat code "$secret"
	done
	# An exchange with each side, in any order: the words differ, and what
	# could still be changed after both are known is refused.
	receive_code dst
	start middle python3 "$tools/code_peer.py" middle "$port" "$secret" \
		>middle.out
	await middle.out '^[0-9]+$'
	port=$(head -n 1 middle.out)
	write_code "$secret"
	send --code-file code src/MARKER-name
	status 4
	await middle.out '^words [a-z-]+ [a-z-]+$'
	read -r _ of_sender of_receiver < <(tail -n 1 middle.out)
	[ "$of_sender" != "$of_receiver" ]

	ended middle
	wait_receiver
	[ "$got" = 6 ]
	is grep -c 'began a code exchange and did not finish it' messages 9
	only_dir
}

@test "exchanges that are begun and not finished: after 1024 the code is invalid" {
	receive_code dst
	is peer begin "$port" 1100 "shown 1024"
	wait_receiver
	[ "$got" = 4 ]
	has messages "1024 code exchanges were begun and not finished"
	# told without -v, but not each of them
	is grep -c 'began a code exchange and did not finish it' messages 20
	has messages "more connections got no session within a minute"
	only_dir
}

# ---- other modes -----------------------------------------------------------

@test "a sender with a code, a receiver in another mode" {
	ferry keygen key 2>/dev/null
	write_code 4821-river-anchor
	for mode in "--key key" --plain; do
		# shellcheck disable=SC2086
		receive $mode dst
		send --code-file code src/MARKER-name
		status 4
		has sender ", this side a one-time code: both need the same security mode"
		only_dir
		# shellcheck disable=SC2086
		send $mode src/MARKER-name
		status 0
		stop_receiver
		rm dst/MARKER-name
	done
}

@test "a sender in another mode, a receiver with a code" {
	ferry keygen key 2>/dev/null
	receive_code dst
	for mode in "--key key" --plain; do
		# shellcheck disable=SC2086
		send $mode src/MARKER-name
		status 4
		has sender "the other side uses a one-time code, this side "
	done
	only_dir
	served
}

# ---- on the wire -----------------------------------------------------------

@test "a second implementation, written from the manual, works as either side" {
	receive_code dst
	mkfifo hold
	exec 7<>hold
	start other python3 "$tools/code_peer.py" send "$port" "$secret" \
		<hold >other.out 7>&-
	await other.out '^agreed'
	read -r _ psk _ <other.out
	# The agreed key is the PSK of TLS; the next connection starts with TLS.
	echo | timeout "$(limit 15)" openssl s_client -connect "127.0.0.1:$port" \
		-tls1_3 -psk "$psk" -psk_identity "ferry/1 sender code" \
		-ciphersuites TLS_AES_128_GCM_SHA256 >client 2>&1 || true
	has client "Reused, TLSv1.3"
	# The peer leaves without a session, which the receiver reports as lost.
	exec 7>&-
	ended other
	wait_receiver
	[ "$got" = 6 ]
	only_dir

	start other python3 "$tools/code_peer.py" receive 4821-river-anchor \
		>other.out
	await other.out '^[0-9]+$'
	port=$(cat other.out)
	write_code 4821-river-anchor
	send --code-file code src/MARKER-name
	[ "$sent" = 6 ] || [ "$sent" = 4 ]
	ended other
	has other.out agreed
	has other.out "then 16"
}

@test "a recorded session contains no name, content or code" {
	for _ in {1..200}; do echo MARKER-content; done >src/MARKER-second
	receive_code dst
	forward record said
	send --code-file code -j 2 src
	status 0
	wait_receiver
	[ "$got" = 0 ]
	stop_forward
	[ "$(stat -c %s said.sent)" -gt 1000 ]
	head -c 8 said.sent | cmp - <(printf 'ferry/2\1')
	IFS=- read -r number first second <<<"$secret"
	for file in said.sent said.replies; do
		hasnt $file MARKER
		for word in "$secret" "$first-$second"; do
			hasnt $file "$word"
		done
	done
	# A digest, two shares, two confirmations, and TLS: nothing else is in the
	# clear, and nothing that depends on the code alone.
	is od -An -tx1 -j 145 -N 2 said.sent " 16 03"
	is od -An -tx1 -j 113 -N 2 said.replies " 16 03"
	is peer eavesdrop "$secret" said.sent said.replies ""
	# Another session with the same code has no bytes in common with it.
	mv said.sent first.sent
	mv said.replies first.replies
	write_code "$secret"
	rm -r dst/src
	receive --code-file code dst
	forward record said
	send --code-file code -j 2 src
	status 0
	wait_receiver
	stop_forward
	for way in sent replies; do
		# two places in the digest, the share and the confirmation
		at_all="9 25 57 89 113 129"
		[ $way = sent ] || at_all="9 41 81 97"
		for at in $at_all; do
			if cmp -s -n 16 -i $at said.$way first.$way; then
				echo "the same at $at"
				return 1
			fi
		done
	done
	# There is no second exchange: further streams start with TLS.
	[ "$(grep -ao ferry/2 said.replies | wc -l)" = 2 ]
}
