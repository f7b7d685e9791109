# bash completion of ferry: commands, options and values from "ferry help
# --options", which prints the program's own tables; hosts from ssh's files and
# /etc/hosts.

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
			on = option == "--" $3 || option == "-" $2
			if (on && field == "argument")
				print $4
		}
		$1 == "value" && on && field == "values" { print $2 }'
}

_ferry_hosts()
{
	{
		awk '{ for (i = 2; i <= NF && $i !~ /^#/; i++) print $i }' \
			/etc/hosts
		# hashed names begin with "|", markers with "@"
		awk '!/^[|@#]/ { n = split($1, name, ",")
			for (i = 1; i <= n; i++) if (name[i] !~ /^\[|[*?!]/)
				print name[i] }' ~/.ssh/known_hosts \
			/etc/ssh/ssh_known_hosts
		awk 'tolower($1) == "host" { for (i = 2; i <= NF; i++)
			if ($i !~ /[*?!]/) print $i }' ~/.ssh/config
	} 2>/dev/null | sort -u
}

_ferry()
{
	local ferry=$1 cur=${COMP_WORDS[COMP_CWORD]} line
	local prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	local words argument='' list='' item=$cur is_joined=''

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$(_ferry_table "$ferry" | cut -f 2)
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" \
			-- "$cur")
		return
	fi
	if [ "$command" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_ferry_table "$ferry" | cut -f 2)" -- "$cur")
		return
	fi
	# "--option=value" comes as three words
	if [ "$cur" = = ]; then
		cur='' item='' is_joined=1
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]} is_joined=1
	fi
	case $prev in
	-*) argument=$(_ferry_option "$ferry" "$command" "$prev" argument) ;;
	esac
	# After a space, what follows an option with "[=...]" is an operand.
	[[ -z $is_joined && $argument == \[* ]] && argument=-
	case ${argument:--} in
	-)
		if [[ $cur == -z* ]]; then
			words=$(_ferry_option "$ferry" "$command" -z values)
			words=-z${words//$'\n'/ -z}
		elif [[ $cur == -* ]]; then
			words=$(_ferry_options "$ferry" "$command")
		elif [ "$command" = keygen ]; then
			return
		else
			words=$(_ferry_hosts)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	FILE | PATH | CMD | DIR) return ;;
	HOST*) words=$(_ferry_hosts) ;;
	LIST)
		words=$(_ferry_option "$ferry" "$command" "$prev" values)
		[[ $cur != *,* ]] || list=${cur%,*},
		item=${cur##*,}
		;;
	*) words=$(_ferry_option "$ferry" "$command" "$prev" values) ;;
	esac
	while IFS= read -r line; do
		COMPREPLY+=("$list$line")
	done < <(compgen -W "$words" -- "$item")
	# without a value of its own there is nothing to offer, not even files
	[[ -z $words && -n $argument && $argument != - ]] && compopt +o default
	# no space after "--compress=", which a value follows, nor after a directory
	[[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
	[[ -n $words && ${argument:--} == - && $cur != -* ]] &&
		compopt -o filenames
	return 0
}

complete -o default -F _ferry ferry
