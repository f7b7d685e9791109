# Static checks, static analysis and what editors need.  Included by the
# Makefile at the top.

shell_scripts = $(shell grep -ls -d skip '^.!.*[/ ]\(ba\)\?sh' scripts/* scripts/deb/* .ci/run)

# ---- static checks: seconds ------------------------------------------------

static_runs := $(addprefix run/static/,layers os cycles symbols headers columns docs \
	skips shell)
run_static   = @scripts/run-test 300 '$(LOGS)/static/$(@F).log'

## check-static: layers, systems, cycles, symbols, headers, columns, documents, skips, shell
check-static: $(static_runs)

run/static/layers:
	$(run_static) scripts/check-layers
run/static/os:
	$(run_static) scripts/check-os
run/static/cycles: $(lib_objs)
	$(run_static) scripts/check-cycles $(B)/obj
run/static/symbols: $(lib_objs)
	$(run_static) scripts/check-symbols $(B)/obj
run/static/headers:
	$(run_static) scripts/check-headers $(compile)
run/static/columns:
	$(run_static) scripts/check-columns
run/static/docs: $(B)/ferry
	$(run_static) scripts/check-docs $<
run/static/skips:
	$(run_static) scripts/check-skips
run/static/shell:
	$(run_static) shellcheck $(shell_scripts)

## hdr-check: compile each header alone
hdr-check: run/static/headers

# ---- static analysis: minutes ----------------------------------------------
# Each source goes through clang-tidy, gcc -fanalyzer and clang --analyze (as
# scan-build runs it), and none of them may find anything.

lint_tidy  := $(addprefix run/tidy/,$(sources) src/main.c \
	$(wildcard tests/fuzz/*.c))
lint_gcc   := $(lint_tidy:run/tidy/%=run/gcc/%)
lint_clang := $(lint_tidy:run/tidy/%=run/clang/%)
lint_flags  = -std=c11 $(our_cppflags) $(if $(filter tests/%,$*),-D_GNU_SOURCE) \
	$(DEPS_CFLAGS)

## lint: clang-tidy, gcc and clang as analyzers, cppcheck, mandoc, Python ...
lint: $(lint_tidy) $(lint_gcc) $(lint_clang) run/lint/cppcheck \
	run/lint/python run/static/shell run/static/docs

$(lint_tidy): run/tidy/%:
	@scripts/run-test 600 '$(LOGS)/tidy/$(subst /,-,$*).log' \
		clang-tidy --quiet $* -- $(lint_flags)

# Where gcc 12 is wrong.  What realloc() gives is stored in the very slot that
# the old pointer is in, and the copy is freed by whom the entry goes to next
# (tree.c, committer.c).  A TLS connection is freed by a pointer to its first
# member (tls_conn.c).  A string or an entry is stored in an array that has grown,
# in a table, a list, or by an out-parameter, and freed with that (by_ssh.c,
# cmd_remote.c, complete.c, senders_helper.c, scan_root.c, delete.c, kept.c,
# placed.c, exec_queue.c).  A function that has not set its out-parameter has returned an error,
# which err_set() never makes 0 (senders_file.c).
$(filter %/tree.c %/committer.c %/tls_conn.c %/by_ssh.c %/cmd_remote.c \
	%/complete.c %/senders_helper.c %/scan_root.c %/delete.c \
	%/kept.c %/placed.c %/exec_queue.c,$(lint_gcc)): \
	gcc_known := -Wno-analyzer-malloc-leak
$(filter %/senders_file.c,$(lint_gcc)): \
	gcc_known := -Wno-analyzer-null-argument

$(lint_gcc): run/gcc/%:
	@scripts/run-test 600 '$(LOGS)/gcc/$(subst /,-,$*).log' \
		gcc $(lint_flags) -O2 -fanalyzer -Werror $(gcc_known) \
		-c -o /dev/null $*

$(lint_clang): run/clang/%:
	@scripts/run-test 600 '$(LOGS)/clang/$(subst /,-,$*).log' \
		clang $(lint_flags) --analyze --analyzer-output text \
		-Xclang -analyzer-werror $*

# variableScope: declarations stand at the top of a function here.
# landlock.c: the kernel reads these members.  seccomp.c: with each known
# architecture the condition is a constant.  Where cppcheck 2.10 is wrong: a
# pointer to a local variable is taken back before the function returns
# (connector.c, list_other.c, cpu_share.c), or the variable is copied by who gets
# it (opening.c); what is read into need not be initialised (packet.c, sandbox.c);
# a variable is changed in a loop or by its address (codec_sparse.c, progress.c,
# send_file.c, command.c).
run/lint/cppcheck:
	@scripts/run-test 900 '$(LOGS)/lint/cppcheck.log' cppcheck -q \
		--enable=warning,style,performance,portability --std=c11 \
		--suppress=variableScope --inline-suppr --error-exitcode=1 \
		--suppress='unusedStructMember:*/landlock.c' \
		--suppress='knownConditionTrueFalse:*/seccomp.c' \
		--suppress='autoVariables:*/connector.c' \
		--suppress='autoVariables:*/list_other.c' \
		--suppress='autoVariables:*/cpu_share.c' \
		--suppress='returnDanglingLifetime:*/opening.c' \
		--suppress='legacyUninitvar:*/packet.c' \
		--suppress='ctuuninitvar:*/packet.c' \
		--suppress='ctuuninitvar:*/sandbox.c' \
		--suppress='knownConditionTrueFalse:*/codec_sparse.c' \
		--suppress='knownConditionTrueFalse:*/progress.c' \
		--suppress='knownConditionTrueFalse:*/send_file.c' \
		--suppress='unreadVariable:*/command.c' \
		$(our_cppflags) src tests/fuzz

run/lint/python:
	@scripts/run-test 600 '$(LOGS)/lint/python.log' scripts/check-python

# ---- editors ---------------------------------------------------------------

## format: let clang-format lay out the lines of C that are not committed yet
# Only those: some tables read better than it would make them.
format:
	$(Q)git clang-format --force --extensions c,h

# As the release is compiled, but for a flag that only the shell can expand.
json_compile = $(subst ",\",$(subst \,\\,$(subst $(path_map),,$(compile))))

## compile_commands.json: write it to the build directory, for editors
compile_commands.json: FORCE
	@mkdir -p $(out)
	@comma='['; for f in $(sources) $(wildcard src/main.c tests/*/*.c); do \
		printf '%s\n{"directory":"%s","file":"%s","command":"%s"}' \
		"$$comma" $(call quote,$(CURDIR)) "$$f" \
		$(call quote,$(json_compile))" -c $$f"; \
		comma=','; done >$(out)/$@
	@echo ']' >>$(out)/$@
	$(call say,GEN,$(out)/$@)

.PHONY: check-static hdr-check lint format run/lint/cppcheck run/lint/python \
	$(static_runs) $(lint_tidy) $(lint_gcc) $(lint_clang)
