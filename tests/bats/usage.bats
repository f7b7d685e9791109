#!/usr/bin/env bats
# The command line itself: help, version, keygen, and everything that is
# refused before there is a session.

bats_require_minimum_version 1.5.0

setup() {
	FERRY=$(realpath "${FERRY:-${BUILDDIR:-build}/release/ferry}")
	T=$(mktemp -d "${TMPDIR:-/tmp}/ferry-usage.XXXXXX")
	cd "$T"
	mkdir dir
	echo content >file
}

teardown() {
	cd /
	rm -rf "$T"
}

ferry() {
	${FERRY_WRAP:-} "$FERRY" "$@"
}

# assert_output TEXT: what was printed (output and errors) holds TEXT.
assert_output() {
	[[ "$output" == *"$1"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$1" "$output"
		return 1
	}
}

# refused STATUS TEXT ARGUMENT...: ferry ends with STATUS, its first line on
# standard error begins with "ferry: TEXT", nothing goes to standard output.
refused() {
	local status_wanted=$1 text="ferry: $2"
	shift 2
	run --separate-stderr ferry "$@"
	[ "$status" -eq "$status_wanted" ] && [ -z "$output" ] &&
		[[ "$stderr" == "$text"* ]] || {
		printf 'ferry %s\n' "$*"
		printf 'expected (%s): %s\n' "$status_wanted" "$text"
		printf 'got (%s): %s\n%s\n' "$status" "$stderr" "$output"
		return 1
	}
}

# usage TEXT ARGUMENT...
usage() {
	refused 2 "$@"
}

# ---- help and version ------------------------------------------------------

@test "help lists every command on standard output" {
	for how in help --help -h; do
		run --separate-stderr ferry $how
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		for command in send receive keygen help; do
			assert_output "  ferry $command "
		done
	done
}

@test "help for each command, by each way to ask for it" {
	for command in send receive keygen help; do
		run --separate-stderr ferry help $command
		[ "$status" -eq 0 ]
		assert_output "Usage: ferry $command "
		assert_output "-h, --help "
		[ -z "$stderr" ]
		want=$output
		for how in -h --help; do
			run ferry $command $how
			[ "$status" -eq 0 ]
			[ "$output" = "$want" ]
		done
	done
	run ferry help recv
	[ "$output" = "$(ferry help receive)" ]
}

@test "help fits 80 columns and has no control characters" {
	for command in "" send receive keygen remote help version; do
		run ferry help $command
		[ "$status" -eq 0 ]
		[ -z "$(grep -E '.{81}' <<<"$output")" ]
		[ -z "$(LC_ALL=C grep '[^ -~]' <<<"$output")" ]
	done
}

@test "exactly the documented options exist" {
	both="bind congestion limit-rate timeout key cert cert-key ca pin peer-name
		code code-file plain json quiet verbose progress help port sandbox
		compress checksum compare delta symlinks exclude include special one-file-system
		growing ssh remote-ferry deploy data streams existing allow wait retry
		delete max-delete mirror dry-run
		proxy proxy-password-file archive preserve numeric-ids"
	send="name list files-from listen receivers stdin-from-command"
	receive="accept once stdout sync max-sessions
		max-size max-files keep-parts max-kept connect exec chmod config check-config drain"
	for command in send receive; do
		run ferry help $command
		got=$(sed -nE 's/^ {2,6}(-., )?--([a-z-]+).*/\2/p' \
			<<<"$output" | sort)
		want=$(printf '%s\n' $both ${!command} | sort)
		[ "$got" = "$want" ]
		assert_output "  -4 "
		assert_output "  -6 "
	done
	run ferry help send
	assert_output "  -0 "
}

@test "version names ferry and the libraries" {
	run --separate-stderr ferry --version
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	# and what a build for any POSIX system does without
	[ "${#lines[@]}" -eq 5 ] || [[ "${lines[5]}" == "built for any POSIX"* ]]
	[[ "${lines[0]}" =~ ^ferry\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[[ "${lines[1]}" =~ ^OpenSSL\ 3\.[0-9.]+ ]]
	[[ "${lines[2]}" =~ ^zlib\ [0-9.]+ ]]
	[[ "${lines[3]}" =~ ^libzstd\ [0-9.]+ ]]
	[[ "${lines[4]}" =~ ^libxxhash\ 0\.[0-9.]+ ]]
}

@test "help that cannot be written is an error" {
	for what in --help --version "help send"; do
		run bash -c "\"\$0\" $what >/dev/full" "$FERRY"
		[ "$status" -eq 7 ]
		assert_output "cannot write to standard output"
		run bash -c "\"\$0\" $what >&-" "$FERRY"
		[ "$status" -eq 7 ]
	done
}

# ---- commands and operands -------------------------------------------------

@test "commands: missing, unknown, an option first" {
	usage "missing COMMAND: send, receive, keygen or help"
	usage "unknown command 'snd'" snd
	usage "unknown command 'snd'" help snd
	usage "unknown command 'a\\x1b[2J'" $'a\e[2J'
	usage "unknown option '-p' (the command comes first)" -p 1 receive
	usage "extra operand 'x'" help send x
	usage "extra operand 'x'" --version x
	run ferry snd
	[ "${lines[1]}" = "Try: ferry help" ]
	# alone: examples, which are commands
	run ferry
	[ "$status" = 2 ]
	[ "${#lines[@]}" = 11 ]
	[ "$(grep -c '^  ferry ' <<<"$output")" = 6 ]
	[ "${lines[10]}" = "All commands: ferry help" ]
	run ferry send
	[ "${lines[1]}" = "Try: ferry help send" ]
}

@test "send: which operand is missing" {
	usage "missing PATH and HOST" send
	usage "missing PATH and HOST" send --plain
	usage "missing HOST after 'file'" send --plain file
	usage "missing HOST after '-'" send --plain -
	usage "missing HOST after 'no/such'" send no/such
	usage "missing PATH before 'h.example'" \
		send --plain h.example
}

@test "send: the last operand must be a host" {
	usage "the last operand must be the HOST to send to, but './dir' is a path" \
		send --plain file ./dir
	usage "the last operand must be the HOST to send to, but '-' is standard" \
		send --plain file -
	usage "HOST 'h:99999'" send --plain file h:99999
	usage "--plain and HOST:PATH exclude each other" send --plain file h:
	usage "HOST '[::1'" send --plain file '[::1'
	usage "'::a:b:z': missing host" send file ::a:b:z
	usage "HOST ''" send --plain file ''
	usage "HOST '-h'" send --plain -- file -h
	touch 'a b'
	usage "HOST 'a b': a host cannot contain a space, a control character, a bracket or '/': write HOST, HOST:PORT or [IPV6]:PORT (a file with this name exists here: is HOST missing?)" \
		send --plain file 'a b'
	usage "two different ports: -p 5 and 'h:6'" send --plain -p 5 file h:6
	usage "two different ports: -p 9473 and 'h:6'" send --plain -p 9473 file h:6
}

@test "send --listen and receive --connect: operands, options of the other role" {
	usage "missing PATH" send --plain --listen
	usage "with --listen there is no HOST, and no file 'h' either" \
		send --plain --listen file h
	usage "--retry is for the side that connects, and this one listens" \
		send --plain --listen --retry 3 file
	usage "--retry is for the side that connects, and this one listens" \
		receive --plain --retry 3
	for option in "--allow ::1" "--wait 3" "-p 0"; do
		usage "${option% [!0]*} is for the side that listens, and this one connects" \
			send --plain $option file h
		usage "${option% [!0]*} is for the side that listens, and this one connects" \
			receive --plain $option --connect h
	done
	usage "--connect '[::1'" receive --plain --connect '[::1'
	usage "two different ports: -p 5 and 'h:6'" \
		receive --plain -p 5 --connect h:6
	usage "--receivers needs --listen" send --plain --receivers 2 file h
	usage "--receivers needs another security mode" \
		send --listen --receivers any file
	usage "--receivers needs sources that can be read again" \
		send --plain --listen --receivers 2 -
	usage "--receivers must be a number from 1 to 1000000 or any, not '0'" \
		send --plain --listen --receivers 0 file
	usage "--ssh needs a place that ssh reaches" \
		send --plain --listen --ssh ssh file
	# without a terminal the code cannot be asked for
	run setsid "$FERRY" receive --connect h </dev/null
	[ "$status" -eq 2 ]
	assert_output "ferry receive --code-file FILE --connect HOST [DIR]"
}

@test "send: standard input" {
	usage "standard input (-) is named twice" send --plain - - h
	usage "--name needs standard input (-)" send --plain --name x file h
	run bash -c '"$0" send --plain - 127.0.0.1:1 <&-' "$FERRY"
	[ "$status" -eq 7 ]
	assert_output "standard input is not open for reading"
}

@test "send: every source is checked before connecting" {
	refused 7 "send: none: No such file or directory" \
		send --plain none 127.0.0.1:1
	mkfifo fifo
	refused 7 "send: fifo: " send --plain fifo 127.0.0.1:1
	refused 7 "send: a\\x1bb: " send --plain $'a\eb' 127.0.0.1:1
	usage ".." send --plain .. 127.0.0.1:1
}

@test "receive: operands" {
	usage "extra operand 'b'" receive --plain dir b
	usage "--stdout and DIR exclude each other" \
		receive --plain --stdout dir
	usage "DIR is empty" receive --plain ''
	refused 7 "receive: directory none does not exist: create it, or name another directory to receive into" \
		receive --plain none
	refused 7 "receive: file is not a directory" receive --plain file
	run bash -c '"$0" receive --plain --stdout -p 0 >&-' "$FERRY"
	[ "$status" -eq 7 ]
	assert_output "standard output is not open for writing"
}

@test "receive: a program for --exec that cannot be run" {
	usage "--exec: 'true' has no '/'" receive --plain --exec true dir
	usage "--stdout and --exec exclude each other" \
		receive --plain --stdout --exec /bin/true
	refused 7 "receive: --exec: cannot run ./none: No such file" \
		receive --plain --exec ./none dir
	refused 7 "receive: --exec: ./dir is not a program" \
		receive --plain --exec ./dir .
	chmod 644 file
	refused 7 "receive: --exec: cannot run ./file: Permission denied" \
		receive --plain --exec ./file dir
	cp /bin/true dir/hook
	usage "--exec: dir/hook is inside the directory to receive into" \
		receive --plain --exec dir/hook dir
	ln -s dir/hook link
	usage "--exec: ./link is inside the directory" \
		receive --plain --exec ./link dir
	# a directory that cannot be written to is refused before
	[ ! -w / ] || usage "--exec: ./link is inside the directory" \
		receive --plain --exec ./link /
}

@test "receive: a directory that cannot be written to" {
	chmod 555 dir
	wrap=$FERRY
	if [ -w dir ]; then # CAP_DAC_OVERRIDE
		# the program, like the directory, has to be within reach of
		# nobody
		"$BATS_TEST_DIRNAME/../tools/can" 'a second user' ||
			skip "needs a second user"
		chmod 755 .
		cp "$FERRY" ferry
		wrap="setpriv --reuid=65534 --clear-groups ./ferry"
	fi
	run $wrap receive --plain dir -p 0
	[ "$status" -eq 7 ]
	assert_output "ferry: receive: cannot write to directory dir"
}

@test "options may follow operands, and -- ends them" {
	usage "-j must be" send file h -j 0
	usage "HOST '-j'" send --plain -- file -j
	refused 7 "send: --plain: No such file" \
		send --plain -- --plain 127.0.0.1:1
}

@test "send: operands with --files-from" {
	usage "missing HOST" send --files-from list
	usage "--files-from allows one PATH" \
		send --files-from list dir file h
	usage "with --files-from, PATH must be a directory, not standard input" \
		send --files-from list - h
	usage "--name and --files-from exclude each other" \
		send --files-from list --name x h
	usage "-0 needs --files-from" send -0 file h
	refused 7 "send: --files-from none: No such file or directory" \
		send --plain --files-from none h
	touch list
	refused 7 "send: none: No such file" \
		send --plain --files-from list none h
	refused 7 "send: file: Not a directory" \
		send --plain --files-from list file h
}

# ---- values of options -----------------------------------------------------

@test "unknown and abbreviated options" {
	usage "unknown option '--bogus'" send --bogus file h
	usage "unknown option '-0'" receive -0
	usage "unknown option '--frob'" send --frob=5 file h
	usage "unknown option '--once'" send --once file h
	usage "unknown option '--name'" receive --name x
	usage "unknown option '--compr' (option names cannot be abbr" \
		send --compr file h
	usage "unknown option '-q'" keygen -q k
	usage "--plain takes no value" send --plain=yes file h
}

@test "numbers and sizes" {
	for bad in -1 65536 x 1x '' 0x10 ' 1'; do
		usage "-p must be a number from 0 to 65535, not '$bad'" \
			receive -p "$bad"
		usage "--port must be a number from 0 to 65535, not '$bad'" \
			send --port="$bad" file h
	done
	usage "-p 0 is for the side that listens, and this one connects" \
		send -p 0 file h
	usage "-p needs a value: a number from 0 to 65535" receive -p
	for bad in 0 17 x -1 2.0; do
		usage "-j must be a number from 1 to 16 or auto, not '$bad'" \
			send -j "$bad" file h
	done
	usage "--timeout must be a number from 1 to 86400, not '0'" \
		send --timeout 0 file h
	usage "--max-sessions must be a number from 1 to 1024, not '0'" \
		receive --max-sessions 0
	# 0 is never "no limit"
	for bad in 0 -1 x 1.5; do
		usage "--max-files must be a number from 1 to" \
			receive --max-files "$bad"
		usage "--max-size must be bytes, such as 500K, 10M or 1G, not" \
			receive --max-size "$bad"
		usage "--max-kept must be bytes, such as 500M, 10G or 1T, not" \
			receive --max-kept "$bad"
	done
	for bad in -1 x 1.5 7D 7days m '' 99999w; do
		usage "--keep-parts must be seconds, or such as 90m, 12h, 7d or" \
			receive --keep-parts "$bad"
	done
	for bad in 10/8 10.0.0.1/8 ::/129 localhost x '' 10.0.0.0/8,::1; do
		usage "--allow must be a network such as 192.0.2.0/24 or" \
			receive --allow 127.0.0.1 --allow "$bad"
	done
	usage "--allow must be a network such as 192.0.2.0/24 or 2001:db8::/32, whose bits after the prefix are 0, or" \
		receive --allow 192.168.1.5/24
	usage "--allow must be a network" receive \
		$(printf -- '--allow=127.0.0.%s ' {1..65})
	for bad in 0 M 1X -5 99999999T; do
		usage "--limit-rate must be bytes per second, such as 500K, 10M or" \
			send --limit-rate="$bad" file h
	done
}

@test "options that take a word" {
	usage "--symlinks must be keep, follow, skip or all, not 'copy'" \
		send --symlinks copy file h
	usage "--checksum must be xxh3, sha256 or crc32, not 'md5'" \
		send --checksum=md5 file h
	usage "--existing must be fail, skip, replace, newer, rename or backup," \
		receive --existing older
	usage "--sandbox must be auto, require or off, not 'on'" \
		receive --sandbox on
	usage "--sync must be none, batch or file, not ''" receive --sync=
	usage "--progress must be auto, always or never, not 'yes'" \
		send --progress yes file h
	for bad in lz4 zstd: zstd:0 zstd:20 zlib:10 none:1 :3 ''; do
		usage "--compress must be auto, none, zlib or zstd, optionally" \
			send --compress="$bad" file h
	done
	usage "-z must be auto, none, zlib or zstd" send -zfile h
	for bad in '' / // '[a' 'a[' 'a\'; do
		usage "--exclude must be a pattern such as '*.o', 'cache/' or" \
			send --exclude="$bad" file h
		usage "--include must be a pattern" send --include="$bad" file h
	done
}

# What is not refused gets as far as the next complaint.
@test "values that are accepted" {
	accepted="--key and --plain exclude each other"
	both="--key k --plain"
	for good in -z -zauto -znone -zzlib:1 -zzlib:9 -zzstd:1 -zzstd:19 \
		--compress --compress=zstd --checksum=sha256 -j1 -j16 -jauto \
		--symlinks=follow --limit-rate=1 --limit-rate=10MiB \
		--limit-rate=1g --timeout=86400 -p65535 -4 -6 -q -v --json \
		--json=2 --progress=never --congestion=cubic -b::1; do
		usage "$accepted" send $good $both file h
	done
	for good in -p0 --existing=skip --existing=newer \
		--existing=rename --existing=backup --once --stdout --sync=none \
		--max-sessions=1024 --max-size=1 --max-size=10G --max-files=1 \
		--keep-parts=0 --keep-parts=90m --keep-parts=4w --max-kept=1G \
		--allow=::/0 --allow=192.0.2.1 --sandbox=require; do
		usage "$accepted" receive $good $both
		usage "$accepted" recv $good $both
	done
	usage "$accepted" receive $both $(printf -- '--allow=127.0.0.%s ' {1..64})
	for host in h h:1 127.0.0.1:65535 ::1 '[::1]' '[::1]:1' 'fe80::1%lo'; do
		usage "$accepted" send $both file "$host"
	done
	for good in --exclude=x --exclude=/a/b/ --include='[]a]' \
		--include='a\*' --exclude='**'; do
		usage "$accepted" send $both "$good" file h
	done
	usage "$accepted" send $both --files-from list h
	usage "$accepted" send $both -0 --files-from - dir h
	usage "$accepted" send $both --name x - h
	usage "$accepted" send $both file - dir h
}

@test "values are shown escaped" {
	usage "--sandbox must be auto, require or off, not 'on'" \
		receive --sandbox on
	usage "--sync must be none, batch or file, not '\\x1b[2J\\n'" \
		receive --sync $'\e[2J\n'
	usage "unknown option '--\\x1b'" send $'--\e=x' file h
}

@test "empty values are refused, as of an unset variable" {
	for option in key cert cert-key ca pin code-file bind congestion name; do
		usage "--$option must be " send --$option= - h
	done
}

# ---- security modes --------------------------------------------------------

@test "the default security mode is codes, which needs a terminal to send" {
	# setsid: a session without a terminal
	for how in "" --code; do
		run setsid -w "$FERRY" send $how file h
		[ "$status" -eq 2 ]
		assert_output "cannot ask for the code without a terminal"
		assert_output "Try: ferry help send"
	done
	# what can be wrong before is found out before
	refused 7 "send: none: " send --code-file absent none h
	refused 7 "send: cannot open absent: " send --code-file absent file h
	refused 7 "receive: cannot open absent: " receive --code-file absent
	refused 7 "receive: file is not a directory" receive file
}

@test "security modes exclude each other" {
	for side in "send file h" receive; do
		usage "--key and --plain exclude each other" \
			$side --key k --plain
		usage "--key and --cert exclude each other" \
			$side --key k --cert c --cert-key d --ca e
		usage "--cert and --plain exclude each other" \
			$side --plain --cert c --cert-key d --ca e
		usage "--key and --code exclude each other" \
			$side --code --key k
		usage "--code-file and --plain exclude each other" \
			$side --plain --code --code-file c
		usage "--ca and --code exclude each other" \
			$side --code --ca c
		usage "--pin and --plain exclude each other" \
			$side --plain --pin sha256:00
		usage "--key and --ca exclude each other" \
			$side --key k --ca c
		usage "--ca and --pin exclude each other" \
			$side --cert c --cert-key d --ca e --pin sha256:00
	done
}

@test "certificates need all their options" {
	for side in "send file h" receive; do
		usage "--pin needs --cert and --cert-key" \
			$side --pin sha256:00
		usage "--pin needs --cert and --cert-key" \
			$side --pin sha256:00 --cert c
		usage "--ca needs --cert and --cert-key" $side --ca c
		usage "--ca needs --cert and --cert-key" \
			$side --ca c --cert-key d
		usage "--cert needs --cert-key" $side --cert c
		usage "--cert-key needs --cert" $side --cert-key c
		usage "--cert needs --ca FILE" $side --cert c --cert-key d
	done
}

@test "key files that are missing, open to others or malformed" {
	for side in "send file 127.0.0.1:1" "receive -p 0"; do
		refused 7 "${side%% *}: " $side --key none
		assert_output_of_stderr none
		ferry keygen k
		chmod 640 k
		usage "k" $side --key k
		assert_output_of_stderr "chmod 600"
		echo nonsense >k
		chmod 600 k
		usage "k" $side --key k
		rm k
	done
}

assert_output_of_stderr() {
	[[ "$stderr" == *"$1"* ]] || {
		printf 'expected: %s\ngot: %s\n' "$1" "$stderr"
		return 1
	}
}

# ---- other conflicts -------------------------------------------------------

@test "options that exclude each other" {
	usage "-4 and -6 exclude each other" send -46 --plain file h
	usage "-q and -v exclude each other" receive -q -v --plain
	usage "--stdout and --json both use standard output" \
		receive --plain --stdout --json
	usage "--stdout and --json both use standard output" \
		receive --plain --stdout --json=1
}

@test "--json needs a descriptor that can be written to" {
	usage "--json must be the number of an open descriptor" \
		send --plain --json=x file h
	usage "--json must be the number of an open descriptor" \
		send --plain --json=0 file h
	usage "--json=77: Bad file descriptor" send --plain --json=77 file h
	run bash -c '"$0" receive --plain --json=7 7</dev/null' "$FERRY"
	[ "$status" -eq 2 ]
	assert_output "--json=7: the descriptor is open for reading only"
}

@test "--json: a failure before the session has a summary event" {
	run --separate-stderr ferry send --plain --json none 127.0.0.1:1
	[ "$status" -eq 7 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == '{"event":"summary","exit":7,"files":0,'*'"error":"none: '* ]]
	run --separate-stderr ferry receive --once --plain --json none
	[ "$status" -eq 7 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == '{"event":"summary","exit":7,'*'"error":"'* ]]
}

# ---- keygen ----------------------------------------------------------------

@test "keygen writes a new key with mode 0600" {
	for mask in 000 022 077; do
		rm -f k
		umask $mask
		run --separate-stderr ferry keygen k
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		[[ "$stderr" == "ferry: wrote a new key to k"* ]]
		[ "$(stat -c %a k)" = 600 ]
		[ "$(wc -l <k)" -eq 1 ]
		grep -qxE 'ferry-key-1:[0-9a-f]{64}' k
		# not a byte of it is shown
		[[ "$stderr" != *"$(cut -c13-28 k)"* ]]
	done
	ferry keygen other
	[ "$(cat k)" != "$(cat other)" ]
	[ "$(ls -A | sort | tr '\n' ' ')" = "dir file k other " ]
}

@test "keygen never overwrites" {
	cp file before
	refused 7 "keygen: " keygen file
	assert_output_of_stderr "file"
	assert_output_of_stderr "exist"
	cmp file before
	ln -s target link
	refused 7 "keygen: " keygen link
	[ ! -e target ]
	refused 7 "keygen: " keygen dir
	refused 7 "keygen: " keygen none/key
}

@test "keygen: operands" {
	usage "missing FILE to write the new key to" keygen
	usage "extra operand 'b'" keygen a b
	usage "keygen writes to a FILE only" keygen -
	usage "keygen writes to a FILE only" keygen ''
	[ ! -e a ]
	[ ! -e - ]
	ferry keygen -- -k
	[ -e ./-k ]
}
