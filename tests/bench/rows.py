"""The workloads, the tools that are run on each, and the marks to reach.

Everything that decides what is compared and what ferry has to reach is data
in this file.
"""

from dataclasses import dataclass
from typing import Callable

from harness import Loopback, Thin, Wan
from tools import (BareLoop, Curl, Each, FerrySsh, NcatTls, Pipe, RsyncDaemon,
                   RsyncSsh, Scp, Socat, pigz_pipe, tar_pipe, zstd_pipe)

MIB = 1 << 20
SMALL = 4096            # bytes of a small file
THIN_RATE = 200_000_000     # bits a second
WAN_RATE = 500_000_000
WAN = {"delay_us": 50_000, "rate": WAN_RATE, "loss_ppm": 1000,
       "queue_us": 100_000}
AGAIN_WAN = {**WAN, "loss_ppm": 0}
CPU_FACTOR = 1.2        # of the fastest peer's, each row
PEAK_MIB = 64           # a side, each row

# Labels of columns, in their order.
FERRY = "ferry"
FERRY_J1 = "ferry -j1"
FERRY_RAW = "ferry, no -z"
FERRY_WHOLE = "ferry, whole"
BARE = "bare loop"
NC = "nc"
TAR = "tar, nc, tar"
ZSTD = "zstd, nc"
PIGZ = "pigz, nc"
SOCAT = "socat"
NCAT = "ncat --ssl"
CURL = "nginx, curl"
RSYNCD = "rsync daemon"
RSYNCD_HAX = "rsync daemon -HAX"    # what -a of ferry keeps
FERRY_SSH = "ferry, ssh"
RSYNC_SSH = "rsync, ssh"
SCP = "scp"
COLUMNS = (FERRY, FERRY_J1, FERRY_RAW, FERRY_WHOLE, BARE, NC, TAR, ZSTD,
           PIGZ, SOCAT, NCAT, FERRY_SSH, CURL, RSYNCD, RSYNCD_HAX,
           RSYNC_SSH, SCP)


@dataclass
class Mark:
    """A median wall time, ferry's, is at most at_most times the best of
    these."""
    against: tuple
    at_most: float
    of: str = FERRY


@dataclass
class Entry:
    """A tool in a row."""
    tool: object
    share: int = 1      # only 1/share of the bytes; the time is multiplied
    rounds: int = 99    # at most so many


@dataclass
class Row:
    name: str
    title: str
    data: str           # as in data.py
    amount: tuple       # bytes or files: in full, and --quick
    place: object       # called with the Bench
    tools: Callable     # called with what makes a ferry: the entries
    marks: tuple
    on_disk: bool = False
    cpu: float = CPU_FACTOR     # of the fastest peer's
    link: tuple = ()    # bits a second, and the share ferry has to reach


# What a user types, and what "everything left to ferry" means.
def plain_tools(ferry):
    return [Entry(ferry(FERRY, send=("-j1",))), Entry(BareLoop(BARE)),
            Entry(Pipe(NC)), Entry(Socat(SOCAT)), Entry(Curl(CURL)),
            Entry(RsyncDaemon(RSYNCD))]


def key_tools(ferry):
    return [Entry(ferry(FERRY, key=True)),
            Entry(ferry(FERRY_J1, key=True, send=("-j1",))),
            Entry(Socat(SOCAT, tls=True)), Entry(NcatTls(NCAT)),
            Entry(RsyncSsh(RSYNC_SSH)), Entry(Scp(SCP))]


def by_ssh_tools(ferry):
    """All through sshd; what is called ferry uses direct streams."""
    return [Entry(FerrySsh(ferry(FERRY), "direct")),
            Entry(FerrySsh(ferry(FERRY_SSH), "ssh")),
            Entry(RsyncSsh(RSYNC_SSH)), Entry(Scp(SCP), rounds=3)]


def fetch_tools(ferry):
    return [Entry(FerrySsh(ferry(FERRY), "direct", fetches=True)),
            Entry(FerrySsh(ferry(FERRY_SSH), "ssh", fetches=True)),
            Entry(RsyncSsh(RSYNC_SSH, fetches=True)),
            Entry(Scp(SCP, fetches=True), rounds=3)]


def one_by_ssh_tools(ferry):
    """Little goes through ssh by itself."""
    return [Entry(Each(FerrySsh(ferry(FERRY), "auto"))),
            Entry(Each(RsyncSsh(RSYNC_SSH))), Entry(Each(Scp(SCP)))]


