#!/usr/bin/env bats
# --deploy: this ferry is copied to the other host through ssh.

bats_require_minimum_version 1.5.0
load helper
load ssh

setup_file() { make_sshd; }
teardown_file() { end_sshd; }
setup() {
	make_dir
	use_sshd
	mkdir home
	echo text >src/f
	at_home
}
teardown() { remove_dir; }

# at_home [COMMAND] - log-ins have a home directory of their own, and this is run
# before their command.
at_home() {
	force "export HOME=$work/home; ${1:-:}; sh -c \"\$SSH_ORIGINAL_COMMAND\""
}

# deploy OPTION... PATH... TARGET - ferry send, and sets $sent.
deploy() {
	sent=0
	timeout --foreground "$run_limit" "$FERRY" send -v "$@" 2>sender 3>&- ||
		sent=$?
}

# refused TEXT - it could not be deployed, and nothing was left there.
refused() {
	status 3
	has sender "box: --deploy: "
	has sender "$1"
	is find home -type f ''
}

@test "copied once, found again, replaced if it is another, removed on request" {
	needs_build --deploy
	deploy --deploy src/f box:
	status 0
	has sender "box: copying this ferry ("
	same src/f home/f
	cmp "$FERRY" home/.cache/ferry/ferry
	is stat -c %a home/.cache/ferry/ferry 700
	is ls home/.cache/ferry ferry
	deploy --deploy=keep --existing replace src/f box:
	status 0
	hasnt sender "copying this ferry"
	got=0
	"$FERRY" receive --deploy box:f dst 2>messages || got=$?
	fetched 0
	same src/f dst/f
	# another release, or half of one
	head -c 100000 "$FERRY" >home/.cache/ferry/ferry
	deploy --deploy src/f box:
	status 0
	has sender "copying this ferry"
	cmp "$FERRY" home/.cache/ferry/ferry
	if ! [ -e /usr/bin/ferry ] && ! [ -e /usr/local/bin/ferry ]; then
		at_home 'PATH=/usr/bin:/bin'
		deploy src/f box:
		status 0
	fi
	deploy --deploy=remove src/f box:
	status 0
	[ ! -e home/.cache/ferry ]
	deploy --deploy=remove src/f box:
	status 0
	has sender "copying this ferry"
	[ ! -e home/.cache/ferry ]
}

@test "login shells: noise, fish, tcsh, zsh, restricted bash" {
	needs_build --deploy
	for shell in 'bash -r' tcsh zsh fish; do
		command -v "${shell% *}" >/dev/null || {
			echo "# no $shell here" >&3
			continue
		}
		force "export HOME=$work/home; echo Welcome; echo -n noise; $shell -c \"\$SSH_ORIGINAL_COMMAND\""
		deploy --deploy=remove --existing replace src/f box:
		status 0
		has sender "box: the login shell printed: Welcome"
		has sender "box: the login shell printed: noise"
		[ ! -e home/.cache/ferry ]
	done
}

@test "a host where it does not fit: told, and nothing is left there" {
	needs_build --deploy
	mkdir bin lib
	printf '#!/bin/sh\necho Plan9 mips\n' >bin/uname
	chmod +x bin/uname
	at_home "PATH=$work/bin:/usr/bin:/bin"
	deploy --deploy src/f box:
	refused "the system there is Plan9 mips, and this ferry is for $(uname -sm)"
	is find home -mindepth 1 ''
	rm bin/uname
	for name in sh uname mkdir head rm; do
		ln -s "$(command -v $name)" bin/
	done
	at_home "PATH=$work/bin"
	deploy --deploy src/f box:
	refused "there is no sha256sum"
	is find home -mindepth 1 ''
	mkdir home/.cache
	ln -s /dev/full home/.cache/ferry
	at_home
	deploy --deploy src/f box:
	refused "cannot copy ferry to ~/.cache/ferry there: "
	rm home/.cache/ferry
	# as where another program stands before the real one
	rm bin/head
	printf '#!/bin/sh\n/usr/bin/head -c 99999\n' >bin/head
	chmod +x bin/head
	at_home "PATH=$work/bin:/usr/bin:/bin"
	deploy --deploy src/f box:
	refused "its SHA-256 is not the same there"
	if ldd "$FERRY" | grep libxxhash; then
		touch lib/libxxhash.so.0
		at_home "export LD_LIBRARY_PATH=$work/lib"
		deploy --deploy src/f box:
		refused "this ferry does not run there ("
		has sender "libxxhash.so.0"
		has sender "make static"
	fi
	force "'$FERRY' remote"
	deploy --deploy src/f box:
	status 3
	has sender "--deploy needs a shell there, and no forced command"
	is find home -type f ''
}

@test "ssh that is killed while it copies: no half of a program; --retry copies anew" {
	needs_build --deploy
	# passes some of it, and then no more, the first time
	cat >slow <<-'EOF'
		#!/bin/bash
		[ -e again ] && exec $REAL_SSH "$@"
		touch again
		dd bs=4096 count=80 2>/dev/null | $REAL_SSH "$@"
		exit 255
	EOF
	chmod +x slow
	export REAL_SSH=$FERRY_SSH
	deploy --ssh ./slow --deploy src/f box:
	status 3
	for _ in $(seq "$(limit 100)"); do
		[ -n "$(find home -type f)" ] || break
		sleep 0.05
	done
	is find home -type f ''
	rm again
	deploy --ssh ./slow --retry 20 --deploy src/f box:
	status 0
	cmp "$FERRY" home/.cache/ferry/ferry
	is ls home/.cache/ferry ferry
}

@test "options that do not go with it" {
	run -2 ferry send --deploy --remote-ferry /x src/f box:
	[[ "$output" == *"--deploy and --remote-ferry exclude each other"* ]]
	run -2 ferry send --deploy=x src/f box:
	[[ "$output" == *"keep or remove"* ]]
	run -2 ferry send --deploy src/f box
	[[ "$output" == *"--deploy needs a place that ssh reaches"* ]]
}
