# faults.bash - how the bats files run the suites of tests/faults.
# shellcheck shell=bash disable=SC2034

FERRY=$(realpath "${FERRY:-${BUILDDIR:-build}/release/ferry}")
export FERRY

# Most suites flush to the disk often, which other tests slow down.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}

# torture ARG... - run a suite for about a minute.  Cases that are not begun by
# then or cannot run here are reported.  All others have to pass; the test is
# skipped if this machine or this build can run none.
torture() {
	local status=0
	"$BATS_TEST_DIRNAME/../faults/torture" "$@" \
		--time-limit $((60 * ${FERRY_TEST_SLOWNESS:-1})) \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || status=$?
	cat "$BATS_TEST_TMPDIR/out"
	[ "$status" = 0 ] || return 1
	grep -E '^(seed|skipped|not begun|faults)' "$BATS_TEST_TMPDIR/out" |
		sed 's/^/# /' >&3
	if grep -q '^faults injected.* runs 0,' "$BATS_TEST_TMPDIR/out"; then
		skip "$(sed -n 's/^skipped .*: //p' \
			"$BATS_TEST_TMPDIR/out" | head -n 1)"
	fi
	grep -q '^faults injected.* lost 0, wrong 0, hung 0$' \
		"$BATS_TEST_TMPDIR/out"
}
