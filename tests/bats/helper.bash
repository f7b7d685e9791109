# helper.bash - what the bats files share: a directory per test, receivers on a
# free port, senders in the background, comparisons.
# shellcheck shell=bash disable=SC2034,SC2001

FERRY=$(realpath "${FERRY:-${BUILDDIR:-build}/release/ferry}")
tools=$BATS_TEST_DIRNAME/../tools

# limit SECONDS - a time limit for a quiet machine, scaled to this one.
limit() { echo $(($1 * ${FERRY_TEST_SLOWNESS:-1})); }

# rate N[K|M] - bytes a second for a quiet machine, scaled to this one: what a test
# does while a sender is at work takes longer where the machine is slower.
rate() {
	local factor=${FERRY_TEST_SLOWNESS:-1}
	case $1 in
	*M) set -- $((${1%M} * 1000 / factor)) K "$1" ;;
	*K) set -- $((${1%K} * 1000 / factor)) "" "$1" ;;
	*) set -- $(($1 / factor)) "" "$1" ;;
	esac
	[ "$factor" = 1 ] && echo "$3" || echo "$1$2"
}

# Seconds that a run of ferry may take.
run_limit=$(limit 60)

# needs WHAT... - skip the test if the machine lacks one of them (names of
# tests/tools/can).
needs() {
	local what
	for what in "$@"; do
		"$tools/can" "$what" || skip "needs $what"
	done
}

# build_has WHAT - unless ferry --version lists it among what the build for any
# POSIX system (make OS=posix) does without.
build_has() { FERRY=$FERRY "$tools/can" "a build that has $1"; }

# needs_build WHAT... - skip the test if the build lacks one of them.
needs_build() {
	local what
	for what in "$@"; do
		build_has "$what" || skip "needs a build that has $what"
	done
}

# confined - for --sandbox: require, where the build can confine itself.
confined() {
	! is_instrumented && build_has 'a sandbox' && echo require || echo auto
}

# ---- beginning and end -----------------------------------------------------

make_dir() {
	work=$(mktemp -d)
	mkdir "$work/src" "$work/dst"
	cd "$work" || return 1
	receiver=
	declare -gA job=() pid=()
}

# Ends only what was started here, by process id.
remove_dir() {
	local name
	for name in "${!pid[@]}"; do
		kill -KILL "${pid[$name]}" 2>/dev/null
		wait "${job[$name]}" 2>/dev/null
	done
	if [ -n "$receiver" ]; then
		kill "$receiver" 2>/dev/null
		wait "$receiver" 2>/dev/null
	fi
	cd / || return 1
	chmod -R u+rwx "$work" 2>/dev/null
	rm -rf "$work"
}

# ---- programs in the background --------------------------------------------

# start NAME COMMAND... - in the background with a time limit; ${pid[NAME]} is
# the process, to send signals to, and ${job[NAME]} the job to wait for.
start() {
	local name=$1
	shift
	rm -f "$name.pid"
	mkfifo -m 600 "$name.pid" # whatever the test's umask
	# shellcheck disable=SC2016 # $$ is that of the inner shell
	timeout --foreground -k 5 "$run_limit" \
		bash -c 'echo $$ >"$0"; exec "$@"' "$name.pid" "$@" \
		<&0 3>&- &
	job[$name]=$!
	read -r -t "$(limit 20)" "pid[$name]" <"$name.pid"
}

# ended NAME - wait for it; sets $code to its exit status.
ended() {
	code=0
	wait "${job[$1]}" 2>/dev/null || code=$?
	unset "job[$1]" "pid[$1]"
}

# await FILE PATTERN [COUNT] - wait until a line of FILE, which is being written,
# or COUNT lines match the extended regular expression; 20 seconds at most, scaled.
await() {
	local follower lines found=0 count=${3:-1}
	exec {lines}< <(exec tail -n +1 -s 0.1 -f -- "$1" 2>/dev/null 3>&-)
	follower=$!
	[ "$(timeout "$(limit 20)" grep -c -m "$count" -E -- "$2" <&"$lines")" = \
		"$count" ] || found=1
	exec {lines}<&-
	# it may have ended by itself when its reader closed
	kill "$follower" 2>/dev/null || true
	[ "$found" = 0 ] && return
	printf 'no %s in %s:\n' "$2" "$1"
	cat "$1"
	return 1
}

# ---- ferry -----------------------------------------------------------------

# shellcheck disable=SC2086 # FERRY_WRAP is a command with options
ferry() { ${FERRY_WRAP:-} "$FERRY" "$@"; }

