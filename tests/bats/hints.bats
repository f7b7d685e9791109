#!/usr/bin/env bats
# What people try who come from other tools: the message has the right command.

bats_require_minimum_version 1.5.0
load helper

setup() {
	make_dir
	echo content >file
	mkdir dir
}
teardown() { remove_dir; }

# hint TEXT ARGUMENT... - a usage error, whose first line has TEXT; no second
# message but "Try: ...".
hint() {
	local text=$1
	shift
	run --separate-stderr ferry "$@"
	[ "$status" -eq 2 ] && [ -z "$output" ] &&
		[[ "${stderr_lines[0]}" == *"$text"* ]] &&
		[ "${#stderr_lines[@]}" -le 2 ] || {
		printf 'ferry %s\nexpected (2): %s\ngot (%s): %s\n%s\n' "$*" \
			"$text" "$status" "$stderr" "$output"
		return 1
	}
}

@test "misspelt commands, and those of other tools" {
	for word in snd sned sendd Send SEND; do
		hint "did you mean 'ferry send'?" $word file h
	done
	for word in recieve receiv receve revc; do
		hint "did you mean 'ferry rec" $word
	done
	hint "did you mean 'ferry keygen'?" keygn k
	hint "did you mean 'ferry help'?" hlep
	hint "did you mean 'ferry version'?" verison
	for word in put push upload copy cp; do
		hint "did you mean 'ferry send'?" $word file h
	done
	for word in scp rsync sync share; do
		hint "did you mean 'ferry send'?" $word file h
	done
	for word in get pull download listen serve fetch; do
		hint "did you mean 'ferry receive'?" $word
	done
	hint "did you mean 'ferry keygen'?" genkey k
	hint "did you mean 'ferry send'?" help sned
	# nothing is near
	run --separate-stderr ferry frobnicate
	[ "$status" -eq 2 ]
	[[ "$stderr" != *"did you mean"* ]]
	# the command is missing
	hint "write: ferry send file h" file h
	hint "write: ferry send ./file h" ./file h
	hint "write: ferry send --plain file h" --plain file h
}

@test "version and -V" {
	want=$(ferry --version)
	for how in version -V; do
		run --separate-stderr ferry $how
		[ "$status" -eq 0 ]
		[ "$output" = "$want" ]
		[ -z "$stderr" ]
	done
	hint "extra operand 'x'" version x
	run ferry help version
	[ "$status" -eq 0 ]
}

@test "-h and --help anywhere" {
	for command in send receive keygen; do
		want=$(ferry help $command)
		for how in -h --help; do
			for args in "$how" "x $how" "$how x" "--bogus $how" \
				"$how --bogus" "-p x $how" "--port $how" \
				"a b c d $how" "-j 0 $how x"; do
				run --separate-stderr ferry $command $args
				[ "$status" -eq 0 ]
				[ "$output" = "$want" ]
			done
		done
	done
	[ "$(ferry -v -h)" = "$(ferry help)" ]
	[ "$(ferry -h send)" = "$(ferry help send)" ]
	# after "--" it is an operand
	hint "HOST '-h'" send --plain -- file -h
}

@test "misspelt options" {
	hint "unknown option '--verison'; did you mean 'ferry --version'?" --verison
	hint "unknown option '--plain' (the command comes first)" --plain
	hint "unknown option '--exlcude'; did you mean --exclude?" \
		send --exlcude x file h
	hint "did you mean --compress?" send --compres file h
	hint "did you mean --compress?" send --compression=zstd file h
	hint "did you mean --dry-run?" send --dryrun file h
	hint "did you mean --dry-run?" send --dry_run file h
	hint "did you mean --streams?" send --stream=4 file h
	hint "did you mean --existing?" receive --exsiting skip
	hint "did you mean --chmod? (an option of ferry receive)" \
		send --chmd u=rw file h
	hint "did you mean --exclude?" \
		receive --exlude a
	hint "did you mean --dereference? (write --symlinks follow)" \
		send --derefernce file h
	# a list is guessed whole
	hint "did you mean --accept existing,links,delete?" \
		receive --accept existing,links,delet
	hint "did you mean --key?" send -key k file h
	hint "did you mean --plain?" receive -plain
	hint "did you mean --max-size?" receive --maxsize 5
	run --separate-stderr ferry send --frobnicate file h
	[ "$status" -eq 2 ]
	[[ "$stderr" != *"did you mean"* ]]
}

