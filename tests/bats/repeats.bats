#!/usr/bin/env bats
# Many files with the same result: the first five are named, the others counted,
# and what to do is said once.

bats_require_minimum_version 1.5.0
load helper

setup() { make_dir; }
teardown() { remove_dir; }

# lines WANTED FILE TEXT - TEXT stands in that many lines of FILE.
lines() {
	is grep -cF -- "$3" "$2" "$1"
}

# conflicts COUNT - src/t and dst/t get as many files with other content.
conflicts() {
	mkdir -p src/t dst/t
	for i in $(seq "$1"); do
		echo a >src/t/$i
		echo bb >dst/t/$i
	done
}

@test "1111 conflicts: five are named, 1106 counted, the advice is given once" {
	conflicts 1111
	receive --plain --once dst
	send --plain --json=7 src/t 7>sent.events
	status 8
	wait_receiver
	why="a different file of that name exists"
	for messages in sender messages; do
		lines 6 $messages "$why"
		lines 1 $messages "and 1,106 more: $why"
		lines 1 $messages "move or remove the existing file"
		# it comes with the first
		grep -F "$why" $messages | head -n 1 |
			grep -qF "; move or remove the existing file"
		# and the rest before the result of the session
		grep -E 'more: |not sent|failed \(see|session 1' $messages |
			grep -v 'began$' | head -n 1 |
			grep -q 'more: '
	done
	# in JSON all of them, with all that is known
	for e in events sent.events; do
		lines 1111 $e "$why; move or remove the existing file"
		check_events $e
	done
}

@test "with -v all are named, and the advice is given once" {
	conflicts 20
	receive --plain --once -v dst
	send --plain -v src/t
	status 8
	wait_receiver
	for messages in sender messages; do
		lines 20 $messages "a different file of that name exists"
		lines 1 $messages "move or remove the existing file"
		hasnt $messages " more: "
	done
}

@test "five of a kind are named, and each kind has its own five" {
	conflicts 5
	for i in $(seq 7); do
		mkdir -p "dst/t/d$i"
		echo a >"src/t/d$i"
	done
	receive --plain --once dst
	send --plain src/t
	wait_receiver
	for messages in sender messages; do
		lines 5 $messages "a different file of that name exists"
		lines 6 $messages "a directory of that name exists"
		lines 1 $messages "and 2 more: a directory of that name exists"
		lines 1 $messages "move what is in the way"
	done
}

@test "with -q too: failures are counted, without a word on what was skipped" {
	conflicts 9
	receive --plain --once -q dst
	send --plain -q src/t
	status 8
	wait_receiver
	for messages in sender messages; do
		lines 1 $messages "and 4 more: "
		lines 5 $messages "on the receiver" || lines 5 $messages "on this side"
	done
	receive --plain --once --existing skip -q dst
	send --plain -q src/t
	status 1
	wait_receiver
	hasnt sender "more: "
}

@test "skipped and renamed files are counted in the same way" {
	conflicts 9
	receive --plain --once --existing skip dst
	send --plain src/t
	status 1
	wait_receiver
	is grep -cE "^ferry: t/[0-9]+: skipped by the receiver" sender 5
	lines 1 sender "and 4 more: skipped by the receiver"
	receive --plain --once --existing rename dst
	send --plain src/t
	status 0
	wait_receiver
	lines 5 messages "exists already; committed as"
	lines 1 messages "and 4 more: exists already; committed under another name"
}

@test "what the sender cannot send: FIFOs and symlinks, each kind on its own" {
	mkdir src/t
	for i in $(seq 8); do
		mkfifo "src/t/p$i"
		ln -s "/usr/none; $i (x)" "src/t/l$i"
	done
	echo x >src/t/f
	receive --plain --once dst
	send --plain src/t
	status 1
	wait_receiver
	lines 1 sender "and 3 more: a FIFO, which cannot be sent"
	lines 5 sender "src/t/p"
	lines 5 sender "src/t/l"
	lines 1 sender "--symlinks skip leaves it out"
	grep -qE 'and 3 more: .*symlink|and 3 more: .*target' sender
	# so does a preview
	ferry send --plain --list src/t h 2>sender >list || true
	lines 5 sender "src/t/p"
	lines 1 sender "and 3 more: a FIFO, which cannot be sent"
	lines 1 sender "--symlinks skip leaves it out"
}

@test "each session of a receiver counts for itself" {
	conflicts 7
	receive --plain dst
	send --plain src/t
	send --plain src/t
	stop_receiver
	lines 2 messages "and 2 more: "
	lines 2 messages "move or remove the existing file"
}