is_instrumented() {
	[[ ${FERRY_VARIANT:-release} != @(release|ndebug|posix|ndebug-posix) ||
		${FERRY_WRAP:-} ]]
}

# receive OPTION... - start a receiver in the background; $port is where it
# listens, its events go to events, its messages to messages.
receive() {
	: >events
	# shellcheck disable=SC2086
	start receiver ${FERRY_WRAP:-} "$FERRY" receive -p 0 --json=9 "$@" \
		9>events 2>messages </dev/null
	receiver=${job[receiver]}
	await events '"event":"listening"' || { cat messages; return 1; }
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
}

# wait_receiver - sets $got to its exit status.
wait_receiver() {
	got=0
	wait "$receiver" 2>/dev/null || got=$?
	unset "job[receiver]" "pid[receiver]"
	receiver=
}

# stop_receiver - end a running receiver by a signal.
stop_receiver() {
	kill -TERM "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
}

# send OPTION... PATH... - to the receiver; sets $sent to its exit status, its
# messages go to the file sender.
send() {
	sent=0
	# shellcheck disable=SC2086
	timeout --foreground "$run_limit" ${FERRY_WRAP:-} "$FERRY" send "$@" \
		"${host:-127.0.0.1}:$port" 2>sender 3>&- || sent=$?
}

