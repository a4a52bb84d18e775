"""One of several processes of a training is killed, and all go on from the last checkpoint."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import forked
import pytest
from together import IN_PARTS, SECONDS, all_end

THERE = """
import os
from kinema.training import folder
agreed = folder.agreed_videos
def there(*args):
    open({folder!r} + "/there-" + os.environ["LOCAL_RANK"], "w").close()
    return agreed(*args)
folder.agreed_videos = there
from kinema.training import run
run.agreed_videos = there
"""


WAITING = """
import os, time
from kinema.training.module import TrainingModule
train = TrainingModule.forward
def wait(self, batch, step):
    if step == 5 and os.environ["LOCAL_RANK"] == "1":
        open({folder!r} + "/there-waiting", "w").close()
        time.sleep(60)
    return train(self, batch, step)
TrainingModule.forward = wait
"""


def kill_and_go_on(
    begin,
    tmp_path,
    said,
    whole,
    differences,
    victim: int,
    seconds: float,
    before: str = THERE,
    there: int = 2,
    changes: dict | None = None,
) -> None:
    """Kill one of two processes so many seconds after both have come together, or so many files are there; go on."""
    out, changes = tmp_path / "run", {"trainer.checkpoint_minutes": 0.0, **(changes or {})}
    begun = begin(out, changes=changes, before=before.format(folder=str(tmp_path)))
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(tmp_path.glob("there-*"))) < there:
        time.sleep(0.02)
    time.sleep(seconds)
    assert all(process.is_alive() for process in begun), said()
    os.kill(begun[victim].pid, signal.SIGKILL)
    (other,) = all_end([begun[1 - victim]])
    assert other == 1, (other, said())
    assert forked.ended(begun[victim]) == -signal.SIGKILL
    (sentence,) = said()
    assert "was killed, or ended without a word; go on with --resume" in sentence
    again = begin(out, changes=changes, words=["--resume"])
    assert all_end(again, 120) == [0, 0], said()
    assert not differences(out, whole)
    for left in (*tmp_path.glob("log-*"), *tmp_path.glob("there-*")):
        left.unlink()
    shutil.rmtree(out)


def test_killed_in_the_middle_it_goes_on_as_if_it_never_had_been(begin, tmp_path, said, whole, differences):
    kill_and_go_on(begin, tmp_path, said, whole, differences, 1, 0.0, WAITING, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("changes", [{}, IN_PARTS])
def test_killed_ten_times_at_any_moment(begin, tmp_path, said, whole, whole_in_parts, differences, changes):
    chance, run = random.Random(0), whole_in_parts if changes else whole
    for _ in range(10):
        victim, seconds = chance.randrange(2), chance.uniform(0, 1.2)  # of the two or so that a quick machine takes
        kill_and_go_on(begin, tmp_path, said, run, differences, victim, seconds, changes=changes)


DYING = """
import os, sys
if os.environ.get("LOCAL_RANK", "0") == "1":
    os.kill(os.getpid(), 9)
from kinema.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_before_it_comes_ends_the_one_that_began_it(videos, options, tiny, tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    words = ["pretrain", str(videos), "--out", str(tmp_path / "run"), *options(tiny({"trainer.devices": 2}))]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "dying.py"), *words], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert done.stderr.count("kinema pretrain: the process of rank 1 ended before the training began") == 1
    assert "Traceback" not in done.stderr


NAMED = """
import os, sys
open(os.environ["PIDS"] + "/pid-" + os.environ.get("LOCAL_RANK", "0"), "w").write(str(os.getpid()))
from kinema.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_of_processes_that_one_began_any_may_be_killed(videos, options, tiny, tmp_path, victim):
    (tmp_path / "named.py").write_text(NAMED)
    config = tiny({"trainer.devices": 2, "trainer.batch_size": 3}, epochs=2000)
    words = ["pretrain", str(videos), "--out", str(tmp_path / "run"), *options(config)]
    call = [sys.executable, str(tmp_path / "named.py"), *words]
    rows = tmp_path / "run" / "metrics.csv"
    environment = {**os.environ, "PIDS": str(tmp_path)}
    with subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True) as begun:
        while begun.poll() is None and (not rows.exists() or len(rows.read_text().splitlines()) < 4):
            time.sleep(0.1)
        os.kill(int((tmp_path / f"pid-{victim}").read_text()), signal.SIGKILL)
        _, errors = begun.communicate(timeout=SECONDS)  # which all of them hold open
    assert begun.returncode == (1 if victim else -signal.SIGKILL)
    assert errors.count("was killed, or ended without a word; go on with --resume") == 1, errors
    assert "Traceback" not in errors
