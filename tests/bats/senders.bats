#!/usr/bin/env bats
# receive --config: named senders, each with its own key, directory and rights.

load helper

setup() {
	make_dir
	mkdir conf in
	echo text >src/f
	config=$work/conf/ferry.conf
	printf 'dir = %s\n' "$work/in" >"$config"
}
teardown() {
	[ -z "${helper:-}" ] || kill -CONT "$helper" 2>/dev/null || true
	[ -z "${fuse:-}" ] || kill -CONT "$fuse"
	! mountpoint -q slow 2>/dev/null || umount slow || umount -l slow
	remove_dir
}

# reader - the process that reads the file for the receiver.
reader() {
	awk '{ print $NF }' \
		"/proc/${pid[receiver]}/task/${pid[receiver]}/children"
}

# gone PID - wait until the process has ended; 20 seconds at most, scaled.
gone() {
	# shellcheck disable=SC2016
	timeout "$(limit 20)" bash -c 'while grep -q "^State:[[:space:]]*[^Z]" \
		"/proc/$1/status" 2>/dev/null; do sleep 0.05; done' - "$1" || {
		echo "process $1 has not ended:"
		head -n 7 "/proc/$1/status"
		return 1
	}
}

# sender NAME [LINE]... - a key, and a section with these further lines
sender() {
	local name=$1
	shift
	ferry keygen "conf/$name.key" 2>/dev/null
	{
		printf '[%s]\nkey = %s.key\n' "$name" "$name"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >>"$config"
}

# reread [TEXT] - SIGHUP; waits until the receiver says TEXT.
reread() {
	kill -HUP "${pid[receiver]}"
	await messages "${1:-read again}"
}

@test "each sender has its key, directory, limits, policy and program" {
	needs 'a safe temporary directory' # for --exec
	printf '#!/bin/sh\necho "$FERRY_SENDER $PWD $FERRY_FILES" >>%s/ran\n' \
		"$work" >hook
	chmod 755 hook
	sender laptop "exec = $work/hook" 'existing = replace' 'accept = delete'
	sender desk "dir = $work/dst" 'max-size = 1K' 'max-files = 2'
	echo old >dst/f
	ferry keygen stranger.key 2>/dev/null
	receive --config "$config"
	send --key conf/laptop.key src/f
	status 0
	echo more >>src/f
	send --key conf/laptop.key src/f
	status 0
	is cat in/laptop/f "$(cat src/f)"
	await ran '^laptop .*/in/laptop 1$'
	# the policy of another sender, and its limits
	send --key conf/desk.key src/f
	status 8
	is cat dst/f old
	head -c 2000 /dev/zero >src/big
	send --key conf/desk.key src/big
	status 8
	has sender "over a limit"
	# what to do about both: options that --config refuses are no remedy
	has messages 'file, or set existing for [desk] in the file of --config: skip, replace'
	has messages 'raise max-size or max-files for [desk] in the file of --config'
	has sender '--max-files (with --config: max-size or max-files in its file)'
	hasnt messages 'receive with'
	send --key stranger.key src/f
	status 4
	is ls in laptop
	[ "$(stat -c %a in/laptop)" = 700 ]
	# by its name everywhere
	mkdir src/t
	echo 1 >src/t/1
	send --key conf/laptop.key src/t
	rm src/t/1
	send --key conf/laptop.key --delete --max-delete 1 src/t
	status 0
	has messages "from laptop (127.0.0.1:"
	has messages "from desk (127.0.0.1:"
	has events '"event":"session","session":1,"sender":"laptop"'
	has events '"event":"file","session":1,"sender":"laptop"'
	has events '"event":"summary","session":1,"sender":"laptop"'
	has events '"event":"deleted","session":6,"sender":"laptop","path":"t/1"'
	send --key conf/desk.key --existing skip src/f
	status 8
	has sender '--accept existing (with --config: accept in its file)'
	check_events events
	stop_receiver
}

@test "a name with all of its characters, everywhere" {
	needs 'a safe temporary directory' # for --exec
	printf '#!/bin/sh\necho "$FERRY_SENDER" >>%s/ran\n' "$work" >hook
	chmod 755 hook
	sender Ann.b_c@host+1-x "exec = $work/hook"
	receive --config "$config"
	send --key conf/Ann.b_c@host+1-x.key src/f
	status 0
	is cat in/Ann.b_c@host+1-x/f text
	has messages "from Ann.b_c@host+1-x (127.0.0.1:"
	has events '"event":"session","session":1,"sender":"Ann.b_c@host+1-x"'
	await ran .
	is cat ran Ann.b_c@host+1-x
	stop_receiver
}

@test "a reload: new senders, another key, a sender whose section is gone" {
	sender laptop
	receive --config "$config"
	sender desk
	mv conf/laptop.key former.key
	ferry keygen conf/laptop.key 2>/dev/null
	reread 'again: 2 senders; 0 running sessions ended'
	send --key conf/desk.key src/f
	status 0
	send --key former.key src/f
	status 4
	# with a mistake in the file, all stays as it was
	cp "$config" whole
	echo 'existing = often' >>"$config"
	: >messages
	reread 'ferry.conf:6: existing must be fail, .* stay as they were'
	send --key conf/laptop.key src/f
	status 0
	# the last section goes during its session, and nobody is let in
	mkfifo pipe
	exec 8<>pipe
	start_send long --key conf/laptop.key --name long - <pipe 8>&-
	head -c 3000000 /dev/zero >&8
	await events '"session":3,'
	printf 'dir = %s\n' "$work/in" >"$config"
	: >messages
	reread 'again: 0 senders; 1 running session ended'
	ended long
	exec 8>&-
	[ "$code" = 4 ]
	has long.messages "does not accept this sender any more"
	await events '"event":"summary","session":3,"sender":"laptop","exit":4'
	[ ! -e in/laptop/long ]
	send --key conf/desk.key src/f
	status 4
	cp whole "$config"
	: >messages
	reread 'again: 2 senders; 0 running sessions ended'
	send --key conf/desk.key src/f
	status 0
	stop_receiver
}

@test "a sender whose section goes while several streams bring its file" {
	local round
	sender laptop 'rate = 100K'
	cp "$config" whole
	printf 'dir = %s\n' "$work/in" >none
	head -c 64M /dev/urandom >src/f
	receive --config "$config"
	for round in 1 2 3; do
		start_send long -j 4 --key conf/laptop.key src/f
		await events "\"event\":\"progress\",\"bytes\":[1-9].*\"session\":$round,\"sender\":\"laptop\""
		cp none "$config"
		: >messages
		reread 'again: 0 senders; 1 running session ended'
		ended long
		[ "$code" = 4 ] || { cat long.messages; false; }
		has long.messages "does not accept this sender any more"
		is grep -cE '^ferry: stopped after [0-9.]+ [KM]iB of 64\.0 MiB, 0 files committed; once this sender is accepted again, the same command goes on from there$' \
			long.messages 1
		await events "\"event\":\"summary\",\"session\":$round,.*\"exit\":4"
		[ ! -e in/laptop/f ]
		cp whole "$config"
		: >messages
		reread 'again: 1 sender;'
	done
	stop_receiver
}

@test "a sender whose section goes is told what was committed, and what not" {
	sender laptop 'rate = 5M'
	cp "$config" whole
	printf 'dir = %s\n' "$work/in" >none
	mkdir src/t
	echo small >src/t/small
	head -c 128M /dev/urandom >src/t/large
	receive --config "$config"
	start_send long --key conf/laptop.key src/t
	await long.events '"event":"file".*"path":"t/small",.*"status":"committed"'
	cp none "$config"
	reread 'again: 0 senders; 1 running session ended'
	ended long
	[ "$code" = 4 ] || { cat long.messages; false; }
	has long.messages "accept this sender any more; 1 of 2 files was not confirmed as committed"
	is grep -cE '^ferry: stopped after [0-9.]+ [KM]iB of 128\.0 MiB, 1 file committed; once this sender is accepted again, the same command goes on from there$' \
		long.messages 1
	has long.events '"event":"summary","exit":4,"files":1,'
	is cat in/laptop/t/small small
	[ ! -e in/laptop/t/large ]
	# and that is what happens
	sed 's/^rate.*//' whole >"$config"
	: >messages
	reread 'again: 1 sender;'
	send --key conf/laptop.key src/t
	status 0
	cmp src/t/large in/laptop/t/large
	stop_receiver
}

@test "too few descriptors for so many senders: they are named, and what to raise" {
	local i each=1
	needs 'a build without a sanitizer' # which has descriptors of its own
	# who is not root has a process for each directory
	[ "$(id -u)" = 0 ] || each=2
	for i in {1..60}; do
		printf 'ferry-key-1:%064x\n' "$i" >"conf/s$i.key"
		printf '[s%s]\nkey = s%s.key\n' "$i" "$i" >>"$config"
	done
	chmod 600 conf/*.key
	# enough to listen, but not for another of each directory
	start_receiver_with $((60 * each + 35)) --config "$config"
	receiver=${job[receiver]}
	await events '"event":"listening"'
	await messages 'interrupted transfers'
	grep -E "^ferry: warning: what interrupted transfers left is not looked for, \
for [1-9][0-9]? of 60 senders: Too many open files \(raise ulimit -n\)$" messages
	hasnt messages thread
	stop_receiver
}

@test "the process that reads the file hangs: the receiver ends nevertheless" {
	sender laptop
	receive --config "$config"
	send --key conf/laptop.key src/f
	status 0
	helper=$(reader)
	kill -STOP "$helper"
	kill -HUP "${pid[receiver]}"
	kill -TERM "${pid[receiver]}"
	gone "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	hasnt messages "--exec"
	kill -CONT "$helper"
	gone "$helper"
	# without a signal
	receive --once --config "$config"
	helper=$(reader)
	kill -STOP "$helper"
	echo more >src/g
	send --key conf/laptop.key src/g
	status 0
	gone "${pid[receiver]}"
	wait_receiver
	[ "$got" = 0 ]
	kill -CONT "$helper"
	gone "$helper"
}

@test "SIGTERM while the file system of the file does not answer: both processes end" {
	needs FUSE
	sender laptop
	mkdir back slow
	cp conf/* back
	"$FERRY_TOOLS/lackfs" none "$work/back" "$work/slow" 3>&-
	fuse=$(pgrep -f "lackfs none $work/back")
	receive --config slow/ferry.conf
	helper=$(reader)
	kill -STOP "$fuse"
	# or it takes a request first, for whose answer the kernel waits in any case
	until ! grep -h ^State: "/proc/$fuse/task"/*/status | grep -qv 'T (stopped'; do
		sleep 0.1
	done
	kill -HUP "${pid[receiver]}"
	kill -TERM "${pid[receiver]}"
	gone "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	gone "$helper"
	# at the start; the last of its processes is the one that reads
	start receiver "$FERRY" receive -p 0 --config slow/ferry.conf \
		2>messages </dev/null
	receiver=${job[receiver]}
	helper='' former=-
	until [ "$helper" = "$former" ]; do
		former=$helper
		sleep 0.5
		helper=$(reader)
	done
	kill -TERM "${pid[receiver]}"
	gone "${pid[receiver]}"
	wait_receiver
	[ "$got" = 143 ]
	gone "$helper"
}

@test "a SIGHUP while the receiver starts does not end it" {
	sender laptop
	: >events
	start receiver "$FERRY" receive -p 0 --json=9 --config "$config" \
		9>events 2>messages </dev/null
	receiver=${job[receiver]}
	# it has its first helper, and does not catch signals yet
	until [ -n "$(cat "/proc/${pid[receiver]}/task/${pid[receiver]}/children")" ]; do
		:
	done
	kill -HUP "${pid[receiver]}"
	await messages 'read again'
	has events '"event":"listening"'
	stop_receiver
}

@test "pins and subjects; a reload takes a new certificate" {
	make_certs
	{
		printf '%s\n' "cert = $work/a.pem" "cert-key = $work/a.key"
		printf '%s\n' '[bea]' "pin = $(pin_of b.pem)" \
			'[other]' "pin = $(pin_of other.pem)"
	} >>"$config"
	receive --config "$config"
	send --cert b.pem --cert-key b.key --pin "$(pin_of a.pem)" src/f
	status 0
	send --cert other.pem --cert-key other.key --pin "$(pin_of a.pem)" src/f
	status 0
	[ -e in/bea/f ] && [ -e in/other/f ]
	send --cert a.pem --cert-key a.key --pin "$(pin_of a.pem)" src/f
	status 4
	# the receiver gets another certificate
	cp ca.pem a.pem
	cp ca.key a.key
	reread
	send --cert b.pem --cert-key b.key --pin "$(pin_of ca.pem)" src/f
	status 0
	stop_receiver
	# subjects that a CA vouches for
	printf '%s\n' "dir = $work/in" "cert = $work/b.pem" \
		"cert-key = $work/b.key" "ca = $work/ca.pem" \
		'[subject-b]' 'subject = CN=b' >"$config"
	receive --config "$config"
	send --cert b.pem --cert-key b.key --ca ca.pem src/f
	status 0
	[ -e in/subject-b/f ]
	send --cert other.pem --cert-key other.key --ca ca.pem src/f
	status 4
	sed -i 's/CN=b/CN=somebody else/' "$config"
	: >messages
	reread
	send --cert b.pem --cert-key b.key --ca ca.pem src/f
	status 4
	await messages 'its subject \(CN=b\) is not one that is accepted here'
	# what is shown can be copied into the file
	openssl req -new -key b.key -out comma.csr -utf8 \
		-subj '/O=Zoë\, Inc.\\x/CN=b' 2>/dev/null
	openssl x509 -req -in comma.csr -CA ca.pem -CAkey ca.key \
		-CAcreateserial -days 2 -out comma.pem 2>/dev/null
	: >messages
	send --cert comma.pem --cert-key b.key --ca ca.pem src/f
	status 4
	await messages 'its subject \(CN=b,.*\) is not one that is accepted here'
	subject=$(sed -n 's/.*its subject (\(.*\)) is not one.*/\1/p' messages)
	sed -i '/^subject/d' "$config"
	printf 'subject = %s\n' "$subject" >>"$config"
	reread
	send --cert comma.pem --cert-key b.key --ca ca.pem src/f
	status 0
	stop_receiver
}

# wrong LINES TEXT - the file with these lines is refused for that reason
wrong() {
	printf "%b" "$1" >"$config"
	run ferry receive --config "$config" --check-config
	[ "$status" = "${3:-2}" ] && [[ $output = *"$2"* ]] || {
		printf '%s\n' "$1" "$status" "$output"
		return 1
	}
}

@test "--check-config: a key in a sender's directory by another path" {
	needs 'mount namespaces'
	mkdir -p in/a/sub bo
	ferry keygen in/a/sub/k 2>/dev/null
	printf '#!/bin/sh\nmount --bind in/a bo && exec "$@"\n' >bound
	chmod +x bound
	FERRY_WRAP="unshare --mount $work/bound" \
		wrong "dir = $work/in\n[a]\nkey = $work/bo/sub/k\n" \
		"key $work/bo/sub/k lies in the directory of [a], where"
}

@test "--check-config: mistakes are told with their line" {
	ferry keygen conf/k 2>/dev/null
	ferry keygen conf/other 2>/dev/null
	local d="dir = $work/in\n"
	wrong "$d[a]\nkey = k\n[b]\nkey = other\nexisting = skip\n" \
		"no errors, 2 senders" 0
	wrong "dir = $work/in\nword\n" "ferry.conf:2: this is neither"
	wrong "[a\n" "ferry.conf:1: a section is written [NAME]"
	wrong "$d\n[a/b]\n" "ferry.conf:3: 'a/b' cannot be a sender's name"
	wrong "$d[..]\n" "ferry.conf:2: '..' cannot be a sender's name"
	wrong "$d[a]\nkey = k\n[a]\n" "ferry.conf:4: there is a [a] in line 2 already"
	wrong "$d[a]\nkeys = k\n" "ferry.conf:3: unknown key 'keys'; did you"
	wrong "$d[a]\nkey =\n" "ferry.conf:3: there is no value after '='"
	wrong "$d[a]\nkey = k\nrate = x\n" "ferry.conf:4: rate must be bytes"
	wrong "$d[a]\nallow = 10/8\n" "ferry.conf:3: allow must be networks"
	wrong "$d[a]\nca = k\n" "ferry.conf:3: ca is the same for all senders"
	wrong "${d}key = k\n" "ferry.conf:2: key belongs to a sender"
	wrong "$d[a]\nkey = k\n[b]\n" "ferry.conf:4: [b] has no key, pin or"
	wrong "[a]\nkey = k\n" "ferry.conf:1: [a] has no dir"
	wrong "$d[a]\nkey = k\npin = sha256:00\n" "ferry.conf:4: all sections"
	wrong "$d[a]\nkey = k\n[b]\nkey = k\n" \
		"ferry.conf:5: [b]: this is also the key of [a] in line 3"
	wrong "$d[a]\nkey = none\n" "ferry.conf:3: [a]: cannot open" 7
	wrong "$d[a]\nkey = k\ndir = $work/none\n" \
		"ferry.conf:4: [a]: cannot open the directory" 7
	wrong "\n$d[a]\nkey = k\n" "1 sender" 0
	wrong "\ndir = $work/none\n[a]\nkey = k\n" \
		"ferry.conf:2: cannot open the directory" 7
	# a directory without a line of its own, in that of another sender
	wrong "$d[a]\nkey = k\n[b]\nkey = other\ndir = $work/in\n" \
		"warning: $config:2: [a]: its directory $work/in/a lies in that of [b], which can" 0
	ln -s "$work/in" in.link
	wrong "$d[a]\nkey = k\n[b]\nkey = other\n\ndir = ../in.link\n" \
		"ferry.conf:2: [a]: its directory" 0
	wrong "${d}[a]\nkey = k\ndir = ../dst\n[b]\nkey = other\ndir = ../dst\n" \
		"no errors, 2 senders" 0
	[[ $output != *warning* ]]
	# a symlink that its sender could replace
	mkdir in/a
	ln -s "$work/conf" in/a/conf
	wrong "$d[b]\nkey = other\n[a]\nkey = ../in/a/conf/k\n" \
		"ferry.conf:5: [a]: key $work/conf/../in/a/conf/k lies in the directory of [a], where"
	# nor one whose target leads through there
	ln -s "$work/in/a/conf/k" conf/to-file
	ln -s ../in/a/conf conf/to-dir
	ln -s to-dir conf/to-link
	for path in to-file to-dir/k to-link/k; do
		wrong "$d[b]\nkey = other\n[a]\nkey = $path\n" \
			"ferry.conf:5: [a]: key $work/conf/$path lies in the directory of [a], where"
	done
	ln -s loop conf/loop
	wrong "$d[a]\nkey = loop/k\n" "ferry.conf:3: [a]: cannot open" 7
	rm -r in/a in.link conf/to-* conf/loop
	# symlinks that lead elsewhere
	mkdir -p kept/deep
	ln -s "$work/kept" in.link
	ln -s ../in.link/deep conf/kept
	ln -s ../../conf/k kept/deep/k
	wrong "$d[a]\nkey = kept/k\n" "1 sender" 0
	rm -r in.link conf/kept kept
	# habits of other files
	wrong "$d[a]\nkey = \"k\"\n" "there are no quotes in this file" 7
	wrong "$d[a]\nkey = k # laptop\n" "a comment has a line of its own" 7
	wrong "$d[a]\nkey = k\ndir = ~/in\n" "neither ~ nor variables are" 7
	wrong "$d[a]\nkey = k\n\nexec = /bin/true -v\n" \
		"(a program gets no arguments: write a script)" 7
	wrong "$d[a]\nkey = k\n\nexec = /bin/none\n" \
		"ferry.conf:5: [a]: exec: cannot run" 7
	wrong "$d[a]\nsecret = k\n" "unknown key 'secret'; did you mean 'key'?"
	wrong "$d[a]\nkey = k\nlimit-rate = 1M\n" "did you mean 'rate'?"
	# the nearest key, not the first that is near
	wrong "${d}max-file = 9\n" "unknown key 'max-file'; did you mean 'max-files'?"
	wrong "${d}cert_key = k\n" "unknown key 'cert_key'; did you mean 'cert-key'?"
	wrong "${d}certkey = k\n" "unknown key 'certkey'; did you mean 'cert-key'?"
	# and the nearest value
	wrong "${d}existing = replce\n" "ferry.conf:2: existing must be fail, skip, replace, newer, rename or backup, not 'replce'; did you mean 'replace'?"
	wrong "${d}accept = owner,delte\n" "not 'owner,delte'; did you mean 'owner,delete'?"
	wrong "${d}port = 99\n" "an option: ferry receive --port"
	wrong "[DEFAULT]\n$d" "settings for all senders belong above the first"
	wrong "$d[a]\nkey = k\naccept = all existing\n" "must be none or a list of existing, links, delete, "
	wrong "$d[a]\nkey = k\nrate = 1M\n\nrate = 2M\n" \
		"ferry.conf:6: rate is in line 4 already"
	wrong "${d}rate = 3M\n[a]\nkey = k\nrate = 1M\n" "1 sender" 0
	wrong "$d[a]\nkey = k\nkey = k\n" \
		"ferry.conf:4: [a]: this is also the key of [a] in line 3" 2
	[[ $output != *"could not be told"* ]]
	wrong "\xef\xbb\xbf$d[a]\nkey = k\n" "1 sender" 0
	mkdir conf/srv
	cp conf/other conf/srv/k
	cp /bin/true conf/srv/hook
	: >conf/srv/c
	# what keeps the receiver from starting
	wrong "$d" "has no section, so that nobody could send"
	ln -sfn "$work/nowhere" in/a
	wrong "$d[a]\nkey = k\n" "ferry.conf:2: [a]: cannot" 7
	rm in/a
	wrong "$d[a]\nkey = k\nexec = $work/none\n" \
		"ferry.conf:4: [a]: exec: cannot run" 7
	wrong "$d[a]\nkey = k\ndir = $work\n" "where that sender could replace"
	# with the line of what lies there
	wrong "dir = ../in\n[b]\nkey = other\n\n[a]\nkey = k\nkey = srv/k\ndir = srv\n" \
		"ferry.conf:7: [a]: key $work/conf/srv/k lies in the directory of [a]"
	wrong "[a]\nkey = k\ndir = srv\n\nexec = srv/hook\n" \
		"ferry.conf:5: [a]: exec $work/conf/srv/hook lies in the directory"
	wrong "\ncert-key = c\ncert = c\nca = srv/c\n[a]\nsubject = CN=x\ndir = srv\n" \
		"ferry.conf:4: ca $work/conf/srv/c lies in the directory of [a]"
	wrong "$d[a]\nsubject = CN=x\n" "this receiver needs a certificate"
	# of what openssl and others show, none is the subject
	for text in '/CN=a/O=b' 'CN = a' 'O=b, CN=a' 'CN=a, b' 'CN=a,' 'CN' 'a@b.c'; do
		wrong "$d[a]\nsubject = $text\n" "ferry.conf:3: a subject is written as in CN=alice,O=Example"
	done
	wrong "$d[a]\nsubject = subject=CN=x,O=y\n" \
		"ferry.conf:3: leave out the first 'subject='"
	wrong "$d[a]\nsubject = sha256:00\n" "give it with pin"
	wrong "$d[a]\nsubject = CN=$(printf 'x%.0s' {1..253})\n" \
		"more than 255 bytes"
	for text in 'CN=a\\, b' '1.2.3=\\#00,O=x+OU=\\ y'; do
		wrong "$d[a]\nsubject = $text\n" "this receiver needs"
	done
	wrong "$d[a]\nkey = \${CREDENTIALS_DIRECTORY}/k\n" "LoadCredential"
	wrong "$d[a]\nkey = k\n$(printf 'x%.0s' {1..70})\1 = 1" "control character"
	chmod 666 "$config"
	run ferry receive --config "$config" --check-config
	[ "$status" = 2 ]
	[[ $output = *"chmod go-w"* ]]
	chmod 644 "$config"
	CREDENTIALS_DIRECTORY=$work/conf \
		wrong "$d[a]\nkey = \${CREDENTIALS_DIRECTORY}/k\n" "1 sender" 0
	run ferry receive --config "$config" --key conf/k
	[ "$status" = 2 ]
	[[ $output = *"--config and --key exclude each other"* ]]
	: >"$config"
	run ferry receive --config "$config"
	[ "$status" = 2 ]
	[[ $output = *"has no section"* ]]
}

@test "a certificate that has expired is told with its line, and no error" {
	make_certs
	# shellcheck disable=SC2046
	openssl x509 -req -in a.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
		$(validity -1) -out old.pem -extfile a.ext 2>/dev/null
	cp a.pem live.pem
	printf '%s\n' "cert = $work/live.pem" "cert-key = $work/a.key" \
		"ca = $work/ca.pem" '[b]' 'subject = CN=b' >>"$config"
	receive --config "$config"
	hasnt messages expired
	cp old.pem live.pem
	run ferry receive --config "$config" --check-config
	[ "$status" = 0 ]
	[[ $output = *"warning: $config:2: the certificate in $work/live.pem expired on "*"(renew it"*"no errors, 1 sender"* ]]
	reread 'ferry\.conf:2: the certificate in .*live\.pem expired on .* the other side will refuse it'
	await messages 'read again'
	send --cert b.pem --cert-key b.key --ca ca.pem src/f
	status 4
	# a key of another certificate is a mistake
	sed -i "s|/a.key|/b.key|" "$config"
	run ferry receive --config "$config" --check-config
	[ "$status" = 2 ]
	[[ $output = *"ferry.conf:3: $work/b.key is not the private key of the first certificate in $work/live.pem"* ]]
	sed -i "s|/b.key|/a.key|" "$config"
	# at the start, too; and what has been renewed is taken by a reload
	stop_receiver
	: >messages
	receive --config "$config"
	has messages "ferry.conf:2: the certificate in $work/live.pem expired on"
	cp a.pem live.pem
	reread
	send --cert b.pem --cert-key b.key --ca ca.pem src/f
	status 0
	# what would be waited for, so that no reload came after it
	rm live.pem
	mkfifo live.pem
	: >messages
	reread 'ferry\.conf:2: .*live\.pem is not a regular file; the senders stay'
	rm live.pem
	cp a.pem live.pem
	reread
	stop_receiver
}

@test "--check-config: a directory that cannot be made" {
	needs 'a second user'
	ferry keygen conf/k 2>/dev/null
	# the directories above may be closed to others
	printf 'dir = ../in\n[a]\nkey = k\n' >"$config"
	chmod 755 "$work"
	cp "$FERRY" ferry
	chown -R 65534 conf
	run setpriv --reuid=65534 --regid=65534 --clear-groups ./ferry receive \
		--config conf/ferry.conf --check-config
	[ "$status" = 7 ]
	[[ $output = *"ferry.conf:2: [a]: cannot make the directory"* ]]
}

@test "the directory of a sender that was removed is named, and made again" {
	sender laptop
	sender desk
	receive --config "$config"
	rmdir in/laptop
	send --key conf/laptop.key src/f
	status 8
	has sender "was removed: make it again, and reload the receiver (SIGHUP)"
	hasnt sender "$work/in"
	await messages 'no session'
	has messages "laptop (127.0.0.1:"
	has messages "no session: $work/in/laptop: the directory that"
	send --key conf/desk.key src/f
	status 0
	reread
	send --key conf/laptop.key src/f
	status 0
	mv in/laptop in/moved
	send --key conf/laptop.key src/f
	status 0
	await messages "the directory $work/in/laptop was moved: .*reloaded"
	stop_receiver
}

@test "a directory outside of those at the start is refused until a restart" {
	needs 'Landlock ABI 4' seccomp
	needs 'a build without a sanitizer' # no other confines itself
	needs_build 'a sandbox'
	sender laptop
	receive --config "$config" --sandbox require
	# below the common directory a new sender needs nothing else
	sender desk
	sender far "dir = $work/dst"
	reread 'far\] is refused until the receiver is started again'
	send --key conf/desk.key src/f
	status 0
	send --key conf/far.key src/f
	status 4
	stop_receiver
	receive --config "$config" --sandbox require
	send --key conf/far.key src/f
	status 0
	stop_receiver
}

@test "allow of a sender, none of the others" {
	sender near 'allow = 127.0.0.0/8, ::1'
	sender far 'allow = 192.0.2.0/24'
	receive --config "$config"
	send --key conf/near.key src/f
	status 0
	send --key conf/far.key src/f
	status 4
	has sender "not accepted from this address"
	hasnt sender "stopped after"
	stop_receiver
}

@test "max-kept of a sender; another one keeps its part" {
	sender laptop 'max-kept = 1M'
	sender desk
	head -c 12M /dev/urandom >src/large
	receive --config "$config"
	for name in laptop desk; do
		start_send $name --key conf/$name.key --limit-rate 6M src/large
	done
	for name in laptop desk; do
		await $name.events '"progress","bytes":[2-9][0-9]{6}'
		kill -KILL "${pid[$name]}"
		ended $name
	done
	await messages 'removed 1 part .* more than may be kept'
	await events '"event":"summary",.*"sender":"desk"'
	no_litter in/laptop
	[ -n "$(find in/desk -name '.ferry-*.part')" ]
	stop_receiver
}

@test "--drain: a running session ends well, no other begins" {
	sender laptop
	receive --config "$config" --drain 60
	mkfifo pipe
	exec 8<>pipe
	start_send long --key conf/laptop.key --name long - <pipe 8>&-
	echo first >&8
	await events '"event":"session","session":1,'
	kill -TERM "${pid[receiver]}"
	await messages 'no session begins any more'
	send --key conf/laptop.key src/f
	[ "$sent" != 0 ]
	has sender "is being stopped"
	echo second >&8
	exec 8>&-
	ended long
	[ "$code" = 0 ]
	wait_receiver
	[ "$got" = 143 ]
	is cat in/laptop/long $'first\nsecond'
}

@test "keygen --name prints the section to paste" {
	cd conf
	ferry keygen --name laptop >>"$config" 2>../said
	has ../said "wrote a new key to laptop.key"
	cd ..
	receive --config "$config"
	send --key conf/laptop.key src/f
	status 0
	is cat in/laptop/f text
	stop_receiver
	run ferry keygen --name ../x
	[ "$status" = 2 ]
	# what no line of the file can have
	for path in "$work/a " "$work/a"$'\n''dir = x'; do
		run ferry keygen --name a "$path"
		[ "$status" = 2 ]
		[[ $output = *"cannot stand in ferry.conf"* ]]
		[ ! -e "$path" ]
	done
	mkdir $'odd\ndir = x'
	cd $'odd\ndir = x'
	run ferry keygen --name a
	[ "$status" = 2 ]
	[[ $output = *"cannot stand in ferry.conf"* ]]
	[ ! -e a.key ]
	# which does not matter without --name
	ferry keygen a.key 2>/dev/null
	[ -e a.key ]
	# the section says where it is, whatever it was called by
	cd "$work"
	ln -s conf to-conf
	is ferry keygen --name b to-conf/b.key $'[b]\nkey = '"$work/conf/b.key"
}
