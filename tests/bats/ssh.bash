# ssh.bash - what the bats files on ssh share: a real sshd on loopback, run by the
# user who runs the tests, with keys and configuration of its own.
# shellcheck shell=bash disable=SC2154

# make_sshd - in setup_file: start it; $sshd_dir has its files.
make_sshd() {
	"$BATS_TEST_DIRNAME/../tools/can" sshd || return 0
	sshd_dir=$BATS_FILE_TMPDIR/sshd
	mkdir -m 700 "$sshd_dir" || return 1
	# it insists on this directory, even where it has no use for it
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$sshd_dir/host" </dev/null &&
		ssh-keygen -q -t ed25519 -N '' -f "$sshd_dir/user" </dev/null ||
		return 1
	sshd_port=$("$BATS_TEST_DIRNAME/../tools/free_port.py")
	# of what keys can be exchanged by, this takes the least time
	cat >"$sshd_dir/sshd_config" <<-EOF
		Port $sshd_port
		ListenAddress 127.0.0.1
		HostKey $sshd_dir/host
		AuthorizedKeysFile $sshd_dir/authorized
		StrictModes no
		UsePAM no
		PidFile none
		MaxStartups 100
		KexAlgorithms curve25519-sha256
	EOF
	# where a ferry that is measured writes its counters
	[ -z "${GCOV_PREFIX:-}" ] ||
		echo "SetEnv \"GCOV_PREFIX=$GCOV_PREFIX\"" \
			"GCOV_PREFIX_STRIP=$GCOV_PREFIX_STRIP" \
			>>"$sshd_dir/sshd_config"
	cat >"$sshd_dir/ssh_config" <<-EOF
		Host box
			HostName 127.0.0.1
			Port $sshd_port
			User $(id -un)
			IdentityFile $sshd_dir/user
			IdentitiesOnly yes
			UserKnownHostsFile $sshd_dir/known
			StrictHostKeyChecking yes
			BatchMode yes
			LogLevel ERROR
	EOF
	printf '[127.0.0.1]:%s %s\n' "$sshd_port" \
		"$(cat "$sshd_dir/host.pub")" >"$sshd_dir/known"
	PATH=$PATH:/usr/sbin "$(PATH=$PATH:/usr/sbin command -v sshd)" -D \
		-f "$sshd_dir/sshd_config" -E "$sshd_dir/log" \
		</dev/null >/dev/null 2>&1 3>&- &
	echo $! >"$sshd_dir/pid"
	disown
	export sshd_dir sshd_port
	export FERRY_SSH="ssh -F $sshd_dir/ssh_config"
	for _ in $(seq "$(limit 100)"); do
		grep -q 'Server listening' "$sshd_dir/log" 2>/dev/null && return
		sleep 0.1
	done
	cat "$sshd_dir/log"
	return 1
}

end_sshd() {
	[ -z "${sshd_dir:-}" ] || kill "$(cat "$sshd_dir/pid")"
}

# use_sshd [COMMAND] - in setup: skip where there is none; every log-in gets this
# forced command.
use_sshd() {
	needs sshd
	force "$@"
}

force() {
	local command=${1:-}
	command=${command//\\/\\\\}
	command=${command//\"/\\\"}
	printf '%s%s\n' "${command:+command=\"$command\" }" \
		"$(cat "$sshd_dir/user.pub")" >"$sshd_dir/authorized"
}

# fetch OPTION... HOST:PATH... DIR - ferry receive by ssh; sets $got, its messages
# go to the file messages.
fetch() {
	got=0
	# shellcheck disable=SC2086
	timeout --foreground "$run_limit" ${FERRY_WRAP:-} "$FERRY" receive \
		--remote-ferry "$FERRY" "$@" 2>messages 3>&- || got=$?
}

# fetched WANTED - the exit status of the last fetch().
fetched() {
	[ "$got" = "$1" ] || {
		echo "ferry receive: exit status $got, expected $1"
		cat messages
		return 1
	}
}

# push OPTION... PATH... TARGET - ferry send by ssh; sets $sent, its messages go
# to the file sender.
push() {
	sent=0
	# shellcheck disable=SC2086
	timeout --foreground "$run_limit" ${FERRY_WRAP:-} "$FERRY" send \
		--remote-ferry "$FERRY" "$@" 2>sender 3>&- || sent=$?
}

# ancestors PID - the command lines of a process and those above it
ancestors() {
	local pid=$1
	while [ -n "$pid" ] && [ "$pid" -gt 1 ]; do
		ps -o args= -p "$pid"
		pid=$(ps -o ppid= -p "$pid")
		# with spaces before a short number, which -p does not take
		pid=${pid// /}
	done
}

# remote_ferry - the process that our sshd has started, and not that of another
# test, without its helpers, which have its command line, and lower ids once the
# ids begin anew.
remote_ferry() {
	local pid lines
	for pid in $(pgrep -f "^$FERRY remote"); do
		lines=$(ancestors "$pid")
		[[ $lines != *"$sshd_dir/sshd_config"* ]] ||
			[ "$(grep -c "^$FERRY remote" <<<"$lines")" != 1 ] ||
			echo "$pid"
	done
}

# no_remote_ferry - none runs any more that is not another test's.  It may end a
# moment after ours, and its helpers after it.
no_remote_ferry() {
	local pid lines found
	for _ in $(seq "$(limit 100)"); do
		found=
		for pid in $(pgrep -f "^$FERRY remote"); do
			lines=$(ancestors "$pid")
			[[ $lines == */sshd_config* &&
				$lines != *"$sshd_dir/sshd_config"* ]] ||
				found=$lines
		done
		[ -n "$found" ] || return 0
		sleep 0.1
	done
	echo "$found"
	return 1
}
