#!/usr/bin/env python3
"""Random trees, and whether a dry run told what was then done.

planned.py snapshot DIR           all that a dry run must not change in DIR

For tests/plans also: make(), trees that are much alike, and differences(), of
the events of a dry run and of the transfer.
"""
import hashlib
import json
import os
import random
import shutil
import socket
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
# pylint: disable=wrong-import-position
from lib import acl  # noqa: E402
from lib.limits import can  # noqa: E402

MAKES_DEVICES = can("devices")
HAS_USERS = can("a second user")
USER = 8 if can("ACLs of other users") else os.geteuid()
NAMES = ["a", "b", "C", "d e", "é", "f~"]
OLD = 1_600_000_000
TICK_S = 0.1  # five of those of ferry


def put(rng, path, kind, twin=None):
    """Make something at path; twin: what to make it alike to."""
    parent = os.path.dirname(path)
    if kind == "dir":
        os.mkdir(path)
    elif kind == "link":
        os.symlink(rng.choice(NAMES[:2]), path)
    elif twin and os.path.isfile(twin) and not os.path.islink(twin):
        shutil.copy2(twin, path)
        change(rng, path)
    else:
        with open(path, "wb") as f:
            f.write(rng.randbytes(rng.choice((0, 1, 7, 5000, 300000))))
        # whole seconds, apart: the file system's units do not matter
        os.utime(path, (OLD, OLD + 10 * rng.randrange(5)))
        os.chmod(path, rng.choice((0o644, 0o600, 0o755)))
    assert os.path.lexists(path) and parent


def change(rng, path):
    what = rng.choice(("nothing", "nothing", "mode", "time", "content",
                       "content and time", "longer"))
    when = os.stat(path).st_mtime_ns
    if "content" in what and os.path.getsize(path) > 0:
        with open(path, "r+b") as f:
            f.seek(rng.randrange(os.path.getsize(path)))
            f.write(rng.randbytes(1))
    if what == "longer":
        with open(path, "ab") as f:
            f.write(b"more")
    if "time" in what:
        when += rng.choice((-30, 30)) * 10**9
    os.utime(path, ns=(when, when))
    if what == "mode":
        os.chmod(path, rng.choice((0o640, 0o700)))


def fill(rng, src, dst, depth):
    for name in NAMES:
        here, there = os.path.join(src, name), os.path.join(dst, name)
        kinds = ["file", "file", "link"] + ["dir"] * (depth > 0)
        mine = rng.choice(kinds)
        # not yet there, gone here, of another kind, or alike
        case = rng.choice(("new", "extra", "other", "alike", "alike", "none"))
        if case in ("new", "alike", "other"):
            put(rng, here, mine)
        if case == "alike":
            put(rng, there, mine, here)
        elif case == "other":
            put(rng, there, rng.choice(kinds))
        elif case == "extra":
            put(rng, there, rng.choice(kinds))
        for side in (here, there):
            if os.path.isdir(side) and not os.path.islink(side):
                other = there if side is here else here
                if os.path.isdir(other) and not os.path.islink(other):
                    if side is here:
                        fill(rng, here, there, depth - 1)
                elif depth > 0 and rng.random() < 0.7:
                    for sub in rng.sample(NAMES, 2):
                        put(rng, os.path.join(side, sub), "file")


def let_age(top):
    """Wait until the clock has gone on so far that no file counts as changed
    within the tick in which a session begins: such are compared by content."""
    paths = [os.path.join(here, n) for here, _, names in os.walk(top)
             for n in names]
    newest = max((os.lstat(p).st_ctime for p in paths), default=0)
    while newest <= time.time() < newest + TICK_S:
        time.sleep(TICK_S / 10)


# ---- what -a keeps, and names and modes that are in the way ----------------

