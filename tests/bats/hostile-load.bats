#!/usr/bin/env bats
# Peers that lie, as in hostile.bats: what takes long.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

hostile() {
	FERRY=$FERRY TMPDIR=$work timeout "$(limit 300)" \
		python3 "$BATS_TEST_DIRNAME/../hostile/suite" "$@" 3>&-
}

@test "a session that is cut or changed on the way is no success" {
	hostile cuts
}

@test "memory that was never written to is neither sent nor stored" {
	hostile uninitialized
}

@test "floods cost bounded memory and time" {
	hostile floods
}

@test "handshakes that fail and records without end leave nothing behind" {
	hostile tls
}
