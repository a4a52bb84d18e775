"""Videos with wrong bytes, through scan, index and the page's worker.

``make mutate MUTANTS=2000 SEED=7`` does it for as many as one likes; what failed is kept in ``mutants/`` with its seed.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mutants import mutant
from watchdog import Watched

from kinema.config import ClipConfig, ModelConfig
from kinema.config.windows import Windowing
from kinema.models import build_encoder
from kinema.search.embedder import Embedder
from kinema.search.embedding import Finished, embed_videos
from kinema.search.windows import WindowReader
from kinema.serve import media
from kinema.serve.worker import Worker
from kinema.video.scan import scan_file

FAULTS = Path(__file__).parents[1] / "faults"
LARGEST = 200_000
"""Bytes; larger files take their time, and hold nothing else."""
CLIP = ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32))


class Reading:
    """What commands do with a video, in a process of its own."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.embedder = Embedder(build_encoder(ModelConfig(width=4)).eval(), CLIP, "untrained", "cpu")
        self.reader = WindowReader(CLIP, Windowing())

    def scan(self, path: str) -> str:
        """As a row of ``kinema scan``."""
        entry = scan_file(Path(path), Path(path).parent)
        assert entry.path == Path(path).name and (entry.status == "ok") == (entry.error == "")
        assert "\n" not in entry.error and entry.frames >= (entry.status != "unreadable") and entry.duration >= 0
        return f"{entry.status} {entry.error}"

    def index(self, path: str) -> str:
        """As ``kinema index`` and ``search`` do; how the video ended, and how many windows it had."""
        items = [item for _, item in embed_videos([path], self.reader, self.embedder, workers=1)]
        (end,) = (item for item in items if isinstance(item, Finished))
        assert "\n" not in end.error and (len(items) > 1 or end.error)
        return f"{len(items) - 1} windows {end.error}"

    def page(self, path: str) -> str:
        """As the page's worker does with an upload."""
        worker = Worker(_Nothing())
        found = worker.probe(_quiet, path)
        assert found.duration > 0 and found.fps > 0 and found.width > 0
        assert worker.strip(_quiet, path, 0.0, found.duration) and worker.moving(_quiet, path, 0.0, 1.0, "clip")
        assert worker.moving(_quiet, path, found.duration / 2, found.duration, "flow")
        assert media.cut(path, 0.0, 1.0)
        return str(found)


class _Nothing:
    """In place of a library, of which these tasks want nothing."""


def _quiet(seconds: float) -> None:
    pass


@pytest.fixture(scope="module")
def originals() -> list[Path]:
    """Files of all kinds of containers."""
    shared = Path(__file__).resolve().parents[3] / "shared" / "data" / "assets"
    if not shared.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    files = [path for folder in (shared, FAULTS) for path in sorted(folder.rglob("*.*")) if path.suffix != ".txt"]
    return [path for path in files if 0 < path.stat().st_size < LARGEST]


def mutants_of(originals: list[Path], count: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """Number, name and bytes; each depends on the seed and its number alone."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        path, donor = rng.choice(originals), rng.choice(originals)
        kind, content = mutant(path.read_bytes(), rng, donor.read_bytes())
        yield number, f"{number:05}-{kind}-{path.stem}{path.suffix}", content


@pytest.mark.slow
@pytest.mark.timeout(36000)
def test_no_mutant_breaks_anything(originals: list[Path], tmp_path: Path, mutation: dict[str, Any]) -> None:
    failed, counts = [], {"done": 0, "refused": 0}
    with Watched(Reading) as process:
        for number, name, content in mutants_of(originals, mutation["videos"], mutation["seed"]):
            path = tmp_path / name
            path.write_bytes(content)
            for task in ("scan", "index", "page"):
                outcome = process.ask(task, str(path))
                if outcome.fine:
                    counts[outcome.kind] += 1
                    if outcome.kind == "refused" and str(path) not in outcome.value:
                        failed.append(f"{name}: {task}: does not name the file: {outcome.value}")
                else:
                    failed.append(f"{name}: {task}: {outcome.kind}: {outcome.value}")
                    kept = Path("mutants") / name
                    kept.parent.mkdir(exist_ok=True)
                    shutil.copy(path, kept)
            path.unlink()
            if number % 50 == 49:
                print(
                    f"\n{number + 1} mutants: {counts}, {len(failed)} failed, peak {process.peak >> 20} MiB", flush=True
                )
    print(f"\n{mutation['videos']} mutants, seed {mutation['seed']}: {counts}, peak {process.peak >> 20} MiB")
    assert not failed, "\n".join(failed)
