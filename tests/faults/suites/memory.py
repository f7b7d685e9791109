"""An allocation fails, on either side, in every phase.

Any of the first allocations is drawn, the early ones more often: the program's
own, OpenSSL's and zstd's.
"""
import errno

from lib.limits import scaled
from lib.proxy import Rule

about = "an allocation fails"

FIRST = 130          # so many are tried one by one
LAST = 4000


def fail_allocation(side, mode, options, number, cut):
    def case(lab):
        source = lab.small_tree()
        lab.plant_old()
        env = lab.shim(f"fail=malloc:{number}:{errno.ENOMEM}")
        envs = {"receiver": None, "sender": None, side: env}
        wait = ["--timeout", str(scaled(5))]
        receiver = lab.receive("--existing", "replace", *wait,
                               mode=mode, env=envs["receiver"])
        new = lab.expected(source)
        if not receiver.port:
            # and not one that listens, whose port nobody would learn
            receiver.wait(10)
            lab.count_shim()
            lab.check(new, receiver)
        else:
            rules = [Rule("up@1000000=rst")] if cut else []
            proxy = lab.proxy(receiver.port, *rules)
            sender = lab.send(*wait, *options, source, mode=mode,
                              port=proxy.port, env=envs["sender"])
            lab.finish(sender, receiver, 30)
            lab.count_shim()
            lab.check(new, sender, receiver)
        lab.complete([source], mode=mode, receive=["--existing", "replace"])
    return case


def cases(bench, rng):
    if not bench.options.quick:
        for number in range(1, FIRST):
            for side in "sender", "receiver":
                yield (f"{side}-first-{number}",
                       fail_allocation(side, "plain", [], number, False))
    runs = bench.options.runs or (12 if bench.options.quick else 800)
    for i in range(runs):
        side = ("sender", "receiver")[i % 2]
        mode = rng.choice(("plain", "tls"))
        options = rng.choice(([], ["-j", "4"], ["-zzstd"], ["-zzlib"]))
        number = int(LAST ** rng.random())
        cut = rng.random() < 0.2
        yield (f"{side}-{mode}{''.join(options)}-{number}-{i}",
               fail_allocation(side, mode, options, number, cut))
