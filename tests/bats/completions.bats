#!/usr/bin/env bats
# Completion in bash, zsh and fish: what each offers comes from the option
# tables, and hosts from the files that ssh has.

bats_require_minimum_version 1.5.0
load helper

completions=$BATS_TEST_DIRNAME/../../scripts/completions

setup() {
	work=$BATS_TEST_TMPDIR
	cd "$work"
	export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config LC_ALL=C.UTF-8
	mkdir -p home/.ssh bin files
	ln -s "$FERRY" bin/ferry
	PATH=$work/bin:$PATH
	cat >home/.ssh/known_hosts <<-'EOF'
		known.example,192.0.2.1 ssh-ed25519 AAAA
		|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA
	EOF
	printf 'Host alias-one alias-two\n\tUser x\nHost *.wild\n' \
		>home/.ssh/config
	touch files/known-file
}

@test "help --options: every option of --help, and a meaning for each value" {
	for command in send receive keygen remote help version; do
		ferry help "$command" | sed -nE 's/^ {2,6}(-., )?--([a-z-]+).*/\2/p' \
			>shown
		ferry help --options "$command" |
			awk -F '\t' '$1 == "option" && $3 != "-" { print $3 }' \
				>listed
		[ -s listed ]
		diff shown listed
		ferry help --options "$command" >lines
		grep -vE $'^option\t.\t[a-z0-9-]+\t[^\t]+\t[^\t]+$' lines |
			grep -vE $'^value\t[^\t]+\t[^\t]+$' >odd || :
		is cat odd ''
	done
	ferry help --options >lines
	has lines $'command\tsend\t'
	has lines $'command\trecv\t'
	run ferry help --options no-such-command
	[ "$status" = 2 ]
}

@test "every value that is offered is understood" {
	for command in send receive; do
		ferry help --options "$command" | awk -F '\t' '
			$1 == "option" { name = $3; sep = $4 ~ /^\[/ ? "=" : " " }
			$1 == "value" { print name, (sep == "=" ? "=" : "-"), $2 }' \
			>values
		[ "$(wc -l <values)" -gt 30 ]
		while read -r name sep word; do
			# a proxy of which the host is still to be typed
			[[ $word != *:// ]] || continue
			if [ "$sep" = = ]; then
				set -- "--$name=$word"
			else
				set -- "--$name" "$word"
			fi
			run ferry "$command" "$@" --no-such-option
			[[ $output == *"'--no-such-option'"* ]] ||
				{ echo "$*: $output"; return 1; }
		done <values
	done
}

# in_bash WORD... - what Tab offers for the last word
in_bash() {
	bash -c 'source "$0"
		COMP_WORDS=(ferry "$@") COMP_CWORD=$#
		_ferry ferry 2>/dev/null
		printf "%s\n" "${COMPREPLY[@]}"' "$completions/ferry.bash" "$@"
}

@test "bash: options, values, lists, hosts" {
	cd files
	is in_bash ke keygen
	is in_bash send --exis --existing
	is in_bash receive --existing ba backup
	is in_bash receive --sync '' $'none\nbatch\nfile'
	is in_bash receive --accept existing,li existing,links
	is in_bash send --compress = zs zstd
	is in_bash send f known $'known-file\nknown.example'
	is in_bash send f alias $'alias-one\nalias-two'
	is in_bash receive --connect known known.example
	is in_bash send --limit-rate '' ''
	in_bash send '' >offered
	hasnt offered 'wild'
	hasnt offered '|1|'
}

# in_fish LINE - what Tab offers, and its meaning
in_fish() {
	fish --no-config -c "source $completions/ferry.fish; complete -C '$1'"
}

@test "fish: options, values with meanings, hosts" {
	command -v fish >/dev/null || skip "needs fish"
	in_fish 'ferry ke' | grep -q '^keygen	'
	in_fish 'ferry send --exis' | grep -q '^--existing	'
	in_fish 'ferry receive --existing ' >offered
	for word in fail skip replace newer rename backup; do
		grep -q "^$word	[a-z]" offered
	done
	in_fish 'ferry send --compress=zs' | grep -q '^--compress=zstd	'
	in_fish 'ferry send f known' | grep -q '^known.example'
	in_fish 'ferry send f alias' >offered
	has offered alias-one
	has offered alias-two
	in_fish 'ferry receive --connect known' | grep -q '^known.example'
}

in_zsh() { python3 "$BATS_TEST_DIRNAME/../tools/tab.py" "$completions" "$@"; }

@test "zsh: options, values with meanings, hosts" {
	command -v zsh >/dev/null || skip "needs zsh"
	in_zsh 'ferry ke' 'keygen '
	in_zsh 'ferry receive --existing ' 'backup +-- what is there gets'
	in_zsh 'ferry send --compress=zs' '--compress=zstd'
	in_zsh 'ferry send -j ' 'auto +-- as many'
	in_zsh 'ferry send f known.' 'known.example '
	in_zsh 'ferry send f alias-o' 'alias-one '
}
