# Makefile of ferry: GNU make, no recursion, no configure step.
#
# Everything built lies below build/<variant>/; each combination of SANITIZE,
# NDEBUG and COVERAGE is a variant with its own objects.  Sources and tests
# are found by wildcard: a new file needs no change here.

VERSION = 0.1.0

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
ifeq ($(origin CC),default)
CC = gcc
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

## all: build the program (the default)
all:

# ---- what to say -----------------------------------------------------------

Q   := $(if $(filter-out 0,$(V)),,@)
say  = $(if $(Q),@printf '  %-7s %s\n' $(1) $(2))

# ---- variant ---------------------------------------------------------------

empty :=
space := $(empty) $(empty)
comma := ,
variant_words := $(subst $(comma),$(space),$(SANITIZE)) \
	$(if $(NDEBUG),ndebug) $(if $(COVERAGE),coverage)
VARIANT := $(or $(subst $(space),-,$(strip $(variant_words))),release)
# The fuzzers are a variant of their own: clang, its sanitizers, its coverage.
ifneq ($(filter fuzz fuzzers,$(MAKECMDGOALS)),)
CC       := clang
SANITIZE := address,undefined,fuzzer-no-link
VARIANT  := fuzz
endif
B       := build/$(VARIANT)

# ---- files -----------------------------------------------------------------

