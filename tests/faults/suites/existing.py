"""What --existing does with what is there, on file systems of all kinds.

The table was written from ferry(1), not from what ferry does: for each policy
and each thing that may be there, what becomes of the file, of the thing, and
which status both sides exit with.  FILE_SYSTEMS says where a file system may
change that.
"""
import collections
import os
import stat

from disks import Ext4, must, run, tmpfs
from lib.lab import need
from lib.limits import need_for
from lib.tree import picture

about = "--existing with all that may be there, on many file systems"

POLICIES = "fail", "skip", "replace", "newer", "rename", "backup"
NAMES = "small", "large"      # one that is sent in a pack, one in chunks
SIZES = {"small": 100, "large": 9 << 20}
MODE, SOURCE_MODE, LOCKED_MODE = 0o640, 0o750, 0o555
OLD, NEW, LATER = (n * 10**9 for n in (1500000000, 1600000000, 1700000000))

# What is there under each of the names when the files come.
NOTHING, SAME, OLDER, NEWER, DIRECTORY, SYMLINK, FIFO, LOCKED = THERE = (
    "nothing", "the same", "older", "newer", "a directory", "a symlink",
    "a FIFO", "nothing, in a directory without write permission")

# What becomes of a file.
NEW_FILE = "committed"        # under its name; what was there is gone
UNCHANGED = "unchanged"
KEPT = "failed"               # what was there stays
SKIPPED = "skipped"           # so it does here
RENAMED = "renamed"           # so it does here; the file is at "NAME (1)"
BACKED_UP = "backed up"       # it is at "NAME~"


def outcome(policy, there, kind):
    """The table."""
    if there == LOCKED and kind.loses and not kind.modes:
        return KEPT    # the directory cannot be opened for the change
    if there in (NOTHING, LOCKED):
        return NEW_FILE
    if there == SAME:
        return UNCHANGED
    if policy == "rename":
        return RENAMED
    if there == DIRECTORY:
        return KEPT
    if policy == "newer":
        return SKIPPED if there == NEWER else NEW_FILE
    return {"fail": KEPT, "skip": SKIPPED, "replace": NEW_FILE,
            "backup": BACKED_UP}[policy]


# The status of the sender and of the receiver, where all files fare alike.
STATUS = {NEW_FILE: (0, 0), UNCHANGED: (0, 0), KEPT: (8, 7), SKIPPED: (1, 0),
          RENAMED: (0, 0), BACKED_UP: (0, 0)}

Kind = collections.namedtuple("Kind", "lack loses modes times owned",
                              defaults=(None, False, True, True, True))

# lack: of tests/tools/lackfs.c; loses: what is committed lacks some of its
# metadata, and both sides say so (status 1); modes, times: they are kept;
# owned: by the user who receives.
FILE_SYSTEMS = {
    "ext4": Kind(), "tmpfs": Kind(), "btrfs": Kind(),
    "no links": Kind("link"),
    "no flags": Kind("flags"),
    "neither": Kind("link,flags"),
    "no RENAME_NOREPLACE": Kind("noreplace"),
    "only renames": Kind("link,noreplace"),
    "no RENAME_EXCHANGE": Kind("exchange"),
    "RENAME_EXCHANGE ignored": Kind("exchange-ignored"),
    "neither, ignored": Kind("link,exchange-ignored"),
    "no symlinks": Kind("symlink"),
    "chmod refused": Kind("chmod", loses=True, modes=False),
    "chmod ignored": Kind("chmod-ignored", loses=True, modes=False),
    "utimens refused": Kind("utimens", loses=True, times=False),
    "utimens ignored": Kind("utimens-ignored", loses=True, times=False),
    "modes of the mount": Kind("mode=0777", modes=False),
    "owner of the mount": Kind("uid=12345", owned=False),
    "no fsync": Kind("fsync"),
    "no fsync of directories": Kind("fsyncdir"),
    "times of two seconds": Kind("seconds=2"),
    "cases fold": Kind("fold"),
    # as exfat-fuse and old FUSE file systems do
    "hardly anything": Kind("link,flags,symlink,chmod,fsyncdir,seconds=2",
                            loses=True, modes=False),
}


# ---- the file systems ------------------------------------------------------

def btrfs(lab):
    need_for("btrfs", "loop devices")
    image, path = lab.work + "/disk.img", lab.work + "/disk"
    os.mkdir(path)
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    must("mkfs.btrfs", "-q", image)
    must("mount", "-o", "loop", image, path)
    lab.undo.append(lambda: run("umount", path))
    return path


def lackfs(lab, what):
    need_for("FUSE")
    back, path = lab.work + "/back", lab.work + "/disk"
    os.mkdir(back)
    os.mkdir(path)
    must(os.environ["FERRY_TOOLS"] + "/lackfs", what, back, path)
    lab.undo.append(lambda: run("umount", "-l", path))
    return path, back


def mount(lab, name):
    """The directory that is received into, and by which way to prepare it:
    not through what the file system lacks."""
    need_for("mounting")
    kind = FILE_SYSTEMS[name]
    if kind.lack:
        return lackfs(lab, kind.lack)
    path = {"ext4": lambda: Ext4(lab, mib=128).dst,
            "tmpfs": lambda: tmpfs(lab, "size=128m"),
            "btrfs": lambda: btrfs(lab)}[name]()
    return path, path


