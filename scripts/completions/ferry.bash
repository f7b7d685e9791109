# bash completion of ferry: commands from "ferry help", options from
# "ferry help COMMAND", so that it is always up to date.

# An optional value follows "=": the option is completed with it.
_ferry_options()
{
	"$1" help "$2" 2>/dev/null |
		sed -nE -e 's/^ {2,6}(-., )?(--[a-z-]+)\[=.*/\2=/p' -e t \
			-e 's/^ {2,6}(-., )?(--[a-z-]+).*/\2/p'
}

_ferry()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words is_joined=

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W \
			'send receive recv keygen help version
			--help --version' \
			-- "$cur")
		return
	fi
	# "--option=value" comes as three words
	if [ "$cur" = = ]; then
		cur= is_joined=1
	elif [ "$prev" = = ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]} is_joined=1
	fi
	# After a space, what follows these is an operand.
	case $prev$is_joined in
	--compress | --json) prev= ;;
	esac
	case $prev in
	help) words='send receive keygen version' ;;
	--compress) words='auto none zlib zstd' ;;
	--checksum) words='xxh3 sha256 crc32' ;;
	--delta) words='auto on off' ;;
	--symlinks) words='keep follow skip all' ;;
	--special) words='report skip' ;;
	--existing) words='fail skip replace newer rename backup' ;;
	--accept) words='all existing links owner acl xattr setid specials' ;;
	--preserve) words='owner setid acl xattr capability trusted specials' ;;
	--sync) words='none batch file' ;;
	--exclude | --include) return ;;
	--sandbox) words='auto require off' ;;
	--data) words='auto direct ssh' ;;
	--progress) words='auto always never' ;;
	--receivers) words=any ;;
	-j | --streams) words='auto 1 2 4 8 16' ;;
	-p | --port | -b | --bind | --limit-rate | --timeout | --name | --retry | --wait | --connect | --proxy | \
		--drain | --max-sessions | --ssh | --remote-ferry | --max-size | --max-files | --keep-parts | --max-kept | --allow | --chmod | \
		--pin | --peer-name | --congestion) return ;;
	*)
		[[ $cur == -* ]] || return
		words=$(_ferry_options "${COMP_WORDS[0]}" "${COMP_WORDS[1]}")
		[[ $cur == -z* ]] && words='-zauto -znone -zzlib -zzstd'
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# no space after "--compress=", which a value follows
	[[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
}

complete -o default -F _ferry ferry
