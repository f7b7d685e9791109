"""Uninitialized memory must not leak, neither to the wire nor to the disk.

malloc() fills what it returns and what is freed with a pattern that is looked
for in all output, of hostile and of honest sessions.  To cover the stack too,
give the suite a program built with a pattern there:
make B=build/pattern CFLAGS=-ftrivial-auto-var-init=pattern
"""
import os

from groups_load import resume
from groups_receiver import offers, verdicts
from groups_wire import lengths
from lib import peer
from lib.lab import need
from lib.tree import contents
from targets import LONG, ReceiverLab, SenderLab

# allocated memory has the complement of freed; gcc fills the stack with 0xFE
FREED, GIVEN, STACK = 0x5A, 0xA5, 0xFE
# Of honest sessions: without compression, with it, and each digest.
OPTIONS = [["-j", "1"], ["-z", "-j", "4"], ["-zzlib"],
           ["--checksum", "crc32"], ["--checksum", "sha256"]]
TUNABLES = f"glibc.malloc.tcache_count=0:glibc.malloc.perturb={FREED}"


def make_source(top):
    os.makedirs(os.path.join(top, "sub/empty"))
    for i in range(50):
        with open(os.path.join(top, f"sub/{i}"), "wb") as f:
            f.write(b"text %d " % i * i)
    os.symlink("sub/1", os.path.join(top, "link"))
    with open(os.path.join(top, "large"), "wb") as f:
        f.write(os.urandom(10 << 20))
    with open(os.path.join(top, "sparse"), "wb") as f:
        f.truncate(12 << 20)
        f.write(b"begin")


def session(lab, source, options, *rules, stdin=False):
    """A real sender to the lab's receiver; both directions are searched."""
    said = {"up": bytearray(), "down": bytearray()}
    proxy = lab.proxy(lab.port, *rules,
                      tap=lambda way, data: said[way].extend(data))
    with open(os.path.join(source, "large"), "rb") as large:
        sender = lab.send(
            *options, *(["--name", "stdin", "-"] if stdin else [source]),
            port=proxy.port, stdin=large)
        sender.wait(60)
    proxy.stop()
    lab.proxies.remove(proxy)
    lab.settle()
    for way, data in said.items():
        need(data, f"nothing was said {way}")
        peer.check_fill(bytes(data))
    for path, _, files in os.walk(lab.dst):
        for name in files:
            if name.startswith(".ferry-"):
                with open(os.path.join(path, name), "rb") as f:
                    peer.check_fill(f.read())


def honest(cases):
    """Tree, conflicts, offers, standard input, a line that is cut."""
    for existing in ("fail", "replace"):
        lab = ReceiverLab(cases, "--existing", existing, "--max-size", "100M")
        source = os.path.join(lab.work, "t")
        make_source(source)
        wanted = contents(source)
        for options in OPTIONS if LONG else OPTIONS[:2]:
            def case():
                session(lab, source, options, "up@conn:1:6000000=close")
                # further streams are not cut, and the file may be whole
                journals = [n for n in os.listdir(os.path.join(lab.dst, "t"))
                            if n.endswith(".journal")]
                need(journals or options != ["-j", "1"], "no journal")
                session(lab, source, options)
                need(contents(os.path.join(lab.dst, "t")) == wanted,
                     "another content")
                session(lab, source, options)
                session(lab, source, options, stdin=True)
                for name in ("large", "sub/7"):
                    with open(os.path.join(lab.dst, "t", name), "r+b") as f:
                        f.write(b"other")
                session(lab, source, options)
            lab.cases.run(f"no unwritten memory, {existing}, {options}", case)
            lab.reset()
        lab.close()


def uninitialized(cases):
    os.environ["GLIBC_TUNABLES"] = TUNABLES
    peer.FILL = (FREED, GIVEN, STACK)
    honest(cases)
    for group in (lengths, resume) if LONG else (resume,):
        group(cases)
    victim = SenderLab(cases)
    for group in (offers, verdicts) if LONG else (offers,):
        group(victim)
    victim.close()
    peer.FILL = ()
    del os.environ["GLIBC_TUNABLES"]
