"""Several processes come together before a training, agree about its videos, and end together, whatever ends one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import forked
import pytest

from kinema.errors import CheckpointError, ConfigError
from kinema.training.ranks import Place, find_place
from kinema.video import read_manifest

SECONDS = 30
"""In which all have to end when one has."""

NOTED = """
from kinema.training import folder
scan = folder.scan_folder
def noted(path, out):
    import os, time
    with open({file!r}, "a") as file:
        print(os.getpid(), file=file)
    time.sleep(2)
    return scan(path, out)
folder.scan_folder = noted
"""

FAILING = """
import os
from kinema.errors import TrainingError
from kinema.common.processes import rank_and_count
from kinema.training.module import TrainingModule
train = TrainingModule.forward
def failing(self, batch, step):
    if step == 2 and rank_and_count()[0] == {rank}:
        {what}
    return train(self, batch, step)
TrainingModule.forward = failing
"""

IMPATIENT = "from kinema.training import coordination as together; together.COMING = 2.0"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def begin(tmp_path, videos, options, tiny) -> Callable[..., list]:
    """Begins processes of one training, as a job system does: all at once; they write to ``log-RANK``."""

    def start(out, *, ranks=(0, 1), count=2, nodes=1, before="", folder=videos, words=(), changes=None, epochs=4):
        changes = {"mscl.queue": 12, "trainer.batch_size": 3, **(changes or {})}
        config = tiny({**changes, "trainer.devices": count // nodes, "trainer.nodes": nodes}, epochs=epochs)
        port = str(free_port())
        begun = []
        for rank in ranks:
            place = {
                "LOCAL_RANK": str(rank % (count // nodes)),
                "NODE_RANK": str(rank // (count // nodes)),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            said = words[rank] if isinstance(words, dict) else words
            call = ["pretrain", folder, "--out", out, *options(config), *said]
            setting = f"import os; os.environ.update({place!r})\n{before}"
            begun.append(forked.start(call, tmp_path / f"log-{rank}", setting))
        return begun

    return start


@pytest.fixture
def said(tmp_path) -> Callable[[], list[str]]:
    """What the processes have complained about so far; none has left a traceback."""

    def read() -> list[str]:
        text = "".join(path.read_text() for path in sorted(tmp_path.glob("log-*")))
        assert "Traceback" not in text, text
        return [line for line in text.splitlines() if line.startswith("kinema")]

    return read


def all_end(processes: list, seconds: float = SECONDS) -> list[int | None]:
    until = time.monotonic() + seconds
    found = [forked.ended(process, max(0.1, until - time.monotonic())) for process in processes]
    for process in processes:
        if process.is_alive():
            process.kill()
    return found


# one scans


def test_one_process_scans_and_the_others_wait_for_what_it_finds(begin, tmp_path, said):
    scans, out = tmp_path / "scans", tmp_path / "run"
    out.mkdir()
    (out / "manifest.parquet").write_text("of an earlier run\n")
    begun = begin(out, before=NOTED.format(file=str(scans)), epochs=1)
    assert all_end(begun, 120) == [0, 0], said()
    assert scans.read_text().split() == [str(begun[0].pid)]
    assert "00003.mp4" in [entry.path for entry in read_manifest(out / "manifest.parquet")]
    assert said() == []


def test_where_the_first_finds_no_videos_all_end_with_its_sentence(begin, tmp_path, said):
    (tmp_path / "empty").mkdir()
    assert all_end(begin(tmp_path / "run", folder=tmp_path / "empty")) == [1, 1]
    (sentence,) = said()
    assert "holds no videos" in sentence


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (1, "the first process of the training, at 127.0.0.1:"),
        (0, "the processes of rank 1 of 2 did not come within 2"),
    ],
)
def test_a_process_that_does_not_come(begin, tmp_path, said, there, sentence):
    assert all_end(begin(tmp_path / "run", ranks=[there], before=IMPATIENT)) == [1]
    (found,) = said()
    assert sentence in found


def test_two_nodes_with_other_manifests(begin, videos, tmp_path, said):
    from kinema.video import scan_folder, write_manifest

    entries = scan_folder(videos, progress=False)
    write_manifest(entries, tmp_path / "whole.csv")
    write_manifest(entries[1:], tmp_path / "less.csv")
    words = {0: ["--manifest", str(tmp_path / "whole.csv")], 1: ["--manifest", str(tmp_path / "less.csv")]}
    assert all_end(begin(tmp_path / "run", nodes=2, words=words)) == [1, 1]
    (sentence,) = said()
    assert "the process of rank 1 has another manifest" in sentence and "less.csv" in sentence


def test_a_process_with_other_settings(begin, tmp_path, said):
    assert all_end(begin(tmp_path / "run", words={0: [], 1: ["--seed", "1"]})) == [1, 1]
    (sentence,) = said()
    assert "the process of rank 1 would do something else than the first (seed was 0, is 1)" in sentence


# one fails


@pytest.mark.parametrize(
    ("rank", "what", "sentence"),
    [
        (0, "raise TrainingError('it cannot go on')", "kinema pretrain: it cannot go on"),
        (1, "raise TrainingError('it cannot go on')", "kinema pretrain: it cannot go on"),
        (1, "raise ZeroDivisionError('of nothing')", "the process of rank 1 failed with ZeroDivisionError: of nothing"),
        (1, "os._exit(0)", "the process of rank 1 ("),
        (0, "os._exit(0)", "the first process was killed, or ended without a word"),
    ],
)
def test_an_error_of_one_ends_all_with_its_sentence(begin, tmp_path, said, rank, what, sentence):
    begun = begin(tmp_path / "run", before=FAILING.format(rank=rank, what=what))
    ended = all_end(begun, 60)
    assert None not in ended and (ended.count(1) == 2 or ("_exit" in what and ended.count(1) == 1)), (ended, said())
    (found,) = said()
    assert sentence in found
    if "ZeroDivision" in what:
        assert "in failing" in (tmp_path / "run/error-of-rank-1.txt").read_text()


def test_all_stop_together_and_one_says_so(begin, tmp_path, said):
    begun = begin(tmp_path / "run", before=FAILING.format(rank=1, what="os.kill(os.getpid(), 15)"))
    assert all_end(begun, 60) == [130, 130]
    (found,) = said()
    assert "stopped at step 3" in found


# one is killed


IN_PARTS = {"trainer.batch_size": 4, "trainer.accumulate": 2, "sampling.clips_per_video": 2}
"""Three steps an epoch, in which each process goes through its clips in two parts."""


def undisturbed(folder: Path, videos, config, options) -> Path:
    port = str(free_port())
    begun = []
    for rank in (0, 1):
        place = {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        call = ["pretrain", videos, "--out", folder / "run", *options(config)]
        begun.append(forked.start(call, folder / f"log-{rank}", f"import os; os.environ.update({place!r})"))
    assert all_end(begun, 120) == [0, 0], (folder / "log-0").read_text()
    return folder / "run"


@pytest.fixture(scope="module")
def whole(videos, tiny, options, tmp_path_factory) -> Path:
    """The run of two processes that nobody disturbed."""
    config = tiny({"mscl.queue": 12, "trainer.batch_size": 3, "trainer.devices": 2, "trainer.checkpoint_minutes": 0.0})
    return undisturbed(tmp_path_factory.mktemp("whole"), videos, config, options)


@pytest.fixture(scope="module")
def whole_in_parts(videos, tiny, options, tmp_path_factory) -> Path:
    """Another, with accumulation."""
    changes = {"mscl.queue": 12, "trainer.devices": 2, "trainer.checkpoint_minutes": 0.0, **IN_PARTS}
    return undisturbed(tmp_path_factory.mktemp("in-parts"), videos, tiny(changes), options)


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


# what they share


BROADCAST = """
from torch.nn.parallel import DistributedDataParallel
from kinema.training import trainer
trainer.data_parallel = lambda module, device: DistributedDataParallel(module, find_unused_parameters=True)
"""

LISTED = """
from kinema.training import trainer
wrap = trainer.data_parallel
def listed(model, device):
    wrapped = wrap(model, device)
    sent = {{buffer.data_ptr() for buffer in wrapped.modules_buffers}}
    names = [name for name, buffer in model.named_buffers() if buffer.data_ptr() in sent]
    open({file!r}, "w").write(" ".join(names))
    return wrapped
