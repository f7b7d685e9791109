#!/usr/bin/env bats
# Host names in the sender's sandbox: how they are resolved, again for each
# retry, and that a name server which does not answer holds nothing up.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# with_etc COMMAND... - run it in a mount and a network namespace whose /etc is
# the directory etc, with its loopback interface up.
with_etc() {
	timeout --foreground -k 5 "$(limit 60)" unshare --mount --net \
		bash -c 'ip link set lo up && mount --bind etc /etc && exec "$@"' \
		- "$@" 3>&-
}

# make_etc - what the resolver reads, as symlinks to where the sandbox of the
# sender never let it look
make_etc() {
	needs 'mount namespaces' 'network namespaces'
	mkdir etc far
	echo 'hosts: files dns' >far/nsswitch.conf
	echo '127.0.0.1 localhost' >far/hosts
	echo 'nameserver 127.0.0.53' >far/resolv.conf
	: >far/gai.conf
	for name in nsswitch.conf hosts resolv.conf gai.conf; do
		ln -s "$PWD/far/$name" etc/$name
	done
	cp /etc/ld.so.cache /etc/passwd /etc/group etc/
}

# A name server at 127.0.0.53: each name is 127.0.0.1; with "silent", it never
# answers; with "late N", the first N names do not exist.
cat_name_server() {
	cat <<-'EOF2'
		import socket, struct, sys
		mode, count = sys.argv[1], int(sys.argv[2])
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.53", 53))
		open("ready", "w").write("ready\n")
		seen = set()
		while True:
		    q, peer = s.recvfrom(2000)
		    if mode == "silent":
		        continue
		    end = 12
		    while q[end]:
		        end += q[end] + 1
		    question = q[12:end + 5]
		    kind = struct.unpack(">H", q[end + 1:end + 3])[0]
		    seen.add(q[:2])
		    if mode == "late" and len(seen) <= count:
		        s.sendto(q[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question, peer)
		    elif kind == 1:
		        s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question +
		                 b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1", peer)
		    else:
		        s.sendto(q[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + question, peer)
	EOF2
}

# with_server MODE N COMMAND... - run a name server, a receiver and COMMAND;
# $PORT is where the receiver listens.
with_server() {
	cat_name_server >server.py
	# shellcheck disable=SC2016
	with_etc bash -c '
		python3 server.py "$1" "$2" 3>&- & server=$!
		: >events
		"$0" receive --plain -p 0 -4 --json=9 dst 9>events 2>messages \
			3>&- & receiver=$!
		trap "kill $server $receiver" EXIT
		until [ -s ready ] && grep -q listening events; do sleep 0.1; done
		export PORT=$(sed -n "s/.*\"port\":\([0-9]*\).*/\1/p" events)
		"${@:3}"' "$FERRY" "$@"
}

@test "/etc/resolv.conf, hosts and nsswitch.conf are symlinks to elsewhere" {
	make_etc
	echo text >src/f
	echo '127.0.0.1 in-hosts' >>far/hosts
	# shellcheck disable=SC2016
	for name in in-hosts some.name.example; do
		run -0 with_server answer 0 bash -c \
			'"$0" send --plain src/f "$1:$PORT"' "$FERRY" "$name"
		is cat dst/f text
		rm -f dst/f ready
	done
}

@test "a name that does not exist is told" {
	echo text >src/f
	run -3 ferry send --plain src/f no-such-host.invalid
	[[ "$output" == *"cannot resolve host no-such-host.invalid: "* ]]
}

@test "--retry resolves the name again" {
	make_etc
	echo text >src/f
	# shellcheck disable=SC2016
	run -0 with_server late 6 bash -c \
		'"$0" send --plain --retry 60 src/f "late.example:$PORT"' "$FERRY"
	[[ "$output" == *"cannot resolve host late.example"* ]]
	is cat dst/f text
}

@test "a name server that does not answer: --timeout counts" {
	make_etc
	echo text >src/f
	# shellcheck disable=SC2016
	run -3 with_server silent 0 bash -c 'TIMEFORMAT="took %0R"
		time "$0" send --plain --timeout 2 src/f "x.example:$PORT"' "$FERRY"
	[[ "$output" == *"cannot resolve host x.example: no answer within 2 s"* ]]
	took=${output##*took }
	[ "$took" -lt $((2 + $(limit 2))) ]
}

@test "a name server that does not answer: a signal ends the sender at once" {
	make_etc
	echo text >src/f
	# shellcheck disable=SC2016
	run with_server silent 0 bash -c '
		"$0" send --plain src/f "x.example:$PORT" & pid=$!
		sleep 1
		TIMEFORMAT="took %0R"
		kill -TERM $pid
		time wait $pid' "$FERRY"
	[[ "$status" == 143 ]]
	took=${output##*took }
	[ "$took" -lt "$(limit 2)" ]
}

@test "the resolver's process ends with the sender, however that ends" {
	make_etc
	echo text >src/f
	# shellcheck disable=SC2016
	for signal in TERM KILL; do
		run with_server silent 0 bash -c '
			"$0" send --plain src/f "x.example:$PORT" & pid=$!
			sleep 1
			kill -$1 $pid
			wait $pid
			for _ in $(seq "$2"); do
				pgrep -f "send --plain src/f x[.]example" || exit 0
				sleep 0.2
			done
			exit 1' "$FERRY" "$signal" "$(limit 10)"
		[ "$status" = 0 ] || { echo "$output"; return 1; }
		rm -f ready
	done
}

# ---- send --sandbox --------------------------------------------------------

@test "send --sandbox: off confines nothing, require needs all of it" {
	echo text >src/f
	receive --plain dst
	send --plain -v --sandbox off src/f
	status 0
	has sender "no sandbox"
	if ! is_instrumented && build_has 'a sandbox'; then
		send --plain -v --sandbox require src/f
		status 0
		has sender "seccomp"
		sent=0
		strace -f -qq -o /dev/null -e trace=landlock_create_ruleset \
			-e inject=landlock_create_ruleset:error=ENOSYS \
			"$FERRY" send --plain --sandbox require src/f \
			"127.0.0.1:$port" 2>sender || sent=$?
		status 11
		has sender "--sandbox require: "
	fi
	send --plain --sandbox some src/f
	status 2
}

# ---- a library that makes the connections ----------------------------------

# make_shim - as proxychains: shim.so takes over connect() and goes to the port
# in PROXY_PORT, whatever the program asked for.
make_shim() {
	cat >shim.c <<-'EOF2'
		#define _GNU_SOURCE
		#include <arpa/inet.h>
		#include <dlfcn.h>
		#include <errno.h>
		#include <stdlib.h>
		#include <sys/socket.h>
		int connect(int fd, const struct sockaddr *sa, socklen_t len)
		{
			int (*real)(int, const struct sockaddr *, socklen_t) =
				(int (*)(int, const struct sockaddr *, socklen_t))
				dlsym(RTLD_NEXT, "connect");
			struct sockaddr_in to = { .sin_family = AF_INET,
				.sin_port = htons(atoi(getenv("PROXY_PORT"))),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
			if (sa->sa_family != AF_INET)
				return real(fd, sa, len);
			if (real(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
			    errno == EINPROGRESS)
				return errno = EINPROGRESS, -1;
			errno = ECONNREFUSED; /* so proxychains reports all */
			return -1;
		}
	EOF2
	cc -shared -fPIC -o shim.so shim.c -ldl
}

@test "connect() of a preloaded library: its connections are allowed" {
	needs 'a build without a sanitizer' # which has to be loaded first
	make_shim
	echo text >src/f
	receive --plain dst
	PROXY_PORT=$port LD_PRELOAD=$PWD/shim.so run -0 "$FERRY" send -v \
		--plain src/f 127.0.0.1:1
	is cat dst/f text
	# of what is not there, nothing is told
	build_has 'a sandbox' || return 0
	[[ "$output" == *"shim.so makes the connections"* ]]
	# nobody listens where the library connects to
	stop_receiver
	PROXY_PORT=$port LD_PRELOAD=$PWD/shim.so run -3 "$FERRY" send \
		--plain src/f 127.0.0.1:1
	[[ "$output" == *"connection refused (the connection is made by shim.so"* ]]
	# who asks for all of the sandbox gets it, and is told what it forbids
	PROXY_PORT=$port LD_PRELOAD=$PWD/shim.so run -11 "$FERRY" send \
		--sandbox require --plain src/f 127.0.0.1:1
	[[ "$output" == *"--sandbox require: shim.so makes the connections"* ]]
}