# ---- a session -------------------------------------------------------------

def make(path, name, letter, mtime):
    with open(path, "wb") as file:
        file.write(letter * SIZES[name])
    os.chmod(path, MODE)
    os.utime(path, ns=(mtime, mtime))


def plant(there, top, name):
    """Put what is to be there at top/name."""
    path = os.path.join(top, name)
    if there == SAME:
        make(path, name, b"n", NEW)
    elif there in (OLDER, NEWER):
        make(path, name, b"o", OLD if there == OLDER else LATER)
    elif there == DIRECTORY:
        os.mkdir(path)
    elif there == SYMLINK:
        os.symlink("nowhere", path)
    elif there == FIFO:
        os.mkfifo(path)
    if there in (SYMLINK, FIFO):
        os.utime(path, ns=(OLD, OLD), follow_symlinks=False)


def prepare(there, top, source):
    """Make the source, and the directory where it goes with what is there;
    what both are."""
    for path in (top, source):
        os.mkdir(path)
    for name in NAMES:
        make(os.path.join(source, name), name, b"n", NEW)
        plant(there, top, name)
    if there == LOCKED:
        os.chmod(top, LOCKED_MODE)
        os.chmod(source, SOURCE_MODE)
    os.utime(source, ns=(NEW, NEW))
    return pictures(source), pictures(top)


def pictures(top):
    """Without what libfuse keeps of a file that is removed while it is
    open."""
    return {name.decode(): what for name, what in picture(top).items()
            if not name.startswith(b".fuse_hidden")}


def session(lab, policy, kind, source, path):
    """As root without its capabilities: an ordinary user who owns all."""
    ordinary = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    receiver = lab.receive("--existing", policy, dst=path,
                           wrap=ordinary if kind.owned else ())
    sender = lab.send(source, port=receiver.port)
    lab.finish(sender, receiver)
    for ferry in (sender, receiver):
        lab.check_process(ferry)
    return sender, receiver


# ---- what is compared ------------------------------------------------------

def as_kept(what, kind):
    """A description without what the file system does not keep."""
    if what and what[0] == "file":
        return (*what[:3], what[3] if kind.modes else None,
                what[4] if kind.times else None)
    return what and what[0]


def expected(new, old, what):
    """name -> description of all that is to be there afterwards."""
    after = dict(old)
    for name in NAMES:
        if what == NEW_FILE:
            after[name] = new[name]
        elif what == RENAMED:
            after[name + " (1)"] = new[name]
        elif what == BACKED_UP:
            after[name + "~"] = old[name]
            after[name] = new[name]
    return after


def check_tree(where, there, wanted, kind):
    for name in sorted(there.keys() | wanted.keys()):
        got, want = (as_kept(tree.get(name), kind) for tree in (there, wanted))
        need(got == want, f"{where}: {name} is {got}, not {want}", "wrong")


def status_of(what, policy, kind):
    """Of both sides.  With replace, the directory gets its metadata too."""
    has_metadata = what in (NEW_FILE, RENAMED, BACKED_UP) or \
        (what == UNCHANGED and policy == "replace" and not kind.times)
    return (1, 1) if kind.loses and has_metadata else STATUS[what]


def check_results(where, what, status, sender, receiver):
    """Exit statuses, and what the receiver's events say of each file."""
    need((sender.code, receiver.code) == status,
         f"{where}: exit {sender.code}, {receiver.code}, not {status}: "
         f"{sender.messages()[-300:]} {receiver.messages()[-300:]}", "status")
    word = what if what in (UNCHANGED, KEPT, SKIPPED) else "committed"
    told = [e["status"] for e in receiver.find("file")]
    need(told == [word] * len(NAMES),
         f"{where}: the receiver says {told}, not {word}", "status")


def check_locked(where, policy, kind, top):
    """A directory that was there keeps its mode, but with replace."""
    mode = stat.S_IMODE(os.lstat(top).st_mode)
    wanted = SOURCE_MODE if policy == "replace" and kind.modes else LOCKED_MODE
    need(mode == wanted,
         f"{where}: the directory has mode {mode:o} afterwards", "wrong")


def one(name, policy):
    kind = FILE_SYSTEMS[name]

    def case(lab):
        path, back = mount(lab, name)
        for i, there in enumerate(THERE):
            # another name each, as the kernel remembers what a mount had
            top, source = (os.path.join(d, f"t{i}") for d in (back, lab.src))
            what, where = outcome(policy, there, kind), f"{there} is there"
            new, old = prepare(there, top, source)
            both = session(lab, policy, kind, source, path)
            lab.fault()
            check_tree(where, pictures(top), expected(new, old, what), kind)
            check_results(where, what, status_of(what, policy, kind), *both)
            if there == LOCKED:
                check_locked(where, policy, kind, top)
            lab.check_outside()
    return case


def cases(_bench, _rng):
    for name in FILE_SYSTEMS:
        for policy in POLICIES:
            yield f"{name}, {policy}", one(name, policy)
