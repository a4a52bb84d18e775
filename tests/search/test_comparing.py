"""How vectors are compared: a basis that stays, a whitening that grows with the library."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kinema.common.vectors import unit
from kinema.common.whitening import Whitening
from kinema.config import ModelConfig, ReadoutConfig
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError
from kinema.models import random_encoder, save_encoder
from kinema.search import Library, fitting
from kinema.search.about import get_about, get_map
from kinema.search.comparing import BASIS, WHITENING, Comparison, comparison
from kinema.search.connection import snapshot
from kinema.search.embedder import open_embedder
from kinema.search.fitting import COPIES, RUN, VALUES, WINDOWS, copied_features, some_places


def kept(library: Library) -> tuple[bytes | None, bytes | None, int | None]:
    """Basis, whitening, and how large the library was when that was fitted."""
    with snapshot(library.path) as db:
        return get_map(db, BASIS), get_map(db, WHITENING), get_about(db, "whitened", int)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder whose readout has 1,024 values."""
    readout = ReadoutConfig(stage="layer1", grid=(4, 4, 4), root=True, unit="time")
    made = random_encoder(ModelConfig(width=16), seed=1, readout=readout)
    clip = {"frames": 4, "step": 0.125, "squeeze": True, "size": [32, 32]}
    return save_encoder(made, tmp_path_factory.mktemp("placed") / "encoder.safetensors", {**made.card, "clip": clip})


def test_long_features_become_short_vectors_that_keep_their_cosines(videos: Path, placed: Path, tmp_path: Path) -> None:
    library = Library(tmp_path / "index", placed)
    library.add(videos)
    windows = library.windows()
    vectors = library.vectors([window.id for window in windows])
    assert vectors.shape == (len(windows), VALUES)
    whole = Library(tmp_path / "other", placed)
    whole.embedder.basis = None
    features = np.stack([whole.embedder.features(clips_of(library, window)).mean(0) for window in windows])
    assert features.shape[1] == 1024
    np.testing.assert_allclose(vectors @ vectors.T, unit(features) @ unit(features).T, atol=0.03)


def clips_of(library: Library, window: object) -> np.ndarray:
    """(N, T, H, W, 3) what the encoder sees of a window."""
    from kinema.search.windows import WindowReader

    seen = WindowReader(library.embedder.clip, library.windowing).read(window.path)  # type: ignore[attr-defined]
    return next(found.clips for found in seen if abs(found.start - window.start) < 1e-6)  # type: ignore[attr-defined]


def test_the_whitening_is_fitted_again_when_a_library_has_doubled(videos: Path, encoder: Path, tmp_path: Path) -> None:
    files = sorted(videos.rglob("*.mp4"))
    folder, index = tmp_path / "v", tmp_path / "index"
    folder.mkdir()
    sizes = {}
    for count in (4, 6, 10):
        for path in files[:count]:
            shutil.copy(path, folder / path.name)
        library = Library(index, encoder)
        library.add(folder)
        sizes[count] = kept(library)
    windows = {count: size[2] for count, size in sizes.items()}
    assert windows[4] == windows[6] == 8, "half as many again are not twice as many"
    assert windows[10] == 20
    assert sizes[4][1] == sizes[6][1] != sizes[10][1]
    assert sizes[4][0] == sizes[6][0] == sizes[10][0], "vectors of all times are in one basis"


def test_a_query_that_was_embedded_before_a_new_whitening_is_compared_by_the_new_one(
    videos: Path, encoder: Path, tmp_path: Path
) -> None:
    files = sorted(videos.rglob("*.mp4"))
    folder = tmp_path / "v"
    folder.mkdir()
    for path in files[:5]:
        shutil.copy(path, folder / path.name)
    library = Library(tmp_path / "index", encoder)
    library.add(folder)
    asked = library.embed(library.windows()[0])
    for path in files:
        shutil.copy(path, folder / path.name)
    Library(library.path).add(folder)
    with snapshot(library.path) as db:
        compared = comparison(db)
    hit = library.search(asked, top=1).hits[0]
    vectors = compared("motion", library.vectors([hit.window.id]))
    assert hit.score == pytest.approx(float(vectors[0] @ compared("motion", asked.vectors["motion"])[0]), abs=1e-4)