sources    := $(sort $(wildcard src/*/*.c))
headers    := $(sort $(wildcard src/*/*.h))
unit_tests := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
tools      := $(patsubst tests/tools/%.c,%,$(sort $(wildcard tests/tools/*.c)))
lib_objs   := $(sources:src/%.c=$(B)/obj/%.o)
unit_progs := $(unit_tests:%=$(B)/tests/%)
tool_progs := $(tools:%=$(B)/tools/%)
replays    := $(fuzz_names:%=$(B)/fuzz/replay_%)
fuzzers    := $(fuzz_names:%=$(B)/fuzz/fuzz_%)
bench_progs := $(patsubst tests/bench/%.c,$(B)/bench/%,$(sort $(wildcard \
	tests/bench/*.c)))
shell_scripts := $(shell grep -ls -d skip '^.!.*[/ ]\(ba\)\?sh' \
	scripts/* .ci/run)

# With BATS_TAG=x only the tests with "[x]" in their name run.
bats_files := $(sort $(wildcard tests/bats/*.bats))
ifdef BATS_TAG
bats_files := $(shell grep -lE '^@test .*\[$(BATS_TAG)\]' /dev/null $(bats_files))
endif

# ---- compiler and libraries ------------------------------------------------
# Skipped for goals that compile nothing, so they work on a bare machine.

goals := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out clean help uninstall list format bench,$(goals)),)

cc_version := $(shell $(CC) --version 2>/dev/null | head -n 1)
ifeq ($(cc_version),)
$(error the compiler "$(CC)" does not run: install gcc (scripts/setup build \
does it on Debian) or set CC)
endif

# Set both DEPS_CFLAGS and DEPS_LIBS to do without pkg-config.
ifeq ($(DEPS_LIBS),)
need    = $(PKG_CONFIG) --exists '$(1)' 2>/dev/null || echo $(2);
missing := $(shell command -v $(PKG_CONFIG) >/dev/null || echo pkg-config; \
	$(call need,openssl >= 3.0,libssl-dev) \
	$(call need,libzstd,libzstd-dev) \
	$(call need,libxxhash,libxxhash-dev) \
	$(call need,zlib,zlib1g-dev))
ifneq ($(strip $(missing)),)
$(error ferry needs what these Debian packages have: $(strip $(missing)). \
Run scripts/setup build, or: apt-get install $(strip $(missing)))
endif
deps        := openssl libzstd libxxhash zlib
DEPS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(deps))
DEPS_LIBS   := $(shell $(PKG_CONFIG) --libs $(deps))
endif

# Hardening: what this compiler takes without a word is used.  Asked once for
# each compiler; the answer is kept in build/cache/.
ifeq ($(SANITIZE)$(COVERAGE),)
cc_full := $(subst ','\'',$(CC) $(CFLAGS) $(LDFLAGS))
cc_id   := $(shell { echo '$(cc_full)'; $(CC) --version; \
	$(CC) -dumpmachine; } 2>&1 | cksum | tr ' ' -)
harden  := build/cache/harden-$(cc_id).mk
ifeq ($(wildcard $(harden)),)
$(info $(if $(Q),  PROBE   hardening flags of $(CC)))
# $(call probe,flags given anyway,flags to try)
probe = $(shell scripts/probe-flags '$(cc_full) $(1)' $(2))
define harden_text
HARDEN_CFLAGS := $(call probe,,-fPIE -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection \
	-ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr)
FORTIFY := -U_FORTIFY_SOURCE $(firstword $(call probe,-U_FORTIFY_SOURCE,\
	-D_FORTIFY_SOURCE=3 -D_FORTIFY_SOURCE=2))
HARDEN_LDFLAGS := $(call probe,-fPIE,-pie $(subst :,$(comma),-Wl:-z:relro \
	-Wl:-z:now -Wl:-z:noexecstack -Wl:--as-needed))
endef
$(shell mkdir -p build/cache)
$(file >$(harden),$(harden_text))
endif
include $(harden)
# The user's own choice wins; without optimisation it is only a warning.
ifneq ($(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))$(filter -O0,$(CFLAGS)),)
FORTIFY :=
endif
endif

endif # goals that compile

# ---- flags -----------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wcast-align \
	-Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wundef -Wwrite-strings \
	-Wredundant-decls -Wpointer-arith -Wimplicit-fallthrough \
	-Wnull-dereference -Wswitch-enum -Wconversion -Wsign-conversion
ifneq ($(findstring clang,$(cc_version)),)
# OpenSSL's macros cast const away, which clang, unlike gcc, blames on us.
warnings += -Wno-cast-qual
else ifneq ($(findstring undefined,$(SANITIZE)),)
# Beside the address sanitizer gcc's shared one ignores log_path (run-test).
sanitize_ldflags := -static-libubsan
endif

# gcc's manual advises against -Werror with a sanitizer: instrumented code
# gives false warnings about values that may be NULL or not initialised.
werror := $(if $(DEV),$(if $(SANITIZE),,-Werror))

variant_flags := $(strip \
	$(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) \
		-fno-sanitize-recover=all,$(if $(COVERAGE),-O0,-O2)) \
	$(if $(COVERAGE),--coverage))

# The user's CPPFLAGS, CFLAGS and LDFLAGS come last and so win.
our_cppflags := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
	-DFERRY_VERSION='"$(VERSION)"' $(if $(NDEBUG),-DNDEBUG) \
	$(if $(SANITIZE)$(COVERAGE),-DFERRY_INSTRUMENTED) -Isrc
compile = $(CC) -std=c11 $(our_cppflags) $(warnings) $(werror) -g \
	$(variant_flags) -fno-common -pthread $(HARDEN_CFLAGS) $(FORTIFY) \
	$(DEPS_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ldflags = -pthread $(HARDEN_LDFLAGS) $(sanitize_ldflags) $(LDFLAGS)
libs    = $(DEPS_LIBS) $(LDLIBS)

# A stamp is rewritten only when its text changed, so what depends on it is
# made again after a change of compiler, flags or the set of files.
flags_text = $(strip $(cc_version) : $(compile) : $(ldflags) : $(libs))
files_text = $(strip $(sources))
ifneq ($(strip $(file <$(B)/flags)),$(flags_text))
$(B)/flags: FORCE
endif
ifneq ($(strip $(file <$(B)/files)),$(files_text))
$(B)/files: FORCE
endif
$(B)/flags $(B)/files:
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$($(@F)_text))' >$@

# ---- program, library, test programs ---------------------------------------

all: $(B)/ferry
	@echo '  ferry is $<'

$(B)/ferry: $(B)/obj/main.o $(B)/libferry.a
	$(call say,LD,$@)
	$(Q)$(compile) -o $@ $^ $(ldflags) $(libs)

$(B)/libferry.a: $(lib_objs) $(B)/files
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(lib_objs)

$(B)/obj/%.o: src/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

link_test = $(compile) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(B)/libferry.a \
	$(ldflags)

$(B)/tests/%: tests/unit/%.c $(B)/libferry.a $(B)/flags | have-cmocka
	$(call say,CCLD,$<)
	@mkdir -p $(@D)
	$(Q)$(link_test) $(libs) -lcmocka

$(B)/tools/%: tests/tools/%.c $(B)/libferry.a $(B)/flags
	$(call say,CCLD,$<)
	@mkdir -p $(@D)
	$(Q)$(link_test) $(libs)

# Each fuzz target is two programs: with libFuzzer, and with a driver that only
# takes what the corpus holds.
$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/libferry.a $(B)/flags
	$(call say,FUZZER,$<)
	@mkdir -p $(@D)
	$(Q)$(link_test) $(libs) -fsanitize=fuzzer

$(B)/fuzz/replay_%: tests/fuzz/fuzz_%.c $(B)/fuzz/replay.o $(B)/libferry.a \
		$(B)/flags
	$(call say,CCLD,$<)
	@mkdir -p $(@D)
	$(Q)$(link_test) $(B)/fuzz/replay.o $(libs)

$(B)/fuzz/replay.o: tests/fuzz/replay.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

$(B)/bench/%: tests/bench/%.c $(B)/flags
	$(call say,CCLD,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -o $@ $< $(ldflags)

have-cmocka:
	@$(PKG_CONFIG) --exists cmocka || { echo >&2 'The unit tests need' \
	'cmocka: run scripts/setup test, or apt-get install libcmocka-dev'; \
	exit 1; }

-include $(lib_objs:.o=.d) $(B)/obj/main.d $(unit_progs:=.d) \
	$(tool_progs:=.d) $(replays:=.d) $(fuzzers:=.d) $(B)/fuzz/replay.d

# ---- tests -----------------------------------------------------------------
# Each unit test program, bats file and static check is a target of its own:
# -jN runs N at once.  scripts/run-test limits the time, keeps the output in
# $(LOGS) and prints it when something failed.

LOGS         ?= $(B)/logs
# In seconds: a unit test program, a bats file, one test in it.
UNIT_TIMEOUT ?= 120
BATS_TIMEOUT ?= 900
export BATS_TEST_TIMEOUT ?= 120

# Of each seed, when the corpus is replayed.
FUZZ_MUTATIONS ?= 40

unit_runs   := $(unit_tests:%=run/unit/%)
fuzz_runs   := $(fuzz_names:%=run/fuzz/%)
bats_runs   := $(bats_files:tests/bats/%.bats=run/bats/%)
static_runs := $(addprefix run/static/,layers symbols headers docs shell)

# What the tests find in their environment: the program, the helper programs,
# the variant, and with VALGRIND=1 what to put in front of the program.
export FERRY         := $(abspath $(B)/ferry)
export FERRY_TOOLS   := $(abspath $(B)/tools)
export FERRY_VARIANT := $(VARIANT)
ifdef VALGRIND
export FERRY_WRAP := valgrind -q --error-exitcode=99 --leak-check=full --vgdb=no
endif

# 99 is an exit status that ferry never uses.  Without setarch the thread
# sanitizer of gcc 12 fails where the kernel randomises addresses much.
ifdef SANITIZE
export ASAN_OPTIONS  ?= exitcode=99:detect_stack_use_after_return=1
export LSAN_OPTIONS  ?= exitcode=99
export TSAN_OPTIONS  ?= exitcode=99:second_deadlock_stack=1
export UBSAN_OPTIONS ?= exitcode=99:print_stacktrace=1
wrap = $(shell setarch -R true 2>/dev/null && echo setarch -R)
endif

## check: all tests and static checks (static ones not in sanitizer variants)
check: check-unit check-fuzz check-bats $(if $(SANITIZE)$(COVERAGE),,check-static)

## check-unit: the unit tests
check-unit: $(unit_runs)

## check-fuzz: the fuzz targets with their seeds, without a fuzzer
check-fuzz: $(fuzz_runs)

## check-bats: the tests of the program; BATS_TAG=san only those with "[san]"
check-bats: $(bats_runs)

## check-static: layers, symbols, headers, documents, shell scripts
check-static: $(static_runs)

## tests: build what the tests need, run nothing
tests: $(B)/ferry $(unit_progs) $(tool_progs) $(replays) $(bench_progs)

$(unit_runs): run/unit/%: $(B)/tests/%
	@CMOCKA_MESSAGE_OUTPUT=TAP scripts/run-test $(UNIT_TIMEOUT) \
		$(LOGS)/unit/$*.log $(wrap) $<

$(fuzz_runs): run/fuzz/%: $(B)/fuzz/replay_%
	@scripts/run-test $(UNIT_TIMEOUT) $(LOGS)/fuzz/$*.log $(wrap) $< \
		-m $(FUZZ_MUTATIONS) tests/fuzz/corpus/$*

$(bats_runs): run/bats/%: tests/bats/%.bats $(B)/ferry $(tool_progs) $(bench_progs)
	@scripts/run-test $(BATS_TIMEOUT) $(LOGS)/bats/$*.log $(wrap) \
		bats --tap $(if $(BATS_TAG),--filter '\[$(BATS_TAG)\]') $<

run_static = @scripts/run-test 300 $(LOGS)/static/$(@F).log
run/static/layers:
	$(run_static) scripts/check-layers
run/static/symbols: $(lib_objs)
	$(run_static) scripts/check-symbols $(B)/obj
run/static/headers:
	$(run_static) scripts/check-headers $(compile)
run/static/docs: $(B)/ferry
	$(run_static) scripts/check-docs $<
run/static/shell:
	$(run_static) shellcheck $(shell_scripts)

# The tests that the check targets would run, for scripts/test.
list:
	@printf '%s\n' $(patsubst run/%,%,$(unit_runs) $(fuzz_runs) \
		$(bats_runs) $(static_runs))

## hdr-check: compile each header alone
hdr-check: run/static/headers

## format: let clang-format lay out the lines of C that are not committed yet
# Only those: some tables read better than it would make them.
format:
	$(Q)git clang-format --force --extensions c,h

# ---- static analysis -------------------------------------------------------
# Beside check-static; takes some minutes, so not part of check.  Each source
# goes through clang-tidy, gcc -fanalyzer and clang --analyze (as scan-build
# has it), and all of them are to find nothing.

lint_tidy  := $(addprefix run/tidy/,$(sources) src/main.c \
	$(wildcard tests/fuzz/*.c))
lint_gcc   := $(lint_tidy:run/tidy/%=run/gcc/%)
lint_clang := $(lint_tidy:run/tidy/%=run/clang/%)
lint_flags  = -std=c11 $(our_cppflags) $(DEPS_CFLAGS)
python_files := $(wildcard tests/*/*.py)

## lint: clang-tidy, gcc and clang as analyzers, cppcheck, mandoc, Python ...
lint: $(lint_tidy) $(lint_gcc) $(lint_clang) run/lint/cppcheck \
	run/lint/python run/static/shell run/static/docs

$(lint_tidy): run/tidy/%:
	@scripts/run-test 600 $(LOGS)/tidy/$(subst /,-,$*).log \
		clang-tidy --quiet $* -- $(lint_flags)

# Where gcc 12 is wrong.  What realloc() gives is stored in the very slot that
# the old pointer is in, and the copy is freed by whom the entry goes to next.
run/gcc/src/chunk/tree.c run/gcc/src/receiver/committer.c: \
	gcc_known := -Wno-analyzer-malloc-leak

$(lint_gcc): run/gcc/%:
	@scripts/run-test 600 $(LOGS)/gcc/$(subst /,-,$*).log \
		gcc $(lint_flags) -O2 -fanalyzer -Werror $(gcc_known) \
		-c -o /dev/null $*

$(lint_clang): run/clang/%:
	@scripts/run-test 600 $(LOGS)/clang/$(subst /,-,$*).log \
		clang $(lint_flags) --analyze --analyzer-output text \
		-Xclang -analyzer-werror $*

# variableScope: declarations stand at the top of a function here.
# landlock.c: the kernel reads these members.  seccomp.c: with each known
# architecture the condition is a constant.
run/lint/cppcheck:
	@scripts/run-test 900 $(LOGS)/lint/cppcheck.log cppcheck -q \
		--enable=warning,style,performance,portability --std=c11 \
		--suppress=variableScope --inline-suppr --error-exitcode=1 \
		--suppress=unusedStructMember:src/sandbox/landlock.c \
		--suppress=knownConditionTrueFalse:src/sandbox/seccomp.c \
		$(our_cppflags) src tests/fuzz

run/lint/python:
	@scripts/run-test 60 $(LOGS)/lint/python.log python3 -c \
		'import ast, sys; [ast.parse(open(f).read(), f) for f in \
		sys.argv[1:]]' $(python_files)
.PHONY: lint $(lint_tidy) $(lint_gcc) $(lint_clang) run/lint/cppcheck \
	run/lint/python

# ---- fuzzing ---------------------------------------------------------------
# What the fuzzers learn is kept in build/fuzz/corpus/, what they find in
# build/fuzz/findings/.

SECONDS   ?= 60
FUZZ      ?= $(fuzz_names)
fuzz_live := $(FUZZ:%=run/fuzzer/%)

## fuzz: run the fuzzers (clang), SECONDS=N each, FUZZ='NAME...' only these
fuzz: $(fuzz_live)

## fuzzers: build them
fuzzers: $(fuzzers)

$(fuzz_live): run/fuzzer/%: $(B)/fuzz/fuzz_%
	@scripts/run-fuzzer $(SECONDS) $< tests/fuzz/corpus/$* build/fuzz
.PHONY: fuzz fuzzers $(fuzz_live)

## bench: measure speed against other tools (scripts/bench --help)
bench:
	$(Q)scripts/bench

# What scripts/bench asks for.
bench-programs: $(B)/ferry $(bench_progs)
.PHONY: bench bench-programs

## acceptance: the large transfers that a release must show (some minutes)
acceptance: $(B)/ferry
	$(Q)FERRY=$< tests/acceptance
.PHONY: acceptance

## torture: the long part of the fault suites (as root; half an hour)
torture: $(B)/ferry
	$(Q)$(wrap) tests/tools/alone tests/faults/torture --ferry $< $(TORTURE)
.PHONY: torture

## evil: the long part of the peers that lie (some minutes)
evil: $(B)/ferry
	$(Q)FERRY=$< EVIL_LONG=1 tests/tools/alone tests/evil/suite $(EVIL)
.PHONY: evil

## soak: transfers in every mode, confined and watched, for MINUTES=20
soak: $(B)/ferry
	$(Q)FERRY=$< tests/tools/alone tests/soak $(MINUTES)
.PHONY: soak

## compile_commands.json: write build/compile_commands.json for editors
compile_commands.json: FORCE
	@mkdir -p build
	@comma='['; for f in $(sources) $(wildcard src/main.c tests/*/*.c); do \
		printf '%s\n{"directory":"%s","file":"%s","command":"%s"}' \
		"$$comma" '$(CURDIR)' "$$f" "$$(printf '%s' \
		'$(subst ','\'',$(subst ",\",$(subst \,\\,$(compile)))) -c '"$$f")"; \
		comma=','; done >build/compile_commands.json
	@echo ']' >>build/compile_commands.json
	$(call say,GEN,build/compile_commands.json)

# ---- installing ------------------------------------------------------------

bash_completion := $(wildcard scripts/completions/ferry.bash)
zsh_completion  := $(wildcard scripts/completions/_ferry)
fish_completion := $(wildcard scripts/completions/ferry.fish)
to       = $(DESTDIR)$(1)
pages    = $(sort $(wildcard man/*.$(1)))
sections := 1 5 7

## install: install below PREFIX (/usr/local); DESTDIR, BINDIR, MANDIR work
install: $(B)/ferry
	$(Q)$(INSTALL) -d "$(call to,$(BINDIR))"
	$(Q)$(INSTALL) -m 0755 $(B)/ferry "$(call to,$(BINDIR))/ferry"
	$(Q)$(foreach s,$(sections),$(if $(call pages,$s),\
		$(INSTALL) -d "$(call to,$(MANDIR))/man$s" && \
		$(INSTALL) -m 0644 $(call pages,$s) \
			"$(call to,$(MANDIR))/man$s/" &&)) true
	$(Q)put() { $(INSTALL) -d "$$2" && $(INSTALL) -m 0644 "$$1" "$$2/$$3"; }; \
	data="$(call to,$(DATADIR))"; \
	$(if $(bash_completion),put $(bash_completion) \
		"$$data/bash-completion/completions" ferry &&) \
	$(if $(zsh_completion),put $(zsh_completion) \
		"$$data/zsh/site-functions" _ferry &&) \
	$(if $(fish_completion),put $(fish_completion) \
		"$$data/fish/vendor_completions.d" ferry.fish &&) true

## uninstall: remove what install put there
uninstall:
	rm -f "$(call to,$(BINDIR))/ferry" $(foreach s,$(sections),\
		$(foreach p,$(call pages,$s),\
		"$(call to,$(MANDIR))/man$s/$(notdir $p)")) \
		"$(call to,$(DATADIR))/bash-completion/completions/ferry" \
		"$(call to,$(DATADIR))/zsh/site-functions/_ferry" \
		"$(call to,$(DATADIR))/fish/vendor_completions.d/ferry.fish"

## clean: remove build/
clean:
	rm -rf build

## help: this list
help:
	@echo 'make [TARGET]... [VARIABLE=VALUE]...'
	@echo
	@sed -n -e 's/^## \([a-z_.-]*\): /\1\t/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='	' read -r target text; do \
		printf '  %-22s %s\n' "$$target" "$$text"; done
	@echo
	@echo '  V=1                    show the commands'
	@echo '  DEV=1                  warnings are errors'
	@echo '  SANITIZE=LIST          address,undefined or thread'
	@echo '  NDEBUG=1  COVERAGE=1   variants, like SANITIZE'
	@echo '  SECONDS=N  FUZZ=NAMES  how long to fuzz, and what'
	@echo '  MINUTES=N              how long to soak'
	@echo '  TORTURE=ARGS           of tests/faults/torture: suites, --seed ...'
	@echo '  VALGRIND=1             bats tests and soak run ferry under valgrind'
	@echo '  CC CPPFLAGS CFLAGS LDFLAGS LDLIBS PKG_CONFIG'
	@echo '  PREFIX DESTDIR BINDIR MANDIR DATADIR'

FORCE:
.PHONY: all check check-unit check-fuzz check-bats check-static tests list hdr-check \
	format install uninstall clean help have-cmocka FORCE \
	$(unit_runs) $(fuzz_runs) $(bats_runs) $(static_runs)
