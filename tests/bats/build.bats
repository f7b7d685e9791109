#!/usr/bin/env bats
# The Makefile: what a builder and a packager expect of it.
#
# One build of a copy of the source serves most tests.  The copy has no .git
# and a space in its path, and is read-only where this user can make it so;
# the build directory is outside it.  Objects that are the same as those of the
# program under test are not compiled again, but for one of each folder.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	# Nothing of the make that runs this test, nor of its user's flags.
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES DEV V SANITIZE
	unset NDEBUG COVERAGE VALGRIND BATS_TAG LOGS BUILDDIR DESTDIR PREFIX
	unset BINDIR MANDIR DATADIR SYSTEMDDIR CPPFLAGS CFLAGS LDFLAGS LDLIBS
	export LC_ALL=C.UTF-8
	export src="$BATS_FILE_TMPDIR/a copy" out=$BATS_FILE_TMPDIR/out
	copy_source "$src"
	take_objects
	snapshot "$src" >"$BATS_FILE_TMPDIR/before"
	read_only "$src" make -C "$src" -j"$(nproc)" BUILDDIR="$out" \
		>"$BATS_FILE_TMPDIR/log" 2>&1 3>&- || {
		cat "$BATS_FILE_TMPDIR/log"
		return 1
	}
}

teardown_file() { chmod -R u+w "$src"; }

setup() {
	work=$BATS_TEST_TMPDIR
	cd "$work"
}