def entries(top):
    """Directories, files, and all else."""
    dirs, files, others = [top], [], []
    for here, names, rest in os.walk(top):
        names.sort()
        for path in (os.path.join(here, n) for n in sorted(names + rest)):
            mode = os.lstat(path).st_mode
            (dirs if stat.S_ISDIR(mode) else files if stat.S_ISREG(mode)
             else others).append(path)
    return dirs, files, others


def put_node(path, kind):
    if kind == "fifo":
        os.mkfifo(path, 0o640)
    elif kind == "device":
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            # a path of a socket is short
            here = os.getcwd()
            os.chdir(os.path.dirname(path))
            s.bind(os.path.basename(path))
            os.chdir(here)
    else:
        os.symlink(kind, path)
    os.utime(path, (OLD, OLD), follow_symlinks=False)


def add_nodes(rng, src, dst):
    kinds = ["fifo", "socket", "a", "C", "/nowhere", "../../../x"] + \
        ["device"] * MAKES_DEVICES
    for i in range(8):
        here, there = (os.path.join(d, f"n{i}") for d in (src, dst))
        kind = rng.choice(kinds)
        if rng.random() < 0.8:
            put_node(here, kind)
        case = rng.random()
        if case < 0.5:
            put_node(there, kind)
        elif case < 0.65:
            put_node(there, rng.choice(kinds))
        elif case < 0.8:
            put(rng, there, rng.choice(("file", "dir")))


def add_links(rng, src, dst):
    """Hard links: there as here, there to something else, or only a file."""
    files = entries(src)[1]
    for i in range(rng.randrange(5) if files else 0):
        first = rng.choice(files)
        name = rng.choice((f"h{i}", f"A{i}"))
        os.link(first, os.path.join(src, name))
        there = os.path.join(dst, os.path.relpath(first, src))
        case, old = rng.randrange(5), os.path.join(dst, name)
        if case < 2 and os.path.isfile(there) and not os.path.islink(there):
            os.link(there, old)
        elif case == 2:
            shutil.copy2(first, old)
        elif case == 3:
            put(rng, old, rng.choice(("file", "link", "dir")))
    files = entries(dst)[1]
    if files and rng.random() < 0.5:
        os.link(rng.choice(files), os.path.join(dst, "extra"))


def add_copies(rng, src, dst):
    """What earlier transfers have left under further names."""
    dirs, files, others = entries(src)
    for path in rng.sample(files + others, min(6, len(files + others))):
        there = os.path.join(dst, os.path.relpath(path, src))
        name, dot, suffix = os.path.basename(there).rpartition(".")
        base = f"{name} (1).{suffix}" if dot and name else f"{suffix} (1)"
        copy = os.path.join(os.path.dirname(there), base)
        if not os.path.lexists(there) or not os.path.isdir(
                os.path.dirname(there)) or os.path.lexists(copy):
            continue
        if stat.S_ISREG(os.lstat(path).st_mode):
            shutil.copy2(path, copy)
            change(rng, copy)
        elif os.path.islink(path):
            os.symlink(os.readlink(path), copy)
            if rng.random() < 0.7:
                shutil.copystat(path, copy, follow_symlinks=False)
    assert dirs


def change_meta(rng, path):
    what = rng.randrange(5 if HAS_USERS else 3)
    is_link = os.path.islink(path)
    is_file = stat.S_ISREG(os.lstat(path).st_mode)
    if what == 0 and is_file:
        os.setxattr(path, f"user.{rng.choice('ab')}", b"x" * rng.randrange(9))
    elif what == 1 and is_file:
        os.setxattr(path, acl.ACCESS, acl.encoded(
            [(acl.OWNER, 6), (acl.USER, rng.randrange(8), USER),
             (acl.OWNERS_GROUP, 4), (acl.MASK, 7),
             (acl.OTHERS, rng.randrange(8))]))
    elif what == 2 and not is_link:
        os.chmod(path, rng.choice((0o4755, 0o2755, 0o700, 0o755, 0o770)))
    elif what == 3:
        os.chown(path, rng.choice((0, 1)), rng.choice((0, 2)),
                 follow_symlinks=False)