# start_send NAME OPTION... PATH... - in the background; its events go to
# NAME.events, its messages to NAME.messages; wait for it with ended().  What
# follows --limit-rate is a rate().
start_send() {
	local name=$1 i
	shift
	for ((i = 1; i < $#; i++)); do
		[ "${!i}" = --limit-rate ] || continue
		set -- "${@:1:i}" "$(rate "${@:i+1:1}")" "${@:i+2}"
	done
	: >"$name.events"
	# shellcheck disable=SC2086
	start "$name" ${FERRY_WRAP:-} "$FERRY" send --json=9 "$@" \
		"${host:-127.0.0.1}:$port" 9>"$name.events" 2>"$name.messages"
}

# under_way NAME - wait until a sender in the background has sent some bytes.
under_way() {
	await "$1.events" '"progress","bytes":[1-9]'
}

# ---- results ---------------------------------------------------------------

# is COMMAND... WANTED - the output of COMMAND equals WANTED; both are shown if
# they differ.
is() {
	local wanted=${!#} got_text
	got_text=$("${@:1:$#-1}")
	[ "$got_text" = "$wanted" ] || {
		printf '%s\n  gives:  %s\n  wanted: %s\n' "${*:1:$#-1}" \
			"$got_text" "$wanted"
		return 1
	}
}

# status WANTED - the exit status of the last send(); shows its messages if it
# differs.
status() {
	[ "$sent" = "$1" ] || {
		echo "ferry send: exit status $sent, expected $1"
		cat sender
		return 1
	}
}

# has FILE TEXT - FILE contains TEXT (not a pattern).
has() {
	grep -qF -- "$2" "$1" || {
		printf 'no %s in %s:\n' "$2" "$1"
		cat "$1"
		return 1
	}
}

# hasnt FILE TEXT - FILE does not contain TEXT; needed because "! grep" does not
# fail a test.
hasnt() {
	[ -f "$1" ] || { echo "no file $1"; return 1; }
	if grep -qF -- "$2" "$1"; then
		printf '%s in %s:\n' "$2" "$1"
		cat "$1"
		return 1
	fi
}

# no_match FILE PATTERN - no line of FILE matches the extended regular expression.
no_match() {
	[ -f "$1" ] || { echo "no file $1"; return 1; }
	if grep -E -- "$2" "$1"; then
		printf 'in %s, which is not to have %s\n' "$1" "$2"
		return 1
	fi
}

# member FILE EVENT NAME - print that member of the last such event: a number or
# plain text.
member() {
	sed -n "s/^{\"event\":\"$2\".*\"$3\":\"\{0,1\}\([^,\"}]*\).*/\1/p" \
		"$1" | tail -n 1
}

# same SOURCE DESTINATION - what arrived equals the source; with $same_options
# -O, except the times of directories, which stay where these were there before.
same() {
	local diff
	# shellcheck disable=SC2086
	diff=$(rsync -n --checksum -a ${same_options:-} --itemize-changes \
		"$1" "$2" 2>&1)
	[ -z "$diff" ] || { echo "$diff"; return 1; }
}

# same_tree SOURCE DESTINATION - the trees are equal, with nothing extra.
same_tree() {
	local diff
	# shellcheck disable=SC2086
	diff=$(rsync -n --checksum -a ${same_options:-} --itemize-changes \
		--delete "$1/" "$2/" 2>&1)
	[ -z "$diff" ] || { echo "$diff"; return 1; }
}

# only_dir [DIR] - DIR is empty.
only_dir() {
	is find "${1:-dst}" "${1:-dst}"
}

# no_litter [DIR] - no part file or journal is left in DIR.
no_litter() {
	[ -z "$(find "${1:-dst}" -name '.ferry-*')" ] || {
		find "${1:-dst}" -name '.ferry-*'
		return 1
	}
}

# ---- peers that are not ferry ----------------------------------------------

# forward WHAT N... - put tests/tools/forward.py in front of the receiver; $port
# becomes its port.
forward() {
	: >forward.port
	start forward python3 "$tools/forward.py" "$port" "$@" >forward.port
	await forward.port '^[0-9]+$'
	receiver_port=$port
	port=$(cat forward.port)
}

stop_forward() {
	kill "${pid[forward]}"
	ended forward
	port=$receiver_port
}

# denied NAME - print the calls in NAME.calls (strace -f) that the sandbox denied,
# except those that are expected.
denied() {
	# Expected: ferry's own two probes that the sandbox works; clone3(), which
	# gets ENOSYS so that libc uses clone(); what malloc() reads in
	# overcommit_memory before it trims a heap (without it, it does not
	# trim), and the number of processors before it makes a ninth heap
	# (sched_getaffinity() is its fallback).
	# strace splits a call in two if another thread's call comes between,
	# and with -Z where a call ends: then the second half has no pid and is
	# the next line.
	awk '/ <unfinished \.\.\.>$/ {
			sub(/ <unfinished \.\.\.>$/, ""); pid = $1
			cut[pid] = $0; next
		}
		/^[0-9]+ +<\.\.\. [^ ]+ resumed>/ {
			pid = $1; sub(/^[^>]* resumed>/, "")
			$0 = cut[pid] $0; delete cut[pid]
		}
		!/^[0-9]+ / { $0 = cut[pid] $0; delete cut[pid] }
		{ print }' "$1.calls" |
		grep -E '= -1 (EPERM|EACCES|ENOSYS|EXDEV)' |
		grep -vE -e 'fchmodat\(-1, ""|"/", O_RDONLY|clone3' \
			-e '"/proc/(sys/vm/overcommit_memory|stat)"' \
			-e '"/sys/devices/system/cpu/online"' || true
}

# check_events {FILE [COUNT]}... - each line is an event as ferry(1) has it.
check_events() {
	python3 -IS "$tools/check-events.py" "$@"
}

# start_receiver_with N OPTION... - start a receiver that may have N descriptors;
# its events and messages go to these files
start_receiver_with() {
	: >events
	# shellcheck disable=SC2016
	start receiver bash -c 'for f in /proc/self/fd/*; do
			f=${f##*/}
			[ "$f" -le 2 ] || [ "$f" = 9 ] || eval "exec $f>&-"
		done
		ulimit -n "$1"
		shift
		exec "$0" receive -p 0 --json=9 "$@"' "$FERRY" "$@" \
		9>events 2>messages </dev/null
}

# validity DAYS - options of openssl x509 for a certificate that is valid until in
# so many days; of one that has expired the days are less than 0, which -days of
# OpenSSL 3.5 does not take
validity() {
	if [ "$1" -ge 0 ] || ! openssl x509 -help 2>&1 | grep -q not_after; then
		echo "-days $1"
		return
	fi
	echo "-not_before $(date -u -d "$1 days 1 day ago" +%Y%m%d%H%M%SZ)" \
		"-not_after $(date -u -d "$1 days" +%Y%m%d%H%M%SZ)"
}

make_certs() {
	local name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout ca.key -out ca.pem -subj /CN=ca -days 2 2>/dev/null
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout other.key -out other.pem -subj /CN=other -days 2 \
		2>/dev/null
	for name in a b; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
			-nodes -keyout $name.key -out $name.csr \
			-subj /CN=$name 2>/dev/null
		echo "subjectAltName=IP:127.0.0.1" >$name.ext
		openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key \
			-CAcreateserial -days 2 -out $name.pem \
			-extfile $name.ext 2>/dev/null
	done
	chmod 600 ./*.key
}

pin_of() {
	echo "sha256:$(openssl x509 -in "$1" -pubkey -noout |
		openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)"
}

# transfer POLICY OPTION... - send src/t to a receiver of dst with that policy and
# those options; the sender's events are in sent.events.
transfer() {
	receive --plain --once --existing "$@" dst
	send --plain --json=7 src/t 7>sent.events
	wait_receiver
	check_events events sent.events
}
