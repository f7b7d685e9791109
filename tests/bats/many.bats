#!/usr/bin/env bats
# scripts/send-to-many: the same to many hosts, by key and by ssh.

load helper
load ssh

setup_file() { make_sshd; }
teardown_file() { end_sshd; }
setup() {
	needs 'GNU parallel'
	make_dir
	mkdir src/t
	seq 1 1000 >src/t/f
	many=$BATS_TEST_DIRNAME/../../scripts/send-to-many
	export FERRY
}
teardown() { remove_dir; }

# row HOST RESULT - it stands so in the table
row() { grep -qE "^$1 +$2 +[0-9]" table || { cat table; return 1; }; }

@test "by key to hosts of which one refuses the key and one does not listen" {
	needs 'network namespaces'
	ferry keygen key 2>/dev/null
	ferry keygen other 2>/dev/null
	printf '10.9.0.2\n\n# not this one\n10.9.0.3\n10.9.0.4\n10.9.0.5\n' >hosts
	mkdir dst/2 dst/3 dst/4 dst/5
	cat >hosts.sh <<-'EOF'
		set -e
		ip link set lo up
		ip link add bridge0 type bridge
		ip addr add 10.9.0.1/24 dev bridge0
		ip link set bridge0 up
		declare -A host
		for n in 2 3 4 5; do
			unshare --net sleep 1000 &
			host[$n]=$!
			until [ "$(readlink /proc/$!/ns/net)" != \
				"$(readlink /proc/$$/ns/net)" ]; do
				sleep 0.02
			done
			ip link add "v$n" type veth peer name eth0 netns $!
			ip link set "v$n" master bridge0 up
			nsenter -t $! --net ip addr add "10.9.0.$n/24" dev eth0
			nsenter -t $! --net ip link set eth0 up
		done
		at() { # NUMBER KEY
			: >"events$1"
			nsenter -t "${host[$1]}" --net "$FERRY" receive --once \
				--json --key "$2" "dst/$1" \
				>"events$1" 2>"messages$1" &
			receiver=$!
			until grep -q listening "events$1"; do
				sleep 0.02
			done
		}
		at 2 key
		at 3 key
		at 4 other
		status=0
		"$MANY" -j 2 -o out hosts -- --key key src/t {} >table || status=$?
		[ "$status" = 1 ]
		kill "$receiver" # that of 4, which nobody could use
		wait "$receiver" || true
		at 4 key
		at 5 key
		"$MANY" -o again out/failed -- --key key src/t {} >again.table
	EOF
	MANY=$many timeout "$(limit 60)" unshare --net --pid --fork \
		--kill-child --mount-proc bash hosts.sh
	row 10.9.0.2 'all committed'
	row 10.9.0.3 'all committed'
	row 10.9.0.4 'not authenticated'
	row 10.9.0.5 'not connected'
	has table 'connection refused'
	has table '2 of 4 hosts have everything'
	is cat out/failed $'10.9.0.4\n10.9.0.5'
	has again.table '2 of 2 hosts have everything'
	for n in 2 3 4 5; do
		same_tree src/t "dst/$n/t"
	done
}

@test "by ssh, with spaces in names; what is missing is told" {
	use_sshd
	mv src/t "src/t 1"
	run "$many" <(printf 'box\nnobody\n') -- --remote-ferry "$FERRY" "src/t 1" \
		"{}:$work/dst"
	[ "$status" = 1 ]
	echo "$output" >table
	row box 'all committed'
	row nobody 'not connected'
	same_tree "src/t 1" "dst/t 1"
	run "$many" - -- --key key "src/t 1" {} </dev/null
	[ "$status" = 2 ]
	[[ $output = *'no hosts'* ]]
	run "$many" - -- --key key "src/t 1" host <<<box
	[ "$status" = 2 ]
	[[ $output = *'no {}'* ]]
}
