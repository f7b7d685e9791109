#!/usr/bin/env bats
# Peers that lie, made by a second implementation of the protocol
# (tests/hostile/): the cases of each group are counted and printed by it.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

hostile() {
	FERRY=$FERRY TMPDIR=$work timeout "$(limit 300)" \
		python3 "$BATS_TEST_DIRNAME/../hostile/suite" "$@" 3>&-
}

@test "names that lead out, collide or speak to a terminal harm nobody" {
	hostile names
}

@test "names that flip with links while they are walked lead nowhere" {
	hostile flips
}

@test "frames out of turn and ids that never were are refused" {
	hostile order
}

@test "lengths, counts and offsets that are not so are refused" {
	hostile lengths
}

@test "[san] a receiver that lies gets no success out of a sender" {
	hostile receiver
}

@test "[san] payloads that expand to something else are refused" {
	hostile bombs
}

@test "lies about what is there already are found out" {
	hostile resume
}
