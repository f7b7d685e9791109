#!/usr/bin/env bats
# Hostile peers, made with a second implementation of the protocol
# (tests/hostile/), which prints and counts the cases of each group.

load helper

setup() { make_dir; }
teardown() { remove_dir; }

hostile() {
	FERRY=$FERRY TMPDIR=$work timeout "$(limit 300)" \
		python3 "$BATS_TEST_DIRNAME/../hostile/suite" "$@" 3>&-
}

@test "names that escape, collide or hold terminal sequences do no harm" {
	hostile names
}

@test "metadata that lies or was not accepted is refused" {
	hostile meta
}

@test "deletions that were not accepted, or lead outside, do no harm" {
	hostile delete
}

@test "lists and deltas that lie are refused, or change nothing" {
	hostile lists
}

@test "directories swapped with symlinks during a session do not lead outside" {
	hostile flips
}

@test "frames out of order and unknown ids are refused [asan]" {
	hostile order
}

@test "wrong lengths, counts and offsets are refused [asan]" {
	hostile lengths
}

@test "[long-asan] a sender reports no success to a hostile receiver" {
	hostile receiver
}

@test "[long-asan] payloads that expand to another size are refused" {
	hostile bombs
}

@test "false claims about existing content are detected [--long]" {
	hostile resume
}
