# bash completion of ferry: commands from "ferry help", options from
# "ferry help COMMAND", so that it is always up to date.

_ferry_options()
{
	"$1" help "$2" 2>/dev/null |
		sed -nE 's/^ {2,6}(-., )?(--[a-z-]+).*/\2/p'
}

_ferry()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W \
			'send receive recv keygen help --help --version' \
			-- "$cur")
		return
	fi
	# "--option=value" comes as three words
	[ "$cur" = = ] && cur=
	[ "$prev" = = ] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	case $prev in
	help) words='send receive keygen' ;;
	--compress) words='auto none zlib zstd' ;;
	--checksum) words='xxh3 sha256 crc32' ;;
	--symlinks) words='keep follow skip' ;;
	--special) words='report skip' ;;
	--existing) words='fail skip replace newer rename backup' ;;
	--sync) words='none batch file' ;;
	--exclude | --include) return ;;
	--sandbox) words='auto require off' ;;
	--progress) words='auto always never' ;;
	-j | --streams) words='auto 1 2 4 8 16' ;;
	-p | --port | -b | --bind | --limit-rate | --timeout | --name | --retry | \
		--max-sessions | --max-size | --max-files | --allow | --chmod | \
		--pin | --congestion) return ;;
	*)
		[[ $cur == -* ]] || return
		words=$(_ferry_options "${COMP_WORDS[0]}" "${COMP_WORDS[1]}")
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -o default -F _ferry ferry
