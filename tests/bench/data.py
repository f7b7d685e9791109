"""What is sent: made once for each kind and amount, in memory."""

import os
import random
import shutil
import subprocess
from pathlib import Path

from rows import MIB, SMALL


def random_file(path, size):
    with open(path, "wb") as f:
        while size:
            f.write(os.urandom(min(size, MIB)))
            size -= min(size, MIB)


def code_file(path, size):
    """A tar of C sources and of programs, half and half."""
    text = "tar -C / --sort=name -cf - {} 2>/dev/null | head -c {}"
    with open(path, "wb") as f:
        for tree in ("usr/include", "usr/bin usr/lib"):
            subprocess.run(["bash", "-c", text.format(tree, size // 2)],
                           stdout=f, check=True)
            f.flush()
        if f.tell() < size:     # few headers here: more of the programs
            subprocess.run(["bash", "-c", text.format(
                "usr/lib", size - f.tell())], stdout=f, check=True)


def small_files(path, count, each_dir=200, size=SMALL):
    """Of size random bytes, each_dir in a directory; 0: none below path."""
    path.mkdir()
    where = path
    for i in range(count):
        if each_dir and i % each_dir == 0:
            where = path / f"d{i // each_dir:04}"
            where.mkdir()
        (where / f"f{i:07}").write_bytes(os.urandom(size))


def sparse_file(path, count, each=5 * MIB):
    """Random blocks of SMALL bytes at random places, one in each 5 MiB."""
    chance = random.Random(count)
    with open(path, "wb") as f:
        for i in range(count):
            f.seek(i * each + chance.randrange(each // SMALL) * SMALL)
            f.write(os.urandom(SMALL))
        f.truncate(count * each)


def old_times(path):
    """Of all files: a file that has just changed is always read."""
    chance = random.Random(1)
    for p in path.rglob("*"):
        ns = chance.randrange(10**18, 17 * 10**17)
        os.utime(p, ns=(ns, ns))


def copy_tree(src, dst):
    subprocess.run(["cp", "-a", src, dst], check=True)


def tree_again(path, count, edits):
    """A tree that is sent again; with edits, not as it was before: 10 files
    changed, 5 are new and 5 are gone."""
    old = Path(str(path) + OLD)
    small_files(old, count)
    old_times(old)
    copy_tree(old, path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    for i, p in enumerate(random.Random(1).sample(files, 20 * edits)):
        if i < 10:
            p.write_bytes(os.urandom(SMALL))
        elif i < 15:
            p.with_suffix(".new").write_bytes(os.urandom(SMALL))
        else:
            p.unlink()


EDIT = Path(__file__).parent.parent / "tools" / "edit.py"
OLD = ".old"    # what an edited file was before


def edited_file(path, kind, size):
    subprocess.run([EDIT, kind, str(size), str(path) + OLD, path, "1"],
                   check=True)


class Store:
    def __init__(self, bench):
        self.root = bench.tmp / "src"
        self.root.mkdir()

    def get(self, kind, amount):
        path = self.root / f"{kind}-{amount}"
        if path.exists():
            return path
        if kind == "random":
            random_file(path, amount)
        elif kind == "code":
            code_file(path, amount)
        elif kind.startswith("edit-"):
            edited_file(path, kind[5:], amount)
        elif kind.startswith("again"):
            tree_again(path, amount, kind == "again-edited")
        elif kind == "sparse":
            sparse_file(path, amount)
        else:
            small_files(path, amount, 0 if kind == "flat" else 200)
        return path

    def lay(self, kind, src, dst):
        """Put what is there before a transfer into dst."""
        if kind.startswith("edit-"):
            shutil.copy(str(src) + OLD, dst / src.name)
        elif kind.startswith("again"):
            copy_tree(str(src) + OLD, dst / src.name)

    def drop(self, path):
        subprocess.run(["rm", "-rf", path], check=True)


def bytes_in(path):
    """Without holes."""
    if path.is_file():
        st = path.stat()
        return min(st.st_size, st.st_blocks * 512)
    return sum(bytes_in(p) for p in Path(path).rglob("*") if p.is_file())
