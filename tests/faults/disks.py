"""disks.py - disks that are small, that lose power, that die: tmpfs with a
limit, and ext4 on a loop device.

A power cut is one of two things.  A copy of the backing file is what a disk
would hold: everything that was written to the device, and nothing of what the
kernel keeps in memory (commit=300, so ext4 writes nothing by itself in the
meantime).  It is made while the receiver is stopped, and made again if the
device was written to during the copying.  shut_down() makes the file system
itself drop everything that is not on the device, at any instant, also within
an fsync.  Neither shows what a disk's own cache may reorder.
"""
import fcntl
import os
import shutil
import struct
import subprocess
import threading
import time

from lib.limits import need_for

GOING_DOWN = 0x8004587D   # FS_IOC_GOINGDOWN: _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
mount_lock = threading.Lock()


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def must(*argv):
    done = run(*argv)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def tmpfs(lab, options, name="disk"):
    """A tmpfs below the case's directory; its path."""
    need_for("mounting")
    path = os.path.join(lab.work, name)
    os.mkdir(path)
    must("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)
    lab.undo.append(lambda: run("umount", "-l", path))
    return path


def resize(path, options):
    must("mount", "-o", "remount," + options, "tmpfs", path)


class Ext4:
    """An ext4 of its own on a loop device, mounted at .path."""

    def __init__(self, lab, mib=64, name="disk", image=None):
        need_for("loop devices")
        self.image = image or os.path.join(lab.work, name + ".img")
        self.path = os.path.join(lab.work, name)
        os.mkdir(self.path)
        self.device = None
        if not image:
            with open(self.image, "wb") as file:
                file.truncate(mib << 20)
            must("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0",
                 "-O", "^metadata_csum_seed", self.image)
        lab.undo.append(self.release)
        self.mount()
        self.dst = os.path.join(self.path, "dst")
        os.makedirs(self.dst, exist_ok=True)
        if not image:
            must("sync", "-f", self.path)

    def mount(self):
        with mount_lock:
            self.device = must("losetup", "--find", "--show",
                               self.image).strip()
        must("mount", "-o", "commit=300", self.device, self.path)

    def unmount(self):
        if self.device:
            self.leave()
            run("losetup", "-d", self.device)
            self.device = None

    def leave(self):
        """No process of ours is to be in it; a moment is given to others."""
        for _ in range(100):
            if run("umount", self.path).returncode == 0:
                return
            time.sleep(0.05)
        run("umount", "-l", self.path)

    def writes(self):
        """(writes done, writes under way) of the device."""
        name = os.path.basename(self.device)
        with open(f"/sys/block/{name}/stat") as file:
            fields = [int(f) for f in file.read().split()]
        return fields[4], fields[8]

    def copy(self, to):
        """The image as it is on the device now; the receiver is stopped."""
        for _ in range(200):
            before = self.writes()
            if before[1] == 0:
                shutil.copyfile(self.image, to)
                if self.writes() == before:
                    return
            time.sleep(0.01)
        raise RuntimeError("the device is written to without end")

    def shut_down(self):
        """The power fails, now."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOING_DOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def power_on(self):
        """Mount it again after a power cut; what fsck says of it.  It goes on
        with what the device holds now: unmounting still writes the superblock
        as it is in memory, with a list of orphans that was never committed."""
        cut = self.image + ".cut"
        self.copy(cut)
        self.unmount()
        os.replace(cut, self.image)
        verdict = check(self.image)
        self.mount()
        return verdict

    def release(self):
        self.unmount()


def check(image):
    """Replay the journal as mounting would, then look for damage: None, or
    what fsck found."""
    replayed = run("e2fsck", "-p", "-E", "journal_only", image)
    found = run("e2fsck", "-f", "-n", image)
    if replayed.returncode >= 4:
        raise RuntimeError(f"e2fsck does not replay: {replayed.stdout}"
                           f"{replayed.stderr}")
    return None if found.returncode == 0 else found.stdout[-500:]


def new_boot(lab):
    """What to put in front of a receiver to make it believe that the machine
    was started anew: another boot id, in a mount namespace of its own."""
    need_for("mount namespaces")
    path = os.path.join(lab.work, "boot_id")
    with open(path, "w") as file:
        value = lab.rng.randbytes(16).hex()
        file.write("-".join((value[:8], value[8:12], value[12:16],
                             value[16:20], value[20:])) + "\n")
    return ["unshare", "--mount", "bash", "-c",
            'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"',
            path]