def one_fetch_tools(ferry):
    return [Entry(Each(FerrySsh(ferry(FERRY), "auto", fetches=True))),
            Entry(Each(RsyncSsh(RSYNC_SSH, fetches=True))),
            Entry(Each(Scp(SCP, fetches=True)))]


def again_by_ssh_tools(ferry):
    """What is called ferry goes through ssh, too."""
    return [Entry(FerrySsh(ferry(FERRY, send=("-a", "--compare", "time")),
                           "ssh")),
            Entry(RsyncSsh(RSYNC_SSH))]


def rsync_zstd():
    return RsyncDaemon(RSYNCD, ("-z", "--compress-choice=zstd"))


def packed_tools(ferry):
    return [Entry(ferry(FERRY, send=("-z",))), Entry(zstd_pipe(ZSTD)),
            Entry(pigz_pipe(PIGZ)), Entry(rsync_zstd())]


def thin_tools(ferry):
    return [Entry(ferry(FERRY, send=("-z",))), Entry(ferry(FERRY_RAW)),
            Entry(Pipe(NC)), Entry(zstd_pipe(ZSTD)), Entry(pigz_pipe(PIGZ)),
            Entry(rsync_zstd()), Entry(Scp(SCP, ("-C",)))]


def small_tools(ferry):
    return [Entry(ferry(FERRY)), Entry(tar_pipe(TAR)),
            Entry(RsyncDaemon(RSYNCD)), Entry(Scp(SCP), rounds=3)]


def sparse_tools(ferry):
    return [Entry(ferry(FERRY)), Entry(RsyncDaemon(RSYNCD, ("-S",)))]


def delta_tools(ferry):
    """The file that is there is another version of the one that is sent."""
    replace = ("--existing", "replace")
    return [Entry(ferry(FERRY, send=("--delta", "on"), receive=replace)),
            Entry(ferry(FERRY_WHOLE, send=("--delta", "off"),
                        receive=replace)),
            Entry(RsyncDaemon(RSYNCD, ("--no-W",)))]


AGAIN_RECEIVE = ("--existing", "replace", "--accept", "all")


def again_tools(ferry):
    """The tree is there already, and nothing changed."""
    return [Entry(ferry(FERRY, send=("-a", "--compare", "time"),
                        receive=AGAIN_RECEIVE)),
            Entry(RsyncDaemon(RSYNCD)),
            Entry(RsyncDaemon(RSYNCD_HAX, ("-HAX",)))]


def mirror_tools(ferry):
    return [Entry(ferry(FERRY, send=("-a", "--mirror"),
                        receive=AGAIN_RECEIVE)),
            Entry(RsyncDaemon(RSYNCD, ("--delete",)))]


def flushed_tools(ferry):
    return [Entry(ferry(FERRY, sync="batch")),
            Entry(tar_pipe(TAR, 'sync -f "$4"'))]


def start_tools(ferry):
    return [Entry(Each(ferry(FERRY, key=True, sync="batch"))),
            Entry(Each(RsyncDaemon(RSYNCD))), Entry(Each(Scp(SCP)), rounds=3)]


def wan_tools(ferry):
    return [Entry(ferry(FERRY)), Entry(Pipe(NC), share=16)]


def wan_small_tools(ferry):
    return [Entry(ferry(FERRY)), Entry(tar_pipe(TAR)),
            Entry(RsyncDaemon(RSYNCD))]


