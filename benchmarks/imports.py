"""Processor seconds of beginnings, each in a process of its own, in turns; prints JSON.

    python benchmarks/imports.py [--repeats 7]

* ``torch``: ``import torch``, of which all else but ``kinema`` and ``help`` is a part.
* ``kinema``: ``import kinema``.
* ``load_encoder``: that, and the encoder that comes with it.
* ``help``: ``kinema --help``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from functools import partial

from common import in_turns, spread, surroundings

PROGRAMS = {
    "torch": ["-c", "import torch"],
    "kinema": ["-c", "import kinema"],
    "load_encoder": ["-c", "import kinema; kinema.load_encoder('motion')"],
    "help": ["-m", "kinema", "--help"],
}


def of_children() -> float:
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Parse, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    run = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    times = in_turns(
        {name: partial(run, [sys.executable, *words]) for name, words in PROGRAMS.items()}, repeats, of_children
    )
    print(json.dumps({**surroundings(1), "cpu_s": {name: spread(each) for name, each in times.items()}}, indent=2))


if __name__ == "__main__":
    main()
