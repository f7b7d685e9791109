#!/usr/bin/env bats
# The examples of ferry(1), as they stand, in namespaces where their hosts, port
# and directories are the test's.

load helper
load ssh

setup() { make_dir; }
teardown() { remove_dir; }

# Programs of the examples that are not what they show, in bin.
make_stubs() {
	mkdir bin
	ln -s "$FERRY" bin/ferry
	printf '#!/bin/sh\necho "-- a dump of $1"\n' >bin/pg_dump
	# both hosts have the same home directory
	printf '#!/bin/sh\n[ "$*" = "-p $HOME/ferry.key b.example:" ]\n' >bin/scp
	printf '#!/bin/sh\nexit 1\n' >bin/logger
	command -v jq >/dev/null || printf '#!/bin/sh\nexec cat >&2\n' >bin/jq
	chmod +x bin/*
}

make_sources() {
	mkdir -p home/photos home/www over/etc over/bin work/etc work/bin \
		var/backups homes/me srv/incoming srv/backup srv/images
	seq 1 20000 >home/notes.txt
	for i in {1..20}; do
		head -c 20000 /dev/urandom >"home/photos/$i.jpg"
		echo "$i" >"home/www/$i.html"
	done
	head -c 9000000 /dev/urandom >home/vm.img
	echo backup >var/backups/b
	echo mine >homes/me/file
	echo old >srv/images/vm.img
	mkdir srv/www
	echo gone >srv/www/old.html
}

@test "the examples of the manual work as they stand" {
	needs 'network namespaces' mounting overlayfs sshd
	make_stubs
	make_sources
	make_sshd
	# its directory is that of the file, which is still there in the namespace
	sed -i 's/^Host box/Host b.example/' "$sshd_dir/ssh_config"
	cp "$sshd_dir/user.pub" "$sshd_dir/authorized"
	end_sshd
	cat >in.sh <<-'EOF'
		set -e
		ip link set lo up
		ip link add eth0 type veth peer name eth1
		ip addr add 192.0.2.5/24 dev eth0
		ip link set eth0 up
		ip link set eth1 up
		for d in etc bin; do
			target=/$d
			[ $d = etc ] || target=/usr/local/bin
			mount -t overlay -o "lowerdir=$target,upperdir=$PWD/over/$d,workdir=$PWD/work/$d" \
				overlay "$target"
		done
		echo '127.0.0.1 localhost b.example a.example' >/etc/hosts
		cp -L "$FERRY" /usr/local/bin/ferry
		mount --bind var/backups /var/backups
		# what is needed may be below /srv, too
		cp -r "$tools" "$tools/../lib" .
		cp "$manual" manual
		mount --bind srv /srv
		export HOME=$PWD/home PATH=$PWD/bin:$PATH
		"$(command -v sshd)" -f "$sshd_dir/sshd_config" -E "$sshd_dir/log"
		homes=$PWD/homes
		cd home
		mount --bind "$homes" /home
		ln -s "$HOME/ferry.key" /etc
		../tools/run-examples.py ../manual EXAMPLES 'KEEPING TREES ALIKE'
	EOF
	tools=$tools manual=$BATS_TEST_DIRNAME/../../man/ferry.1 \
		timeout "$(limit 100)" unshare --net --mount --pid --fork \
		--kill-child --mount-proc bash in.sh 3>&-
	cmp home/notes.txt srv/incoming/notes.txt
	same_tree home/photos srv/incoming/photos
	is cat srv/incoming/mydb.sql '-- a dump of mydb'
	# by tar, and then with nothing else left there
	same_options=-O same_tree home/www srv/www
	same_tree var/backups srv/incoming/backups
	is cat srv/backup/home/me/file mine
	cmp home/vm.img srv/images/vm.img
	is cat srv/images/vm.img~ old
}
