# The benchmark and its helper programs.  Included by the Makefile at the top.

bench_progs := $(patsubst tests/bench/%.c,$(B)/bench/%,$(sort $(wildcard \
	tests/bench/*.c)))

## bench: measure speed against other tools (scripts/bench --help)
bench:
	$(Q)scripts/bench

# What scripts/bench asks for.
bench-programs: $(B)/ferry $(bench_progs)

# Its own tests are among the bats files.
tests $(bats_runs): $(bench_progs)

$(B)/bench/%: tests/bench/%.c $(B)/flags
	$(call say,CCLD,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -D_GNU_SOURCE -o $@ $< $(ldflags)

.PHONY: bench bench-programs
