"""Several processes come together before a training, agree about its videos, and end together, whatever ends one."""

from __future__ import annotations

import pytest
from together import all_end

from kinema.errors import CheckpointError
from kinema.video import read_manifest

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
