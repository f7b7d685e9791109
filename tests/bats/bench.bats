#!/usr/bin/env bats
# The benchmark: what it measures, which results it marks, what it refuses.

load helper

setup() {
	top=$(realpath "$BATS_TEST_DIRNAME/../..")
	helpers=${FERRY_TOOLS:-$top/${BUILDDIR:-build}/release/tools}/../bench
}

self_test() {
	python3 "$top/tests/bench/selftest.py" "$helpers" -v "$@"
}

@test "the benchmark measures all processes of a side, and ends them" {
	self_test SelfTest.test_descendants_count SelfTest.test_peak_memory \
		SelfTest.test_stop_ends_descendants
}

@test "the benchmark marks a tool that loses data or fails" {
	self_test SelfTest.test_lost_data_is_marked \
		SelfTest.test_failure_is_told
}

@test "the benchmark draws the times that it measured" {
	self_test SelfTest.test_chart
}

@test "the benchmark judges by the targets, never from spoilt runs" {
	self_test SelfTest.test_spoilt_runs_give_no_ratio \
		SelfTest.test_verdicts
}

@test "the benchmark's WAN emulator delays, limits, drops and counts" {
	needs 'network namespaces'
	self_test SelfTest.test_wan_delays SelfTest.test_wan_limits_the_rate \
		SelfTest.test_wan_loses
}

@test "the benchmark refuses unknown rows and too few rounds" {
	run "$top/scripts/bench" --only nothing
	[ "$status" -eq 2 ]
	[[ $output == *"no such row: nothing"* ]]
	run "$top/scripts/bench" --rounds 2
	[ "$status" -eq 2 ]
	[[ $output == *"at least 3"* ]]
}
