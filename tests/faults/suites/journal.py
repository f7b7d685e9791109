"""What an interruption left is torn, edited, foreign or replaced, or the
source is; the next run never commits wrong content.

Each case makes a transfer that both sides are killed in, changes something,
and runs it again.  Names: .ferry-<16 hex>.part and .journal, next to
the target.
"""
import glob
import os
import signal

from lib.lab import Failure
from lib.limits import Skip, need_for
from lib.proxy import Rule

about = "part file, journal or source changed before the rerun"

SIZE = (24 << 20) + 4321


def interrupt(lab):
    """Kill both midway; the part files and journals that are left."""
    source = lab.big_file(SIZE)
    at = lab.rng.randrange(6 << 20, SIZE - (2 << 20))
    sides = []
    receiver = lab.receive()

    def kill():
        for ferry in sides:
            ferry.signal(signal.SIGKILL)
    proxy = lab.proxy(receiver.port, Rule(f"up@total:{at}=call", kill))
    sides.append(receiver)
    sender = lab.send("-j", "1", source, port=proxy.port)
    sides.append(sender)
    sender.wait()
    receiver.wait()
    lab.was_killed = True
    lab.fault()
    lab.check(lab.expected(source), sender, receiver)
    parts = glob.glob(lab.dst + "/.ferry-*.part")
    journals = glob.glob(lab.dst + "/.ferry-*.journal")
    if not parts:
        raise Failure("bench", "no part file is left")
    return source, parts[0], journals[0] if journals else None


def flip(path, at, rng):
    st = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ (1 << rng.randrange(8))]))
    return st


def flip_part(lab, path):
    """A bit of the first MiB, which was surely received."""
    flip(path, lab.rng.randrange(1 << 20), lab.rng)


def flip_part_quietly(lab, path):
    st = flip(path, lab.rng.randrange(1 << 20), lab.rng)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def zero_part(lab, path):
    with open(path, "r+b") as file:
        file.write(bytes(3 << 20))


def truncate(lab, path):
    os.truncate(path, lab.rng.randrange(os.path.getsize(path)))


def empty(lab, path):
    os.truncate(path, 0)


def extend(lab, path):
    with open(path, "ab") as file:
        file.write(lab.rng.randbytes(lab.rng.randrange(1, 100000)))


def flip_any(lab, path):
    flip(path, lab.rng.randrange(os.path.getsize(path)), lab.rng)


def noise(lab, path):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.write(lab.rng.randbytes(min(size, 1 << 16)))


def remove(lab, path):
    os.unlink(path)


def symlink(lab, path):
    os.unlink(path)
    os.symlink(lab.outside + "/a", path)


def dangling(lab, path):
    os.unlink(path)
    os.symlink(lab.outside + "/new", path)


def hard_link(lab, path):
    os.unlink(path)
    os.link(lab.outside + "/a", path)


def linked_twice(lab, path):
    os.link(path, lab.work + "/second")


def fifo(lab, path):
    os.unlink(path)
    os.mkfifo(path)


def directory(lab, path):
    os.unlink(path)
    os.mkdir(path)


def open_mode(lab, path):
    os.chmod(path, 0o666)


def other_owner(lab, path):
    need_for("a second user")
    os.chown(path, 65534, 65534)


def foreign(lab, path):
    """That of another transfer: same size, other content."""
    other = lab.work + "/other"
    os.mkdir(other)
    source = lab.write("other-src/big", SIZE, root=lab.work)
    receiver = lab.receive(dst=other, name="receiver-other")
    sides = [receiver]
    proxy = lab.proxy(receiver.port, Rule(
        f"up@{SIZE - (3 << 20)}=call",
        lambda: [f.signal(signal.SIGKILL) for f in sides]))
    sides.append(lab.send("-j", "1", source, port=proxy.port,
                          name="sender-other"))
    for ferry in sides:
        ferry.wait()
    suffix = path.rpartition(".")[2]
    found = glob.glob(f"{other}/.ferry-*.{suffix}")
    if not found:
        raise Skip(f"no {suffix} is left: this ferry does not resume")
    os.replace(found[0], path)


ODD = (symlink, dangling, hard_link, linked_twice, fifo, directory)
OF_PART = (flip_part, flip_part_quietly, zero_part, truncate, empty, extend,
           remove, foreign, open_mode, other_owner, *ODD)
OF_JOURNAL = (flip_any, truncate, empty, extend, noise, remove, foreign,
              open_mode, other_owner, *ODD)


def replaced_source(lab, source):
    """Equal size, equal time, other content."""
    st = os.stat(source)
    lab.write("big", SIZE)
    os.utime(source, ns=(st.st_atime_ns, st.st_mtime_ns))


def edited_source(lab, source):
    """One byte of what was received already, with the time set back."""
    flip_part_quietly(lab, source)


def grown_source(lab, source):
    extend(lab, source)


def shrunk_source(lab, source):
    """To what still has a journal; for less see the suite sources."""
    os.truncate(source, lab.rng.randrange(9 << 20, SIZE))


OF_SOURCE = (replaced_source, edited_source, grown_source, shrunk_source)


def run_again(lab, source, odd):
    try:
        lab.complete([source])
    except Failure as failure:
        # A file that is not ours must not be removed.
        if failure.kind != "litter" or not odd:
            raise


def harm(which, action):
    def case(lab):
        source, part, journal = interrupt(lab)
        path = {"part": part, "journal": journal, "source": source}[which]
        if path is None:
            raise Skip("no journal is left: this ferry does not resume")
        action(lab, path)
        lab.fault()
        run_again(lab, source, action in ODD)
    return case


def plain(lab):
    """Nothing is changed: this is what resuming is for."""
    source, _, journal = interrupt(lab)
    lab.complete([source])
    if lab.bench.has_resume and not journal:
        raise Failure("bench", "this ferry resumes, and no journal is left")


def cases(bench, rng):
    yield "unchanged", plain
    rounds = bench.options.runs or (1 if bench.options.quick else 20)
    for which, actions in (("part", OF_PART), ("journal", OF_JOURNAL),
                           ("source", OF_SOURCE)):
        if bench.options.quick:
            actions = rng.sample(actions, min(5, len(actions)))
        for action in actions:
            drawn = action in (flip_part, flip_part_quietly, truncate,
                               flip_any, extend)
            for i in range(rounds if drawn else 1):
                yield (f"{which}-{action.__name__}-{i}".replace("_", "-"),
                       harm(which, action))
