#!/usr/bin/env bats
# The security modes: right credentials, wrong ones, and peers that speak
# something else.  A refused peer creates nothing.

load helper

setup() { make_dir; echo MARKER-content >src/MARKER-name; }
teardown() { remove_dir; }

# Send with the options given: refused in time with 4 or 5, nothing created,
# and the receiver still serves the right peer (options in $right).
refused() {
	local began=$SECONDS
	send "$@" src/MARKER-name
	[ $((SECONDS - began)) -lt "$(limit 12)" ]
	[ "$sent" = 4 ] || [ "$sent" = 5 ] || { cat sender; return 1; }
	[ "$(find dst)" = dst ]
	# shellcheck disable=SC2086
	send $right src/MARKER-name
	[ "$sent" = 0 ]
	cmp src/MARKER-name dst/MARKER-name
	rm dst/MARKER-name
}

# derive BYTES INFO [KEY] - from the key in the file key, or in hex, as
# ferry-protocol(7) says.
derive() {
	openssl kdf -keylen "$1" -kdfopt digest:SHA256 \
		-kdfopt "hexkey:${3:-$(sed 's/^ferry-key-1://' key)}" \
		-kdfopt "info:$2" HKDF | tr -d ':\n' | tr A-F a-f
}

@test "shared key: right, wrong, none on one side [san]" {
	ferry keygen key 2>/dev/null
	ferry keygen wrong 2>/dev/null
	right="--key key"
	receive --key key dst
	refused --key wrong
	refused --plain
}

@test "another program at the port, or as the client, is named in every mode" {
	make_certs
	ferry keygen key 2>/dev/null
	cert="--cert a.pem --cert-key a.key --ca ca.pem"
	for begins in "SSH-2.0-x" "HTTP/1.1 400 Bad Request"; do
		start other python3 -c '
import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
while True:
    c = s.accept()[0]
    c.sendall(sys.argv[1].encode() + b"\r\n")
    c.settimeout(5)
    try:
        c.recv(4096)
        c.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side has closed it
' "$begins" >other.port
		await other.port '^[0-9]+$'
		port=$(cat other.port)
		for mode in --plain "--key key" "$cert" "--code-file code"; do
			(umask 077 && echo 4821-river-anchor >code)
			# shellcheck disable=SC2086
			send $mode src/MARKER-name
			status 4
			grep -qE "the other side is (ssh|an HTTP server), not ferry" sender
			grep -qE "right port" sender
			hasnt sender "stopped after"
		done
		kill "${pid[other]}"
		ended other
		rm -f other.port
	done
	for mode in --plain "--key key" "$cert" "--code-file code"; do
		# shellcheck disable=SC2086
		receive $mode dst
		exec 7<>"/dev/tcp/127.0.0.1/$port"
		printf 'GET / HTTP/1.1\r\n\r\n' >&7
		await messages "no session: the other side is an HTTP client, not ferry"
		exec 7>&-
		stop_receiver
	done
}

@test "what a refused peer is told in words of TLS is said in plain ones" {
	make_certs
	ferry keygen key 2>/dev/null
	ferry keygen wrong 2>/dev/null
	receive --key key dst
	send --key wrong src/MARKER-name
	status 4
	has sender "it has another key"
	# a code's first message is seen as what it is
	(umask 077 && echo 4821-river-anchor >code)
	send --code-file code src/MARKER-name
	status 4
	await messages "the other side uses a one-time code, this side a shared key"
	stop_receiver
	receive --cert a.pem --cert-key a.key --pin "$(pin_of b.pem)" dst
	send --cert b.pem --cert-key b.key --pin "$(pin_of ca.pem)" src/MARKER-name
	status 4
	await messages "it accepts another public key than this side's"
	send --cert ca.pem --cert-key ca.key --pin "$(pin_of a.pem)" src/MARKER-name
	status 4
	has sender "is not one of those that it accepts (--pin)"
	for file in messages sender; do
		for word in "illegal parameter" "handshake failure" alert; do
			hasnt $file "$word"
		done
	done
}

@test "a TLS sender to a plain receiver" {
	ferry keygen key 2>/dev/null
	right=--plain
	receive --plain dst
	refused --key key
}

@test "X.509: right, another CA, wrong host name, a certificate of another CA" {
	make_certs
	right="--cert a.pem --cert-key a.key --ca ca.pem"
	receive --cert b.pem --cert-key b.key --ca ca.pem dst
	refused --cert other.pem --cert-key other.key --ca ca.pem
	refused --cert a.pem --cert-key a.key --ca other.pem
	host=localhost
	send --cert a.pem --cert-key a.key --ca ca.pem src/MARKER-name
	[ "$sent" = 4 ]
	[ "$(find dst)" = dst ]
}

