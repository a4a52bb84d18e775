"""Every command over many files, with odd ones among them: they are read or named, and the run goes on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from kinema.cli import main
from kinema.config import ModelConfig
from kinema.models import random_encoder, save_encoder
from kinema.search import Library
from kinema.video import read_manifest

FAULTS = Path(__file__).parent / "faults"


@pytest.fixture
def odd(videos: Path, tmp_path: Path) -> Path:
    """Twelve good videos, and one of each kind that is not quite so."""
    folder = shutil.copytree(videos, tmp_path / "odd")
    (folder / "fps.txt").write_text("10")
    for name in (
        "clock_jump/jump.ts",
        "clock_restart/cat_webm.webm",
        "interlaced/inter.mp4",
        "extreme_aspect/wide.mp4",
    ):
        shutil.copy(FAULTS / name, folder)
    for name in ("interlaced/adam7", "index_pictures/clip"):
        shutil.copytree(FAULTS / name, folder / Path(name).name)
    (folder / "clip" / "Thumbs.db").write_bytes(b"system")
    (folder / "text.mp4").write_text("no video")
    os.mkfifo(folder / "pipe.mp4")
    return folder


READ = ("jump.ts", "cat_webm.webm", "inter.mp4", "adam7", "clip")
NAMED = ("text.mp4", "pipe.mp4")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    made = random_encoder(ModelConfig(width=4), seed=1)
    clip = {"frames": 4, "step": 0.125, "short_side": 32, "size": [32, 32]}
    return save_encoder(made, tmp_path / "encoder.safetensors", {**made.card, "clip": clip})


def test_scan_names_them(odd: Path, tmp_path: Path, capsys) -> None:
    assert main(["scan", str(odd), "--out", str(tmp_path / "manifest.csv")]) == 0
    entries = {entry.path: entry for entry in read_manifest(tmp_path / "manifest.csv")}
    assert {name for name, entry in entries.items() if entry.status == "unreadable"} == set(NAMED)
    assert all(entries[name].frames >= 10 for name in READ)
    output = capsys.readouterr().out
    assert "unreadable: pipe.mp4: it is a named pipe, not a file" in output
    assert "partial: jump.ts: its clock jumps" in output


def test_index_search_and_embed_take_them(odd: Path, encoder: Path, tmp_path: Path, capsys) -> None:
    index = tmp_path / "index"
    words = ["index", str(odd), "--index", str(index), "--encoder", str(encoder), "--workers", "1"]
    assert main(words) == 0
    output = capsys.readouterr().out
    for name in (*NAMED, "wide.mp4"):
        assert f"unreadable: {odd / name}: " in output
    library = Library(index)
    counts = {Path(video.path).name: video.windows for video in library.videos()}
    assert {name: counts[name] > 0 for name in READ} == dict.fromkeys(READ, True)
    assert counts["jump.ts"] < 12
    assert main(words) == 0
    assert "0 new" in capsys.readouterr().out
    found = library.search(odd / "clip", top=3).hits
    assert found and all(Path(hit.path).name != "clip" for hit in found)
    page = tmp_path / "found.html"
    assert main(["search", str(odd / "clip"), "--index", str(index), "--out", str(page)]) == 0
    assert page.exists()
    shutil.rmtree(odd / "adam7")
    assert main(["embed", str(odd), "--encoder", str(encoder), "--out", str(tmp_path / "vectors.parquet")]) == 0


def test_pretrain_uses_them(odd: Path, quick_settings: Path, tmp_path: Path, capsys) -> None:
    words = ["pretrain", odd, "--out", tmp_path / "run", "--config", quick_settings, "--trainer.max_bad_share", 0.2]
    (odd / "wide.mp4").unlink()
    assert main([str(word) for word in words]) == 0
    errors = capsys.readouterr().err
    assert "left out, unreadable: pipe.mp4: it is a named pipe, not a file" in errors
    assert "used as far as it goes: jump.ts: its clock jumps" in errors
    assert json.loads((tmp_path / "run" / "card.json").read_text())["data"]["videos"] == 17


def test_evaluate_uses_them_and_refuses_by_name_what_cannot_be_read(
    odd: Path, encoder: Path, refused, tmp_path
) -> None:
    names = [*READ, "00000.mp4", "00001.mp4", "00002.mp4"]
    table, out = tmp_path / "labels.csv", tmp_path / "figures.json"
    table.write_text("file,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names)))
    words = ["evaluate", "retrieval", encoder, "--data", odd, "--labels", table, "--out", out, "--workers", 0]
    assert main([str(word) for word in words]) == 0
    with table.open("a") as file:
        file.write("pipe.mp4,a\nwide.mp4,b\n")
    sentence = refused(*words)
    assert "2 of 10 videos cannot be used: pipe.mp4, wide.mp4 (the first: " in sentence


def test_flow_is_extracted_of_them(odd: Path, tmp_path: Path, capsys) -> None:
    main(
        [
            "flow",
            "extract",
            str(odd),
            "--out",
            str(tmp_path / "store"),
            "--short_side",
            "32",
            "--estimator",
            "dis",
            "--workers",
            "0",
        ]
    )
    output = "".join(capsys.readouterr())
    assert "Traceback" not in output
    made = {path.name.removesuffix(".flow") for path in (tmp_path / "store").rglob("*.flow")}
    assert set(READ) <= made and not made & set(NAMED)
    failures = (tmp_path / "store" / "failures.csv").read_text()
    assert all(name in failures for name in (*NAMED, "wide.mp4"))
