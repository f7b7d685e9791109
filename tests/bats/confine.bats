#!/usr/bin/env bats
# The sandbox of receiver and sender: that it is in effect, that everything
# works inside it, and what happens where the kernel has none.
# What it denies, and from which thread, is tested by tests/unit/test_sandbox.

load helper

setup() {
	make_dir
	needs 'a build without a sanitizer' # no other confines itself
	needs_build 'a sandbox'
}
teardown() { remove_dir; }

make_tree() {
	mkdir -p src/t/empty src/t/a/b src/t/setgid
	: >src/t/zero
	printf text >"src/t/"$'new\nline'
	printf text >"src/t/"$'\xff\xfe'
	printf text >"src/t/ .. "
	printf text >"src/t/$(printf 'n%.0s' {1..255})"
	head -c 262145 /dev/urandom >src/t/a/medium
	head -c 3000001 /dev/urandom >src/t/a/b/large
	truncate -s 5M src/t/sparse
	printf end | dd of=src/t/sparse bs=1 seek=4500000 conv=notrunc status=none
	ln -s a/medium src/t/link
	ln -s nowhere src/t/dangling
	touch -h -d '2001-02-03 04:05:06.7' src/t/link
	touch -d '2001-02-03 04:05:06.7' src/t/a
	chmod 0555 src/t/a/b
}

# As same() of the helper, except for owner and group.
alike() {
	is rsync -n --checksum -rlpt --itemize-changes "$1" "$2" ""
}

# ---- it is in effect -------------------------------------------------------

@test "with -v both sides say how they are confined" {
	echo x >src/f
	receive --plain -v --once dst
	send --plain -v src/f
	wait_receiver
	status 0
	grep -qE '^ferry: sandbox: Landlock \(ABI [0-9]+\), seccomp$' messages
	grep -qE '^ferry: sandbox: Landlock \(ABI [0-9]+\), seccomp$' sender
}