trainer.data_parallel = listed
"""


@pytest.mark.slow
def test_queues_are_not_sent_before_every_step_and_running_statistics_are(begin, tmp_path, said, whole, differences):
    changes = {"trainer.checkpoint_minutes": 0.0}
    begun = begin(tmp_path / "run", changes=changes, before=LISTED.format(file=str(tmp_path / "sent")))
    assert all_end(begun, 120) == [0, 0], said()
    names = (tmp_path / "sent").read_text().split()
    assert [name for name in names if "queue" in name] == []
    assert any("rgb.encoder" in name and name.endswith("running_mean") for name in names)
    assert all_end(begin(tmp_path / "sending", changes=changes, before=BROADCAST), 120) == [0, 0], said()
    assert not differences(tmp_path / "run", whole)
    assert not differences(tmp_path / "sending", whole)


def test_two_nodes_of_one_process_are_one_node_of_two(begin, tmp_path, said, whole, differences):
    begun = begin(tmp_path / "run", nodes=2, changes={"trainer.checkpoint_minutes": 0.0})
    assert all_end(begun, 120) == [0, 0], said()
    assert not differences(tmp_path / "run", whole)


def test_a_checkpoint_of_another_number_of_processes_is_refused(whole, videos, tiny):
    from kinema.training import pretrain

    config = tiny({"mscl.queue": 12, "trainer.batch_size": 3})
    with pytest.raises(CheckpointError, match=r"was made by 2 processes.*trainer.devices x trainer.nodes of 2, or"):
        pretrain(videos, whole, config, resume=True)


# which process is which


def test_other_processes_than_the_settings_ask_for_are_refused(monkeypatch):
    for name, value in {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2"}.items():
        monkeypatch.setenv(name, value)
    for name, value in {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_NODELIST", "n[7-8]")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    place = find_place(2, 2)
    assert (place.rank, place.count, place.local, place.node, place.address) == (3, 4, 1, 1, "n7")
    with pytest.raises(ConfigError, match=r"4 processes were begun for this training, and trainer.devices 1"):
        find_place(1, 1)
    with pytest.raises(ConfigError, match=r"does not fit trainer.devices"):
        find_place(4, 1)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n[07-09,12],m3", "n07"), ("rack1-n[3]", "rack1-n3"), ("host0,host[1-3]", "host0"), ("one two", "one")],
)
def test_the_first_of_a_job_s_nodes(monkeypatch, nodes, first):
    told = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "1"}
    for name, value in {**told, "SLURM_NODELIST": nodes, "SLURM_JOB_ID": "4300017"}.items():
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_NAME", "SLURM_NNODES"):
        monkeypatch.delenv(name, raising=False)
    place = find_place(1, 2)
    assert (place.rank, place.address, place.port, place.coming, place.begins) == (1, first, 15017, {0}, 0)
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")  # in which srun has begun a shell
    assert find_place(1, 1) is None
    monkeypatch.delenv("SLURM_JOB_NAME")
    monkeypatch.delenv("SLURM_LOCALID")
    with pytest.raises(ConfigError, match=r"does not say which process this is \(SLURM_PROCID, .*SLURM_LOCALID"):
        find_place(1, 2)


def test_torchrun_says_which_process_is_which(monkeypatch):
    told = {"TORCHELASTIC_RUN_ID": "one", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "GROUP_RANK": "1"}
    for name, value in {**told, "GROUP_WORLD_SIZE": "2", "MASTER_ADDR": "n7", "MASTER_PORT": "29400"}.items():
        monkeypatch.setenv(name, value)
    assert find_place(2, 2) == Place(3, 4, 1, 1, "n7", 29400)
    with pytest.raises(ConfigError, match=r"does not fit trainer.devices 4 and trainer.nodes 1: this is process 1"):
        find_place(4, 1)


def test_nodes_need_an_address(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"trainer.nodes is 2, and nothing says where the first is"):
        find_place(1, 2)
    for name, value in {"MASTER_ADDR": "n7", "MASTER_PORT": "1234", "NODE_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"this is process 0 of node 2"):
        find_place(1, 2)
    monkeypatch.setenv("NODE_RANK", "1")
    assert find_place(3, 2).coming == {0}
