#!/usr/bin/env python3
"""Random trees, and whether a dry run told what was then done.

planned.py make DIR SEED          trees DIR/src/t and DIR/dst/t, much alike
planned.py snapshot DIR           all that a dry run must not change in DIR
planned.py compare DRY REAL BEFORE AFTER
                                  two files of events, and two snapshots
"""
import hashlib
import json
import os
import random
import shutil
import stat
import sys

NAMES = ["a", "b", "C", "d e", "é", "f~"]
OLD = 1_600_000_000


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


def make(top, seed):
    rng = random.Random(seed)
    src, dst = os.path.join(top, "src/t"), os.path.join(top, "dst/t")
    for path in (src, dst):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    fill(rng, src, dst, 3)


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
                    (name, os.getxattr(path, name, follow_symlinks=False).hex())
                    for name in os.listxattr(path, follow_symlinks=False)),
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
        files[e["path"]] = (status, has_meta, e["size"])
    return files, deleted, dirs


def compare(dry, real, before, after):
    dry, real = events(dry), events(real)
    planned, would_go, dirs = fates(dry, True)
    done, gone, _ = fates(real, False)
    before, after = events(before)[0], events(after)[0]
    # With --existing replace what is the same may be replaced nevertheless.
    same = {p for p in planned.keys() & done.keys()
            if planned[p][0] == "unchanged" and done[p][0] == "committed"
            and before[p][0] == after[p][0] and before[p][-1] == after[p][-1]}
    for path in same:
        done[path] = planned[path]
    bad = [f"{path}: planned {planned.get(path)}, done {done.get(path)}"
           for path in sorted(planned.keys() | done.keys())
           if planned.get(path) != done.get(path)]
    bad += [f"deleted: {row}" for row in sorted(would_go ^ gone)]
    s, t = (next(e for e in rows if e["event"] == "summary")
            for rows in (dry, real))
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
            if (mode and dirs.get(p) != "metadata"
                    or not changed and dirs.get(p) == "metadata"):
                bad.append(f"directory {p}: changed: {changed}, "
                           f"planned: {dirs.get(p)}")
    for line in bad:
        print(line)
    sys.exit(bool(bad))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "snapshot":
        print(json.dumps(snapshot(sys.argv[2])))
    else:
        compare(*sys.argv[2:])
