"""Labels of parts of videos: several rows a video, in training and evaluation."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
from test_finetuning import QUICK

from kinema.data.synthetic.files import encode_video
from kinema.errors import DataError
from kinema.evaluation import evaluate
from kinema.jobs.finetuning import finetune
from kinema.video import read_manifest

PARTS = ((0.0, 1.0, "dark"), (1.0, 2.0, "bright"), (2.0, 3.0, "dark"))


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Ten videos of noise, dark, bright and dark again for a second each; every second is labelled."""
    folder = tmp_path_factory.mktemp("halves")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(10):
        levels = np.repeat([60, 180, 60], 16)[:, None, None, None]
        frames = (levels + rng.integers(-40, 40, (48, 32, 32, 3))).astype(np.uint8)
        (folder / f"{number}.mp4").write_bytes(encode_video(frames, 16.0))
        rows += [(f"{number}.mp4", start, end, label) for start, end, label in PARTS]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "start", "end", "label"), *rows])
    return folder


@pytest.mark.parametrize("protocol", ["retrieval", "probe", "few-label"])
def test_protocols_see_parts_and_hold_out_whole_videos(protocol, halves):
    table = halves / "labels.csv"
    found = evaluate(
        protocol, "random", halves, labels=table, clip=dataclasses.asdict(QUICK.clip), clips=2, workers=0, device="cpu"
    )
    assert found.data["videos"] == 30 and len(found.labelled.files) == 30
    scheme = {"retrieval": "leave one video out (10 videos)"}.get(protocol, "5 stratified parts")
    assert scheme in json.dumps(found.to_dict())
    if protocol == "probe":
        assert (
            found.results["probe"].top1 == 1.0
        )  # light alone tells them apart, but only where parts are cut as labelled


@pytest.mark.slow
def test_a_network_learns_parts_and_goes_on(halves, tmp_path):
    config = dataclasses.replace(QUICK, epochs=6)
    out = tmp_path / "run"
    trained = finetune(halves, out, config, labels=halves / "labels.csv", per_class=6)
    found = json.loads((out / "results.json").read_text())
    assert found["queries"] == 30 and found["scheme"].startswith("5 stratified parts")
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {f"{n}.mp4#t={a:g},{b:g}" for n in range(10) for a, b, _ in PARTS}
    assert found["top1"] > 0.9
    names = list(read_manifest(out / "manifest.parquet").paths())
    assert len(names) == 40 and "3.mp4#t=1,2" in names
    again = finetune(halves, out, config, labels=halves / "labels.csv", per_class=6, resume=True)
    assert again.results["top1"] == trained.results["top1"]


def test_parts_of_one_video_cannot_be_held_out(halves, tmp_path):
    table = tmp_path / "one.csv"
    rows = [line for line in (halves / "labels.csv").read_text().splitlines() if line.startswith(("file", "0.mp4"))]
    table.write_text("\n".join([*rows, "0.mp4,1.2,1.9,bright", ""]))
    for protocol, said in (("retrieval", "leave-one-video-out needs at least two"), ("probe", "label it in another")):
        with pytest.raises(DataError, match=said):
            evaluate(
                protocol,
                "random",
                halves,
                labels=table,
                clip=dataclasses.asdict(QUICK.clip),
                clips=1,
                workers=0,
                device="cpu",
            )
