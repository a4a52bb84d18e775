"""Tables, encoders, indexes, stores of flow and uploads with wrong bytes: each is used, or refused in a sentence."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from mutants import mutant
from starlette.testclient import TestClient
from watchdog import Watched

from kinema.config import ExtractConfig, ModelConfig
from kinema.data.extraction import extract_flow, store_reader
from kinema.data.labels import LabelledSet
from kinema.flow import FlowStore
from kinema.models import random_encoder, save_encoder
from kinema.models.sources import open_encoder
from kinema.search import Classifier, Labels, Library, approximate
from kinema.search.connection import connected
from kinema.serve import create_app
from kinema.serve.cache import Cache
from kinema.serve.catalog import Catalog
from kinema.video import read_manifest, scan_folder, write_manifest

FEW = 10
"""Windows from which on there is an approximate index, where one is wanted."""
FLOW = ExtractConfig(estimator="dis", short_side=32)
ADDRESS = "http://127.0.0.1:7860"


class Using:
    """What commands do with files other than videos, in a process of its own.

    Args:
        videos: a folder of videos.
        index: a library of them, whose page takes uploads.
    """

    def __init__(self, videos: str, index: str):
        torch.set_num_threads(1)
        approximate.EXACT = FEW
        self.videos = Path(videos)
        self.page = TestClient(create_app(index), base_url=ADDRESS, headers={"Origin": ADDRESS})

    def labels(self, path: str) -> int:
        """A table of labels."""
        return len(LabelledSet.read(self.videos, path).files)

    def manifest(self, path: str) -> int:
        """A manifest."""
        return len(read_manifest(path))

    def encoder(self, path: str) -> int:
        """An encoder's file, with its card."""
        with torch.inference_mode():
            return open_encoder(path).module(torch.rand(1, 3, 4, 32, 32)).shape[1]

    def classifier(self, path: str) -> int:
        """A classifier's file."""
        return len(Classifier.load(path).classes)

    def database(self, path: str) -> int:
        """An index's database."""
        library = Library(Path(path).parent)
        hits = 0
        for window in library.windows()[:2]:
            hits += len(library.search(window, top=3).hits)
            library.thumbnail(window)
        return hits + len(library.videos())

    def approximate(self, path: str) -> int:
        """A file of an approximate index: searched with, shown, and brought up to date."""
        with tempfile.TemporaryDirectory() as folder:
            index = shutil.copytree(Path(path).parent, Path(folder, "index"))
            library = Library(index)
            window = library.windows()[0]
            likely, true = (library.search_all(window, top=3, exact=exact) for exact in (False, True))
            for one, other in zip(likely, true, strict=True):
                assert len(one.hits) == 3 and all(hit.score <= other.hits[0].score + 1e-6 for hit in one.hits)
                assert one.warnings == () or [hit.window for hit in one.hits] == [hit.window for hit in other.hits]
            catalog = Catalog(library, Cache(index / "previews"))
            shown = len(catalog.map()["points"]) + len(catalog.about()["samples"])
            made = library.add(self.videos)
            if made.remade:
                found = Library(index).search_all(window, top=3)
                assert [answer.warnings for answer in found] == [(), ()]
            return shown

    def log(self, path: str) -> int:
        """What a killed process has left beside a database."""
        with tempfile.TemporaryDirectory() as folder:
            index = shutil.copytree(Path(path).parent, Path(folder, "index"))
            return self.database(str(index / "windows.sqlite"))

    def given(self, path: str) -> int:
        """The labels that were given on the page."""
        labels = Labels(Path(path).parent)
        try:
            for number in list(labels.examples())[:1]:
                labels.add("c", number)
                labels.undo()
            return labels.state().total
        finally:
            labels.close()

    def flow(self, path: str) -> int:
        """A store's flow of one video."""
        store = Path(path).parent
        reader = store_reader(self.videos, store, FLOW)
        (entry,) = (entry for entry in read_manifest(store / "manifest.parquet") if entry.path == Path(path).stem)
        flow = FlowStore(store, reader.recipe).open(entry.path, reader.fingerprint(entry))
        return len(flow.read(range(len(flow))))

    def recipe(self, path: str) -> str:
        """A store's description."""
        return str(store_reader(self.videos, Path(path).parent, FLOW).recipe)

    def upload(self, path: str) -> str:
        """What is dropped on the page."""
        answer = self.page.post("/api/uploads?name=x.mp4", content=Path(path).read_bytes())
        assert answer.status_code < 500, answer.text
        assert answer.status_code < 300 or answer.json()["error"]
        if answer.status_code < 300:
            self.page.delete(f"/api/uploads/{answer.json()['token']}")
        return answer.text


