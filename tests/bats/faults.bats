#!/usr/bin/env bats
# The quick part of the fault suites (tests/faults/torture): a sample of each,
# drawn anew each time; the seed is printed where one fails.  The long part is
# `make torture`.

load faults

@test "faults: the oracle finds what is done wrong by hand" {
	torture controls --dir "$memory"
}

@test "faults: any one system call that fails is no loss and no hang" {
	# on the disk itself: what a tmpfs cannot do is not called there
	torture calls --quick
}

@test "faults: any one allocation that fails" {
	# one seed, while not all of the 4000 allocations are shown to be good
	torture memory --quick --seed 3 --dir "$memory"
}

@test "faults: short and interrupted I/O, storms of signals" {
	torture shortio --quick --dir "$memory"
}

@test "faults: full, dying and forbidden disks" {
	torture disk --quick --dir "$memory"
}

@test "faults: after a power cut all that was acknowledged is there" {
	torture durable --quick --dir "$memory"
}

@test "faults: part files, journals and sources changed before the rerun" {
	torture journal --quick --dir "$memory"
}

@test "faults: sources that change while they are sent" {
	torture sources --quick --dir "$memory"
}

@test "faults: kill -9 at random moments" {
	torture kill --quick --dir "$memory"
}

@test "faults: others at the same names and at the same port" {
	torture race --quick --dir "$memory"
}