@test "options of the other command" {
	hint "'--once': an option of ferry receive" send --once file h
	hint "'--accept': an option of ferry receive" \
		send --accept links file h
	hint "'--name': an option of ferry send" receive --name x
	hint "--compress is an option of ferry send; ferry receive has it only" \
		receive -z
	hint "'--list': an option of ferry send" receive --list
	hint "--dry-run is an option of ferry send; ferry receive has it only" \
		receive -n
	# all of them
	for pair in send:receive receive:send; do
		mine=${pair%:*} other=${pair#*:}
		ferry help $mine | grep -oE -- '(^| )--[a-z-]+' | sort -u >mine
		for o in $(ferry help $other | grep -E '^ +(-., )?--' |
			grep -oE -- '--[a-z-]+' | sort -u); do
			grep -qxF -- " $o" mine && continue
			ferry help $mine | grep -qE -- "^ +(-., )?$o\b" && continue
			hint "'$o': an option of ferry $other" $mine $o
		done
	done
}

@test "options of rsync, scp and others" {
	for o in -r -R --recursive; do
		hint "'$o': a directory is sent with all that is in it" \
			send $o dir h
	done
	for o in -t --times --perms; do
		hint "modes and times are kept" send $o dir h
	done
	hint "-p N" send -P 22 file h
	hint "resumed" send -P file h
	hint "a key of ssh is written --ssh 'ssh -i FILE'" send -i id file h:
	hint "resumed" send --partial file h
	for o in -A -X -H --acls --xattrs --hard-links; do
		hint "write -a, or --preserve" send $o dir h
	done
	hint "write -a, or --preserve" send -aHAX dir h
	hint "write --delta off" send -W file h
	hint "'-r' in '-rvz': " send -rvz dir h
	hint "write -vz" send -rvz dir h
	hint "write -vz" send -vrz dir h
	hint "leave out -r" send -r dir h
	hint "leave out -rP" send -rP dir h
	hint "--limit-rate" send --bwlimit=500 file h
	hint "--limit-rate" send -l 500 file h
	hint "--key FILE" send -i id file h
	hint "--ssh 'ssh -i FILE'" send -i id file h:
	hint "--ssh 'ssh -i FILE'" receive -i id h:file .
	hint "--ssh 'ssh -p N'" send -P 2222 file h:
	hint "--ssh 'ssh -p N'" receive -P 2222 h:file .
	hint "write --ssh CMD" receive -e 'ssh -p 2222' h:file .
	hint "write --remote-ferry PATH" send --rsync-path=/x file h:
	hint "--key FILE" send -k key file h
	hint "write --existing replace, by ssh or where" send -f file h
	hint "ferry receive --existing replace" send -f file h
	hint "ferry receive --existing replace" send --force file h
	hint "ferry receive --existing newer" send -u file h
	hint "--list" send --list-only file h
	hint "ferry receive DIR" receive -o dir
	hint "ferry receive DIR" receive --output dir
	hint "write --exclude GLOB or --include GLOB for each" \
		send --exclude-from f dir h
	for o in --delete-after --delete-during --del; do
		hint "write --delete;" send $o dir h
	done
	hint "after exit status 0" send --remove-source-files dir h
	hint "leave out --inplace" send --inplace file h
	hint "write --compare time (size and time)" send --size-only dir h
	hint "leave out --links" send --links dir h
	hint "-v names each file" send --info=progress2 dir h
	hint "leave out --no-compress" send --no-compress file h
	hint "write: echo TEXT | ferry send --name NAME - HOST" send --text hi
	hint "--ssh 'ssh -J HOST'" send -J gate file h:
	hint "--ssh 'ssh -p N'" send --ssh-port 5 file h:
	for command in send receive; do
		hint "write --progress never" $command --no-progress
		hint "four words" $command --verify
	done
	hint "leave out --accept-file" receive --accept-file
	hint "--code takes no value" send --code=1234-river-anchor file h
	hint "asks for" send --code=1234-river-anchor file h
}

@test "a host with a user, a path or a module" {
	hint "write: ferry send file me@h:" send file me@h
	hint "write: ferry send file me@h:./99" send file me@h:99
	hint "write: ferry send file h:/DIR" send file h::module
	hint "write: ferry send file h:/dir" send file ssh://me@h/dir
	hint "write: ferry send file h:99" send --plain file tcp://h:99
	hint "write: ferry send file h:/module" send file rsync://h/module
	# an IPv6 address has colons of its own
	FERRY_SSH=false run ferry send file '[::1]:dir'
	[ "$status" -eq 3 ]
	hint "write: ferry send file [::1]:/DIR" send file '[::1]::module'
	# names are shown escaped
	hint "'me@h\\x1b'" send --plain file $'me@h\e'
}

@test "the host first, or the port on its own" {
	hint "write: ferry send file h" send --plain h file
	hint "write: ferry send file dir h" send --plain h file dir
	hint "write: ferry send ./file h" send --plain h ./file
	hint "write: ferry send file h:99" send --plain h:99 file
	hint "write: ferry send file h:99" send --plain h 99 file
	hint "write: ferry send file me@h:dir" send me@h:dir file
	hint "write: ferry send file h:9000" send --plain file h 9000
	hint "write: ferry send file HOST:9000" send --plain file 9000
	hint "write: ferry send file dir h:9000" send --plain file dir h 9000
	hint "write: ferry receive -p 9000 dir" receive --plain dir 9000
	hint "write: ferry receive -p 9000" receive --plain 9000
	hint "missing DIR" receive h:dir
	hint "the directory comes last; write: ferry receive h:dir 'h:a b' dst" \
		receive dst h:dir "h:a b"
	hint "ferry receive listens" receive --plain h:9000
	# a directory of that name is one
	mkdir 9000
	run timeout "$(limit 20)" "$FERRY" receive --plain --wait 1 -p 0 9000
	[ "$status" = 6 ]
	[[ "$output" == *"receiving into 9000"* ]]
}

@test "FIFOs, devices and process substitution as operands" {
	mkfifo fifo
	run --separate-stderr ferry send --plain fifo 127.0.0.1:1
	[ "$status" -eq 7 ]
	[[ "$stderr" == *"ferry send --name fifo - 127.0.0.1:1 <fifo"* ]]
	run --separate-stderr ferry send --plain dir/../fifo 127.0.0.1:1
	[[ "$stderr" == *"ferry send --name fifo - 127.0.0.1:1 <dir/../fifo"* ]]
	run --separate-stderr ferry send --plain /dev/zero 127.0.0.1:1
	[ "$status" -eq 7 ]
	[[ "$stderr" == *"ferry send --name zero - 127.0.0.1:1 </dev/zero"* ]]
	run --separate-stderr bash -c '"$0" send --plain <(echo x) 127.0.0.1:1' \
		"$FERRY"
	[[ "$stderr" == *"ferry send --name "*" - 127.0.0.1:1 <"* ]]
	run --separate-stderr bash -c \
		'echo x | "$0" send --plain /dev/stdin 127.0.0.1:1' "$FERRY"
	[[ "$stderr" == *"ferry send - 127.0.0.1:1"* ]]
}

@test "--stdout to a terminal is refused" {
	run timeout "$(limit 20)" python3 "$tools/at_terminal.py" \
		-- bash -c '"$0" receive --plain -p 0 --stdout >/dev/tty' \
		"$FERRY" 3>&-
	[ "$status" -eq 2 ]
	[[ "$output" == *"ferry receive --stdout >FILE"* ]]
}

@test "-n | head ends quietly" {
	for i in $(seq 3000); do
		echo >"dir/file-with-a-name-that-fills-the-pipe-$i"
	done
	run --separate-stderr bash -c '"$0" send --list dir h | head -n 1
		echo "${PIPESTATUS[0]}"' "$FERRY"
	[ "${lines[1]}" = 141 ]
	[ -z "$stderr" ]
}

@test "optional values: a space before them, or other words" {
	for codec in auto none zlib zstd zstd:5; do
		hint "--compress takes its value after '=': --compress=$codec" \
			send --plain --compress $codec file h
		hint "-z takes its value without a space: -z$codec" \
			send --plain -z $codec file h
	done
	hint "-z takes its value without a space: -zzstd:5" \
		send --plain -z 5 file h
	hint "--compress takes its value after '=': --compress=zstd:5" \
		send --plain --compress 5 file h
	hint "; did you mean -zzstd:5?" send --plain -z5 file h
	hint "; did you mean --compress=zstd:5?" send --plain --compress=5 file h
	hint "; did you mean --compress=zstd:5?" \
		send --plain --compress=zstd,5 file h
	hint "; did you mean --compress=zlib?" \
		send --plain --compress=gzip file h
	hint "; did you mean --compress=zstd?" send --plain --compress=zst file h
	hint "; did you mean -zzstd?" send --plain -z=zstd file h
	hint "--json takes its value after '=': --json=3" \
		send --plain --json 3 file h
	hint "--json takes its value after '=': --json=3" \
		receive --plain --json 3 dir
	# letters after -z are its value
	hint "write -vz" send --plain -zv file h
	# a file of that name is one
	echo >zstd
	run ferry send --plain -z zstd 127.0.0.1:1
	[ "$status" -eq 3 ]
	hint "did you mean --existing skip?" receive --existing skpi
	hint "did you mean --progress always?" send --plain --progress file h
}

@test "what bash completes is understood" {
	# complete WORD... - print what Tab would put for the last word
	complete_words() {
		bash -c 'ferry=$1; shift
			source "$1"; shift
			COMP_WORDS=("$ferry" "$@") COMP_CWORD=$#
			_ferry "$ferry" 2>/dev/null
			printf "%s\n" "${COMPREPLY[@]}"' - "$FERRY" \
			"$BATS_TEST_DIRNAME/../../scripts/completions/ferry.bash" "$@"
	}
	# a space: the value would be taken for a PATH
	is complete_words send --compress zs ''
	# bash parts the words at "="
	is complete_words send --compress = zs zstd
	is complete_words send --compres '--compress='
	is complete_words send --jso '--json='
	is complete_words send -zzs -zzstd
	is complete_words send --plai --plain
	is complete_words vers version
	for word in $(complete_words send --compress = ''); do
		run ferry send "--compress=$word" --key k --plain file h
		[[ "$output" == *"--key and --plain exclude"* ]]
	done
}

@test "a code, and options, as for croc and magic-wormhole" {
	no_code() {
		hint "$@"
		[[ "$stderr" != *river* ]]
	}
	no_code "ferry receive shows one" 4821-river-anchor
	no_code "ferry send PATH... HOST asks for it" receive 4821-river-anchor
	no_code "asks for it" send --code 4821-river-anchor file h
	hint "the directory is the operand: ferry receive DIR" receive --out dir
	hint "there is no relay" send --relay x file h
	hint "write --checksum ALG" send --hash md5 file h
	# a directory of that name is one
	mkdir 4821-river-anchor
	run ferry receive --plain -p 0 --wait 1 4821-river-anchor
	[ "$status" -eq 6 ]
}

@test "several places as targets, and a file whose name begins with a hyphen" {
	hint "there is no file 'a:b' here, and only the last operand is a place" \
		send file a:b c:
	hint "one side has to be this host" send a:b c:
	echo >a:b
	FERRY_SSH=false run ferry send file a:b c:
	[ "$status" -eq 3 ]
	echo >-file
	hint "; the file of this name is written ./-file" send -file h:
	rm -- -file
}

@test "an IPv6 address and a port without brackets" {
	# an address of its own, to which there is no route, or nobody listens
	run -3 --separate-stderr ferry send --plain --timeout 5 file ::1:9473
	[[ "$stderr" == *"; if 9473 is the port, write [::1]:9473" ]]
}

@test "fetching as with scp and rsync" {
	mkdir d
	hint "--stdout writes a single file" receive --stdout h:a h:b
	hint "to fetch, write: ferry receive h:a b@h:c d" send h:a b@h:c d
	hint "to fetch, write: ferry receive h: ." send h: .
	hint "to fetch, write: ferry receive h:a new" send h:a new
	hint "the HOST comes last; write: ferry send file h:a" send h:a file
	hint "to fetch it, write: ferry receive h:a ." h:a .
	hint "'scp://h/a' is a URL; write: ferry receive HOST:PATH DIR" \
		receive scp://h/a d
}

@test "a host that only ssh knows, without the colon" {
	mkdir -p home/.ssh
	cat >home/.ssh/config <<-'EOF'
		Host box *.box
			HostName 127.0.0.1
		Host *
			User x
	EOF
	export HOME=$work/home
	for host in box web.box; do
		run --separate-stderr ferry send --plain file $host
		[ "$status" -eq 3 ]
		[[ "$stderr" == *"cannot resolve host $host"*"ssh knows it: to send by ssh, write $host:DIR, or $host: for the home directory"* ]]
	done
	# before the code is asked for, too
	run timeout "$(limit 20)" python3 "$tools/at_terminal.py" \
		-- "$FERRY" send file box 3>&-
	[ "$status" -eq 3 ]
	[[ "$output" == *"write box:DIR"* ]]
	# an address, or a port, is meant for ferry
	run ferry send --plain file 127.0.0.1:1
	[[ "$output" != *"ssh knows"* ]]
	run --separate-stderr ferry send --plain file elsewhere.invalid
	[ "$status" -eq 3 ]
	[[ "$stderr" != *"ssh knows"* ]]
	# a file of that name: the host may be missing
	run timeout "$(limit 20)" python3 "$tools/at_terminal.py" \
		-- "$FERRY" send dir file 3>&-
	[ "$status" -eq 3 ]
	[[ "$output" == *"is HOST missing?"* ]]
}
