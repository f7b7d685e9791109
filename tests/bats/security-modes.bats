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

# derive BYTES INFO - from the key in the file key, as ferry-protocol(7) says.
derive() {
	openssl kdf -keylen "$1" -kdfopt digest:SHA256 \
		-kdfopt "hexkey:$(sed 's/^ferry-key-1://' key)" \
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
	identity="ferry/1 sender $(derive 8 "ferry/1 sender key id")"
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
