"""Disks that are full, read-only, dead or forbidden."""
import os
import shutil
import subprocess

import disks
from lib.lab import Failure
from lib.limits import can, scaled
from lib.proxy import Rule
from lib.tree import digest

about = "full, failing and forbidden disks"

WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def limited_to(kib):
    return ["bash", "-c", f'ulimit -f {kib}; exec "$@"', "bash"]


def run(lab, dst, source, *options, wrap=(), sender_wrap=(), rules=(),
        mode="plain"):
    wait = ["--timeout", str(scaled(10))]
    receiver = lab.receive(*wait, *options, dst=dst, wrap=wrap,
                           mode=mode)
    port = lab.proxy(receiver.port, *rules).port if rules else receiver.port
    sender = lab.send(*wait, source, port=port, mode=mode,
                      wrap=sender_wrap)
    lab.finish(sender, receiver)
    return sender, receiver


def full_large(options):
    """One file does not fit; the message names it, and what is missing."""
    def case(lab):
        dst = disks.tmpfs(lab, "size=8m")
        lab.write("t/small", 1000)
        source = lab.src + "/t"
        lab.write("t/large", 20 << 20)
        sender, receiver = run(lab, dst, source, *options)
        lab.fault()
        lab.check(lab.expected(source), sender, receiver, dst=dst, must={8})
        text = sender.messages()
        if b"large" not in text or b"space" not in text:
            raise Failure("message", f"names no file or cause: {text!r}")
        if receiver.code != 7:
            raise Failure("status", f"the receiver exits {receiver.code}")
        if not os.path.exists(dst + "/t/small"):
            raise Failure("lost", "the file that fits did not arrive")
        disks.resize(dst, "size=64m")
        lab.complete([source], dst=dst)
    return case


def full_small(lab):
    dst = disks.tmpfs(lab, "size=4m")
    for i in range(120):
        lab.write(f"t/f{i}", 60000)
    source = lab.src + "/t"
    sender, receiver = run(lab, dst, source)
    lab.fault()
    lab.check(lab.expected(source), sender, receiver, dst=dst, must={8, 1})
    disks.resize(dst, "size=64m")
    lab.complete([source], dst=dst)


def full_inodes(count):
    def case(lab):
        dst = disks.tmpfs(lab, f"size=16m,nr_inodes={count}")
        source = lab.small_tree()
        sender, receiver = run(lab, dst, source)
        lab.fault()
        lab.check(lab.expected(source), sender, receiver, dst=dst,
                  must={8, 1})
        disks.resize(dst, "nr_inodes=1000")
        lab.complete([source], dst=dst)
    return case


def full_to_the_brim(spare_kib, cut):
    """The part fits, with so much to spare for what goes with it; cut: and
    the line breaks midway, so that a journal is wanted."""
    def case(lab):
        size = 9 << 20   # enough for a journal
        dst = disks.tmpfs(lab, "size=12m")
        lab.big_file(size)
        with open(dst + "/filler", "wb") as file:
            file.write(bytes((12 << 20) - size - (spare_kib << 10)))
        lab.old = {b"filler": ("file", *facts(dst + "/filler"))}
        source = lab.src + "/big"
        rules = [Rule(f"up@total:{size // 2}=rst")] if cut else []
        sender, receiver = run(lab, dst, source, rules=rules)
        lab.fault()
        lab.check(lab.expected(source), sender, receiver, dst=dst)
        os.unlink(dst + "/filler")
        lab.old = {}
        if not lab.bench.has_resume:
            disks.resize(dst, "size=32m")  # it takes space for a second copy
        lab.complete([source], dst=dst)
    return case


def facts(path):
    st = os.stat(path)
    return st.st_size, digest(path), st.st_mode & 0o777, st.st_mtime_ns


def too_large(lab):
    source = lab.small_tree()
    sender, receiver = run(lab, lab.dst, source, wrap=limited_to(1024))
    lab.fault()
    lab.check(lab.expected(source), sender, receiver, must={1, 8})
    lab.complete([source])


