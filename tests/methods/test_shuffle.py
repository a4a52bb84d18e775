"""Keys that are shuffled over two real processes, which talk by gloo, before their batch statistics are taken."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from kinema.common.processes import gather, rank_and_count
from kinema.methods import MomentumEncoder

CLIPS, ORDER = 6, [7, 0, 11, 3, 9, 4, 1, 8, 2, 10, 6, 5]
"""Clips of each process, and where the shuffled ones come from: six for each, of both."""

WORK = f"""
import sys
import torch
from torch import distributed, nn
from kinema.methods import MomentumEncoder
from kinema.common.processes import gather, rank_and_count

rank, folder = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{{folder}}/met", rank=rank, world_size=2)
clips, order = torch.load(f"{{folder}}/clips.pt")[rank], torch.tensor({ORDER})
network = torch.load(f"{{folder}}/network.pt", weights_only=False)
found = {{
    "keys": MomentumEncoder(network, over_devices=True)(clips, order),
    "in parts": MomentumEncoder(network)(clips, torch.arange({CLIPS})),
    "plain": MomentumEncoder(nn.Sequential(*(part for part in network if not isinstance(part, nn.BatchNorm3d))),
                             over_devices=True)(clips, order),
    "gathered": gather(clips[:, 0, 0].transpose(1, 2).requires_grad_()),
    "rank": rank_and_count(),
}}
torch.save(found, f"{{folder}}/found{{rank}}.pt")
distributed.barrier()
distributed.destroy_process_group()  # or threads of its may be left when the process ends, which aborts it
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 8, 3), nn.BatchNorm3d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 8, 4))


def clips() -> Tensor:
    """Of both processes, the second ones' brighter."""
    shown = torch.randn(2, CLIPS, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    return shown + torch.tensor([0.0, 2.0]).view(2, 1, 1, 1, 1, 1)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("shuffle")
    (folder / "work.py").write_text(WORK)
    torch.save(clips(), folder / "clips.pt")
    torch.save(network(), folder / "network.pt")
    words = [sys.executable, str(folder / "work.py")]
    both = [subprocess.Popen([*words, str(rank), str(folder)], stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    return [torch.load(folder / f"found{rank}.pt") for rank in (0, 1)]


def test_each_process_gets_its_own_keys_back_in_order(found):
    """Without batch normalisation a key depends on its clip alone, so that neither order nor process must show."""
    plain = network()
    del plain[1]
    with torch.no_grad():
        for rank in (0, 1):
            torch.testing.assert_close(found[rank]["plain"], plain(clips()[rank]))


def test_a_key_has_the_batch_statistics_of_the_clips_it_was_shuffled_among(found):
    """By hand: half of all shuffled clips went through each process's encoder."""
    whole, order = clips().flatten(0, 1), torch.tensor(ORDER)
    expected = torch.empty(2 * CLIPS, 4)
    with torch.no_grad():
        for among in order.view(2, CLIPS):
            expected[among] = network().train()(whole[among])
        for rank in (0, 1):
            torch.testing.assert_close(found[rank]["keys"], expected.view(2, CLIPS, 4)[rank])
            assert (found[rank]["keys"] - network().train()(clips()[rank])).abs().max() > 0.1  # not its own batch's
            assert (found[rank]["keys"] - found[rank]["in parts"]).abs().max() > 0.1


def test_gather_puts_one_process_after_another(found):
    whole = clips()[:, :, 0, 0].transpose(2, 3).flatten(0, 1)
    for rank in (0, 1):
        assert torch.equal(found[rank]["gathered"], whole)
        assert not found[rank]["gathered"].requires_grad
        assert found[rank]["rank"] == (rank, 2)


def test_a_process_alone_has_parts_in_either_case():
    order = torch.tensor([4, 1, 5, 0, 3, 2])
    shown = clips()[0]
    both = [MomentumEncoder(network(), over_devices=over)(shown, order) for over in (False, True)]
    assert torch.equal(*both)
    assert rank_and_count() == (0, 1)
    assert torch.equal(gather(shown), shown)
