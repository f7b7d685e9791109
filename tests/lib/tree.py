"""What is in a directory, for comparisons.  Names are bytes, relative to it;
no symlink is followed."""
import hashlib
import os
import re
import stat
import time

# What ferry keeps under names of its own.
PART = re.compile(rb"\.ferry-[0-9a-f]{16}\.(part|journal|new)$")


def await_tick():
    """Until what was made before is older than what is made after, by the
    timestamps of files: these are the time of the last tick of the kernel's
    clock, or of up to a tick after it."""
    coarse = 5  # CLOCK_REALTIME_COARSE, which the time module does not name
    for _ in range(2):
        before = time.clock_gettime(coarse)
        while time.clock_gettime(coarse) == before:
            time.sleep(0.001)


def digest(path):
    summer = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            summer.update(block)
    return summer.digest()


def entries(top, own=True):
    """(name, path, lstat) of all below top; own: also ferry's own files, which
    may vanish at any time while it runs."""
    top = os.fsencode(top)
    for here, dirs, files in os.walk(top):
        below = here[len(top):].lstrip(b"/")
        for name in dirs + files:
            if own or not name.startswith(b".ferry-"):
                path = here + b"/" + name
                yield (below + b"/" + name if below else name, path,
                       os.lstat(path))


def snapshot(top, linked=(), with_content=True):
    """Everything about a tree but access times.  linked: names of files whose
    other hard link may go, which changes their ctime.  Without content, a
    change of it shows by the ctime, which no program can set."""
    out = {}
    for name, path, st in [(b".", top, os.lstat(top)), *entries(top)]:
        content = None
        if stat.S_ISREG(st.st_mode):
            content = digest(path) if with_content else None
        elif stat.S_ISLNK(st.st_mode):
            content = os.readlink(path)
        out[name] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_size,
                     st.st_mtime_ns, content,
                     name in linked or st.st_ctime_ns)
    return out


def read(path, st):
    """The content, also of a file of ours that its mode lets nobody read."""
    if os.access(path, os.R_OK):
        with open(path, "rb") as file:
            return file.read()
    os.chmod(path, 0o400)
    try:
        with open(path, "rb") as file:
            return file.read()
    finally:
        os.chmod(path, stat.S_IMODE(st.st_mode))


def contents(top):
    """name -> bytes, "dir", ("link", target) or "other"; without ferry's own
    files."""
    out = {}
    for name, path, st in entries(top, own=False):
        if stat.S_ISREG(st.st_mode):
            out[name] = read(path, st)
        elif stat.S_ISDIR(st.st_mode):
            out[name] = "dir"
        elif stat.S_ISLNK(st.st_mode):
            out[name] = ("link", os.readlink(path))
        else:
            out[name] = "other"
    return out


def describe(path, st):
    """A tuple whose first member says what it is; of a file its size, digest,
    mode and time."""
    if stat.S_ISLNK(st.st_mode):
        return "link", os.readlink(path)
    if stat.S_ISDIR(st.st_mode):
        return "dir", st.st_mode & 0o777, st.st_mtime_ns
    if stat.S_ISREG(st.st_mode):
        return ("file", st.st_size, digest(path), st.st_mode & 0o777,
                st.st_mtime_ns)
    return "other", st.st_mode


def picture(top):
    """name -> describe()."""
    return {name: describe(path, st) for name, path, st in entries(top)}


def is_content(a, b):
    """The same content by describe(), whatever mode and time."""
    return bool(a) and bool(b) and a[0] == b[0] and \
        (a[0] == "dir" or a[1:3] == b[1:3])


def clear(top, keep=()):
    """Remove all in a directory but these names."""
    for entry in os.scandir(os.fsencode(top)):
        if entry.name in keep:
            continue
        if entry.is_dir(follow_symlinks=False):
            remove(entry.path)
        else:
            os.unlink(entry.path)


def remove(top):
    clear(top)
    os.rmdir(top)
