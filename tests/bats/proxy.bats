#!/usr/bin/env bats
# Connecting through a proxy: SOCKS5 and HTTP CONNECT.

load helper

setup() {
	make_dir
	unset all_proxy ALL_PROXY no_proxy NO_PROXY
	mkdir src/t
	head -c 9000000 /dev/urandom >src/t/large
	echo small >src/t/small
}
teardown() { remove_dir; }

# proxy ARGUMENT... - start tests/tools/proxy_server.py; $proxy is its port.
proxy() {
	: >asked
	start proxy python3 "$tools/proxy_server.py" "$@" >asked
	await asked '^[0-9]+$'
	proxy=$(head -n 1 asked)
}

stop_proxy() {
	kill "${pid[proxy]}"
	ended proxy
}

# arrived - the last send() brought the tree.
arrived() {
	status 0
	same_tree src/t dst/t
	rm -r dst/t
}

password_file() { (umask 077 && echo "$1" >password); }

@test "send through SOCKS5 and HTTP, several connections, the sandbox, a name resolved there [san]" {
	receive --plain dst
	proxy socks5
	# slow enough for the other connections to be made before all is sent;
	# a build with a sanitizer cannot be confined
	is_instrumented && sandbox=auto || sandbox=$(confined)
	host=localhost send --plain -v -j 3 --limit-rate 6M --sandbox "$sandbox" \
		--proxy "socks5://127.0.0.1:$proxy" src/t
	arrived
	has sender "connected to localhost:$port"
	[ "$(grep -c "^localhost $port\$" asked)" -ge 2 ]
	host=127.0.0.1
	ALL_PROXY=socks5h://127.0.0.1:$proxy send --plain src/t
	arrived
	has asked "127.0.0.1 $port"
	stop_proxy
	proxy http
	host=localhost send --plain -j 3 --limit-rate 6M --proxy "http://localhost:$proxy/" \
		src/t
	arrived
	[ "$(grep -c "^localhost $port\$" asked)" -ge 2 ]
	# what is not to be proxied
	ALL_PROXY=http://127.0.0.1:1 host=127.0.0.1 NO_PROXY=192.0.2.1,127.0.0.0/8 \
		send --plain src/t
	arrived
	ALL_PROXY=http://127.0.0.1:1 send --plain --proxy none src/t
	arrived
}

@test "user and password from a file; refused and missing ones are told" {
	receive --plain dst
	for kind in socks5 http; do
		proxy $kind "me:the secret"
		password_file "the secret"
		send --plain --proxy "$kind://me@127.0.0.1:$proxy" \
			--proxy-password-file password src/t
		arrived
		send --plain --proxy "$kind://127.0.0.1:$proxy" src/t
		status 4
		has sender "wants a user and password"
		has sender "--proxy-password-file"
		password_file "wrong"
		send --plain --proxy "$kind://me@127.0.0.1:$proxy" \
			--proxy-password-file password src/t
		status 4
		has sender "it refused the user or password"
		hasnt sender wrong
		stop_proxy
	done
	# not from the command line nor the environment
	send --plain --proxy "socks5://me:secret@127.0.0.1:1" src/t
	status 2
	has sender "--proxy-password-file"
	hasnt sender secret
	ALL_PROXY=socks5://me:secret@127.0.0.1:1 send --plain src/t
	status 2
	has sender "ALL_PROXY (in the environment; --proxy none ignores it)"
	hasnt sender secret
	chmod 644 password
	send --plain --proxy "socks5://me@127.0.0.1:1" \
		--proxy-password-file password src/t
	status 2
	has sender "chmod"
}

@test "receive --connect through a proxy, with a key and --retry" {
	ferry keygen key 2>/dev/null
	: >sent.events
	start sender "$FERRY" send --listen -p 0 --json=9 --key key src/t \
		9>sent.events 2>sender
	await sent.events '"event":"listening"'
	port=$(member sent.events listening port)
	proxy socks5
	start receiver "$FERRY" receive --key key --sandbox "$(confined)" --retry 20 \
		--proxy "socks5://127.0.0.1:$proxy" --connect "localhost:$port" \
		dst 2>messages
	ended receiver
	[ "$code" = 0 ] || { cat messages; false; }
	ended sender
	[ "$code" = 0 ]
	same_tree src/t dst/t
	has asked "localhost $port"
}

