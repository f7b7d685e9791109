# Makefile of ferry: GNU make, no configure step.
#
# Everything built lies below $(BUILDDIR)/<variant>/, nothing is written
# elsewhere; each combination of SANITIZE, NDEBUG and COVERAGE is a variant
# with its own objects.  Sources and tests are found by wildcard: a new file
# needs no change here.

VERSION = 0.1.0

# A string as one word of the shell.
quote = '$(subst ','\'',$(1))'

# ---- from another directory ------------------------------------------------
# Paths in here are relative to the Makefile, so make -f DIR/Makefile becomes
# make -C DIR.  Relative paths on its command line stay the caller's.  make's
# own functions cannot take DIR from a name that has spaces; the shell can.

ifneq ($(lastword $(MAKEFILE_LIST)),Makefile)
caller_paths := $(foreach v,BUILDDIR DESTDIR LOGS,$(if $($v),$(if \
	$(filter /%,$($v)),,$(call quote,$v=$(CURDIR)/$($v)))))
$(sort all $(MAKECMDGOALS)): in_its_directory ;
in_its_directory:
	+@makefile=$(call quote,$(MAKEFILE_LIST)); makefile=$${makefile# }; \
	$(MAKE) -C "$$(dirname "$$makefile")" $(MAKECMDGOALS) $(caller_paths)
.PHONY: in_its_directory $(sort all $(MAKECMDGOALS))
else

# ---- settings --------------------------------------------------------------

## BUILDDIR=DIR: where to build (build/)
BUILDDIR   ?= build
## PREFIX DESTDIR: where to install; also BINDIR MANDIR SYSTEMDDIR BASHDIR ...
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
MANDIR     ?= $(PREFIX)/share/man
DATADIR    ?= $(PREFIX)/share
SYSTEMDDIR ?= $(PREFIX)/lib
# Where each shell looks: Debian's zsh below /usr in a folder of its own, fish
# not below /usr/local.
BASHDIR    ?= $(DATADIR)/bash-completion/completions
ZSHDIR     ?= $(DATADIR)/zsh/$(if $(filter \
	/usr,$(PREFIX)),vendor-completions,site-functions)
FISHDIR    ?= $(if $(filter \
	/usr/local,$(PREFIX)),/etc/fish/completions,$(DATADIR)/fish/vendor_completions.d)
## CC CPPFLAGS CFLAGS: and LDFLAGS LDLIBS PKG_CONFIG
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
# With make -R both are undefined.
ifneq ($(filter default undefined,$(origin CC)),)
CC = gcc
endif
AR ?= ar

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

## all: build the program (the default)
all:

## V=1: show the commands
Q   := $(if $(filter-out 0,$(V)),,@)
# The options of one letter are the first word; without any, "-".
silent := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say  = $(if $(Q),$(if $(silent),,@printf '  %-7s %s\n' $(1) $(2)))

# ---- variant ---------------------------------------------------------------

## OS=posix: for other systems: of what only Linux has, the POSIX form
ifneq ($(origin OS),command line)
OS := linux
endif
ifeq ($(filter linux posix,$(OS)),)
$(error OS is linux or posix, not "$(OS)")
endif
## SANITIZE=LIST: address,undefined or thread
## NDEBUG=1 COVERAGE=1 STATIC=1: variants, like SANITIZE
empty :=
space := $(empty) $(empty)
comma := ,
variant_words := $(subst $(comma),$(space),$(SANITIZE)) \
	$(if $(NDEBUG),ndebug) $(if $(COVERAGE),coverage) $(if $(STATIC),static) \
	$(filter-out linux,$(OS))
VARIANT := $(or $(subst $(space),-,$(strip $(variant_words))),release)
# The fuzzers are a variant of their own: clang, its sanitizers, its coverage.
ifneq ($(filter fuzz fuzzers,$(MAKECMDGOALS)),)
CC       := clang
SANITIZE := address,undefined,fuzzer-no-link
VARIANT  := fuzz
endif
out := $(or $(patsubst %/,%,$(BUILDDIR)),build)
B   := $(out)/$(VARIANT)
ifneq ($(words $(out))$(findstring :,$(out))$(findstring %,$(out)),1)
$(error BUILDDIR "$(BUILDDIR)" has a space, : or % in it, which make does not \
allow in the names of targets)
endif

sources  := $(sort $(wildcard src/*/*.c src/*/$(OS)/*.c))
lib_objs := $(sources:src/%.c=$(B)/obj/%.o)

# ---- compiler and libraries ------------------------------------------------
# Skipped for goals that compile nothing, so they work on a bare machine.

goals := $(or $(MAKECMDGOALS),all)

# make install after make takes the program as it is: under sudo, or in another
# step of a package's build, the flags may differ and the compiler be gone.
# Only a source that was changed since is a reason to build again.
ifeq ($(filter-out install uninstall,$(goals))$(wildcard $(B)/ferry),$(B)/ferry)
as_built := $(if $(shell find src -name '*.[ch]' -newer $(B)/ferry),,install)
endif

ifneq ($(filter-out clean help uninstall list format bench static dist deb $(as_built),$(goals)),)

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
DEPS_LIBS   := $(shell $(PKG_CONFIG) $(if $(STATIC),--static) --libs $(deps))
endif
static_ldflags := $(if $(STATIC),-static-pie)

# Hardening: all that the compiler supports.  Asked once for each compiler and
# its flags; the answer is kept.
ifeq ($(SANITIZE)$(COVERAGE),)
cc_full := $(call quote,$(CC) $(CFLAGS) $(static_ldflags) $(LDFLAGS)) \
	$(call quote,$(DEPS_CFLAGS) $(DEPS_LIBS))
cc_id   := $(shell { echo $(cc_full); $(CC) --version; \
	$(CC) -dumpmachine; } 2>&1 | cksum | tr ' ' -)
harden  := $(out)/cache/hardening-$(cc_id).mk
$(harden):
	$(call say,PROBE,'hardening flags of $(CC)')
	@mkdir -p $(@D)
	@scripts/probe-flags $(cc_full) $@
include $(harden)
# The user's own choice wins; without optimisation it is only a warning.
ifneq ($(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))$(filter -O0,$(CFLAGS)),)
FORTIFY :=
endif
# The same binary from any directory.  $PWD is what the compiler records, which
# differs from $(CURDIR) where a symlink led here.
path_map := "-ffile-prefix-map=$$PWD=."
endif

endif # goals that compile

# ---- flags -----------------------------------------------------------------

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wcast-align \
	-Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wundef -Wwrite-strings \
	-Wredundant-decls -Wpointer-arith -Wimplicit-fallthrough \
	-Wnull-dereference -Wswitch-enum -Wconversion -Wsign-conversion \
	-Wno-psabi
ifneq ($(findstring clang,$(cc_version)),)
# OpenSSL's macros cast const away, which clang, unlike gcc, blames on us.
warnings += -Wno-cast-qual
else ifneq ($(findstring undefined,$(SANITIZE)),)
# Beside the address sanitizer gcc's shared one ignores log_path (run-test).
sanitize_ldflags := -static-libubsan
endif

## DEV=1: warnings are errors
# gcc's manual advises against -Werror with a sanitizer: instrumented code
# gives false warnings about values that may be NULL or not initialised.
werror := $(if $(DEV),$(if $(SANITIZE),,-Werror))

variant_flags := $(strip \
	$(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) \
		-fno-sanitize-recover=all,$(if $(COVERAGE),-O0,-O2)) \
	$(if $(COVERAGE),--coverage))
# See tests/lib/coverage_exit.c.
coverage_ldflags := $(if $(COVERAGE),-Wl$(comma)--wrap=landlock_confine)

# The user's CPPFLAGS, CFLAGS and LDFLAGS come last and so win.  Only
# POSIX is declared: what Linux has beyond it, src/*/linux/ asks for itself.
our_cppflags := $(XXH_DISPATCH) -D_XOPEN_SOURCE=700 -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
	-DFERRY_VERSION='"$(VERSION)"' $(if $(NDEBUG),-DNDEBUG) \
	$(if $(SANITIZE)$(COVERAGE),-DFERRY_INSTRUMENTED) \
	$(if $(STATIC),-DFERRY_STATIC) -Isrc
# A sanitizer's report names functions and lines, no variables: -g1 has them.
cc_with = $(CC) -std=c11 $(our_cppflags) $(1) $(if $(SANITIZE),-g1,-g) \
	$(variant_flags) $(path_map) -fno-common -pthread $(HARDEN_CFLAGS) \
	$(FORTIFY) $(DEPS_CFLAGS) $(CPPFLAGS) $(CFLAGS)
compile = $(call cc_with,$(warnings) $(werror))
# Without warnings: with -flto gcc inlines across sources when it links, and
# then guesses that pointers may be NULL and values not initialised.
link    = $(call cc_with,)
ldflags = -pthread $(HARDEN_LDFLAGS) $(static_ldflags) $(sanitize_ldflags) \
	$(coverage_ldflags) $(LDFLAGS)
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
	@printf '%s\n' $(call quote,$($(@F)_text)) >$@

# ---- program and library ---------------------------------------------------

all: $(B)/ferry

## static: build a program that runs on any Linux with this processor
static:
	+$(Q)$(MAKE) STATIC=1 all

$(B)/ferry: $(B)/obj/main.o $(B)/libferry.a
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(ldflags) $(libs)

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

# Run the commands $(1) for each installed file: $1 is its mode, $2 where it is,
# $3 a directory of the system's, $4 one of ferry's below that, $5 the new name.
define for_installed
	set -e; one() { $(1); }; from=scripts/completions; \
	bin=$(call quote,$(DESTDIR)$(BINDIR)); \
	man=$(call quote,$(DESTDIR)$(MANDIR)); \
	bash=$(call quote,$(DESTDIR)$(BASHDIR)); \
	zsh=$(call quote,$(DESTDIR)$(ZSHDIR)); \
	fish=$(call quote,$(DESTDIR)$(FISHDIR)); \
	one 755 $(B)/ferry "$$bin" . ferry; \
	for page in man/*.[1-9]; do \
		one 644 $$page "$$man" man$${page##*.} $${page#man/}; done; \
	one 644 $$from/ferry.bash "$${bash%/*}" "$${bash##*/}" ferry; \
	one 644 $$from/_ferry "$${zsh%/*}" "$${zsh##*/}" _ferry; \
	one 644 $$from/ferry.fish "$${fish%/*}" "$${fish##*/}" ferry.fish; \
	one 755 scripts/send-to-many $(call quote,$(DESTDIR)$(DATADIR)) \
		doc/ferry/examples send-to-many; \
	lib=$(call quote,$(DESTDIR)$(SYSTEMDDIR)); \
	for unit in scripts/systemd/*.service scripts/systemd/*.socket \
		scripts/systemd/*.timer; do \
		one 644 $$unit "$$lib" systemd/system $${unit##*/}; done; \
	one 644 scripts/systemd/ferry-sysusers.conf "$$lib" sysusers.d ferry.conf; \
	one 644 scripts/systemd/ferry-tmpfiles.conf "$$lib" tmpfiles.d ferry.conf
endef

# Units name the program by its path.
## install: install below PREFIX (/usr/local); DESTDIR, BINDIR, MANDIR work
install: $(if $(as_built),,$(B)/ferry)
	$(Q)$(call for_installed,$(INSTALL) -d "$$3/$$4" && \
		$(INSTALL) -m $$1 $$2 "$$3/$$4/$$5" && \
		case $$5 in (*.service) sed -i s"|@BINDIR@|"$(call \
		quote,$(BINDIR))"|" "$$3/$$4/$$5";; esac)

# Empty directories go too; those of the system only if they are in DESTDIR.
## uninstall: remove what install put there
uninstall:
	$(Q)$(call for_installed,rm -f "$$3/$$4/$$5"; \
		( cd "$$3" && rmdir -p "$$4" ) 2>/dev/null || :)
	$(if $(DESTDIR),$(Q)for dir in $(foreach d,BINDIR MANDIR SYSTEMDDIR DATADIR \
		BASHDIR ZSHDIR FISHDIR,\
		$(call quote,$($d))); do \
		for each in "$$dir" "$${dir%/*}"; do \
		( cd $(call quote,$(DESTDIR)) && rmdir -p "$${each#/}" ) \
		2>/dev/null || :; done; done)

## dist: the source as a tarball, which builds without git
dist:
	$(Q)scripts/dist $(out)/dist/ferry-$(VERSION)
	$(call say,DIST,$(out)/dist/ferry-$(VERSION).tar.gz)

## deb: a Debian package (needs dpkg-dev and debhelper)
deb: dist
	$(Q)scripts/deb/build $(out)/dist/ferry-$(VERSION).tar.gz $(out)/deb \
		$(VERSION)

# A BUILDDIR that the user chose may hold other things.
made := $(if $(filter build,$(out)),build,$(sort $(dir $(wildcard \
	$(out)/*/flags $(out)/cache/hardening-*.mk $(out)/faults/faultio.so))) \
	$(B)/logs $(out)/dist $(out)/deb $(out)/test-logs $(out)/compile_commands.json)

## clean: remove all that was built
clean:
	rm -rf $(made)
	@[ ! -d $(out) ] || rmdir --ignore-fail-on-non-empty $(out)

## help: this list
help:
	@echo 'make [TARGET]... [VARIABLE=VALUE]...'
	@for kind in lower upper; do echo; \
		sed -n "s/^## \([[:$$kind:]][^:]*\): /\1:/p" Makefile $(included) | \
		while IFS=: read -r name text; do \
		printf '  %-22s %s\n' "$$name" "$$text"; done; done

FORCE:
.PHONY: all static dist deb install uninstall clean help FORCE
endif # not from another directory