@test "pins: right, wrong on either side" {
	make_certs
	right="--cert a.pem --cert-key a.key --pin $(pin_of b.pem)"
	receive --cert b.pem --cert-key b.key --pin "$(pin_of a.pem)" dst
	refused --cert a.pem --cert-key a.key --pin "$(pin_of ca.pem)"
	refused --cert other.pem --cert-key other.key --pin "$(pin_of b.pem)"
}

# identified SENDER RECEIVER - what each side says of the other, after a session
identified() {
	[ "$sent" = 0 ] || { cat sender; return 1; }
	is json_member events peer_id "$1"
	is json_member sent.events peer_id "$2"
	is cat "$work/hook.id" "$1"
	# a backslash is escaped, as in names of files
	has messages "began (TLS, $what: ${1//\\/\\\\})"
	has sender "(TLS, $what: $2)"
	check_events events sent.events
	rm "$work/hook.id" dst/MARKER-name
}

# json_member FILE NAME - that member of the session event
json_member() {
	python3 -c 'import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    if event["event"] == "session":
        print(event[sys.argv[2]])' "$@"
}

@test "each side says who the other one is: subject, pin or name of the key" {
	needs 'a safe temporary directory' # for --exec
	printf '#!/bin/sh\nprintf %%s "$FERRY_PEER_ID" >%s/hook.id\n' "$work" >hook
	chmod +x hook
	local listen="-v --once --exec ./hook"
	make_certs
	openssl req -new -key a.key -out long.csr -utf8 \
		-subj "/O=Zoë, Ltd/CN=a \$(reboot)" 2>/dev/null
	openssl req -new -key b.key -out none.csr -subj / 2>/dev/null
	for name in long none; do
		openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key \
			-CAcreateserial -days 2 -out $name.pem \
			-extfile a.ext 2>/dev/null
	done
	what=certificates
	receive $listen --cert none.pem --cert-key b.key --ca ca.pem dst
	send -v --json=9 --cert long.pem --cert-key a.key --ca ca.pem \
		src/MARKER-name 9>sent.events
	wait_receiver
	identified 'CN=a $(reboot),O=Zoë\, Ltd' "$(pin_of b.pem)"
	# anybody could have written the subject of a certificate that is pinned
	what="pinned public key"
	receive $listen --cert b.pem --cert-key b.key \
		--pin "$(pin_of a.pem)" dst
	send -v --json=9 --cert long.pem --cert-key a.key \
		--pin "$(pin_of b.pem)" src/MARKER-name 9>sent.events
	wait_receiver
	identified "$(pin_of a.pem)" "$(pin_of b.pem)"
	# the key has a name that both sides know and nobody sends
	ferry keygen key 2>/dev/null
	what="shared key"
	receive $listen --key key dst
	send -v --json=9 --key key src/MARKER-name 9>sent.events
	wait_receiver
	id="key:$(derive 8 "ferry/1 key name")"
	identified "$id" "$id"
}

@test "two connections with one key cannot be told to be with the same key" {
	ferry keygen key 2>/dev/null
	for run in one two; do
		receive --key key --once dst
		forward record $run
		send --key key -j 2 src
		status 0
		stop_forward
		wait_receiver
		rm -r dst/src
		grep -ao 'ferry/2 [0-9a-f]* [0-9a-f]*' $run.sent >$run.ids
		[ "$(tr ' ' '\n' <$run.ids | sort -u | wc -l)" -ge 3 ]
	done
	is grep -c . <(tr ' ' '\n' <one.ids | grep -v ferry | sort -u) \
		$(($(wc -l <one.ids) * 2))
	is comm -12 <(tr ' ' '\n' <one.ids | grep -v ferry | sort) \
		<(tr ' ' '\n' <two.ids | grep -v ferry | sort) ""
	hasnt one.sent 'ferry/1 sender'
}

@test "openssl s_client gets no session without the key" {
	ferry keygen key 2>/dev/null
	make_certs
	right="--key key"
	receive --key key dst
	for options in -tls1_2 -tls1_3 \
		"-tls1_3 -cert a.pem -key a.key" "-tls1_3 -psk 00112233"; do
		# shellcheck disable=SC2086
		timeout "$(limit 15)" openssl s_client -connect "127.0.0.1:$port" \
			$options </dev/null >client 2>&1 || true
		grep -q 'Cipher is (NONE)' client
	done
	# the right identity with a wrong key is refused; with the right key,
	# derived as the manual says, the handshake succeeds
	nonce=$(head -c 16 /dev/urandom | od -An -tx1 -v | tr -d ' \n')
	identity="ferry/2 $nonce $(derive 16 "ferry/2 identity $nonce" \
		"$(derive 32 "ferry/2 sender identity key")")"
	right_psk=$(derive 32 "ferry/1 sender psk")
	for psk in "${right_psk/[0-7]/8}" "$right_psk"; do
		timeout "$(limit 15)" openssl s_client -connect "127.0.0.1:$port" \
			-tls1_3 -psk "$psk" -psk_identity "$identity" \
			-ciphersuites TLS_AES_128_GCM_SHA256 \
			</dev/null >client 2>&1 || true
		case $psk in
		"$right_psk") has client "Reused, TLSv1.3" ;;
		*) has client 'Cipher is (NONE)' ;;
		esac
	done
	hasnt events '"event":"session"'
	only_dir
	send --key key src/MARKER-name
	status 0
}