# confinement TASK - of a directory below /proc.  A container may have confined
# the test already.
confinement() { grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' "$1/status"; }

@test "a receiver and all its threads run under seccomp and no_new_privs" {
	echo x >src/f
	receive --plain dst
	set -- "/proc/${pid[receiver]}/task"/*
	before=$#
	for _ in 1 2; do
		for task in "/proc/${pid[receiver]}/task"/*; do
			grep -q '^Seccomp:.2$' "$task/status"
			grep -q '^NoNewPrivs:.1$' "$task/status"
			[ "$(confinement "$task")" != "$(confinement /proc/self)" ]
		done
		# the second time with the threads of a session
		exec {hold}<>"/dev/tcp/127.0.0.1/$port"
		for _ in $(seq "$(limit 100)"); do
			set -- "/proc/${pid[receiver]}/task"/*
			[ $# -gt "$before" ] && break
			sleep 0.1
		done
		[ $# -gt "$before" ]
	done
	exec {hold}>&-
	grep -q '^Max core file size *0 *0 ' "/proc/${pid[receiver]}/limits"
	stop_receiver
}

@test "--sandbox off confines nothing" {
	receive --plain -v --sandbox off dst
	is confinement "/proc/${pid[receiver]}" "$(confinement /proc/self)"
	has messages "no sandbox"
	stop_receiver
}

# ---- everything works ------------------------------------------------------

# arrives_confined [COMMAND] - send the tree, with both sides run by COMMAND
arrives_confined() {
	ferry keygen key 2>/dev/null
	[ $# = 0 ] || chown 65534 key
	mkdir out
	chmod 777 out
	ln -s out link-to-out
	FERRY_WRAP=$* receive --key key --sandbox require --once link-to-out
	FERRY_WRAP=$* send --key key -j 3 src/t
	wait_receiver
	status 0
	[ "$got" = 0 ]
	alike src/t out/
	no_litter out
}

@test "a tree with all kinds of items arrives unchanged" {
	make_tree
	arrives_confined
}

@test "a tree with all kinds of items arrives unchanged, both sides run as nobody" {
	needs 'a second user'
	make_tree
	chmod -R a+rX src
	# where the user nobody can run it, which may not be so in the build
	# directory
	chmod 755 .
	install -m 755 "$FERRY" ferry.nobody
	FERRY=$PWD/ferry.nobody
	arrives_confined setpriv --reuid=65534 --regid=65534 --clear-groups
}

@test "a set-group-ID directory as destination" {
	make_tree
	mkdir shared
	chmod 2777 shared
	receive --plain --sandbox require --once shared
	send --plain src/t
	wait_receiver
	status 0
	[ "$(stat -c %a shared/t/empty)" = 2755 ]
	chmod u+w shared/t/a/b
}

@test "every option works in the sandbox" {
	make_tree
	for options in "--existing skip --sync none" \
		"--existing replace --sync file" \
		"--existing replace --limit-rate 50M" \
		"--existing fail --sync batch --max-sessions 1"; do
		rm -rf dst/t
		mkdir -p dst/t/a
		echo old >dst/t/zero
		# shellcheck disable=SC2086
		receive --plain --sandbox require $options dst
		send --plain --checksum sha256 -z -j 2 src/t
		case $options in
		*replace*) status 0 && same src/t dst/ ;;
		*) status 1 ;;
		esac
		stop_receiver
		chmod -R u+w dst/t
	done
}

@test "--stdout works, though the sandbox allows no file" {
	head -c 3000000 /dev/urandom >src/f
	: >events
	start receiver "$FERRY" receive -p 0 --json=9 --plain --stdout -v \
		--sandbox require 9>events >out 2>messages
	receiver=${job[receiver]}
	await events '"event":"listening"'
	port=$(sed -n 's/.*"listening".*"port":\([0-9]*\).*/\1/p' events)
	send --plain src/f
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp out src/f
}

@test "a confined sender: followed symlinks, and a symlink as source" {
	mkdir src/t outside
	echo far >outside/f
	ln -s ../../outside/f src/t/l
	ln -s outside/f link
	ln -s outside linkdir
	receive --plain dst
	send --plain --symlinks follow src/t
	status 0
	[ "$(cat dst/t/l)" = far ]
	send --plain link
	status 0
	[ "$(cat dst/link)" = far ]
	send --plain linkdir
	status 0
	[ "$(cat dst/linkdir/f)" = far ]
	echo text | send --plain --name stdin -
	status 0
	stop_receiver
}

@test "a confined sender resolves host names" {
	echo x >src/f
	receive --plain -4 --once dst
	host=localhost send --plain -4 src/f
	wait_receiver
	status 0
}

@test "the test's own parser joins calls that strace splits in two" {
	# split by a call of another thread, and with -Z by the end of a call
	cat >both.calls <<-'EOF'
		11    openat(AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY|O_CLOEXEC <unfinished ...>
		12    mkdirat(5, "a", 0700 <unfinished ...>
		11    <... openat resumed>) = -1 EACCES (Permission denied)
		12    <... mkdirat resumed>) = -1 EPERM (Operation not permitted)
		11    clone3({flags=CLONE_VM, stack=0x7f00} <unfinished ...>
		12    futex(0x7f00, FUTEX_WAKE_PRIVATE, 1) = 0
		11    <... clone3 resumed> => {parent_tid=[0]}, 88) = -1 ENOSYS (Function not implemented)
		11    clone3({flags=CLONE_VM, stack=0x7f00} <unfinished ...>
		, 88) = -1 ENOSYS (Function not implemented)
		11    openat(AT_FDCWD, "/", O_RDONLY|O_CLOEXEC <unfinished ...>
		)     = -1 EACCES (Permission denied)
		11    unlinkat(5, "b", 0 <unfinished ...>
		)     = -1 EACCES (Permission denied)
		12    read(3, "x resumed>", 10) = 10
		12    symlinkat("c", 5, "d") = -1 EXDEV (Invalid cross-device link)
	EOF
	is denied both \
		'12    mkdirat(5, "a", 0700) = -1 EPERM (Operation not permitted)
11    unlinkat(5, "b", 0)     = -1 EACCES (Permission denied)
12    symlinkat("c", 5, "d") = -1 EXDEV (Invalid cross-device link)'
}

@test "no call of a whole session is denied, on either side" {
	# without it strace cannot read the names that a process that is not
	# dumpable passes to the kernel
	needs CAP_SYS_PTRACE
	make_tree
	ferry keygen key 2>/dev/null
	make_certs
	for mode in --plain "--key key" \
		"--cert b.pem --cert-key b.key --ca ca.pem"; do
		# shellcheck disable=SC2086
		FERRY_WRAP="strace -f -qq -o receiver.calls" \
			receive $mode --once dst
		# shellcheck disable=SC2086
		FERRY_WRAP="strace -f -qq -o sender.calls" \
			send $mode -j 4 --checksum sha256 -z src/t
		wait_receiver
		status 0
		for side in receiver sender; do
			# strace splits a call where another process has one
			grep -qE 'landlock_restrict_self(\(| resumed>).*= 0' $side.calls
			is denied $side ""
			# older kernels lack openat2(): ferry does not use it, so
			# there is no fallback to test
			hasnt $side.calls "openat2("
		done
		chmod u+w dst/t/a/b
		rm -r dst/t
	done
}

# ---- kernels without -------------------------------------------------------

# failing CALL ERRNO - print a command that makes a system call fail
failing() {
	echo "strace -f -qq -o /dev/null -e trace=$1 -e inject=$1:error=$2"
}

# without CALL - as a kernel that does not have it
without() { failing "$1" ENOSYS; }

@test "a kernel without Landlock or seccomp: auto works and says so" {
	echo x >src/f
	# once, without -v, and in the events; -q leaves it out as all warnings
	FERRY_WRAP=$(without landlock_create_ruleset) \
		receive --plain --once dst
	FERRY_WRAP=$(without landlock_create_ruleset) \
		send --plain --json=9 src/f 9>sent.events
	wait_receiver
	status 0
	[ "$got" = 0 ]
	for side in messages sender; do
		has $side "ferry: warning: sandbox: no Landlock, seccomp: this kernel does not have Landlock (Linux 5.13) or does not enable it"
		[ "$(grep -c sandbox: $side)" = 1 ]
	done
	for side in events sent.events; do
		has $side '"event":"warning","message":"sandbox: no Landlock, seccomp: '
	done
	rm dst/f
	FERRY_WRAP=$(without seccomp) receive --plain --once dst
	FERRY_WRAP=$(without seccomp) send --plain src/f
	wait_receiver
	status 0
	grep -qE 'sandbox: Landlock \(ABI [0-9]+\), no seccomp: seccomp: ' messages
	grep -qE 'sandbox: Landlock \(ABI [0-9]+\), no seccomp: seccomp: ' sender
}

@test "a kernel without Landlock or seccomp: require exits with 11" {
	for call in landlock_create_ruleset landlock_restrict_self seccomp; do
		# shellcheck disable=SC2046
		run $(without $call) "$FERRY" receive --plain -p 0 \
			--json=9 --sandbox require dst 9>events
		[ "$status" = 11 ] || { echo "$call: $status $output"; return 1; }
		[[ "$output" == *"--sandbox require: "* ]]
		hasnt events listening
	done
}

@test "Landlock that fails is not taken for a kernel without it" {
	echo x >src/f
	for error in EMFILE EPERM EINVAL; do
		FERRY_WRAP=$(failing landlock_create_ruleset $error) \
			receive --plain --once dst
		send --plain --sandbox off src/f
		wait_receiver
		status 0
		[ "$got" = 0 ]
		grep -q 'sandbox: no Landlock, seccomp: Landlock: [A-Z]' messages
		hasnt messages 'this kernel'
		rm dst/f
	done
	for error in ENOSYS EOPNOTSUPP; do
		# shellcheck disable=SC2046
		run $(failing landlock_create_ruleset $error) "$FERRY" receive \
			--plain -p 0 --sandbox require dst
		[ "$status" = 11 ]
		[[ "$output" == *"this kernel does not have Landlock"* ]]
	done
}

@test "a sandbox that has no effect is detected" {
	for call in landlock_restrict_self seccomp; do
		run strace -f -qq -o /dev/null -e trace=$call \
			-e inject=$call:retval=0 "$FERRY" receive --plain \
			-p 0 --sandbox require dst
		[ "$status" = 11 ]
		[[ "$output" == *"is available but has no effect"* ]]
	done
}

@test "a link-local peer address, for which libc opens a socket" {
	echo x >src/f
	needs 'network namespaces'
	run timeout "$(limit 60)" unshare -n bash -c '
		set -e
		ip link set lo up
		ip link add d0 type veth peer name d1
		ip link set d0 up
		ip link set d1 up
		# nodad: usable at once; there are no other hosts to collide with
		ip -6 addr add fe80::1/64 dev d0 nodad
		: >events
		"$0" receive --plain -p 0 --once --json=9 --sandbox require \
			dst 9>events &
		trap "kill $! || true" EXIT
		until grep -q listening events; do sleep 0.1; done
		port=$(sed -n "s/.*\"port\":\([0-9]*\).*/\1/p" events)
		"$0" send --plain src/f "[fe80::1%d0]:$port"
		wait $!
	' "$FERRY"
	echo "$output"
	[ "$status" = 0 ]
	cmp src/f dst/f
	grep -qE '"peer":"\[fe80:[^%]*%[0-9]+\]' events
}
