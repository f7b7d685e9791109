#!/usr/bin/env bats
# Peers that lie, made by a second implementation of the protocol
# (tests/evil/): the cases of each group are counted and printed by it.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

evil() {
	FERRY=$FERRY TMPDIR=$work timeout 300 \
		python3 "$BATS_TEST_DIRNAME/../evil/suite" "$@" 3>&-
}

@test "names that lead out, collide or speak to a terminal harm nobody" {
	evil names
}

@test "[san] frames out of turn and ids that never were are refused" {
	evil order
}

@test "lengths, counts and offsets that are not so are refused" {
	evil lengths
}
