#!/usr/bin/env bats
# The quick part of the fault suites (tests/faults/torture): a random sample of
# each; the seed is printed if one fails.  The long part is `make torture`.

load faults

@test "faults: the checker finds faults that are made on purpose" {
	torture controls --dir "$memory"
}

@test "faults: any one failing system call causes no loss and no hang" {
	# on a disk: on a tmpfs ferry does not make all of these calls
	torture calls --quick
}

@test "faults: any one failing allocation" {
	# a fixed seed, as not all of the 4000 allocations have been tested
	torture memory --quick --seed 3 --dir "$memory"
}

@test "faults: short and interrupted I/O, storms of signals" {
	torture shortio --quick --dir "$memory"
}

@test "faults: full, failing and read-only disks" {
	torture disk --quick --dir "$memory"
}

@test "faults: after a power cut all that was acknowledged is on the disk" {
	torture durable --quick --dir "$memory"
}

@test "faults: part files, journals and sources changed before the rerun [--long]" {
	torture journal --quick --dir "$memory"
}

@test "faults: sources that change while they are sent" {
	torture sources --quick --dir "$memory"
}

@test "faults: kill -9 at random moments" {
	torture kill --quick --dir "$memory"
}

@test "faults: another version of a file is there; processes killed meanwhile" {
	torture delta --quick --dir "$memory"
}

@test "faults: other processes at the same names and the same port" {
	torture race --quick --dir "$memory"
}
