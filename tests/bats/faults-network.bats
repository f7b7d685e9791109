#!/usr/bin/env bats
# The quick part of the fault suites: the network, and the process itself.

load faults

@test "faults: connections that are cut, silent, slow or corrupt [--long]" {
	torture network --quick --dir "$memory" --jobs 6
}

@test "faults: signals, closed descriptors and too few [--long]" {
	torture process --quick --dir "$memory"
}

@test "faults: --retry goes on after each cut" {
	torture retry --quick --dir "$memory"
}
