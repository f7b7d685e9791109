"""Sources that change while they are sent, and odd ones."""
import os
import threading

from lib.lab import Failure
from lib.limits import need_for, scaled
from lib.proxy import Rule
from lib.tree import digest, picture

about = "sources that change or are odd"

LARGE = 16 << 20
PATH = b"t/large"


def make(lab):
    source = lab.small_tree()
    lab.write("t/large", LARGE)
    return source


def run(lab, source, *options, env=None, rules=()):
    wait = ["--timeout", str(scaled(10))]
    receiver = lab.receive(*wait)
    port = lab.proxy(receiver.port, *rules).port if rules else receiver.port
    sender = lab.send(*wait, *options, source, port=port, env=env)
    lab.finish(sender, receiver)
    return sender, receiver


def others_arrived(lab, new, changed):
    there = arrived(lab)
    for path, what in new.items():
        if path not in changed and what[0] == "file" and path not in there:
            raise Failure("lost", f"{path} did not arrive, though another "
                          "one changed")


def arrived(lab):
    return picture(lab.dst)


def cut_before_read(n, size):
    """The file is shorter before the N-th read of it."""
    def case(lab):
        source = make(lab)
        new = lab.expected(source)
        env = lab.shim(f"truncate={n}:{size},path=t/large")
        sender, receiver = run(lab, source, env=env)
        if not lab.count_shim():
            return
        lab.check({**new, PATH: ("none",)}, sender, receiver, must={1, 9},
                  may_fail=())
        others_arrived(lab, new, {PATH})
        if PATH in arrived(lab):
            raise Failure("wrong", "the shortened file was committed")
        lab.complete([source])
    return case


def changing(change, again, limit="32M"):
    """change(path) is called at some moment while the file is sent; with again
    every 10 ms from then on.  Where the file is committed all the same, it
    has to be as it was at one moment."""
    def case(lab):
        source = make(lab)
        path = os.path.join(source, "large")
        new = lab.expected(source)
        over = threading.Event()
        contents = [new[PATH]]

        def storm():
            change(lab, path)
            while again and not over.wait(0.01):
                change(lab, path)
        thread = threading.Thread(target=storm, daemon=True)
        at = lab.rng.randrange(1 << 20, LARGE)
        sender, receiver = run(lab, source, "--limit-rate", limit,
                               rules=[Rule(f"up@total:{at}=call",
                                           thread.start)])
        over.set()
        if thread.ident:
            thread.join()
        lab.fault()
        lab.check(new, sender, receiver, may_fail={PATH})
        others_arrived(lab, new, {PATH})
        there = arrived(lab).get(PATH)
        if there:
            if os.path.exists(path):
                contents.append(("file", os.path.getsize(path), digest(path)))
            if there[:3] not in [c[:3] for c in contents]:
                raise Failure("wrong", "what was committed is neither the "
                              "content before nor that after")
        if there is None and sender.code not in (1, 9):
            raise Failure("status", f"exits {sender.code} for a source that "
                          "changed")
        lab.detail = (f"exits {sender.code}, "
                      f"{'committed' if there else 'not committed'}")
        if os.path.lexists(lab.dst + "/t/large"):
            os.unlink(lab.dst + "/t/large")
        lab.complete([source])
    return case


def append(lab, path):
    with open(path, "ab") as file:
        file.write(b"more\n")


def rewrite(lab, path):
    with open(path, "r+b") as file:
        file.write(lab.rng.randbytes(5000))


def rewrite_quietly(lab, path):
    st = os.stat(path)
    rewrite(lab, path)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def set_back(lab, path):
    os.utime(path, ns=(10**18, 10**18))


def replace(lab, path):
    with open(path + ".new", "wb") as file:
        file.write(lab.rng.randbytes(70000))
    os.rename(path + ".new", path)


def delete(lab, path):
    if os.path.exists(path):
        os.unlink(path)
        # A source that is not there at the rerun is another test.
        with open(path, "wb") as file:
            file.write(b"new")


def directories_come_and_go(lab):
    source = make(lab)
    for i in range(200):
        lab.write(f"t/many/d{i}/f", 100)
    new = lab.expected(source)
    over = threading.Event()

    def storm():
        i = 0
        while not over.wait(0.001):
            i += 1
            path = os.path.join(source, f"many/x{i % 7}")
            try:
                if os.path.isdir(path):
                    os.unlink(path + "/f")
                    os.rmdir(path)
                else:
                    os.mkdir(path)
                    with open(path + "/f", "w"):
                        pass
            except OSError:
                pass
    thread = threading.Thread(target=storm, daemon=True)
    thread.start()
    try:
        sender, receiver = run(lab, source)
    finally:
        over.set()
        thread.join()
    lab.fault()
    moving = {p for p in arrived(lab) if p.startswith(b"t/many/x")} | {
        f"t/many/x{i}{end}".encode() for i in range(7) for end in ("", "/f")}
    new = {p: what for p, what in new.items() if p not in moving}
    lab.check(new, sender, receiver, may_fail=moving, must={0, 1, 9})
    others_arrived(lab, new, moving)