def lock(rng, dst):
    """Directories that their owner may not write to."""
    for path in entries(dst)[0][1:]:
        if rng.random() < 0.15:
            os.chmod(path, 0o555)


def enrich(rng, src, dst, has_unreadable):
    add_nodes(rng, src, dst)
    add_links(rng, src, dst)
    add_copies(rng, src, dst)
    for top in (src, dst):
        found = sum(entries(top), [])
        for path in rng.sample(found, min(len(found), rng.randrange(12))):
            change_meta(rng, path)
    files = entries(src)[1] if has_unreadable else []
    for path in rng.sample(files, min(2, len(files))):
        if rng.random() < 0.5:
            os.chmod(path, 0)
    if rng.random() < 0.3:
        lock(rng, dst)


def make(top, seed, has_unreadable):
    """Trees top/src/t and top/dst/t; has_unreadable: with files in the former
    that their modes let nobody read."""
    rng = random.Random(seed)
    src, dst = os.path.join(top, "src/t"), os.path.join(top, "dst/t")
    os.makedirs(src)
    os.makedirs(dst)
    fill(rng, src, dst, 3)
    enrich(rng, src, dst, has_unreadable)


def snapshot(top):
    rows = {}
    for here, dirs, files in os.walk(top):
        for path in [here] + [os.path.join(here, n) for n in dirs + files]:
            st = os.lstat(path)
            content = b""
            if stat.S_ISLNK(st.st_mode):
                content = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = f.read()
            rows[os.path.relpath(path, top)] = (
                stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_ino,
                st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_uid,
                st.st_gid, sorted(
                    (x, os.getxattr(path, x, follow_symlinks=False).hex())
                    for x in os.listxattr(path, follow_symlinks=False)),
                hashlib.sha256(content).hexdigest())
    return rows


DONE = {"new": "committed", "replace": "committed", "backup": "committed",
        "rename": "committed", "unchanged": "unchanged",
        "metadata": "unchanged", "skip": "skipped", "refuse": "failed"}
COUNTS = ("exit", "files", "bytes", "unchanged", "updated", "replaced",
          "renamed", "skipped", "failed", "deleted", "not_deleted")


