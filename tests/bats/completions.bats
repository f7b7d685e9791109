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
		COMP_WORDS=(ferry "$@") COMP_CWORD=$# COMP_LINE="ferry $*"
		COMP_POINT=${#COMP_LINE}
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

@test "bash: after -- there are operands only" {
	cd files
	touch -- --existing-file
	is in_bash send -- known $'known-file\nknown.example'
	is in_bash send -- alias $'alias-one\nalias-two'
	is in_bash send -- --sync known $'known-file\nknown.example'
	is in_bash send -- --exis ''
	is in_bash send -- -z ''
	is in_bash receive -- --sync ba ''
	in_bash_at_terminal 'ferry send -- known-f' 'known-file '
	in_bash_at_terminal 'ferry send -- --exis' '--existing-file '
	# what was not typed yet ends no options
	in_bash_at_terminal 'ferry send --existing ba' 'backup '
}

# in_bash_at_terminal LINE EXPECTED - as in_zsh
in_bash_at_terminal() {
	python3 "$BATS_TEST_DIRNAME/../tools/tab.py" bash "$completions" "$@"
}

@test "bash, at a terminal: nothing after a colon, names with spaces, ~ and \$" {
	export T=$work/files
	cd files
	mkdir -p "$HOME/in-home"
	touch "with space" "$HOME/in-home/file-at-home"
	# X, which is typed after Tab, stands directly after what was typed before
	in_bash_at_terminal $'ferry send f box:kn\tX' 'box:knX'
	in_bash_at_terminal $'ferry send f me@box:\tX' 'me@box:X'
	in_bash_at_terminal $'ferry receive --connect alias-one:\tX' 'one:X'
	in_bash_at_terminal $'ferry receive --limit-rate \tX' 'rate X'
	in_bash_at_terminal $'ferry send --name kn\tX' 'kn *X'
	in_bash_at_terminal 'ferry send f me@alias-o' 'me@alias-one '
	# after a blank, options as before
	in_bash_at_terminal 'ferry send f box: --exis' '--existing '
	in_bash_at_terminal 'ferry receive box: alias-o' 'alias-one '
	# lists all hosts, those of /etc/hosts among them
	in_bash_at_terminal $'ferry send f me@\t\t' '@alias-one +@alias-two'
	in_bash_at_terminal 'ferry send wi' 'with\\ space '
	in_bash_at_terminal 'ferry send "wi' '"with space" '
	in_bash_at_terminal 'ferry send ~/in-home/fi' ' ~/in-home/file-at-home '
	# shellcheck disable=SC2016
	in_bash_at_terminal 'ferry send $T/kn' '/known-file '
	in_bash_at_terminal 'ferry send --key kn' 'known-file '
	in_bash_at_terminal 'ferry receive --accept existing,li' \
		'existing,links '
	# by another path, as it is typed
	mkdir -p "$HOME/bin"
	ln -s "$FERRY" "$HOME/bin/ferry"
	# shellcheck disable=SC2088
	in_bash_at_terminal '~/bin/ferry receive --sync ba' 'batch '
}

# in_fish LINE - what Tab offers, and its meaning
in_fish() {
	fish --no-config -c "source $completions/ferry.fish; complete -C '$1'"
}

@test "fish: options, values with meanings, hosts" {
	needs fish
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
	in_fish 'ferry send f me@alias-o' | grep -q '^me@alias-one'
	in_fish 'ferry receive --accept existing,li' |
		grep -q '^existing,links	'
	in_fish 'ferry send --preserve=owner,acl,x' |
		grep -q '^--preserve=owner,acl,xattr	'
	cd files
	is in_fish 'ferry send f box:kn' ''
	is in_fish 'ferry send f me@box:' ''
	# after a slash a colon belongs to the name of a file
	touch colon:file
	in_fish 'ferry send ./colon:f' >offered
	has offered colon:file
}

# in_zsh LINE EXPECTED - what is typed, and what the terminal shows then
in_zsh() {
	python3 "$BATS_TEST_DIRNAME/../tools/tab.py" zsh "$completions" "$@"
}

@test "zsh: options, values with meanings, hosts" {
	needs zsh
	in_zsh 'ferry ke' 'keygen '
	in_zsh 'ferry receive --existing ' 'backup +-- what is there gets'
	in_zsh 'ferry send --compress=zs' '--compress=zstd'
	in_zsh 'ferry send -j ' 'auto +-- as many'
	in_zsh 'ferry send f known.' 'known.example '
	in_zsh 'ferry send f alias-o' 'alias-one '
	in_zsh 'ferry send f me@alias-o' 'me@alias-one '
	in_zsh 'ferry receive --accept existing,li' 'existing,links'
	in_zsh 'ferry receive --accept existing,' 'links +-- symlinks to any'
	cd files
	in_zsh $'ferry send f box:kn\tX' 'box:knX'
}

# hosts - what shells offer as hosts
hosts() { ferry help --hosts | tr '\n' ' '; }

@test "hosts: ssh's configuration with what it includes, known_hosts; no commands" {
	mkdir -p home/.ssh/conf.d "home/.ssh/with space" home/other
	cat >home/.ssh/config <<-'EOF'
		# Host commented
		Include conf.d/*.conf "with space/c"
		Include ~/other/config conf.d/missing fifo
		host = equals
			HostName equals.example
		Host=joined "quoted" *.wild ?x !negated plain
		Match host m-one,*.m user me
			Include config
		Match originalhost "m-two" exec "echo m-exec"
		Match all
		Host -dash $(touch${IFS}ran) `touch${IFS}ran` a;b tail # comment
	EOF
	echo 'HOST first' >home/.ssh/conf.d/a.conf
	printf 'Host second\r\n' >home/.ssh/conf.d/b.conf
	printf 'Host third' >"home/.ssh/with space/c"
	printf '\tHost\tfourth\n' >home/other/config
	mkfifo home/.ssh/fifo
	cat >home/.ssh/known_hosts <<-'EOF'
		known.example,192.0.2.1 ssh-ed25519 AAAA
		[port.example]:2222,[192.0.2.7]:2222 ssh-ed25519 AAAA
		@cert-authority ca.example ssh-ed25519 AAAA
		@revoked revoked.example ssh-ed25519 AAAA
		|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA
		$(touch${IFS}ran),`touch${IFS}ran`,*.known ssh-ed25519 AAAA
		#comment.example ssh-ed25519 AAAA
	EOF
	hosts >got
	for name in first second third fourth equals joined quoted plain m-one \
		m-two tail known.example 192.0.2.1 port.example 192.0.2.7; do
		grep -q "\(^\| \)$name " got || { echo "no $name"; cat got; false; }
	done
	# what this machine's own files have is none of this
	mkdir empty
	HOME=$work/empty ferry help --hosts >system
	tr ' ' '\n' <got | grep -vxFf system | tr '\n' ' ' | sed 's/^/ /' >got.own
	for name in comment wild negated '!' '-dash' exec '[$`|@*?;]' ca.example \
		revoked me all missing HostName '#'; do
		! grep -q "\(^\| \)[^ ]*$name[^ ]* " got.own ||
			{ echo "$name"; cat got.own; false; }
	done
	# each once, in order
	ferry help --hosts | LC_ALL=C sort -uc
	# names are offered, and never run by the shell that offers them
	in_bash send f '' >offered
	has offered third
	in_bash_at_terminal 'ferry send f port' 'port.example '
	[ ! -e ran ]
	rm -r home/.ssh
	ferry help --hosts >got
	hasnt got plain
	run ferry help --hosts x
	[ "$status" = 2 ]
}

@test "hosts: files that include each other many times" {
	printf 'Include config\n%.0s' {1..8} >home/.ssh/config
	echo 'Host last.example' >>home/.ssh/config
	timeout "$(limit 20)" "$FERRY" help --hosts >got
	has got last.example
}
