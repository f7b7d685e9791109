# The fuzz targets.  Each is two programs: one with libFuzzer (clang), and one
# with a driver that replays the corpus and some mutations of it (gcc too).
# What the fuzzers learn and find is kept in $(out)/fuzz/.  Included by the
# Makefile at the top, which makes a variant of its own of the live fuzzers.

## SECONDS=N FUZZ=NAMES: how long to fuzz, and what
SECONDS        ?= 60
# Of each seed, when the corpus is replayed.
FUZZ_MUTATIONS ?= 40

fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(call with_threads,$(sort \
	$(wildcard tests/fuzz/fuzz_*.c))))
FUZZ       ?= $(fuzz_names)
replays    := $(fuzz_names:%=$(B)/fuzz/replay_%)
fuzzers    := $(fuzz_names:%=$(B)/fuzz/fuzz_%)
fuzz_runs  := $(fuzz_names:%=run/fuzz/%)
fuzz_live  := $(FUZZ:%=run/fuzzer/%)

## check-fuzz: the fuzz targets with their seeds, without a fuzzer
check-fuzz: $(fuzz_runs)

## fuzz: run the fuzzers (clang)
fuzz: $(fuzz_live)

## fuzzers: build them
fuzzers: $(fuzzers)

# With UNSANITIZED a sanitizer's build replays them.
tests: $(if $(UNSANITIZED),,$(replays))

$(B)/fuzz/%.o: tests/fuzz/%.c $(B)/flags
	$(compile_test)

$(B)/fuzz/fuzz_%: $(B)/fuzz/fuzz_%.o $(B)/libferry.a
	$(call say,FUZZER,$@)
	$(Q)$(link_test) -fsanitize=fuzzer

$(B)/fuzz/replay_%: $(B)/fuzz/fuzz_%.o $(B)/fuzz/replay.o $(B)/libferry.a
	$(call say,LD,$@)
	$(Q)$(link_test)

-include $(fuzzers:=.d) $(B)/fuzz/replay.d

$(fuzz_runs): run/fuzz/%: $(B)/fuzz/replay_%
	@$(by_test) scripts/run-test $(UNIT_TIMEOUT) '$(LOGS)/fuzz/$*.log' $(wrap) $< \
		-m $(FUZZ_MUTATIONS) tests/fuzz/corpus/$*

$(fuzz_live): run/fuzzer/%: $(B)/fuzz/fuzz_%
	@scripts/run-fuzzer $(SECONDS) $< tests/fuzz/corpus/$* $(out)/fuzz

.PHONY: check-fuzz fuzz fuzzers $(fuzz_runs) $(fuzz_live)
