from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema.errors import ConfigError
from kinema.search.embedding import open_embedder


@pytest.mark.parametrize("count", [1, 2, 5])
def test_several_devices_share_a_batch_and_give_what_one_gives(encoder, count):
    alone, together = open_embedder(encoder, "cpu"), open_embedder(encoder, "cpu, cpu,cpu")
    seen: list[int] = []
    for module, _ in together._replicas:
        module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    height, width = alone.clip.size
    clips = np.random.default_rng(0).integers(0, 256, (count, alone.clip.frames, height, width, 3), dtype=np.uint8)
    torch.testing.assert_close(together.features(clips), alone.features(clips), rtol=2e-2, atol=2e-2)  # in bfloat16
    assert len(seen) == min(3, count) and sum(seen) == count and max(seen) - min(seen) <= 1
    assert together.fingerprint == alone.fingerprint


def test_one_of_several_devices_that_is_not_there(encoder):
    with pytest.raises(ConfigError, match="there is no device 'cuda:7' here"):
        open_embedder(encoder, "cpu,cuda:7")