def vanished(lab):
    """A path of the command line, and one in the tree, that are not there."""
    source = make(lab)
    new = lab.expected(source)
    receiver = lab.receive()
    sender = lab.send(source, lab.src + "/nothing", port=receiver.port)
    lab.finish(sender, receiver)
    lab.fault()
    lab.check(new, sender, receiver)
    if sender.code == 0:
        raise Failure("lost", "exits 0 for a path that does not exist")


def odd(lab):
    """Sizes around a chunk's, names of 255 bytes, no content."""
    for size in (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 262144, 262145):
        lab.write(f"t/s{size}", size)
    lab.write("t/" + "n" * 255, 10)
    lab.write("t/" + "/".join(["d" * 250] * 12) + "/f", 10)
    for i in range(64):
        lab.write(f"t/.ferry-{i:015x}.part", 3)   # one digit short: not ours
    source = lab.src + "/t"
    lab.complete([source])


def own_names(lab):
    """Files that are named like our part files are refused, and reported."""
    lab.write("t/.ferry-0123456789abcdef.part", 3)
    lab.write("t/.ferry-0123456789abcdef.journal", 3)
    lab.write("t/fine", 3)
    source = lab.src + "/t"
    sender, receiver = run(lab, source)
    new = lab.expected(source)
    lab.check(new, sender, receiver, must={1})
    if os.listdir(lab.dst + "/t") != ["fine"]:
        raise Failure("wrong", f"there is {os.listdir(lab.dst + '/t')}")


def proc_file(lab):
    """Size 0, and yet it has content: not silently an empty file."""
    receiver = lab.receive()
    sender = lab.send("/proc/cpuinfo", port=receiver.port)
    lab.finish(sender, receiver)
    for ferry in sender, receiver:
        lab.check_process(ferry)
    there = arrived(lab).get(b"cpuinfo")
    if sender.code == 0 and (not there or there[1] == 0):
        raise Failure("lost", "exits 0, and the content is not there")


def sparse(lab):
    """1 TiB of holes with some data in it."""
    need_for("a build that has holes")
    path = lab.src + "/sparse"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
        for at in (0, 123456789012, (1 << 40) - 5):
            file.seek(at)
            file.write(b"data!")
    receiver = lab.receive()
    sender = lab.send(path, port=receiver.port)
    lab.finish(sender, receiver, 60)
    for ferry in sender, receiver:
        lab.check_process(ferry)
    if sender.code != 0:
        raise Failure("status", f"exits {sender.code}: "
                      f"{sender.messages()[-300:]}")
    with open(lab.dst + "/sparse", "rb") as file:
        for at in (0, 123456789012, (1 << 40) - 5):
            file.seek(at)
            if file.read(5) != b"data!":
                raise Failure("wrong", f"at {at}")
    st = os.stat(lab.dst + "/sparse")
    if st.st_size != 1 << 40 or st.st_blocks > 20000:
        raise Failure("wrong", f"{st.st_size} bytes, {st.st_blocks} blocks")


def crowded(count):
    def case(lab):
        os.mkdir(lab.src + "/t")
        for i in range(count):
            with open(f"{lab.src}/t/{i}", "wb") as file:
                file.write(b"%d" % i)
        lab.complete([lab.src + "/t"], limit=600)
    return case


def cases(bench, rng):
    quick = bench.options.quick
    rounds = bench.options.runs or (1 if quick else 10)
    for n, size in ((1, 0), (2, 0), (3, 1 << 20), (4, 100), (9, 10000000)):
        yield f"cut-before-read-{n}-to-{size}", cut_before_read(n, size)
    for change, again in ((append, True), (rewrite, False), (rewrite, True),
                          (rewrite_quietly, True), (set_back, False),
                          (replace, False), (delete, False)):
        if quick and change in (replace, delete):
            continue  # TODO(4): the stale part is left; see the long part
        for i in range(rounds):
            name = change.__name__.replace("_", "-")
            yield (f"{name}-{'often' if again else 'once'}-{i}",
                   changing(change, again))
    yield "directories-come-and-go", directories_come_and_go
    yield "not-there", vanished
    yield "odd-sizes-and-names", odd
    yield "names-like-ours", own_names
    yield "proc-file", proc_file
    yield "sparse-1T", sparse
    yield "crowded", crowded(1000 if quick else 100000)
