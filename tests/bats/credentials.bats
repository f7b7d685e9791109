#!/usr/bin/env bats
# Keys and certificates where people have them, and that what others can read is
# refused.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; echo text >src/f; }
teardown() { remove_dir; }

# arrives OPTION... - send src/f with these options to a receiver of its own key
arrives() {
	rm -f dst/f
	send "$@" src/f
	status 0
	is cat dst/f text
}

@test "key files: symlinks, for a group, standard input, process substitution" {
	needs 'a safe temporary directory' # for --exec
	ferry keygen key 2>/dev/null
	mkdir live
	ln -s ../key live/current
	receive --key live/current dst
	arrives --key live/current
	chmod 0440 key
	arrives --key key
	chmod 0600 key
	arrives --key /dev/stdin <key
	arrives --key /dev/stdin < <(cat key)
	arrives --key <(cat key)
	exec 7<key
	arrives --key /dev/fd/7
	exec 7<&-
	arrives --key /dev/stdin <<<"$(cat key)"
	stop_receiver
	receive --key <(cat key) --exec /bin/true dst
	arrives --key key
}

@test "a key for a group that the user is in" {
	needs 'a second user'
	ferry keygen key 2>/dev/null
	chmod 755 . && chmod 777 dst
	install -m 755 "$FERRY" ferry.other
	chgrp 1234 key
	chmod 0440 key
	receive --key key dst
	# root's file, which the group 1234 may read
	FERRY=$PWD/ferry.other FERRY_WRAP="setpriv --reuid=65534 --regid=65534
		--groups=1234" arrives --key key
	# another user's file
	chown 1 key
	chmod 0444 key
	FERRY=$PWD/ferry.other FERRY_WRAP="setpriv --reuid=65534 --regid=65534
		--groups=1234" send --key key src/f
	status 2
	has sender "belongs to another user (uid 1)"
}

@test "key files that others can read, directly or by a symlink, are refused" {
	ferry keygen key 2>/dev/null
	ln -s key link
	for mode in 0644 0604 0660 0640 0444; do
		chmod $mode key
		for file in key link; do
			run -2 ferry send --key $file src/f 127.0.0.1:1
			[[ "$output" == *"chmod 600 $file"* ]]
		done
		run -2 bash -c '"$0" send --key /dev/stdin src/f 127.0.0.1:1 <key' \
			"$FERRY"
	done
	mkfifo fifo
	run -2 ferry send --key fifo src/f 127.0.0.1:1
	[[ "$output" == *"not a regular file"* ]]
}

@test "standard input cannot be both a key and what is sent" {
	ferry keygen key 2>/dev/null
	run -2 bash -c '"$0" send --key /dev/stdin - 127.0.0.1:1 <key' "$FERRY"
	[[ "$output" == *"standard input cannot be both"*"--key"* ]]
	run -2 bash -c '"$0" send --key /dev/stdin --files-from - 127.0.0.1:1 <key' \
		"$FERRY"
	[[ "$output" == *"standard input cannot be both"*"--key"* ]]
}

@test "certificates: symlinks and process substitution" {
	make_certs
	ln -s a.pem live.pem
	ln -s a.key live.key
	receive --cert b.pem --cert-key b.key --ca ca.pem dst
	arrives --cert live.pem --cert-key live.key --ca ca.pem
	arrives --cert <(cat a.pem) --cert-key <(cat a.key) --ca <(cat ca.pem)
}

@test "several pins: one of them is enough, on either side" {
	make_certs
	local pins=(--pin "$(pin_of other.pem)" --pin "$(pin_of a.pem)"
		--pin "$(pin_of ca.pem)")
	receive --cert b.pem --cert-key b.key "${pins[@]}" dst
	arrives --cert a.pem --cert-key a.key --pin "$(pin_of b.pem)"
	arrives --cert other.pem --cert-key other.key \
		--pin "$(pin_of ca.pem)" --pin "$(pin_of b.pem)"
	send --cert b.pem --cert-key b.key --pin "$(pin_of b.pem)" src/f
	status 4
	send --cert a.pem --cert-key a.key --pin "$(pin_of ca.pem)" \
		--pin "$(pin_of a.pem)" src/f
	status 4
	has sender "its public key is not the pinned one"
}

# cert_for NAME SAN - NAME.pem, issued by ca.pem
cert_for() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
	echo "subjectAltName=$2" >"$1.ext"
	# shellcheck disable=SC2046
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
		-CAcreateserial $(validity "${3:-2}") -out "$1.pem" \
		-extfile "$1.ext" 2>/dev/null
	chmod 600 "$1.key"
}