def test_a_library_too_small_to_whiten_is_centred(videos: Path, encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    for path in sorted(videos.rglob("*.mp4"))[:2]:
        shutil.copy(path, folder / path.name)
    library = Library(tmp_path / "index", encoder)
    assert not library.add(folder).whitened
    assert kept(library)[1] is None
    assert len(library.search(library.windows()[0]).hits) == 1


def test_nothing_that_can_be_read_makes_an_index_all_the_same(encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    (folder / "broken.mp4").write_bytes(b"no video")
    library = Library(tmp_path / "index", encoder)
    assert [problem.path for problem in library.add(folder).problems] == [str(folder / "broken.mp4")]


def test_every_second_copy_is_a_mirror_image_where_mirror_images_count_as_alike(placed: Path, videos: Path) -> None:
    seen: list[np.ndarray] = []
    embedder = open_embedder(placed)
    features = embedder.features
    embedder.features = lambda clips: (seen.append(clips), features(clips))[1]  # type: ignore[method-assign]
    places = [(str(sorted(videos.rglob("*.mp4"))[0]), 0.1)]
    apart, alike = (copied_features(places, embedder, mirror) for mirror in (False, True))
    assert apart.shape == alike.shape == (COPIES, 1, 1024)
    np.testing.assert_array_equal(seen[1][::2], seen[0][::2])
    np.testing.assert_array_equal(seen[1][1::2], seen[0][1::2, :, :, ::-1])


def test_windows_that_whitening_is_fitted_to_come_in_runs_from_all_parts(
    placed: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder, paths = open_embedder(placed), sorted(videos.rglob("*.mp4"))
    everything = some_places(paths, embedder)
    monkeypatch.setattr(fitting, "WINDOWS", 2 * RUN + 1)
    assert RUN < 2 * RUN + 1 < len(everything) <= WINDOWS
    chosen = some_places(paths, embedder)
    numbers = [everything.index(place) for place in chosen]
    assert numbers[:RUN] == list(range(RUN)) and numbers[RUN:] == list(range(numbers[RUN], numbers[RUN] + RUN))
    assert numbers[RUN] >= len(everything) // 2 - RUN


def test_an_index_keeps_to_what_it_thinks_of_mirror_images(videos: Path, encoder: Path, tmp_path: Path) -> None:
    made = {mirror: Library(tmp_path / str(mirror), encoder, mirror=mirror) for mirror in (True, False)}
    for library in made.values():
        library.add(videos)
    assert kept(made[True])[1] != kept(made[False])[1] and not Library(made[False].path).mirror
    with pytest.raises(ConfigError, match=r"False mirror images count as different: leave mirror out"):
        Library(made[False].path, mirror=True)


def walker(path: Path, left: bool, seed: int) -> None:
    """A textured square walks to the right, or to the left as in a mirror, somewhere over a textured ground."""
    rng = np.random.default_rng(seed)
    ground, coat = (
        rng.integers(*values, (count, count, 3), np.uint8).repeat(side, 0).repeat(side, 1)
        for values, count, side in (((60, 90), 8, 12), ((140, 250), 4, 6))
    )
    top, first = int(rng.integers(10, 60)), int(rng.integers(0, 12))
    frames = np.repeat(ground[None], 26, 0)
    for number, frame in enumerate(frames):
        at = first + 2 * number
        at = 72 - at if left else at
        frame[top : top + 24, at : at + 24] = coat
    write_video(path, frames, 16.0)


def test_where_mirror_images_differ_what_goes_the_same_way_is_found(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for number in range(12):
        walker(tmp_path / "v" / f"{('right', 'left')[number % 2]}{number}.mp4", number % 2 == 1, number)
    right, nearer = {}, {}
    for mirror in (True, False):
        library = Library(tmp_path / str(mirror), "motion", mirror=mirror)
        library.add(tmp_path / "v")
        same = [
            [("left" in Path(hit.path).name) == ("left" in Path(window.path).name) for hit in answer.hits]
            for window in library.windows()
            for answer in [library.search(window, top=11)]
        ]
        right[mirror] = sum(ways[0] for ways in same)
        nearer[mirror] = np.mean([np.flatnonzero(ways).mean() for ways in same])  # ranks of those that go the same way
    assert right[False] >= 10 > right[True]
    assert nearer[False] < nearer[True] - 0.5 and nearer[False] < 3.5, "by chance 5"


@pytest.mark.parametrize("kind", ["whitening", "centre", "nothing"])
def test_one_matrix_does_what_a_search_does_to_vectors(kind: str) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((20, 12)).astype(np.float32))
    whitening = Whitening.fit(rng.standard_normal((3, 4, 12))) if kind == "whitening" else None
    centre = vectors.mean(0) if kind == "centre" else None
    how = Comparison(whitening, centre)
    linear = how.linear(12)
    np.testing.assert_allclose(linear(vectors), how("motion", vectors), atol=1e-5)
    others = rng.standard_normal((5, 12)).astype(np.float32)
    np.testing.assert_allclose(linear.products(vectors, others), how("motion", vectors) @ others.T, atol=1e-4)