@pytest.fixture(scope="module")
def originals(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A good file of each kind, where it belongs; what the index is searched with lies in ``page/``."""
    root = tmp_path_factory.mktemp("good")
    names = sorted(path.name for path in videos.iterdir())
    (root / "labels.csv").write_text(
        "file,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names))
    )
    entries = scan_folder(videos, progress=False)
    made = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    encoder = save_encoder(made, root / "encoder.safetensors", {**made.card, "clip": clip})
    for index in ("index", "page"):
        library = Library(root / index, encoder)
        library.add(videos)
    usual, approximate.EXACT = approximate.EXACT, FEW
    Library(root / "sealed", encoder).add(videos)
    approximate.EXACT = usual
    with connected(root / "index") as db:  # whose log is left as it is while the database is open
        db.execute("UPDATE about SET value = value + 1 WHERE name = 'state'")
        shutil.copytree(root / "index", root / "killed")
    ids = [window.id for window in library.windows()]
    classifier = library.train_classifier({ids[0]: "a", ids[5]: "b", ids[9]: "a"}).save(root / "classifier.safetensors")
    given = Labels(root / "index")
    for number, name in zip(ids[:4], "abab", strict=True):
        given.add(name, number)
    given.close()
    reader = store_reader(videos, root / "store", FLOW)
    extract_flow(reader, entries)
    return {
        "labels": root / "labels.csv",
        "manifest": write_manifest(entries, root / "manifest.csv"),
        "encoder": encoder,
        "classifier": classifier,
        "database": root / "index" / "windows.sqlite",
        "approximate": min((root / "sealed").glob("motion.*.faiss")),
        "log": root / "killed" / "windows.sqlite-wal",
        "given": root / "index" / "labels.sqlite",
        "flow": root / "store" / f"{names[0]}.flow",
        "recipe": root / "store" / "store.json",
        "upload": videos / names[0],
    }


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize(
    "kind",
    ["labels", "manifest", "encoder", "classifier", "database", "approximate", "log", "given", "flow",
     "recipe", "upload"],
)  # fmt: skip
def test_no_mutant_of_other_files_breaks_anything(
    kind: str, originals: dict[str, Path], videos: Path, tmp_path: Path, mutation: dict[str, int]
) -> None:
    good, failed = originals[kind], []
    counts = {"done": 0, "refused": 0}
    content = good.read_bytes()
    place = tmp_path / good.name if kind == "upload" else good
    donor = next(iter(sorted(videos.iterdir()))).read_bytes()
    try:
        with Watched(Using, str(videos), str(originals["encoder"].parent / "page")) as process:
            place.write_bytes(content)
            assert process.ask(kind, str(place)).kind == "done", "the good file"
            for number in range(mutation["others"]):
                said, bad = mutant(content, random.Random(f"{mutation['seed']} {kind} {number}"), donor)
                for beside in good.parent.glob(f"{good.name}-*"):
                    beside.unlink()
                place.write_bytes(bad)
                outcome = process.ask(kind, str(place))
                if outcome.fine:
                    counts[outcome.kind] += 1
                else:
                    failed.append(f"{number} {said}: {outcome.kind}: {outcome.value}")
                    with contextlib.suppress(OSError):
                        kept = Path("mutants") / f"{kind}-{number:05}{good.suffix}"
                        kept.parent.mkdir(exist_ok=True)
                        kept.write_bytes(bad)
    finally:
        good.write_bytes(content)
    print(f"\n{mutation['others']} of {kind}, seed {mutation['seed']}: {counts}, peak {process.peak >> 20} MiB")
    assert not failed, "\n".join(failed)
