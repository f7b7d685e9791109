"""After a power cut, what was acknowledged is there.

ack: at some acknowledgements the receiver is stopped and the disk's content is
copied; every file acknowledged so far has to be in the copy.  cut: the file
system drops everything that is not on the device, at a random moment; and the
next run, after a new boot, has to complete it.
"""
import os
import signal
import threading

import disks
from lib.lab import LOST, Failure
from lib.limits import scaled
from lib.proxy import Rule
from lib.tree import picture

about = "power cuts: images at acknowledgements and at random moments"

IMAGES = 6
MIB = 48


def make_source(lab, kind):
    if kind == "file":
        lab.write("t/one", (3 << 20) + 5)
    elif kind == "large":
        lab.write("t/large", 20 << 20)
    elif kind == "small":
        for i in range(1000):
            lab.write(f"t/f{i}", lab.rng.randrange(0, 3000))
    elif kind == "nested":
        for i in range(30):
            lab.write("t/" + "/".join(f"n{k}" for k in range(i)) + "/f", 900)
    else:
        lab.write("t/one", (2 << 20) + 5)
        lab.write("t/two", 3000)
        lab.write("t/sub/three", 300000)
    return lab.src + "/t"


def plant_old(lab, dst):
    for name in "t/one", "t/two", "t/sub/three":
        lab.write(name, data=b"old " + name.encode(), root=dst)
    disks.must("sync", "-f", dst)
    lab.old = picture(dst)


def acknowledged(events):
    return {e["path"].encode() for e in events if e["event"] == "file" and
            e.get("status") in ("committed", "unchanged") and "path" in e}


def verify_image(lab, image, acked, new, number):
    """Every acknowledged file is in the image, every final name whole."""
    damage = disks.check(image)
    if damage:
        raise Failure("wrong", f"fsck: {damage}")
    disk = disks.Ext4(lab, name=f"image{number}", image=image)
    there = picture(disk.dst)
    lab.check_names(new, there, ())
    for path in acked:
        if there.get(path) != new[path]:
            raise Failure(LOST, f"{path} was acknowledged, and is "
                          f"{there.get(path, ('absent',))[:2]} after the cut")
    disk.release()
    os.unlink(image)


def ack(kind, sync):
    def case(lab):
        disk = disks.Ext4(lab, MIB)
        source = make_source(lab, kind)
        new = lab.expected(source)
        if kind == "overwrite":
            plant_old(lab, disk.dst)
        files = [p for p, what in new.items() if what[0] == "file"]
        chosen = set(lab.rng.sample(files, min(IMAGES, len(files))))
        images = []
        receiver = lab.receive("--sync", sync, "--existing", "replace",
                               dst=disk.dst)
        sender = lab.send(source, port=receiver.port)

        def on_event(event):
            wanted = event["event"] == "summary" or \
                acknowledged([event]) & chosen
            if not wanted or len(images) > IMAGES:
                return
            receiver.signal(signal.SIGSTOP)
            acked = acknowledged(list(sender.events))
            image = os.path.join(lab.work, f"cut{len(images)}.img")
            disk.copy(image)
            images.append((image, acked))
            receiver.signal(signal.SIGCONT)

        for event in list(sender.events):
            on_event(event)
        sender.on_event = on_event
        lab.finish(sender, receiver)
        receiver.killed_by = None
        lab.fault(len(images))
        lab.check(new, sender, receiver, dst=disk.dst, must={0})
        if not images:
            raise Failure("bench", "no image was made")
        for number, (image, acked) in enumerate(images):
            verify_image(lab, image, acked, new, number)
    return case


def cut(kind, sync):
    def case(lab):
        disk = disks.Ext4(lab, MIB)
        source = make_source(lab, kind)
        new = lab.expected(source)
        if kind == "overwrite":
            plant_old(lab, disk.dst)
        total = sum(w[1] for w in new.values() if w[0] == "file")
        at = lab.rng.randrange(total)
        delay = lab.rng.choice((0, 0.003, 0.03, 0.3)) * lab.rng.random()
        timer = threading.Timer(delay, disk.shut_down)
        rule = Rule(f"up@total:{at}=call", timer.start)
        receiver = lab.receive("--sync", sync, "--existing", "replace",
                               "--timeout", str(scaled(5)), dst=disk.dst)
        proxy = lab.proxy(receiver.port, rule)
        # slow enough for data to be flushed on the way
        pace = ["--limit-rate", "3M"] if kind == "large" else []
        sender = lab.send("--timeout", str(scaled(5)), *pace, source,
                          port=proxy.port)
        lab.finish(sender, receiver)
        lab.fault()
        timer.join()
        damage = disk.power_on()
        if damage:
            raise Failure("wrong", f"fsck: {damage}")
        lab.was_killed = True
        lab.check(new, sender, receiver, dst=disk.dst)
        lab.complete([source], dst=disk.dst, receive=["--existing", "replace"],
                     wrap=disks.new_boot(lab))
    return case


def unchanged(how, kind):
    """A file that is there already, but not on the device: "unchanged" is an
    acknowledgement too."""
    def case(lab):
        disk = disks.Ext4(lab, MIB)
        source = make_source(lab, kind)
        new = lab.expected(source)
        if how == "killed":
            # between giving the names and flushing the directories
            wrap = ["strace", "-f", "-q", "-o", "/dev/null", "-e",
                    "trace=fsync,syncfs", "-e",
                    "inject=fsync,syncfs:signal=SIGKILL:when=2"]
            first = lab.receive(dst=disk.dst, wrap=wrap, name="receiver0")
        else:
            first = lab.receive("--sync", "none", dst=disk.dst,
                                name="receiver0")
        sender = lab.send(source, port=first.port, name="sender0")
        sender.wait()
        first.wait()
        lab.fault()
        lab.was_killed = True
        receiver = lab.receive(dst=disk.dst)
        sender = lab.send(source, port=receiver.port)
        lab.finish(sender, receiver)
        image = os.path.join(lab.work, "cut.img")
        disk.copy(image)
        lab.check(new, sender, receiver, dst=disk.dst, must={0})
        verify_image(lab, image, acknowledged(sender.events), new, 0)
    return case


def cases(bench, rng):
    for kind in "file", "small", "nested", "overwrite":
        for sync in ("batch", "file"):
            if not bench.options.quick or sync == "batch":
                yield f"ack-{kind}-{sync}", ack(kind, sync)
    for kind in "nested", "overwrite":
        yield f"unchanged-after-none-{kind}", unchanged("none", kind)
        yield f"unchanged-after-kill-{kind}", unchanged("killed", kind)
    kinds = ("file", "small", "nested", "overwrite", "large")
    for i in range(bench.options.runs or (4 if bench.options.quick else 200)):
        kind = kinds[i % 5]
        sync = rng.choice(("batch", "file"))
        yield f"cut-{kind}-{sync}-{i}", cut(kind, sync)
