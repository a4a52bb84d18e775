"""RAFT's frames, weights and messages, with a small network in the place of torchvision's."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kinema.errors import CheckpointError, ConfigError
from kinema.flow import create_estimator
from kinema.flow import raft as module
from kinema.flow.estimators import describe_estimators


class Network(nn.Module):
    """Estimates u as its weight times the red of the first picture, and v as the blue of the second."""

    seen: list = []  # noqa: RUF012, what all of them were given

    def __init__(self):
        super().__init__()
        self.red = nn.Parameter(torch.zeros(1))

    def forward(self, image1, image2):
        assert image1.shape == image2.shape and image1.shape[1] == 3
        assert image1.shape[2] % 8 == image1.shape[3] % 8 == 0
        assert not self.training
        Network.seen.append((image1, image2))
        flow = torch.stack((self.red * image1[:, 0], image2[:, 2]), 1)
        return [torch.full_like(flow, torch.nan), flow]  # only the last counts


@pytest.fixture
def torchvision(monkeypatch):
    networks = ModuleType("torchvision.models.optical_flow")
    for name in ("raft_large", "raft_small"):
        setattr(networks, name, lambda *, weights=None, progress=True: Network())
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, networks.__name__, networks)
    monkeypatch.setattr(Network, "seen", [])


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "raft.pth"
    torch.save({"red": torch.tensor([2.0])}, path)
    return path


def frames(count=2, height=130, width=141, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (129, 135), (130, 141), (136, 200)])
def test_frames_are_padded_with_their_edges_and_the_flow_is_cut_back(torchvision, weights, height, width):
    clip = frames(3, height, width)
    flow = create_estimator("raft", weights=str(weights)).estimate(clip)
    assert (flow.shape, flow.dtype) == ((2, 2, height, width), np.float32)
    shares = clip / 127.5 - 1
    np.testing.assert_allclose(flow[:, 0], 2 * shares[:-1, ..., 0], atol=1e-5)
    np.testing.assert_allclose(flow[:, 1], shares[1:, ..., 2], atol=1e-5)
    padded = Network.seen[0][0]
    top, left = ((-side % 8) // 2 for side in (height, width))
    margins = [(0, 0), (0, 0), (top, -height % 8 - top), (left, -width % 8 - left)]
    expected = np.pad(shares[: len(padded)].transpose(0, 3, 1, 2), margins, mode="edge")
    np.testing.assert_allclose(padded.numpy(), expected, atol=1e-6)


def test_grey_frames_and_tensors(torchvision, weights):
    estimator = create_estimator("raft", model="small", weights=str(weights))
    grey = torch.from_numpy(frames(2)[..., 0])
    flow = estimator.estimate(grey / 255)
    assert isinstance(flow, torch.Tensor) and not flow.requires_grad
    torch.testing.assert_close(flow, estimator.estimate(grey[..., None].expand(-1, -1, -1, 3)))
    np.testing.assert_allclose(estimator.estimate(grey.numpy()), flow, atol=1e-5)


def test_many_pairs_are_worked_on_in_parts(torchvision, weights, monkeypatch):
    estimator, clip = create_estimator("raft", weights=str(weights)), frames(6, 128, 128)
    whole = estimator.estimate(clip)
    assert len(Network.seen) == 1
    monkeypatch.setattr(module, "_CORRELATIONS", 2 * 256**2)
    np.testing.assert_array_equal(estimator.estimate(clip), whole)
    assert [len(first) for first, _ in Network.seen[1:]] == [2, 2, 1]


def test_safetensors_and_a_file_that_was_replaced(torchvision, tmp_path):
    path, clip = tmp_path / "raft.safetensors", frames()
    estimator, flows = create_estimator("raft", weights=str(path)), []
    for red in ([1.0], [3.0]):
        path.unlink(missing_ok=True)
        save_file({"red": torch.tensor(red)}, path, metadata={"red": str(red) * int(red[0])})  # of another size
        flows.append(estimator.estimate(clip))
    np.testing.assert_allclose(flows[1][:, 0], 3 * flows[0][:, 0], rtol=1e-5)


def test_without_weights_torch_hubs_cache_is_looked_into(torchvision, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for model, name in module.HUB_FILES.items():
        estimator = create_estimator("raft", model=model)
        with pytest.raises(ConfigError, match=rf"no weights at .*{name}.*raft_{model}\(weights='DEFAULT'\)") as caught:
            estimator.estimate(frames())
        assert str(caught.value) == estimator.missing()
        (tmp_path / "hub" / "checkpoints").mkdir(parents=True, exist_ok=True)
        (tmp_path / "hub" / "checkpoints" / name).write_bytes(weights.read_bytes())
        assert estimator.missing() == ""
        assert estimator.estimate(frames()).shape == (1, 2, 130, 141)


def test_weights_that_are_missing_broken_or_of_another_network(torchvision, weights, tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    whole = weights.read_bytes()
    broken = {"noise.pth": b"noise" * 50, "cut.pth": whole[: len(whole) // 2], "none.pth": b""}
    broken |= {"noise.safetensors": b"noise" * 50, "none.safetensors": b""}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"red": Evil()}, tmp_path / "evil.pth")
    for name in (*broken, "evil.pth"):
        with pytest.raises(CheckpointError, match=f"{name} is damaged or holds more than weights: copy or fetch"):
            create_estimator("raft", weights=str(tmp_path / name)).estimate(frames())
    for name, content in {
        "other.pth": {"blue": torch.zeros(1)},
        "shape.pth": {"red": torch.zeros(2)},
        "list.pth": [1],
    }.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match=f"{name} holds no weights of torchvision's raft_large: name a file"):
            create_estimator("raft", weights=str(tmp_path / name)).estimate(frames())
    with pytest.raises(ConfigError, match=r"no weights at .*gone\.pth: name the file"):
        create_estimator("raft", weights=str(tmp_path / "gone.pth")).estimate(frames())


def test_settings_and_small_frames(torchvision, weights):
    with pytest.raises(ConfigError, match="RAFT model 'huge': choose one of large, small"):
        create_estimator("raft", model="huge")
    with pytest.raises(ConfigError, match="raft needs frames of at least 128 x 128 pixels, got 140 x 127"):
        create_estimator("raft", weights=str(weights)).estimate(frames(2, 127, 140))


def test_without_torchvision_one_sentence_says_what_to_install(monkeypatch, weights):
    monkeypatch.delitem(sys.modules, "torchvision.models.optical_flow", raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    estimator = create_estimator("raft", weights=str(weights))
    with pytest.raises(ConfigError, match=r'^raft needs torchvision: pip install "kinema\[raft\]"$'):
        estimator.estimate(frames())
    assert f"  not available: {create_estimator('raft').missing()}" in describe_estimators().splitlines()


def test_a_torchvision_for_another_torch_counts_as_missing(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms\ndoes not exist")

    monkeypatch.setattr(module, "import_module", broken)
    assert (
        create_estimator("raft")
        .missing()
        .startswith(
            "raft imports torchvision, and that here is for another PyTorch (operator torchvision::nms does not"
        )
    )
