#!/usr/bin/env bats
# Hostile peers, as in hostile.bats: the groups that take long.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

hostile() {
	FERRY=$FERRY TMPDIR=$work timeout "$(limit 300)" \
		python3 "$BATS_TEST_DIRNAME/../hostile/suite" "$@" 3>&-
}

@test "a session that is cut or changed in transit never succeeds [--long]" {
	hostile cuts
}

@test "uninitialized memory is neither sent nor stored [--long]" {
	hostile uninitialized
}

@test "floods take bounded memory and time" {
	hostile floods
}

@test "failed handshakes and endless records leave nothing allocated [--long]" {
	hostile tls
}
