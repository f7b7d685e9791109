"""Another process keeps exchanging names with symlinks that lead outside,
while receiver and sender walk over them.  Without the sandbox, which would
hide faults of the walk.  FLIP_SECONDS: the least time of each case; it goes
on until it has met both names often enough."""
import collections
import os
import subprocess
import sys
import time

from lib.lab import need
from lib.limits import can, scaled
from lib.tree import snapshot
from lib.wire import CHUNK, message, pack, row
from targets import LIMIT, LONG, ReceiverLab

SECONDS = float(os.environ.get("FLIP_SECONDS", "3" if LONG else "1"))
FLIP = os.path.join(os.path.dirname(__file__), "../tools/flip.py")
NOBODY = 65534
HOSTILE = [b"evil", b"more evil"]
SECRET = b"the secret"
NAME = "secret name"


def tries(seconds, is_enough=lambda: True):
    """An item for each try: for so long at least, and then until it is enough,
    as far as the case may take."""
    begin = time.monotonic()
    while (took := time.monotonic() - begin) < seconds or \
            not is_enough() and took < scaled(LIMIT) - seconds:
        yield took


class Flipper:
    """Exchanges pairs of names as long as the block lasts."""

    def __init__(self, *pairs, uid=None):
        self.process, self.count = None, 0
        self.args = ["-u", str(uid)] if uid is not None else []
        # from within, as another user may not come from the root to there
        self.where = os.path.dirname(pairs[0][0])
        for pair in pairs:
            self.args += [os.path.relpath(name, self.where) for name in pair]

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(FLIP), *self.args],
            cwd=self.where, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        need(self.process.stdout.readline() == b"ready\n", "no flipper")
        return self

    def __exit__(self, *_):
        out, _ = self.process.communicate()
        need(self.process.returncode == 0, "the flipper failed")
        self.count = int(out)


# What is sent below the name that flips: outside there are such files, such a
# directory, and places for new ones.
FILES = [b"secret.txt", b"hard.txt", b"new.txt", b"sub/deep.txt",
         b"sub/new.txt", b"more/new.txt"]


def small_items(name, data):
    """Rows and content that come back to the name after each other one."""
    rows, content = [], b""
    for file in FILES:
        rows += [row(1, data, name=name + b"/" + file),
                 row(2, name=b"other", mode=0o755)]
        content += data
    rows += [row(2, name=name, mode=0o700), row(2, name=name + b"/sub"),
             row(3, name=name + b"/link", target=b"sub")]
    return rows, content


def flood(s, name, count):
    """One session's worth; returns the verdicts."""
    ident, replies = 1, []
    for i in range(count):
        rows, content = small_items(name, HOSTILE[i % 2])
        s.send(pack(rows, content, id=ident))
        ident += len(rows)
        # and one sent in chunks, whose part exists meanwhile
        s.send(message("OPEN", id=ident, name=name + b"/large",
                       size=9 * CHUNK))
        replies += s.replies("STATE")
        s.send(message("CHUNK", id=ident, payload=bytes(CHUNK)),
               message("FILE_ABORT", id=ident))
        ident += 1
    s.send(message("FLUSH"))
    s.half_close()
    replies += s.rest()
    s.close()
    return [m for m in replies if m["message"] == "VERDICT"]


def receiving(cases, uid, *options):
    lab = ReceiverLab(cases, "--existing", "replace", "--sync", "none",
                      *options)
    if uid is not None:
        os.chmod(lab.work, 0o755)
        os.chown(lab.dst, uid, uid)
    pair = os.path.join(lab.dst, "dir"), os.path.join(lab.dst, "way")
    seen = collections.Counter()

    def case():
        with Flipper(pair, uid=uid):
            for _ in tries(SECONDS, lambda: min(seen[1], seen[4]) > 100):
                for m in flood(lab.sender(), b"dir", 20):
                    seen[m["status"]] += m["items"]
        need(seen[1] > 100, f"too little was committed: {seen}")
        need(seen[4] > 100, f"too little met the link: {seen}")

    allowed = {b"dir/" + name: HOSTILE for name in FILES}
    allowed.update({b"other": ["dir"], b"dir/link": [("link", b"sub")],
                    b"dir/sub": ["dir"], b"dir/more": ["dir"]})
    lab.case("a directory of the receiver's flips with a symlink leading out"
             + (", by another user" if uid is not None else ""), case,
             allowed)
    print(f"# verdicts: {seen}")
    lab.close()


