from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from kinema.config.windows import Windowing
from kinema.errors import ConfigError
from kinema.search.embedder import open_embedder
from kinema.search.embedding import embed_videos
from kinema.search.windows import WindowReader
from kinema.video import find_videos


@pytest.mark.parametrize("count", [1, 2, 7])
def test_several_devices_share_a_batch_and_give_what_one_gives(encoder, count):
    alone, together = open_embedder(encoder, "cpu"), open_embedder(encoder, "cpu, cpu,cpu")
    seen: Counter[int] = Counter()  # clips by device; a CPU may share out its own among threads
    for number, (module, _) in enumerate(together._replicas):
        module.register_forward_pre_hook(lambda _, inputs, at=number: seen.update({at: len(inputs[0])}))
    height, width = alone.clip.size
    clips = np.random.default_rng(0).integers(0, 256, (count, alone.clip.frames, height, width, 3), dtype=np.uint8)
    torch.testing.assert_close(together.features(clips), alone.features(clips), rtol=2e-2, atol=2e-2)  # in bfloat16
    shares = seen.values()
    assert len(seen) == min(3, count) and max(shares) - min(shares) <= 1
    assert seen.total() == max(count, 2 * len(seen))  # a single clip is computed as of two
    assert together.fingerprint == alone.fingerprint


def test_one_of_several_devices_that_is_not_there(encoder):
    with pytest.raises(ConfigError, match="there is no device 'cuda:7' here"):
        open_embedder(encoder, "cpu,cuda:7")


@pytest.mark.parametrize(("failing", "batch_size"), [(False, 4), (False, 1000), (True, 4)])
def test_the_encoder_has_all_cores_once_all_is_read_and_gives_them_back(
    encoder, folder, failing, batch_size, monkeypatch
):
    embedder = open_embedder(encoder, "cpu")
    paths, reader = find_videos(folder)[0], WindowReader(embedder.clip, Windowing())
    before, during = torch.get_num_threads(), []

    def features(clips: np.ndarray) -> np.ndarray:
        during.append(torch.get_num_threads())
        if failing:
            raise RuntimeError
        return np.ones((len(clips), 4), np.float32)

    monkeypatch.setattr(embedder, "features", features)
    torch.set_num_threads(3)
    try:
        with pytest.raises(RuntimeError) if failing else nullcontext():
            list(embed_videos(paths, reader, embedder, batch_size=batch_size, workers=2))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(during) <= {1, 2, 3}
    assert batch_size < 1000 or during == [3]