# take_objects - copy the objects of the program under test to $out, as far as
# this build would make the same: of a release by this compiler without flags of
# the user's.  Only DEV=1 may differ, which changes no object.
take_objects() {
	local from=${FERRY%/*} folder object
	[ "${FERRY_VARIANT:-release}" = release ] && [ -d "$from/obj" ] || return 0
	make -C "$src" BUILDDIR="$out" "$out/release/flags" >/dev/null 2>&1 3>&-
	[ "$(sed 's/ -Werror / /' "$from/flags")" = "$(<"$out/release/flags")" ] ||
		return 0
	cp -r "$from/obj" "$out/release/obj"
	rm "$out/release/obj/main.o" "$out/release/obj/base/buf.o"
	for folder in "$out"/release/obj/*/; do
		for object in "$folder"*.o "$folder"*/*.o; do
			[ -e "$object" ] && rm "$object" && break
		done
	done
}

# copy_source DIR - what a release tarball has.
copy_source() {
	mkdir "$1"
	tar -C "$BATS_TEST_DIRNAME/../.." -c Makefile README.md LICENSE man \
		scripts src tests | tar -C "$1" -x --no-same-owner
}

# All that would change if something was written, made or removed in DIR.
snapshot() { find "$1" -printf '%p %s %T@\n' | sort; }

# read_only DIR COMMAND... - run it while DIR cannot be written.  Root writes
# where it likes, so needs a mount; where it can't have one, snapshot() alone
# has to tell.
read_only() {
	# shellcheck disable=SC2016 # for the inner shell
	local in_mount=(unshare --mount bash -c 'mount --bind "$1" "$1" &&
		mount -o remount,bind,ro "$1" && exec "${@:2}"' -)
	if [ "$(id -u)" != 0 ]; then
		chmod -R a-w "$1"
	elif "${in_mount[@]}" "$1" true 2>/dev/null; then
		"${in_mount[@]}" "$@"
		return
	fi
	"${@:2}"
}

# tiny TMPDIR_KIB COMMAND... - run it with a temporary directory of that size.
tiny() {
	mkdir -p tiny
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c 'mount -t tmpfs -o size="$1"k none tiny &&
		TMPDIR=$PWD/tiny exec "${@:2}"' - "$@"
}

# probe ARG... - have the hardening flags found, and compile nothing; the
# status is in $code, what was said in said, what was found in found().
probe() {
	code=0
	"${under[@]}" make -C "$src" BUILDDIR="$work/b" "$@" \
		"$work/b/release/flags" >said 2>&1 3>&- || code=$?
}

# probed BUILDDIR - it has the answers that $out has.
probed() { mkdir -p "$1" && cp -r "$out/cache" "$1"; }

found() { cat "$work"/b/cache/*; }

# refused TEXT - the build stopped, said why, and nothing is remembered.
refused() {
	[ "$code" != 0 ] || { echo "the build went on"; cat said; return 1; }
	has said "$1"
	[ -z "$(find b -type f)" ] || { find b -type f; return 1; }
}

# compiler NAME <<EOF - a script to stand in for the compiler, which is "$@".
compiler() {
	{
		echo '#!/bin/bash'
		echo "cc() { exec ${CC:-gcc} \"\$@\"; }"
		echo 'case $1 in --version | -dumpmachine) cc "$@" ;; esac'
		cat
	} >"$1"
	chmod +x "$1"
}

made_in() { make -C "$src" -n BUILDDIR="$out" "$@" 2>&1; }

@test "the source may be read-only, lack .git and have a space in its path" {
	"$out/release/ferry" --version
	snapshot "$src" >after
	diff "$BATS_FILE_TMPDIR/before" after
}

@test "the program is position-independent, bound at start and fortified" {
	readelf -hdW --dyn-syms "$out/release/ferry" >elf
	has elf 'DYN ('
	has elf 'BIND_NOW'
	has elf '__stack_chk_fail'
	grep -qE '__(memcpy|snprintf|vsnprintf|read)_chk' elf
}

@test "after a build make has nothing to do and says so briefly" {
	make -C "$src" -q BUILDDIR="$out"
	make -C "$src" BUILDDIR="$out" >said
	[ "$(grep -cv '^make.*directory' said)" -le 1 ]
}

@test "make -f works from any directory" {
	mkdir "$work/a dir"
	cd "$src/src"
	make -q -f ../Makefile BUILDDIR="$out"
	cd "$work/a dir"
	make -q -f "$src/Makefile" BUILDDIR="$out"
	# paths on the command line are the user's, not the Makefile's
	make -n -f "$src/Makefile" BUILDDIR="$out" DESTDIR=stage install >said
	has said "$PWD/stage"
	cd "$work"
	probed b
	make -n -f "$src/Makefile" BUILDDIR=b clean all >said
	has said "-o $work/b/release/ferry"
	hasnt said "rm -rf build"
}

@test "make -f passes several goals to a single make" {
	make -j4 -n -f "$src/Makefile" BUILDDIR="$out" all check-unit >said
	is grep -c 'logs/unit/test_base.log' said 1
}

@test "a build directory that make cannot handle is refused" {
	for dir in 'with a space' 'a:b' 'a%b'; do
		run make -C "$src" BUILDDIR="$work/$dir"
		[ "$status" = 2 ]
		[[ $output == *"BUILDDIR"*"$dir"* ]]
	done
}

@test "make -j8 install builds nothing after a build, whatever the flags" {
	make -C "$src" -j8 BUILDDIR="$out" CC=/nonexistent CFLAGS=-O1 \
		PKG_CONFIG=/nonexistent DESTDIR="$work/de st" \
		PREFIX="/opt/it's mine" install >said
	hasnt said 'CC '
	hasnt said 'LD '
	cmp "$out/release/ferry" "$work/de st/opt/it's mine/bin/ferry"
	[ -s "$work/de st/opt/it's mine/share/man/man1/ferry.1" ]
	[ -s "$work/de st/opt/it's mine/share/zsh/site-functions/_ferry" ]
	[ -x "$work/de st/opt/it's mine/share/doc/ferry/examples/send-to-many" ]
	has "$work/de st/opt/it's mine/lib/systemd/system/ferry-receive.service" \
		"ExecStart=/opt/it's mine/bin/ferry receive"
	make -C "$src" BUILDDIR="$out" DESTDIR="$work/de st" \
		PREFIX="/opt/it's mine" uninstall
	is find "$work/de st" -mindepth 1 ''
}

@test "completions are installed where each shell looks" {
	for prefix in /usr:vendor-completions:/usr/share/fish/vendor_completions.d \
		/usr/local:site-functions:/etc/fish/completions \
		/opt:site-functions:/opt/share/fish/vendor_completions.d; do
		IFS=: read -r prefix zsh fish <<<"$prefix"
		made_in PREFIX="$prefix" DESTDIR=/stage install >said
		has said "/stage$prefix/share/bash-completion/completions"
		has said "/stage$prefix/share/zsh/$zsh"
		has said "/stage$fish"
	done
	made_in ZSHDIR=/z BASHDIR=/b FISHDIR=/f DESTDIR=/stage install >said
	for dir in z b f; do
		has said "='/stage/$dir'"
	done
}

@test "uninstall leaves what others installed" {
	mkdir -p usr/share/man/man1 usr/bin
	echo text >usr/share/man/man1/other.1
	make -C "$src" BUILDDIR="$out" PREFIX="$work/usr" install
	make -C "$src" BUILDDIR="$out" PREFIX="$work/usr" uninstall
	is find usr ! -type d 'usr/share/man/man1/other.1'
	[ -d usr/bin ] # without DESTDIR it is the system's
}

@test "make install builds first if nothing is built or a source changed" {
	probed "$work/b"
	made_in BUILDDIR="$work/b" install >said
	has said '-c -o '"$work/b/release/obj/main.o"
	made_in install >said
	hasnt said 'main.o'
	made_in -W src/main.c all install >said
	has said 'main.o'
	cp -r "$src" changed
	chmod -R u+w changed
	touch changed/src/main.c
	make -C changed -n BUILDDIR="$out" install >said
	has said 'obj/main.o src/main.c'
}

@test "a build in another directory gives the same object" {
	copy_source "$work/elsewhere"
	ln -s elsewhere link
	obj=release/obj/main.o
	probed elsewhere/build
	probed b
	make -C elsewhere build/$obj build/release/obj/base/buf.o
	cmp "elsewhere/build/$obj" "$out/$obj"
	cmp elsewhere/build/release/obj/base/buf.o "$out/release/obj/base/buf.o"
	cd link
	make BUILDDIR=../b ../b/$obj
	cmp "../b/$obj" "$out/$obj"
}

@test "clean removes what was made, and nothing else in the directory" {
	mkdir b
	echo mine >b/notes
	probe
	[ "$code" = 0 ]
	[ -s b/release/flags ]
	make -C "$src" BUILDDIR="$work/b" clean
	is find b b$'\n'b/notes
}

@test "make check runs the tests only; check-static is separate" {
	made_in check >said
	has said '/unit/test_base.log'
	has said '/fuzz/frame.log'
	has said '/bats/build.log'
	hasnt said '/static/'
	hasnt said 'mandoc'
	made_in check-static >said
	has said '/static/docs.log'
}

@test "help lists the targets of all files" {
	make -C "$src" help >said
	for target in all static dist deb install check check-static lint fuzz bench torture \
		hostile soak acceptance clean; do
		is grep -c "^  $target " said 1
	done
	has said BUILDDIR
}

@test "no temporary directory: the build stops, nothing is cached" {
	TMPDIR=/nonexistent probe
	refused /nonexistent
	probe
	[ "$code" = 0 ]
	found | diff - <(cat "$out"/cache/*)
}

@test "a full temporary directory: the build stops, or finds every flag [--long]" {
	needs 'mount namespaces'
	for kib in 4 8 12 16 20 24 28 32 64; do
		under=(tiny $kib)
		probe
		if [ "$code" = 0 ]; then
			found | diff - <(cat "$out"/cache/*)
			break
		fi
		refused 'No space left on device'
	done
	[ "$kib" -gt 4 ]
	[ "$code" = 0 ]
}

@test "flags or a compiler that cannot build: the compiler's message is shown" {
	probe CFLAGS=-fno-such-flag
	refused no-such-flag
	probe LDFLAGS=-lno-such-library
	refused no-such-library
	compiler broken <<<'echo >&2 "cannot find crt1.o"; exit 1'
	probe CC="$work/broken"
	refused 'cannot find crt1.o'
}

@test "a compiler that starts to fail during the probe" {
	compiler flaky <<-'EOF'
		echo >>"$0.count"
		[ "$(wc -l <"$0.count")" -lt 5 ] ||
			{ echo >&2 "No space left on device"; exit 1; }
		cc "$@"
	EOF
	probe CC="$work/flaky"
	refused 'No space left on device'
}

@test "a flag that the compiler does not know is left out, the others stay" {
	compiler old <<-'EOF'
		[[ " $* " != *" -fstack-clash-protection "* ]] ||
			{ echo >&2 "unrecognized option"; exit 1; }
		cc "$@"
	EOF
	probe CC="$work/old"
	[ "$code" = 0 ]
	found >got
	hasnt got ' -fstack-clash-protection'
	sed 's/ -fstack-clash-protection//' "$out"/cache/* | diff - got
}

@test "a warning that the user's flags always cause does not reject a flag" {
	compiler noisy <<-'EOF'
		[[ " $* " != *" -Werror "* ]] ||
			{ echo >&2 "error: unused option"; exit 1; }
		echo >&2 "warning: unused option"
		cc "$@"
	EOF
	probe CC="$work/noisy"
	[ "$code" = 0 ]
	found | diff - <(cat "$out"/cache/*)
}

@test "flags with quotes mean to the probe what they mean to the compiler" {
	probe CFLAGS='-DTWO="two words" -DTEXT=\"a\"'
	[ "$code" = 0 ] || { cat said; return 1; }
	found | diff - <(cat "$out"/cache/*)
	make -C "$src" BUILDDIR="$work/b" CFLAGS='-DTWO="two words" -DTEXT=\"a\"' \
		"$work/b/release/obj/base/mem.o"
}

@test "other flags compile again, the same flags do not" {
	probed b
	object=$work/b/release/obj/base/mem.o
	for flags in -O1 '-O1 -DTEXT="a b"' -O1; do
		run -1 make -q -C "$src" BUILDDIR="$work/b" CFLAGS="$flags" "$object"
		make -C "$src" BUILDDIR="$work/b" CFLAGS="$flags" "$object"
		make -q -C "$src" BUILDDIR="$work/b" CFLAGS="$flags" "$object"
	done
}

@test "make -s says nothing; make -R finds a compiler" {
	probed b
	make -s -C "$src" BUILDDIR="$work/b" "$work/b/release/obj/base/mem.o" \
		>said 2>&1
	is cat said ''
	make -rR -n -C "$src" BUILDDIR="$work/b" "$work/b/release/libferry.a" >said
	has said 'ar rcs'
}

@test "installed files can be read by all, whatever the umask" {
	(umask 077 && make -C "$src" BUILDDIR="$out" DESTDIR="$work/stage" install)
	is find stage -mindepth 1 ! -perm -a=r ''
	is find stage -mindepth 1 -type d ! -perm -a=x ''
	[ -x stage/usr/local/bin/ferry ]
}

@test "dist: the same bytes again, with all that a build needs" {
	for n in 1 2; do
		SOURCE_DATE_EPOCH=1700000000 make -s -C "$src" \
			BUILDDIR="$work/b$n" dist
	done
	cmp b1/dist/*.tar.gz b2/dist/*.tar.gz
	tar -xzf b1/dist/*.tar.gz
	diff -r "$src" ferry-*/
	tar -tvzf b1/dist/*.tar.gz >list
	grep -v ' 0/0 .* 2023-11-1[45] ' list >odd || :
	is cat odd ''
}

@test "a header whose library lacks its function is not used" {
	probe DEPS_LIBS=-lz
	[ "$code" = 0 ]
	found | grep -qx 'XXH_DISPATCH :='
	[ "$(uname -m)" != x86_64 ] || grep -q '^XXH_DISPATCH := -D' "$out"/cache/*
}

@test "setup finds what is there without /proc, and so without /dev/fd" {
	needs 'mount namespaces'
	mkdir bin
	printf '#!/bin/sh\necho apt-get "$@"; exit 1\n' >bin/apt-get
	chmod +x bin/apt-get
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c 'mount -t tmpfs none /proc &&
		PATH=$PWD/bin:$PATH exec "$0"' "$src/scripts/setup" >said 2>&1
	is cat said ''
}

@test "quickstart from elsewhere, with a build directory and a space" {
	cd /
	BUILDDIR="$out" "$src/scripts/quickstart" >"$work/said" 2>&1
	has "$work/said" "$out/release/ferry"
	has "$work/said" 'received and committed'
}