@test "what a proxy refuses, and one that is none" {
	receive --plain dst
	good=$port
	port=$(python3 "$tools/free_port.py")
	proxy socks5
	send --plain --proxy "socks5://127.0.0.1:$proxy" src/t
	status 3
	has sender "proxy 127.0.0.1 port $proxy, for a connection to 127.0.0.1 port $port: connection refused there"
	stop_proxy
	proxy http
	send --plain --proxy "http://127.0.0.1:$proxy" src/t
	status 3
	has sender "it refused: HTTP/1.1 502 Bad Gateway"
	stop_proxy
	send --plain --proxy "socks5://127.0.0.1:$port" src/t
	status 3
	has sender "cannot connect to the proxy 127.0.0.1 port $port: connection refused"
	# a receiver is no proxy, and each kind is not the other
	send --plain --timeout 3 --proxy "http://127.0.0.1:$good" src/t
	[ "$sent" = 3 ]
	proxy raw 'HTTP/1.1 400 Bad Request\r\n\r\n'
	send --plain --proxy "socks5://127.0.0.1:$proxy" src/t
	status 3
	has sender "it does not speak SOCKS5"
	stop_proxy
	for bad in https://h socks4://h h:1080 socks5:// socks5://@h \
		socks5://h:99999 http://h/path; do
		send --plain --proxy "$bad" src/t
		status 2
	done
	send --plain --proxy-password-file password src/t
	status 2
	has sender "needs a proxy with a user"
}

@test "a hostile proxy: endless, cut and odd answers end in time and are shown escaped" {
	port=9
	proxy endless 'HTTP/1.1 200 OK\r\nX: y\r\n'
	send --plain --proxy "http://127.0.0.1:$proxy" src/t
	status 3
	has sender "its answer is too long"
	stop_proxy
	proxy endless 'HTTP/1.1 100 Continue\r\n\r\n'
	send --plain --proxy "http://127.0.0.1:$proxy" src/t
	status 3
	has sender "its answer is too long"
	stop_proxy
	proxy raw '\x1b]0;x\x07\x9b31m\n\n'
	send --plain --proxy "http://127.0.0.1:$proxy" src/t
	status 3
	[ -z "$(LC_ALL=C tr -d '[:print:]\n' <sender)" ]
	stop_proxy
	# half an answer, and none
	for text in '\x05' '\x05\x00\x05\x00\x00\x03\xff'; do
		proxy raw "$text"
		send --plain --timeout 1 --proxy "socks5://127.0.0.1:$proxy" src/t
		status 3
		has sender "no answer in time"
		stop_proxy
	done
	proxy raw '\x05\x00\x05\x00\x00\x09'
	send --plain --proxy "socks5://127.0.0.1:$proxy" src/t
	status 3
	stop_proxy
	# a signal while it says nothing
	proxy raw ''
	start sender "$FERRY" send --plain --proxy "socks5://127.0.0.1:$proxy" \
		src/t 127.0.0.1:9 2>messages
	await asked connected
	kill -TERM "${pid[sender]}"
	ended sender
	[ "$code" = 143 ]
}

@test "microsocks and tinyproxy" {
	needs microsocks
	receive --plain dst
	proxy=$(python3 "$tools/free_port.py")
	password_file pass
	start microsocks microsocks -i 127.0.0.1 -p "$proxy" -u me -P pass \
		2>/dev/null
	send --plain --retry 10 -j 2 --proxy "socks5://me@127.0.0.1:$proxy" \
		--proxy-password-file password src/t
	arrived
	kill "${pid[microsocks]}"
	ended microsocks
	needs tinyproxy
	printf '%s\n' "Port $proxy" 'Listen 127.0.0.1' 'Timeout 60' \
		"ConnectPort $port" 'BasicAuth me pass' >conf
	start tinyproxy tinyproxy -d -c conf >/dev/null 2>&1
	send --plain --retry 10 -j 2 --proxy "http://me@127.0.0.1:$proxy" \
		--proxy-password-file password src/t
	arrived
}
