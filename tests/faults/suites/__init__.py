"""The suites by name: each a module with `about` and cases(bench, rng), which
yields (name of a case, function of a Lab)."""
from . import (calls, cancel, controls, delta, disk, durable, existing,
               journal, kill, memory, network, process, race, retry, shortio,
               sources)

ALL = {"controls": controls, "calls": calls, "memory": memory,
       "shortio": shortio, "disk": disk, "durable": durable,
       "journal": journal, "sources": sources, "existing": existing,
       "network": network, "race": race, "retry": retry, "kill": kill,
       "delta": delta, "cancel": cancel, "process": process}
