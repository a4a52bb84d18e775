"""The command line in processes of their own, for tests that start and kill many of them.

They are forked from a server that has imported everything already, which takes longer than what most of them do.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["kinema.cli", "kinema.search", "kinema.training"])

WITHOUT_BATCH_STATISTICS = """
import os
os.environ.update({place!r})
from torch import nn
from kinema.training.module import TrainingModule
begin = TrainingModule.__init__
def replaced(self, method, *args):
    for module in list(method.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                setattr(module, name, nn.GroupNorm(1, part.num_features))
    begin(self, method, *args)
TrainingModule.__init__ = replaced
"""
"""What a process begins with whose networks shall not tell how many share a batch; ``place`` is its own."""


def start(words: list[object], log: Path, before: str = "") -> BaseProcess:
    """Run ``kinema`` with these words, after the Python in ``before``, in a process group of its own.

    Args:
        words: of the command line.
        log: file that takes standard output and standard error.
        before: source.
    """
    process = _context.Process(target=_run, args=([str(word) for word in words], str(log), before))
    process.start()
    return process


def ended(process: BaseProcess, seconds: float = 300) -> int | None:
    """Wait for a process; its exit status, negative where a signal ended it, or None if it goes on."""
    process.join(seconds)
    return process.exitcode


def _run(words: list[str], log: str, before: str) -> None:
    os.setsid()
    with open(log, "ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    exec(before, {})
    from kinema.cli import main

    sys.exit(main(words))