@test "a sender with a key refuses openssl s_server with any certificate" {
	ferry keygen key 2>/dev/null
	make_certs
	mkfifo quiet
	exec 7<>quiet
	for options in -tls1_3 -tls1_2 "-tls1_3 -psk 00112233" \
		"-tls1_3 -cert other.pem -key other.key" \
		"-tls1_3 -nocert -psk 00112233"; do
		case $options in
		*cert*) ;;
		*) options+=" -cert b.pem -key b.key" ;;
		esac
		# removed first, so that await does not read the previous server's lines
		rm -f server
		: >server
		# shellcheck disable=SC2086
		timeout "$(limit 60)" openssl s_server -accept 127.0.0.1:0 \
			$options >>server 2>&1 <quiet 3>&- &
		receiver=$!
		await server '^ACCEPT .*:[0-9]+$'
		port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' server)
		send --key key --timeout "$(limit 10)" src/MARKER-name
		status 4
		kill "$receiver" 2>/dev/null || true
		wait_receiver
		hasnt server MARKER
	done
}

@test "the receiver survives garbage, an HTTP request and a silent connection" {
	receive --plain dst
	head -c 100000 /dev/urandom |
		timeout "$(limit 15)" bash -c "cat >/dev/tcp/127.0.0.1/$port" || true
	printf 'GET / HTTP/1.0\r\n\r\n' |
		timeout "$(limit 15)" bash -c "cat >/dev/tcp/127.0.0.1/$port" || true
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	send --plain src/MARKER-name
	exec 7>&-
	[ "$sent" = 0 ]
	[ "$(find dst | wc -l)" = 2 ]
}

@test "a key file that others can read is refused, and the message says what to do" {
	ferry keygen key 2>/dev/null
	chmod 644 key
	sent=0
	ferry send --key key src/MARKER-name 127.0.0.1:1 2>sender || sent=$?
	[ "$sent" = 2 ]
	grep -q 'chmod 600' sender
}

@test "TLS keys are updated as often as they should be, on each of four streams" {
	FERRY=${FERRY_TOOLS:-${FERRY%/*}/tools}/rekeying
	run_limit=$(limit 100)
	ferry keygen key 2>/dev/null
	head -c 200M /dev/urandom >src/large
	receive --key key --once --sync none dst
	send --key key -j 4 src/large
	wait_receiver
	status 0
	[ "$got" = 0 ]
	cmp src/large dst/large
	rm src/large
	tail -n 1 sender messages
	# one per MiB, none before the first MiB of a stream
	read -r count < <(sed -n \
		's/^key updates: \([0-9]*\) sent, 0 taken, on 4$/\1/p' sender)
	[ "$count" -gt 190 ]
	[ "$count" -le 204 ]
	has messages "key updates: 0 sent, $count taken, on 4"
}

@test "key exchange: X25519MLKEM768 where both sides have it, else X25519" {
	needs 'OpenSSL with X25519MLKEM768'
	ferry keygen key 2>/dev/null
	receive --key key dst
	nonce=$(head -c 16 /dev/urandom | od -An -tx1 -v | tr -d ' \n')
	identity="ferry/2 $nonce $(derive 16 "ferry/2 identity $nonce" \
		"$(derive 32 "ferry/2 sender identity key")")"
	for group in X25519MLKEM768 X25519; do
		groups=X25519:X25519MLKEM768
		[ $group = X25519MLKEM768 ] || groups=X25519
		timeout "$(limit 15)" openssl s_client -brief \
			-connect "127.0.0.1:$port" -tls1_3 -groups $groups \
			-psk "$(derive 32 "ferry/1 sender psk")" \
			-psk_identity "$identity" \
			-ciphersuites TLS_AES_128_GCM_SHA256 \
			</dev/null >client 2>&1 || true
		grep -qE "(group|Temp Key): $group(,|\$)" client || {
			cat client
			return 1
		}
	done
	# a sender's ClientHello has both shares, with the hybrid's first
	forward record said
	send --key key src/MARKER-name
	status 0
	stop_forward
	stop_receiver
	python3 - said.sent <<-'EOF'
		import sys
		with open(sys.argv[1], "rb") as f:
		    hello = f.read(2000)
		hybrid = hello.find(b"\x11\xec\x04\xc0")
		assert 0 < hybrid < hello.find(b"\x00\x1d\x00\x20"), hello[:400]
	EOF
}
