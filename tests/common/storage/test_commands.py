"""Commands on a bucket do what they do on a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from kinema.cli import main
from kinema.common import storage
from kinema.common.addresses import address_of
from kinema.config import ModelConfig
from kinema.models import random_encoder, save_encoder
from kinema.search import Library
from kinema.training import callbacks


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """The file of an untrained encoder of half-second clips."""
    made = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    return save_encoder(made, tmp_path_factory.mktemp("encoder") / "encoder.safetensors", {**made.card, "clip": clip})


@pytest.fixture
def labels(memory, videos):
    """The address of a table of labels."""
    rows = [f"{path.name},{'ab'[n % 2]}\n" for n, path in enumerate(sorted(videos.glob("*.mp4")))]
    memory.pipe_file("/bucket/labels.csv", ("file,label\n" + "".join(rows)).encode())
    return "memory://bucket/labels.csv"


def test_scan(bucket, memory, tmp_path, capsys, refused):
    memory.pipe_file("/bucket/videos/broken.mp4", b"no video")
    assert run("scan", bucket, "--out", "memory://bucket/manifest.parquet") == 0
    output = capsys.readouterr().out
    assert "unreadable: broken.mp4: it is not a video" in output
    assert "memory://bucket/manifest.parquet: 13 videos, 12 ok" in output
    assert run("scan", bucket, "--out", tmp_path / "manifest.csv") == 0
    assert "there is no folder memory://bucket/no; name" in refused(
        "scan", "memory://bucket/no", "--out", tmp_path / "m"
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_pretrain_as_on_the_folder(bucket, videos, tmp_path, quick_settings, workers):
    settings = ("--config", quick_settings, "--steps", 3, "--epochs", "null", "--trainer.workers", workers)
    assert run("pretrain", bucket, "--out", tmp_path / "there", *settings) == 0
    assert run("pretrain", videos, "--out", tmp_path / "here", *settings) == 0
    there, here = (load_file(tmp_path / name / "encoder.safetensors") for name in ("there", "here"))
    assert all((there[name] == here[name]).all() for name in here)


def test_a_dry_run_counts(bucket, quick_settings, tmp_path, capsys, refused):
    words = ("--config", quick_settings, "--out", tmp_path / "run", "--dry-run")
    assert run("pretrain", bucket, *words) == 0
    assert f"counted in {bucket}" in capsys.readouterr().out
    assert "there is no folder memory://bucket/no to count" in refused("pretrain", "memory://bucket/no", *words)


def test_flow_is_extracted(bucket, tmp_path):
    assert run("flow", "extract", bucket, "--out", tmp_path / "store", "--short_side", 32, "--workers", 0) == 0
    assert len(list((tmp_path / "store").rglob("00003.*"))) == 1


def test_one_video_is_embedded(bucket, videos, encoder):
    import kinema

    there, here = (kinema.embed_video(f"{folder}/00001.mp4", encoder) for folder in (bucket, videos))
    assert (there.vectors == here.vectors).all() and (there.times == here.times).all()


def test_an_object_that_vanishes_is_left_out(bucket, memory, tmp_path, quick_settings, monkeypatch, capsys):
    begun = callbacks.Loading.before_step

    def before_step(self, trainer):
        if memory.exists("/bucket/videos/00003.mp4"):
            memory.rm("/bucket/videos/00003.mp4")
        begun(self, trainer)

    monkeypatch.setattr(callbacks.Loading, "before_step", before_step)
    assert run("pretrain", bucket, "--out", tmp_path / "run", "--config", quick_settings, "--epochs", 3) == 0
    (left,) = json.loads((tmp_path / "run/card.json").read_text())["data"]["left_out"]
    assert left["path"] == "00003.mp4"
    assert left["reason"] == f"cannot read {bucket}/00003.mp4: there is no such object"
    assert "left out (1 of 12 videos so far): 00003.mp4" in capsys.readouterr().err


def test_finetune_and_evaluate(bucket, labels, tmp_path, quick_settings, encoder, refused):
    words = ("--config", without_method(quick_settings, tmp_path), "--labels", labels, "--steps", 2, "--epochs", "null")
    assert run("finetune", bucket, "--out", tmp_path / "trained", *words) == 0
    assert len((tmp_path / "trained/predictions.csv").read_text().splitlines()) > 1
    out = tmp_path / "figures.json"
    settings = ("--labels", labels, "--out", out, "--clips", 1, "--workers", 0)
    assert run("evaluate", "retrieval", encoder, "--data", bucket, *settings) == 0
    assert out.is_file()
    said = refused("evaluate", "retrieval", encoder, "--data", "memory://bucket/no", *settings)
    assert "memory://bucket/no is not a folder; --data names" in said


def without_method(settings: Path, folder: Path) -> Path:
    lines = [line for line in settings.read_text().splitlines() if not line.startswith(("mscl", "flow", "epochs"))]
    (folder / "finetune.yaml").write_text("\n".join(lines).replace(", flow_width: 4, embedding: 8", "") + "\n")
    return folder / "finetune.yaml"


def test_index_and_search(bucket, memory, videos, encoder, tmp_path, capsys, refused):
    index = tmp_path / "index"
    assert run("index", bucket, "--index", index, "--encoder", encoder) == 0
    library = Library(index)
    names = sorted(path.name for path in videos.glob("*.mp4"))
    assert [video.path for video in library.videos()] == [f"{bucket}/{name}" for name in names]
    capsys.readouterr()
    clip, page = f"{bucket}/{names[0]}", tmp_path / "found.html"
    assert run("search", clip, "--index", index, "--top", 3, "--out", page) == 0
    output = capsys.readouterr().out
    assert f"{bucket}/" in output and clip not in output and clip in page.read_text()
    there = [hit.path for hit in library.search(clip).hits]
    here = Library(tmp_path / "here", encoder)
    here.add(videos)
    assert [Path(hit.path).name for hit in here.search(videos / names[0]).hits] == [Path(p).name for p in there]
    shutil.copy(videos / names[1], tmp_path / "copy.mp4")
    assert f"{bucket}/{names[1]}" not in [hit.path for hit in library.search(tmp_path / "copy.mp4").hits]

    memory.pipe_file(f"/bucket/videos/{names[2]}", (videos / names[3]).read_bytes() + b"\0")
    memory.mv(f"/bucket/videos/{names[4]}", "/bucket/videos/moved.mp4")
    memory.rm(f"/bucket/videos/{names[5]}")
    added = library.add(bucket)
    assert (added.new, added.changed, added.moved, added.deleted, added.unchanged) == (0, 1, 1, 1, 9)
    memory.rm(f"/bucket/videos/{there[0].rpartition('/')[2]}")
    assert run("search", clip, "--index", index, "--out", page) == 0
    assert "no longer there" in capsys.readouterr().out


def test_embed(bucket, encoder, tmp_path):
    import pyarrow.parquet as pq

    out = tmp_path / "vectors.parquet"
    assert run("embed", bucket, "--out", out, "--encoder", encoder) == 0
    paths = set(pq.read_table(out).column("path").to_pylist())
    assert len(paths) == 12 and all(address_of(path) == path for path in paths)


def test_indexes_and_runs_stay_on_this_machine(bucket, encoder, refused, quick_settings, tmp_path):
    local = "is in a storage, to which only manifests are written; name a local folder"
    there = "memory://bucket/out"
    assert f"{there} {local}" in refused("index", bucket, "--index", there, "--encoder", encoder)
    assert f"{there} {local}" in refused(
        "search", f"{bucket}/00001.mp4", "--index", there, "--out", tmp_path / "o.html"
    )
    assert f"{there} {local}" in refused("pretrain", bucket, "--out", there, "--config", quick_settings)
    assert f"{there} {local}" in refused("embed", bucket, "--out", f"{there}/v.parquet", "--encoder", encoder)


def test_the_page_shows_videos_of_a_bucket(bucket, encoder, tmp_path):
    from kinema.serve.cache import Cache
    from kinema.serve.catalog import Catalog
    from kinema.serve.media import footage

    library = Library(tmp_path / "index", encoder)
    library.add(bucket)
    catalog = Catalog(library, Cache(tmp_path / "pictures"))
    (path, *_) = [video.path for video in library.videos()]
    assert catalog.name(path) == "00000.mp4" and footage(catalog.file(path)).width == 32
    assert storage.exists(catalog.file(path))