def dying(what):
    """The disk fails while it is written to."""
    def case(lab):
        disk = disks.Ext4(lab, 48)
        source = lab.src + "/t"
        lab.write("t/large", 12 << 20)
        for i in range(30):
            lab.write(f"t/f{i}", 3000)
        at = lab.rng.randrange(1000, 12 << 20)

        def die():
            if what == "dead":
                disk.shut_down()
            else:
                name = os.path.basename(disk.device)
                with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w") as f:
                    f.write("1")
        if what == "read-only":
            disks.must("mount", "-o", "remount,errors=remount-ro", disk.path)
        sender, receiver = run(lab, disk.dst, source,
                               rules=[Rule(f"up@total:{at}=call", die)])
        lab.fault()
        for ferry in sender, receiver:
            lab.check_process(ferry)
        if sender.code == 0 or receiver.code == 0:
            raise Failure("lost", f"exits {sender.code} and {receiver.code} "
                          f"on a disk that is {what}")
        disk.unmount()
        disks.run("e2fsck", "-f", "-y", disk.image)
        disk.mount()
        lab.was_killed = True  # a dead disk cannot be cleared up either
        lab.check(lab.expected(source), sender, receiver, dst=disk.dst)
        lab.complete([source], dst=disk.dst)
    return case


def forbidden_dir(lab):
    """A directory at the receiver that is read-only for its owner, who is the
    receiver's user, is changed all the same; another user's is not."""
    source = lab.small_tree()
    path = lab.dst + "/t/sub"
    is_foreign = can("a second user")
    os.makedirs(path)
    os.chmod(path, 0o555)
    if is_foreign:
        os.chown(path, 65534, 65534)
    sender, receiver = run(lab, lab.dst, source, wrap=WITHOUT_CAPABILITIES)
    lab.fault()
    lab.check(lab.expected(source), sender, receiver,
              must={1} if is_foreign else {0})
    if not os.path.exists(lab.dst + "/t/one"):
        raise Failure("lost", "the others did not arrive")
    if os.stat(path).st_mode & 0o777 != 0o555:
        raise Failure("wrong", "the directory has another mode")
    if is_foreign:
        os.chown(path, 0, 0)
    os.chmod(path, 0o755)
    lab.complete([source])


def unreadable_source(lab):
    source = lab.small_tree()
    new = lab.expected(source)  # while we can read it too
    os.chmod(source + "/sub/two", 0)
    sender, receiver = run(lab, lab.dst, source,
                           sender_wrap=WITHOUT_CAPABILITIES)
    lab.fault()
    lab.check(new, sender, receiver, must={1})
    if not os.path.exists(lab.dst + "/t/sub/big"):
        raise Failure("lost", "the others did not arrive")
    os.chmod(source + "/sub/two", 0o640)
    lab.complete([source])


def dst_goes(how):
    """The destination is taken away from under the receiver."""
    def case(lab):
        if how == "unmounted":
            dst = disks.tmpfs(lab, "size=64m")
        else:
            dst = lab.dst + "/here"
            os.mkdir(dst)
        source = lab.src + "/t"
        lab.write("t/large", 12 << 20)
        lab.write("t/small", 3000)
        moved = lab.work + "/moved"

        def take_away():
            if how == "renamed":
                os.rename(dst, moved)
            elif how == "removed":
                shutil.rmtree(dst, ignore_errors=True)
            else:
                subprocess.run(["umount", "-l", dst], check=False)
        at = lab.rng.randrange(100000, 11 << 20)
        rule = Rule(f"up@total:{at}=call", take_away)
        sender, receiver = run(lab, dst, source, rules=[rule])
        lab.fault()
        for ferry in sender, receiver:
            lab.check_process(ferry)
        new = lab.expected(source)
        if how == "renamed":
            lab.check(new, sender, receiver, dst=moved)
        elif how == "removed" and sender.code == 0:
            raise Failure("lost", "exits 0 into a directory that is gone")
        if how == "unmounted" and os.listdir(dst):
            raise Failure("wrong", f"wrote into what is below: "
                          f"{os.listdir(dst)}")
        os.makedirs(dst, exist_ok=True)
        lab.complete([source], dst=dst)
    return case


def cases(bench, rng):
    yield "full-large", full_large([])
    yield "full-small", full_small
    for count in (2, 4, 7, 9):
        yield f"full-inodes-{count}", full_inodes(count)
    for spare in (0, 4, 12, 64):
        yield f"full-brim-{spare}", full_to_the_brim(spare, False)
        yield f"full-brim-cut-{spare}", full_to_the_brim(spare, True)
    yield "file-size-limit", too_large
    rounds = bench.options.runs or (1 if bench.options.quick else 6)
    for i in range(rounds):
        yield f"dead-{i}", dying("dead")
        yield f"read-only-{i}", dying("read-only")
    yield "forbidden-directory", forbidden_dir
    yield "unreadable-source", unreadable_source
    for how in "renamed", "removed", "unmounted":
        for i in range(rounds):
            yield f"destination-{how}-{i}", dst_goes(how)
