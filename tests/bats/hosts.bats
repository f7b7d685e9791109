#!/usr/bin/env bats
# Host names, addresses and families: which address is listened on, and which
# one is connected to.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# with_hosts COMMAND... - run it with the file hosts mounted at /etc/hosts.
with_hosts() {
	needs 'mount namespaces'
	unshare --mount bash -c 'mount --bind hosts /etc/hosts && exec "$@"' \
		- "$@" 3>&-
}

# unresponsive ADDRESS - no SYN to ADDRESS and $port is answered: the backlog of
# a listener that never accepts is full, and the kernel drops further ones.
unresponsive() {
	start listener python3 - "$1" "$port" >listener.ready <<-'EOF'
		import socket, sys, threading
		where = (sys.argv[1], int(sys.argv[2]))
		listener = socket.create_server(where, backlog=0)
		waiting = [socket.socket() for _ in range(4)]
		for one in waiting:
		    one.setblocking(False)
		    one.connect_ex(where)
		waiting[0].setblocking(True)
		print("ready", flush=True)
		threading.Event().wait()
	EOF
	await listener.ready ready
}

@test "a host name with several addresses: the next is tried soon" {
	echo text >src/f
	printf '127.0.0.2 many\n127.0.0.3 many\n' >hosts
	receive --plain -b 127.0.0.3 dst
	unresponsive 127.0.0.2
	with_hosts timeout "$(limit 60)" "$FERRY" send --plain --json src/f \
		"many:$port" >sent.json
	has sent.json '"peer":"127.0.0.3:'
	took=$(member sent.json summary seconds)
	# the next address is tried after 0.25 s
	[ "${took%.*}" -lt "$(limit 10)" ]
	[ "$took" != 0.0 ] && [[ "$took" != 0.0* ]] && [[ "$took" != 0.1* ]]
	is cat dst/f text
	# proof that 127.0.0.2 is tried first, and does not answer
	stop_receiver
	run -3 with_hosts timeout "$(limit 60)" "$FERRY" send --plain --timeout 2 src/f \
		"many:$port"
	[[ "$output" == *"127.0.0.2: timed out; 127.0.0.3: connection refused"* ]]
}

@test "a host name with several addresses: a refused one costs no time" {
	echo text >src/f
	printf '127.0.0.2 many\n127.0.0.3 many\n' >hosts
	receive --plain -b 127.0.0.3 dst
	with_hosts timeout "$(limit 60)" "$FERRY" send --plain --json src/f \
		"many:$port" >sent.json
	has sent.json '"peer":"127.0.0.3:'
	is cat dst/f text
}

# receive_alone - on a port that is free at all addresses of both families, which
# one of the ephemeral range may not be.
receive_alone() { receive -p "$("$tools/free_port.py")" "$@"; }

@test "--bind: the address to listen on, the address to connect from" {
	echo text >src/f
	receive_alone --plain -b 127.0.0.1 dst
	has messages " on 127.0.0.1:$port ("
	send --plain -b 127.0.0.2 src/f
	status 0
	await events '"peer":"127.0.0.2:'
	host=127.0.0.2
	send --plain src/f
	status 3
	host=
	send --plain -b 192.0.2.1 src/f
	status 2
	has sender "192.0.2.1"
	send --plain -b nonsense src/f
	status 2
	has sender "--bind: 'nonsense' is not a numeric address"
	run -2 ferry receive --plain -p 0 -b 192.0.2.1 dst
	[[ "$output" == *"192.0.2.1 is not an address of this host"* ]]
}

@test "-4 and -6: the family to listen on, the family to connect with" {
	needs IPv6
	echo text >src/f
	receive_alone --plain -6 dst
	send --plain src/f
	status 3
	send --plain -6 src/f
	status 3
	has sender "127.0.0.1"
	host='[::1]'
	send --plain -6 src/f
	status 0
	send --plain -4 src/f
	status 3
	stop_receiver
	rm dst/f
	receive_alone --plain -4 dst
	send --plain src/f
	status 3
	host=
	send --plain -4 src/f
	status 0
}