ROWS = (
    Row("bulk-plain", "1 incompressible file, plain, -j1", "random",
        (256 * MIB, 64 * MIB), Loopback, plain_tools,
        (Mark((BARE,), 1.15), Mark((NC, SOCAT, RSYNCD, CURL), 0.9),
         Mark((RSYNCD,), 0.5))),
    Row("bulk-key", "1 incompressible file, encrypted", "random",
        (256 * MIB, 64 * MIB), Loopback, key_tools,
        (Mark((SOCAT, NCAT), 0.8), Mark((SCP,), 0.5),
         Mark((RSYNC_SSH,), 0.5))),
    Row("ssh", "1 incompressible file, by ssh", "random",
        (256 * MIB, 64 * MIB), Loopback, by_ssh_tools,
        (Mark((SCP,), 0.35), Mark((RSYNC_SSH, SCP), 1.0, FERRY_SSH))),
    Row("ssh-fetch", "the same, fetched", "random",
        (256 * MIB, 64 * MIB), Loopback, fetch_tools,
        (Mark((SCP,), 0.35), Mark((RSYNC_SSH, SCP), 1.0, FERRY_SSH))),
    Row("ssh-small", "many files of 4 KiB, by ssh", "tree",
        (20_000, 2_000), Loopback, by_ssh_tools,
        (Mark((RSYNC_SSH,), 0.5), Mark((RSYNC_SSH,), 0.8, FERRY_SSH))),
    Row("ssh-small-fetch", "the same, fetched", "tree",
        (20_000, 2_000), Loopback, fetch_tools,
        (Mark((RSYNC_SSH,), 0.5), Mark((RSYNC_SSH,), 0.8, FERRY_SSH))),
    Row("ssh-one", "files of 4 KiB, a new process for each, by ssh", "flat",
        (20, 4), Loopback, one_by_ssh_tools, (Mark((RSYNC_SSH, SCP), 1.15),)),
    Row("ssh-one-fetch", "the same, fetched", "flat", (20, 4), Loopback,
        one_fetch_tools, (Mark((RSYNC_SSH, SCP), 1.15),)),
    Row("ssh-again",
        "many files of 4 KiB again, nothing changed, through ssh, "
        "100 ms", "again", (20_000, 2_000),
        lambda bench: Wan(bench, **AGAIN_WAN), again_by_ssh_tools,
        (Mark((RSYNC_SSH,), 0.7),)),
    Row("packed", "1 compressible file, -z, plain", "code",
        (256 * MIB, 32 * MIB), Loopback, packed_tools,
        (Mark((RSYNCD,), 0.7), Mark((ZSTD,), 1.0))),
    Row("thin", "the same over a line of 200 Mbit/s", "code",
        (64 * MIB, 12 * MIB), lambda bench: Thin(bench, THIN_RATE),
        thin_tools,
        (Mark((NC, ZSTD, PIGZ, RSYNCD, SCP), 1.0),
         Mark((FERRY_RAW,), 1 / 1.8))),
    Row("small", "many files of 4 KiB, --sync none", "tree",
        (20_000, 2_000), Loopback, small_tools,
        (Mark((TAR,), 1.0), Mark((RSYNCD,), 0.5), Mark((SCP,), 0.1))),
    Row("small-batch", "the same to disk and flushed, --sync batch", "tree",
        (20_000, 2_000), Loopback, flushed_tools, (Mark((TAR,), 1.0),),
        on_disk=True),
    Row("start", "files of 4 KiB, a new process for each, encrypted", "flat",
        (200, 10), Loopback, start_tools, (Mark((SCP,), 0.2),)),
    Row("wan", "1 incompressible file, 100 ms, 0.1 % loss, 500 Mbit/s",
        "random", (256 * MIB, 16 * MIB), lambda bench: Wan(bench, **WAN),
        wan_tools, (Mark((NC,), 0.1),), link=(WAN_RATE, 0.8)),
    Row("wan-small", "2,000 files of 4 KiB over the same line", "tree",
        (2_000, 1_000), lambda bench: Wan(bench, **WAN), wan_small_tools,
        (Mark((RSYNCD,), 1.0),)),
    Row("again", "many files of 4 KiB again, nothing changed, -a", "again",
        (20_000, 2_000), Loopback, again_tools, (Mark((RSYNCD,), 1.0),),
        cpu=1.0),
    Row("again-wan", "the same, 100 ms, 500 Mbit/s", "again",
        (20_000, 2_000), lambda bench: Wan(bench, **AGAIN_WAN), again_tools,
        (Mark((RSYNCD,), 0.5),)),
    Row("again-mirror", "the same, 10 changed, 5 new, 5 gone, --mirror",
        "again-edited", (20_000, 2_000), Loopback, mirror_tools,
        (Mark((RSYNCD,), 1.0),)),
    Row("delta-writes", "1 file again, 1 % changed in blocks of 4 KiB",
        "edit-writes", (256 * MIB, 32 * MIB), Loopback, delta_tools,
        (Mark((RSYNCD,), 0.7),)),
    Row("delta-append", "the same, 5 % appended", "edit-append",
        (256 * MIB, 32 * MIB), Loopback, delta_tools,
        (Mark((RSYNCD,), 0.7),)),
    Row("delta-insert", "the same, 1,000 bytes inserted in front",
        "edit-insert", (256 * MIB, 32 * MIB), Loopback, delta_tools,
        (Mark((RSYNCD,), 1.0),)),
    Row("delta-tar", "the same, as a tar of which 2 % of the files grew",
        "edit-tar", (256 * MIB, 32 * MIB), Loopback, delta_tools,
        (Mark((RSYNCD,), 1.0),)),
    Row("delta-other", "the same, with nothing in common", "edit-other",
        (256 * MIB, 32 * MIB), Loopback, delta_tools,
        (Mark((RSYNCD,), 0.5), Mark((FERRY_WHOLE,), 1.15))),
)