def events(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def fates(rows, is_dry):
    """{path: what became of it}, and the paths that were deleted."""
    files, deleted, dirs = {}, set(), {}
    for e in rows:
        if e["event"] == "deleted":
            deleted.add((e["path"], e["kind"], e["status"] == "failed"))
        if e["event"] != "file":
            continue
        assert e["path"] not in files, f"told twice: {e}"
        status = e["status"]
        if is_dry and e.get("kind") == "directory" and status != "failed":
            dirs[e["path"]] = e["plan"]
            continue
        if is_dry:
            assert status in ("planned", "failed"), e
            status = DONE[e["plan"]] if "plan" in e else status
        has_meta = e.get("plan") == "metadata" or "updated" in e
        # without the path before it; how far it is over a limit, which
        # stands behind it, is not planned
        why = e.get("error", "").partition(" (")[0].partition("; ")[0]
        why = why.rpartition(": ")[2]
        files[e["path"]] = (status, has_meta, e["size"], why)
    return files, deleted, dirs


def is_relinked(path, before, after):
    return (stat.S_ISREG(before.get(path, (0,))[0])
            and before[path][-1] == after[path][-1]
            and before[path][2] != after[path][2])


def copied(dry, planned, done, before, after):
    """The same of names that a copy was to be made beside."""
    return [e["path"] for e in dry if e.get("plan") == "rename"
            and e["path"] in planned.keys() & done.keys()
            and done[e["path"]][0] == "committed"
            and is_relinked(e["path"], before, after)]


def same_file(planned, done, before):
    """Of several names of one file that is there, one is told as updated:
    which comes first is not known."""
    names = {}
    for path in planned.keys() & done.keys():
        if planned[path][0] == done[path][0] == "unchanged":
            names.setdefault(before[path][2], []).append(path)
    for paths in names.values():
        if sorted(planned[p][1] for p in paths) == \
                sorted(done[p][1] for p in paths):
            for p in paths:
                done[p] = planned[p]


def relinked(planned, done, before, after):
    """Names that were to be left alone, and became hard links of a file with
    the content that they had: what of that is there cannot be known before the
    file is sent."""
    return [p for p in planned.keys() & done.keys()
            if planned[p][0] in ("failed", "skipped")
            and done[p][0] == "committed" and is_relinked(p, before, after)]


def differences(dry, real, before, after):
    """What differs between the events of a dry run and of the transfer, given
    what was there before and after it: lines."""
    planned, would_go, dirs = fates(dry, True)
    done, gone, _ = fates(real, False)
    # With --existing replace what is the same may be replaced nevertheless.
    same = {p for p in planned.keys() & done.keys()
            if planned[p][0] == "unchanged" and done[p][0] == "committed"
            and before[p][0] == after[p][0] and before[p][-1] == after[p][-1]}
    for path in same:
        done[path] = planned[path]
    s, t = (next((e for e in rows if e["event"] == "summary"), {})
            for rows in (dry, real))
    # What this user may keep is seen only when it is set.
    if t.get("not_kept") and (s.get("exit"), t.get("exit")) == (0, 1):
        t["exit"] = 0
    # Nor is known which items come first, and so are within a limit.
    over = [rows for rows in (planned, done)
            if any("over a limit" in row[3] for row in rows.values())]
    if len(over) == 2:
        return []
    # A file that cannot be read may also be refused: either is told.
    for path in planned.keys() & done.keys():
        if planned[path][0] == done[path][0] == "failed" and \
                "Permission denied" in (planned[path][3], done[path][3]):
            done[path] = planned[path]
    linked = relinked(planned, done, before, after)
    for path in linked:
        done[path] = planned[path]
        s[planned[path][0]] -= 1
        for key in ("files", "replaced"):
            s[key] = s.get(key, 0) + 1
    # A copy that was to be made beside such a name was not.
    for path in copied(dry, planned, done, before, after):
        s["renamed"] -= 1
        s["replaced"] = s.get("replaced", 0) + 1
    same_file(planned, done, before)
    bad = [f"{path}: planned {planned.get(path)}, done {done.get(path)}"
           for path in sorted(planned.keys() | done.keys())
           if planned.get(path) != done.get(path)]
    bad += [f"deleted: {row}, planned: {row in would_go}"
            for row in sorted(would_go ^ gone)]
    bad += [f"{key}: planned {s.get(key, 0)}, done {t.get(key, 0)}"
            for key in COUNTS if s.get(key, 0) != t.get(key, 0)
            and not (same and key in ("unchanged", "updated", "replaced"))]
    made = {p for p, row in after.items() if stat.S_ISDIR(row[0])
            and not (p in before and stat.S_ISDIR(before[p][0]))}
    want = {p for p, plan in dirs.items() if plan in ("new", "replace")}
    bad += [f"directory {p}: made: {p in made}" for p in sorted(made ^ want)]
    for p, row in before.items():
        if p in after and stat.S_ISDIR(row[0]) and stat.S_ISDIR(after[p][0]):
            # its time also changes with what is made in it
            mode = row[1] != after[p][1]
            changed = mode or any(row[i] != after[p][i] for i in (4, 6, 7, 8))
            if (mode and dirs.get(p) != "metadata" or not changed and
                    not t.get("not_kept") and dirs.get(p) == "metadata"):
                bad.append(f"directory {p}: changed: {changed}, "
                           f"planned: {dirs.get(p)}: {row} {after[p]}")
    return bad


if __name__ == "__main__":
    print(json.dumps(snapshot(sys.argv[2])))
