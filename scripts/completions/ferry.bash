# bash completion of ferry: commands, options and values from "ferry help
# --options", which prints the program's own tables; hosts from "ferry help
# --hosts", which reads ssh's files and /etc/hosts.

# _ferry_table FERRY [COMMAND] - what there is
_ferry_table()
{
	"$1" help --options "${@:2}" 2>/dev/null
}

# An optional value follows "=": the option is completed with it.
_ferry_options()
{
	_ferry_table "$1" "$2" | awk -F '\t' '$1 == "option" && $3 != "-" {
		print "--" $3 ($4 ~ /^\[/ ? "=" : "")
	}'
}

# _ferry_option FERRY COMMAND OPTION FIELD - of -x or --name: its argument's name
# ("-": none), or its values
_ferry_option()
{
	_ferry_table "$1" "$2" | awk -F '\t' -v option="$3" -v field="$4" '
		$1 == "option" {
			# "-" in the table: it has no such name
			on = ($3 != "-" && option == "--" $3) ||
				($2 != "-" && option == "-" $2)
			if (on && field == "argument")
				print $4
		}
		$1 == "value" && on && field == "values" { print $2 }'
}

# _ferry_offer BEGINNING PREFIX - of the lines of standard input those that begin
# so, with the prefix.  compgen -W would expand them, as the shell does.
_ferry_offer()
{
	local line

	while IFS= read -r line; do
		[[ -z $line || $line != "$1"* ]] || COMPREPLY+=("$2$line")
	done
}

_ferry()
{
	local ferry=$1 cur=${COMP_WORDS[COMP_CWORD]} values
	local prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	local argument='' is_joined='' at='' is_operand='' files word
	local before=${COMP_LINE:0:COMP_POINT}

	COMPREPLY=()
	# "~/bin/ferry" comes as it was typed
	[[ $ferry != \~/* ]] || ferry=$HOME/${ferry#\~/}
	if [ "$COMP_CWORD" -eq 1 ]; then
		_ferry_offer "$cur" < <(_ferry_table "$ferry" | cut -f 2
			printf '%s\n' --help --version)
		return
	fi
	if [[ $command == help && $cur != -* ]]; then
		_ferry_offer "$cur" < <(_ferry_table "$ferry" | cut -f 2)
		compopt +o default
		return
	fi
	# "--option=value" comes as three words
	if [ "$cur" = = ]; then
		cur='' is_joined=1
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]} is_joined=1
	fi
	# and so does HOST:PATH: what is there is not known here
	if [[ $cur == : || ($prev == : && ${before##*:} != [[:space:]]*) ]]; then
		compopt +o default
		return
	fi
	# USER@: the word that is completed then begins with "@", by bash's setting
	# "hostcomplete"
	if [[ $cur == @ || ($prev == @ && ${before##*@} != [[:space:]]*) ]]; then
		cur=${cur#@}
		[[ ${2:-} != @* ]] || at=@
		_ferry_offer "$cur" "$at" < <("$ferry" help --hosts 2>/dev/null)
		compopt +o default
		return
	fi
	# after "--" there are no options
	for word in "${COMP_WORDS[@]:2:COMP_CWORD - 2}"; do
		[[ $word != -- ]] || is_operand=1
	done
	case $is_operand$prev in
	-*) argument=$(_ferry_option "$ferry" "$command" "$prev" argument) ;;
	esac
	# After a space, what follows an option with "[=...]" is an operand.
	[[ -z $is_joined && $argument == \[* ]] && argument=-
	case ${argument:--} in
	-)
		if [[ -z $is_operand && $cur == -z* ]]; then
			_ferry_offer "${cur#-z}" -z < <(_ferry_option "$ferry" \
				"$command" -z values)
		elif [[ -z $is_operand && $cur == -* ]]; then
			_ferry_offer "$cur" < <(_ferry_options "$ferry" \
				"$command")
			# no space after "--compress=", which a value follows
			[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace
		elif [ "$command" != keygen ]; then
			mapfile -t files < <(compgen -f -- "$cur")
			_ferry_offer "$cur" < <("$ferry" help --hosts \
				2>/dev/null)
			# else by the default for files, which knows quotes
			if [ "${#COMPREPLY[@]}" -gt 0 ]; then
				COMPREPLY=("${files[@]}" "${COMPREPLY[@]}")
				compopt -o filenames
			fi
		fi
		return
		;;
	FILE | PATH | CMD | DIR) return ;;
	HOST*)
		_ferry_offer "$cur" < <("$ferry" help --hosts 2>/dev/null)
		;;
	*)
		values=$(_ferry_option "$ferry" "$command" "$prev" values)
		if [[ $argument == LIST && $cur == *,* ]]; then
			_ferry_offer "${cur##*,}" "${cur%,*}," <<<"$values"
		else
			_ferry_offer "$cur" <<<"$values"
		fi
		;;
	esac
	# without a value of its own there is nothing to offer, not even files
	compopt +o default
}

complete -o default -F _ferry ferry
