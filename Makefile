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
lib_objs   := $(sources:src/%.c=$(B)/obj/%.o)

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

# Hardening: all that the compiler supports.  Asked once for each compiler and
# its flags; the answer is kept.
ifeq ($(SANITIZE)$(COVERAGE),)
cc_full := $(subst ','\'',$(CC) $(CFLAGS) $(LDFLAGS))
cc_id   := $(shell { echo '$(cc_full)'; $(CC) --version; \
	$(CC) -dumpmachine; } 2>&1 | cksum | tr ' ' -)
harden  := build/cache/hardening-$(cc_id).mk
$(harden):
	$(call say,PROBE,'hardening flags of $(CC)')
	@mkdir -p $(@D)
	@scripts/probe-flags '$(cc_full)' $@
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

# ---- program and library ---------------------------------------------------

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

-include $(lib_objs:.o=.d) $(B)/obj/main.d

# ---- tests, static checks, benchmark ---------------------------------------

included := tests/tests.mk tests/fuzz/fuzz.mk tests/bench/bench.mk scripts/lint.mk
include $(included)

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
	@sed -n -e 's/^## \([a-z_.-]*\): /\1\t/p' Makefile $(included) \
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
.PHONY: all install uninstall clean help FORCE