def root_flips(cases):
    """DIR itself flips: what was opened at the beginning is what counts."""
    lab = ReceiverLab(cases, "--existing", "replace")
    way = os.path.join(lab.work, "to-outside")
    os.symlink("outside", way)

    def case():
        with Flipper((lab.dst, way)):
            for _ in tries(SECONDS / 3):
                s = lab.sender()
                s.put_pack(1, [(b"secret.txt", HOSTILE[0]),
                               (b"sub/new.txt", HOSTILE[0])])
                s.send(message("FLUSH"))
                got = s.verdicts(2)
                need(set(got.values()) <= {1, 2}, f"verdicts {got}")
                s.close()
    lab.case("DIR itself flips with a symlink that leads out", case,
             {b"secret.txt": HOSTILE, b"sub/new.txt": HOSTILE})
    lab.close()


# ---- the sender's side -----------------------------------------------------


class Source:
    """A tree with directories and files that flip with links to secrets.  The
    secrets are sent too, in a tree of their own, so that it is not the
    sandbox that keeps the sender from reading them."""

    def __init__(self, work):
        self.top = os.path.join(work, "t")
        self.out = os.path.join(work, "hidden")
        self.pairs = []
        for top, text in ((self.out, SECRET), (self.top, b"to be sent")):
            for i in range(8):
                os.makedirs(os.path.join(top, f"d{i}/sub"))
                for name in [f"d{i}/{n}" for n in range(20)] + [
                        f"d{i}/sub/{n}" for n in range(20)] + [f"f{i}"]:
                    with open(os.path.join(top, name), "wb") as f:
                        f.write(text)
                if text == SECRET:  # names are secrets too
                    os.mkdir(os.path.join(top, f"d{i}/{NAME}"))
                    os.mknod(os.path.join(top, f"d{i}/{NAME}/{NAME}"))
            with open(os.path.join(top, "large"), "wb") as f:
                f.write(text * CHUNK)
        for name in [f"d{i}" for i in range(8)] + [
                f"f{i}" for i in range(8)] + ["large"]:
            link = os.path.join(self.top, name + ".link")
            os.symlink(os.path.join("../hidden", name), link)
            self.pairs.append((os.path.join(self.top, name), link))


def sending(cases):
    lab = ReceiverLab(cases, "--existing", "replace", "--sync", "none")
    source = Source(lab.work)
    before = snapshot(source.out)
    arrived = os.path.join(lab.dst, "t")
    counts = collections.Counter()

    def look():
        lab.settle()  # or the receiver renames parts meanwhile
        for path, dirs, files in os.walk(arrived):
            need(NAME not in dirs, f"a secret name in {path}")
            for name in files:
                path_name = os.path.join(path, name)
                if os.path.islink(path_name):
                    continue
                with open(path_name, "rb") as f:
                    data = f.read()
                need(SECRET not in data, f"a secret in {path_name}")
                counts["right"] += b"to be sent" in data

    def case():
        with Flipper(*source.pairs):
            for _ in tries(SECONDS):
                for options in ([], ["-j", "4"], ["--symlinks", "skip"]):
                    lab.send("-q", *options, source.top, source.out,
                             port=lab.port).wait(60)
                    counts["runs"] += 1
                    look()
        need(counts["right"] > 20 * counts["runs"], f"too few: {counts}")
        need(snapshot(source.out) == before, "the secrets were touched")

    def names():
        """Many runs that only look: the moment to be hit is short."""
        with Flipper(*source.pairs):
            for _ in tries(SECONDS, lambda: counts["names"] > 1000):
                sender = lab.send("-n", source.top, port=lab.port)
                sender.wait(60)
                seen = sender.output
                need(NAME.encode() not in seen, "a secret name")
                counts["names"] += seen.count(b'"planned"')
        need(counts["names"] > 1000, f"too few: {counts}")

    lab.cases.run("directories and files of the sender's flip with links to "
                  "secrets", case)
    lab.cases.run("the same, and names are looked for", names)
    print(f"# {counts}")
    lab.reset()
    lab.close()


def flips(cases):
    receiving(cases, None, "--sandbox", "off")
    if can("a second user"):
        receiving(cases, NOBODY, "--sandbox", "off")
    receiving(cases, None, "--sandbox", "auto")
    root_flips(cases)
    sending(cases)
