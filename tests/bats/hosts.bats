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
	status 3
	has sender "cannot bind to 192.0.2.1: it is not an address of this host at present"
	send --plain -b nonsense src/f
	status 2
	has sender "--bind: 'nonsense' is not a numeric address"
	run -3 ferry receive --plain -p 0 -b 192.0.2.1 dst
	[[ "$output" == *"cannot bind to 192.0.2.1: it is not an address of this host at present: name one of those that 'ip address' lists, or try again once it is up"* ]]
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

# in_network COMMANDS - run them by bash in a network namespace of their own, with
# loopback up, an interface d0, and $FERRY as $0
in_network() {
	timeout --foreground -k 5 "$(limit 60)" unshare --net bash -c "
		ip link set lo up
		ip link add d0 type veth peer name d1
		ip link set d0 up
		ip link set d1 up
		$1" "$FERRY" 3>&-
}

@test "--bind: an address or interface that comes later is worth --retry" {
	needs 'network namespaces'
	echo text >src/f
	for late in "192.0.2.1 192.0.2.1/32 lo" "fe80::1%w0 fe80::1/64 w0"; do
		rm -f dst/f
		read -r bind address interface <<<"$late"
		case $bind in
		*%*) to=fe80::1%w0 begin="ip link add w0 type veth peer name w1
			ip link set w0 up; ip link set w1 up" ;;
		*) to=192.0.2.1 begin= ;;
		esac
		run -0 in_network "
			(sleep 2
			$begin
			ip addr add $address dev $interface \
				$([ -z "$begin" ] || echo nodad)
			exec \"\$0\" receive --once --plain -b $bind dst) &
			\"\$0\" send --plain --retry 30 -b $bind src/f $to
			code=\$?
			wait
			exit \$code"
		[[ "$output" == *"cannot bind to $bind: "* ]] || {
			echo "$output"
			return 1
		}
		is cat dst/f text
	done
}

@test "an interface that this host does not have is named" {
	echo text >src/f
	run -3 ferry send --plain src/f 'fe80::1%nosuch0'
	[[ "$output" == *"this host has no network interface nosuch0"* ]]
	run -3 ferry send --plain -b 'fe80::1%nosuch0' src/f ::1
	[[ "$output" == *"this host has no network interface nosuch0"* ]]
	run -3 ferry receive --plain -b 'fe80::1%nosuch0' dst
	[[ "$output" == *"this host has no network interface nosuch0"* ]]
}

@test "a link-local address without its zone: the message says how to write it" {
	needs 'network namespaces'
	echo text >src/f
	run -3 in_network '"$0" send --plain src/f fe80::1'
	[[ "$output" == *"needs the network interface: write fe80::1%d"[01]* ]]
	run -3 in_network '"$0" send --plain src/f "[fe80::1]:5000"'
	[[ "$output" == *"needs the network interface: write fe80::1%d"[01]* ]]
	run -3 in_network '"$0" send --plain -b fe80::2 src/f fe80::1%d0'
	[[ "$output" == *"cannot bind to fe80::2: "*"write fe80::2%d"[01]* ]]
	run -3 in_network '"$0" receive --plain -b fe80::2 dst'
	[[ "$output" == *"cannot bind to fe80::2: "*"write fe80::2%d"[01]* ]]
}

@test "a firewall of this host that forbids the connection" {
	needs 'network namespaces'
	echo text >src/f
	run -3 in_network 'ip route add prohibit 198.51.100.1
		"$0" send --plain src/f 198.51.100.1'
	[[ "$output" == *"permission denied (a firewall or sandbox on this host forbids it)"* ]]
	run -3 in_network 'ip route add blackhole 198.51.100.1
		"$0" send --plain src/f 198.51.100.1'
	[[ "$output" == *"does a route of this host discard it?"* ]]
	run -3 in_network 'ip route add unreachable 198.51.100.1
		"$0" send --plain src/f 198.51.100.1'
	[[ "$output" == *"or a firewall refuses the port"* ]]
}

@test "an address of the other family than is asked for" {
	echo text >src/f
	run -3 ferry send --plain -6 src/f 127.0.0.1
	[[ "$output" == *"127.0.0.1: it is an IPv4 address, and IPv6 is asked for"* ]]
	run -3 ferry send --plain -b ::1 src/f 127.0.0.1
	[[ "$output" == *"127.0.0.1: it is an IPv4 address, and IPv6 is asked for"* ]]
	run -3 ferry receive --plain -4 --connect ::1 dst
	[[ "$output" == *"::1: it is an IPv6 address, and IPv4 is asked for"* ]]
}
