# The tests that "make check" runs, and what they need.  Included by the
# Makefile at the top.
#
# Each unit test program and bats file is a target of its own, so -jN runs N
# at once.  scripts/run-test limits the time, keeps the output in $(LOGS) and
# prints it when something failed.

LOGS         ?= $(B)/logs
# In seconds: a unit test program, a bats file, one test in it.
UNIT_TIMEOUT ?= 120
BATS_TIMEOUT ?= 900
export BATS_TEST_TIMEOUT ?= 120

# The thread sanitizer has something to see only where there are threads.
ifeq ($(SANITIZE),thread)
with_threads = $(if $(1),$(shell grep -lE 'pthread|"(sender|receiver)/' $(1)))
else
with_threads = $(1)
endif

unit_tests := $(patsubst tests/unit/%.c,%,$(call with_threads,$(sort \
	$(wildcard tests/unit/test_*.c))))
# failing_calls takes a fifth of all that runs under it: see failing-calls.  The
# others start no thread, or none that shares anything; pake has scrypt besides.
ifeq ($(SANITIZE),thread)
unit_tests := $(filter-out $(addprefix test_,conflict failing_calls pake queue \
	recv_file_table recv_results send_decide send_delta send_inflight \
	senders_file),$(unit_tests))
endif
# It has no sandbox.
ifeq ($(OS),posix)
unit_tests := $(filter-out test_sandbox test_sandbox_attempts,$(unit_tests))
endif
## UNSANITIZED=1: of the unit tests only those that a sanitizer would skip
ifneq ($(UNSANITIZED),)
unit_tests := test_sandbox test_sandbox_attempts test_torture
endif
# lackfs needs libfuse: without it, the tests that mount it are skipped.
has_fuse   := $(shell $(PKG_CONFIG) --exists fuse3 2>/dev/null && echo yes)
tools      := $(filter-out $(if $(has_fuse),,lackfs),$(patsubst \
	tests/tools/%.c,%,$(sort $(wildcard tests/tools/*.c))))
unit_progs := $(unit_tests:%=$(B)/tests/%)
tool_progs := $(tools:%=$(B)/tools/%)

# The longest first, so that none is left to run alone at the end.
bats_long  := timeouts living result hostile filesystems resume output ssh \
	code dry-run delta status transfer direct faults limits
bats_files := $(wildcard $(bats_long:%=tests/bats/%.bats))
bats_files += $(filter-out $(bats_files),$(sort $(wildcard tests/bats/*.bats)))
## FERRY_LONG=1: bats tests with "[--long]" in their name too, larger samples
## BATS_TAG=REGEX: of the bats tests only those with such a tag, "[san]"
not_long    := ([^[]|\[[^-])*
bats_filter := $(if $(BATS_TAG),\[$(BATS_TAG)\],$(if \
	$(FERRY_LONG),,^$(not_long)$$))
ifneq ($(bats_filter),)
bats_files  := $(shell grep -lE '$(if $(BATS_TAG),^@test .*\[$(BATS_TAG)\],$\
	^@test .$(not_long). [{]$$)' /dev/null $(bats_files))
endif

# What these test depends on the file system, or takes a share of it.  The
# others have their files in memory: to flush a disk, or to look there for an
# inode that was not just deleted, takes longer than most of what they do.
on_disk := faults filesystems kept limits preserve resume sparse transfer

unit_runs  := $(unit_tests:%=run/unit/%)
bats_runs  := $(bats_files:tests/bats/%.bats=run/bats/%)

# ---- what the tests find in their environment ------------------------------
# The program, the helper programs, the variant, and with VALGRIND=1 what to
# put in front of the program.

export FERRY         := $(abspath $(B)/ferry)
export FERRY_TOOLS   := $(abspath $(B)/tools)
export FERRY_VARIANT := $(VARIANT)
## VALGRIND=1: bats tests and soak run ferry under valgrind
ifdef VALGRIND
export FERRY_WRAP := valgrind -q --error-exitcode=99 --leak-check=full --vgdb=no
endif

# 99 is an exit status that ferry never uses.  Without setarch the thread
# sanitizer of gcc 12 fails where the kernel randomises addresses much.  The
# quotes are read by the sanitizer: a path may have spaces.
ifdef SANITIZE
export ASAN_OPTIONS  ?= exitcode=99:detect_stack_use_after_return=1
export LSAN_OPTIONS  ?= exitcode=99
export TSAN_OPTIONS  ?= exitcode=99:second_deadlock_stack=1:suppressions="$(CURDIR)/tests/tsan.supp"
export UBSAN_OPTIONS ?= exitcode=99:print_stacktrace=1
wrap = $(shell setarch -R true 2>/dev/null && echo setarch -R)
endif

# ---- building them ---------------------------------------------------------

## tests: build what the tests need, run nothing
tests: bats-tests $(unit_progs)

## bats-tests: the same for the tests of the program alone
bats-tests: $(B)/ferry $(tool_progs)

# What tests do themselves is little, and a sanitizer makes optimising it slow.
# Without optimisation its warnings are not false either, and most unit tests
# are built by no other variant.  gold, where it is, links in half the time.
ifdef SANITIZE
$(B)/tests/%.o $(B)/tools/%.o: private variant_flags += -O0 -fno-sanitize=undefined
$(B)/tests/%.o $(B)/tools/%.o: private werror := $(if $(DEV),-Werror)
quick_ld := $(if $(findstring /,$(shell $(CC) \
	-print-prog-name=ld.gold 2>/dev/null)),-fuse-ld=gold)
endif

# Compiled apart from linking: a change of the library only links them again.
$(B)/tests/%.o: tests/unit/%.c $(B)/flags | have-cmocka
	$(compile_test)

$(B)/tools/%.o: tests/tools/%.c $(B)/flags
	$(compile_test)

define compile_test
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(compile) -D_GNU_SOURCE -MMD -MP -c -o $@ $<
endef

$(B)/tests/%: $(B)/tests/%.o $(B)/libferry.a
	$(call say,LD,$@)
	$(Q)$(link_test) -lcmocka

$(B)/tools/%: $(B)/tools/%.o $(B)/libferry.a
	$(call say,LD,$@)
	$(Q)$(link_test)

$(B)/tools/lackfs.o: our_cppflags += $(patsubst -I%,-isystem %,$(shell \
	$(PKG_CONFIG) --cflags fuse3))
$(B)/tools/lackfs: libs += $(shell $(PKG_CONFIG) --libs fuse3)

link_test = $(link) $(quick_ld) -o $@ $(filter %.o %.a,$^) $(ldflags) $(libs)

# What a test ran is kept apart, so that scripts/mutate knows it.  Some tests run
# ferry as another user, who has to be able to write there too.
ifdef COVERAGE
by_test = mkdir -p -m 777 '$(B)/by-test/$(@:run/%=%)'; export \
	GCOV_PREFIX='$(abspath $(B))/by-test/$(@:run/%=%)' \
	GCOV_PREFIX_STRIP=$(words $(subst /, ,$(subst $(space),_,$(abspath $(B)))));
lib_objs += $(B)/obj/coverage_exit.o
$(B)/libferry.a: $(B)/obj/coverage_exit.o
$(B)/obj/coverage_exit.o: tests/lib/coverage_exit.c $(B)/flags
	$(compile_test)
endif

## test-posix: with OS=posix all tests, and transfers with a build for Linux
test-posix: $(B)/ferry
	+$(Q)$(MAKE) -k OS=posix check-unit check-bats
	$(Q)BETWEEN_A='$(abspath $(B))/ferry' \
		BETWEEN_B='$(abspath $(out))/posix/ferry' \
		scripts/run-test $(BATS_TIMEOUT) '$(LOGS)/between/posix.log' \
		bats --tap tests/between/transfers.bats

have-cmocka:
	@$(PKG_CONFIG) --exists cmocka || { echo >&2 'The unit tests need' \
	'cmocka: run scripts/setup test, or apt-get install libcmocka-dev'; \
	exit 1; }

-include $(unit_progs:=.d) $(tool_progs:=.d)

# ---- running them ----------------------------------------------------------

## check: all tests; needs cmocka, bats and python3
check: check-unit check-fuzz check-bats

## check-unit: the unit tests
check-unit: $(unit_runs)

## check-bats: the tests of the program
check-bats: $(bats_runs)

$(unit_runs): run/unit/%: $(B)/tests/%
	@$(by_test) CMOCKA_MESSAGE_OUTPUT=TAP scripts/run-test $(UNIT_TIMEOUT) \
		'$(LOGS)/unit/$*.log' $(wrap) $<

$(bats_runs): run/bats/%: tests/bats/%.bats $(B)/ferry $(tool_progs)
	@$(by_test) IN_MEMORY=$(if $(filter $*,$(on_disk)),,1) \
		scripts/run-test $(BATS_TIMEOUT) '$(LOGS)/bats/$*.log' $(wrap) \
		bats --tap $(if $(bats_filter),--filter '$(bats_filter)') $<

# The tests that the check targets would run, for scripts/test.
list:
	@printf '%s\n' $(patsubst run/%,%,$(unit_runs) $(fuzz_runs) \
		$(bats_runs) $(static_runs))

# ---- long runs -------------------------------------------------------------

## acceptance: the large transfers that a release must show (some minutes)
acceptance: $(B)/ferry
	$(Q)FERRY=$< tests/acceptance

## booted: the units under a systemd that is booted in namespaces (as root)
booted: $(B)/ferry
	$(Q)tests/booted

## OLDER=FILE: for booted-deb: the package to upgrade from
## booted-deb: install, upgrade and purge the Debian package there (as root)
booted-deb: deb
	$(Q)tests/booted $(out)/deb/ferry_$(VERSION)_*.deb $(OLDER)

## TORTURE=ARGS: of tests/faults/torture: suites, --seed ...
## torture: the long part of the fault suites (as root; half an hour)
torture: $(B)/ferry $(tool_progs)
	$(Q)$(wrap) tests/tools/alone tests/faults/torture --ferry $< $(TORTURE)

## ALIKE=ARGS: of tests/alike: --rounds, --seed, --dir
## alike: a Debian root kept alike through random edits (as root; ten minutes)
alike: $(B)/ferry
	$(Q)FERRY=$< BUILDDIR=$(out) tests/alike $(ALIKE)

## PLANS=ARGS: of tests/plans: --rounds, --seed, --way, --dir
## plans: what send -n plans is what is then done, 200 random trees (minutes)
plans: $(B)/ferry
	$(Q)tests/plans --ferry $< $(PLANS)

## SSH_KILLS=ARGS: of tests/faults/ssh-kills: --runs, --seed
## ssh-kills: 100 kills of what takes part in a transfer by ssh (ten minutes)
ssh-kills: $(B)/ferry
	$(Q)tests/faults/ssh-kills --ferry $< $(SSH_KILLS)

## SSH_HOSTS=ARGS: of tests/faults/ssh-hosts: --mib, --files
## ssh-hosts: by ssh between namespaces with a firewall (as root; minutes)
ssh-hosts: $(B)/ferry
	$(Q)tests/faults/ssh-hosts --ferry $< $(SSH_HOSTS)

## hostile: the long part of the tests with hostile peers (some minutes)
hostile: $(B)/ferry
	$(Q)FERRY=$< HOSTILE_LONG=1 tests/tools/alone tests/hostile/suite \
		$(HOSTILE)

## BUDGETS=ARGS: of tests/hostile/budgets: --rounds, --rate, --dir, attacks
## budgets: what a hostile sender can take from an honest one (as root; 15 minutes)
budgets: $(B)/ferry
	$(Q)FERRY=$< tests/tools/alone tests/hostile/budgets $(BUDGETS)

## failing-calls: every call of a transfer fails once, also with SANITIZE=thread
failing-calls: $(B)/tests/test_failing_calls
	$(Q)FERRY_CALLS=all CMOCKA_MESSAGE_OUTPUT=TAP scripts/run-test 7200 \
		'$(LOGS)/failing-calls.log' $(wrap) $<

## coverage: lines and branches that the tests run, by file (minutes)
coverage:
	$(Q)rm -rf $(out)/coverage/by-test
	-$(Q)$(MAKE) -k COVERAGE=1 check
	$(Q)scripts/coverage $(out)/coverage

## MINUTES=N: how long to soak
## soak: transfers in every mode, confined and watched, for MINUTES=20
soak: $(B)/ferry
	$(Q)FERRY=$< tests/tools/alone tests/soak $(MINUTES)

## soak-senders: 50 named senders, reloads, revocations, restarts, for MINUTES=60
soak-senders: $(B)/ferry
	$(Q)FERRY=$< tests/tools/alone tests/soak-senders $(MINUTES)

.PHONY: tests bats-tests test-posix have-cmocka check check-unit check-bats list acceptance booted \
	booted-deb coverage torture alike plans ssh-kills ssh-hosts hostile budgets soak \
	soak-senders failing-calls $(unit_runs) $(bats_runs)
