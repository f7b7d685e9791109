#!/usr/bin/env bats
# Peers that lie, as in evil.bats: what takes long.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

evil() {
	FERRY=$FERRY TMPDIR=$work timeout "$(limit 300)" \
		python3 "$BATS_TEST_DIRNAME/../evil/suite" "$@" 3>&-
}

@test "a session that is cut or changed on the way is no success" {
	evil cuts
}

@test "memory that was never written to is neither sent nor stored" {
	evil uninitialized
}

@test "floods cost bounded memory and time" {
	evil floods
}

@test "handshakes that fail and records without end leave nothing behind" {
	evil tls
}