@test "a certificate for other names: they are told; --peer-name" {
	make_certs
	cert_for c "DNS:box.example,DNS:www.box.example,IP:192.0.2.7"
	receive --cert c.pem --cert-key c.key --ca ca.pem dst
	local a="--cert a.pem --cert-key a.key --ca ca.pem"
	# shellcheck disable=SC2086
	{
		send $a src/f
		status 4
		has sender "127.0.0.1:$port: the other side's certificate was rejected: it is for box.example, www.box.example, 192.0.2.7, not for 127.0.0.1 ("
		has sender "--peer-name"
		arrives $a --peer-name www.box.example
		arrives $a --peer-name 192.0.2.7
		send $a --peer-name other.example src/f
		status 4
		has sender "not for other.example"
		stop_receiver
		# a receiver can ask for a name as well
		receive --cert b.pem --cert-key b.key --ca ca.pem \
			--peer-name box.example dst
		arrives --cert c.pem --cert-key c.key --ca ca.pem
		send $a src/f
		status 4
		await messages 'it is for 127\.0\.0\.1, not for box\.example'
		run -2 ferry send --key k --peer-name x src/f 127.0.0.1
		run -2 ferry send --cert a.pem --cert-key a.key \
			--pin "$(pin_of b.pem)" --peer-name x src/f 127.0.0.1
		[[ "$output" == *"--peer-name and --pin exclude each other"* ]]
	}
}

@test "a certificate that has expired: the date and the clock, on both sides" {
	make_certs
	cert_for old IP:127.0.0.1 -1
	local now
	now=$(date -u +%Y-%m-%d)
	receive --cert old.pem --cert-key old.key --ca ca.pem dst
	send --cert a.pem --cert-key a.key --ca ca.pem src/f
	status 4
	grep -qE "certificate was rejected: it expired on [0-9-]+ [0-9:]+ UTC, and the clock here says $now " sender
	stop_receiver
	receive --cert b.pem --cert-key b.key --ca ca.pem dst
	send --cert old.pem --cert-key old.key --ca ca.pem src/f
	status 4
	cat sender
	grep -qE "127.0.0.1:$port: the other side refused this side.*by its clock this side's certificate has expired, which is valid from [0-9-]+ [0-9:]+ UTC to [0-9-]+ [0-9:]+ UTC, and the clock here says $now " sender
	await messages "it expired on [0-9-]+ [0-9:]+ UTC, and the clock here says"
}

# dated SUBJECT FROM TO - SUBJECT.pem, self-signed, valid between these UTC times
dated() {
	[ -e "$1.key" ] || openssl genpkey -algorithm EC \
		-pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
	openssl req -new -key "$1.key" -out "$1.csr" -subj "/CN=$1"
	: >index
	openssl ca -batch -selfsign -keyfile "$1.key" -in "$1.csr" \
		-out "$1.pem" -startdate "$2" -enddate "$3" -notext \
		-config <(printf '%s\n' '[ca]' default_ca=x '[x]' database=index \
			rand_serial=yes new_certs_dir=. default_md=sha256 \
			policy=p unique_subject=no '[p]' CN=supplied) 2>/dev/null
	chmod 600 "$1.key"
}

# warned OPTION... - a receiver with these options starts; its warnings
warned() {
	: >messages
	receive "$@" dst
	stop_receiver
	grep "warning: .*certificate" messages || true
}

@test "who listens is warned of a certificate or CA that is not valid now" {
	make_certs
	cert_for old IP:127.0.0.1 -1
	dated late 20990101000000Z 21000101000000Z
	dated gone 20000101000000Z 20010101000000Z
	local good="--cert b.pem --cert-key b.key" out
	# shellcheck disable=SC2086
	{
		[ -z "$(warned $good --ca ca.pem)" ]
		out=$(warned --cert old.pem --cert-key old.key --ca ca.pem)
		[[ $out =~ "the certificate in old.pem expired on "[-0-9]+\ [:0-9]+" UTC, and the clock here says "[-0-9]+\ [:0-9]+" UTC: the other side will refuse it (renew it" ]]
		out=$(warned --cert late.pem --cert-key late.key --ca ca.pem)
		[[ $out = *"late.pem is not valid before 2099-01-01 00:00:00 UTC"*"is it right?"* ]]
		# of an issuer that is sent with it
		cat b.pem gone.pem >chain.pem
		out=$(warned --cert chain.pem --cert-key b.key --ca ca.pem)
		[[ $out = *"certificate 2 in chain.pem, of an issuer, expired on 2001-01-01"* ]]
		# a CA; beside one that is valid it harms nobody
		out=$(warned $good --ca gone.pem)
		[[ $out = *"the CA certificate in gone.pem expired on 2001-01-01"*"nobody will be accepted"* ]]
		cat gone.pem ca.pem >both.pem
		[ -z "$(warned $good --ca both.pem)" ]
	}
	# with pins, dates do not matter
	[ -z "$(warned --cert old.pem --cert-key old.key --pin "$(pin_of a.pem)")" ]
	# who connects sees it fail, and is not told twice
	run ferry send --cert old.pem --cert-key old.key --ca ca.pem src/f \
		127.0.0.1:1
	[[ $output != *old.pem* ]]
}

@test "a certificate of an unknown issuer: who that is" {
	make_certs
	receive --cert other.pem --cert-key other.key --ca ca.pem dst
	send --cert a.pem --cert-key a.key --ca ca.pem src/f
	status 4
	has sender "/CN=other is self-signed, and not in --ca"
}
