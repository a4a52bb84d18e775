"""Tiny videos under official names, in all layouts, by the true lists: what is found, missing and refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from kinema.cli import main
from kinema.common.provenance import ids_sha256
from kinema.config.requests import LabelConfig
from kinema.data.benchmarks import get_benchmark, read_labels, survey
from kinema.data.benchmarks.check import check
from kinema.data.labels import LabelledSet
from kinema.errors import ConfigError, DataError

pytestmark = pytest.mark.shared

CLASSES = ("Archery", "HandstandPushups", "YoYo")
HMDB = "hmdb51/testTrainMulti_7030_splits"


def benchmark(name, fold=1, annotations=None, max_missing=None) -> LabelConfig:
    return LabelConfig(benchmark=name, fold=fold, annotations=annotations, max_missing=max_missing)


@pytest.fixture
def ucf_lists(annotations: Path) -> Path:
    return annotations / "ucf101"


def ucf_names(lists: Path, each: int = 2, classes: tuple[str, ...] = CLASSES) -> list[str]:
    """The first train and test videos of some classes in fold 1, as `Class/v_Class_g01_c01.avi`."""
    names = []
    for part in ("train", "test"):
        listed = [line.split()[0] for line in (lists / f"{part}list01.txt").read_text().splitlines()]
        names += [name for label in classes for name in [n for n in listed if n.startswith(f"{label}/")][:each]]
    return names


@pytest.fixture
def ucf(make_videos, ucf_lists: Path, tmp_path: Path) -> Path:
    """Two train and two test videos of three classes of UCF101."""
    return make_videos(tmp_path / "UCF-101", ucf_names(ucf_lists))


def labels_of(labelled: LabelledSet) -> dict[str, tuple[str, str]]:
    """Class and split by the stem of the file."""
    assert labelled.splits is not None
    names = [labelled.classes[number] for number in labelled.labels]
    rows = zip(labelled.files, names, labelled.splits, strict=True)
    return {Path(file).stem: (name, split) for file, name, split in rows}


LAYOUTS = {
    "folders of classes": lambda name: name,
    "all in one folder": lambda name: Path(name).name,
    "folders of parts, another container": lambda name: f"videos/all/{Path(name).stem}.mp4",
    "the class's own spelling": lambda name: name.replace("HandStandPushups", "HandstandPushups"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_videos_are_found_in_any_layout(make_videos, ucf_lists: Path, tmp_path: Path, layout: str):
    names = ucf_names(ucf_lists)
    root = make_videos(tmp_path / "root", [LAYOUTS[layout](name) for name in names])
    (root / "README.txt").write_text("not a video")
    labelled = read_labels(root, benchmark("ucf101", 1, ucf_lists, max_missing=1))
    assert all(path.is_file() for path in labelled.paths)
    assert labelled.classes == CLASSES
    found = {stem.casefold(): row for stem, row in labels_of(labelled).items()}
    half = len(names) // 2
    assert found == {
        Path(name).stem.casefold(): (name.split("/")[0], "train" if n < half else "test")
        for n, name in enumerate(names)
    }
    assert labelled.groups is not None
    assert {group.rsplit("_", 1)[1] for group in labelled.groups} <= {f"g{n:02}" for n in range(1, 26)}


def test_other_folds_deal_the_same_videos_out_anew(ucf: Path, ucf_lists: Path):
    one, two = (labels_of(read_labels(ucf, benchmark("ucf101", fold, ucf_lists, 1))) for fold in (1, 2))
    assert one.keys() == two.keys()
    assert one["v_Archery_g01_c01"] == ("Archery", "test") and two["v_Archery_g01_c01"] == ("Archery", "train")


def test_lists_are_found_in_the_usual_places(ucf: Path, ucf_lists: Path):
    choice = benchmark("ucf101", max_missing=1)
    with pytest.raises(DataError, match=r"\(classInd.txt, trainlist01.txt, testlist01.txt\) are neither in .*UCF-101"):
        read_labels(ucf, choice)
    for place in (ucf.parent / "ucfTrainTestlist", ucf / "annotations", ucf, ucf.parent / "annotations/ucf101"):
        shutil.copytree(ucf_lists, place, copy_function=shutil.copyfile, dirs_exist_ok=True)
        assert len(read_labels(ucf, choice)) == 12
        for name in ucf_lists.iterdir():
            (place / name.name).unlink()
    with pytest.raises(DataError, match=r"has no classInd\.txt"):
        read_labels(ucf, benchmark("ucf101", annotations=ucf))


def test_what_is_missing_is_refused_with_the_share_and_the_way_on(ucf: Path, ucf_lists: Path):
    expected = r"3777 of 3783 test videos of UCF101, fold 1 are missing in .* \(99.84%; the first is v_\w+\), more than"
    with pytest.raises(DataError, match=f"{expected} the share of 0 that is allowed;.*--max-missing 1$"):
        read_labels(ucf, benchmark("ucf101", 1, ucf_lists))
    with pytest.raises(DataError, match=r"more than the share of 0\.5"):  # half of the videos are missing
        read_labels(ucf, benchmark("ucf101", 1, ucf_lists, max_missing=0.5))
    with pytest.raises(ConfigError, match="max_missing is a share from 0 to 1, not 2"):
        read_labels(ucf, benchmark("ucf101", 1, ucf_lists, max_missing=2))


def test_the_share_that_a_refusal_names_is_enough(make_videos, annotations: Path, tmp_path: Path):
    lists = annotations / HMDB
    listed = get_benchmark("hmdb51").listed(lists, 1)
    files = [f"{row.label}/{row.name}.avi" for row in listed]
    root = tmp_path / "hmdb51"
    for file in files[: -len(files) // 300]:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    with pytest.raises(DataError, match=r"\((\d\.\d+)%.*with --max-missing") as refusal:
        read_labels(root, benchmark("hmdb51", 1, lists))
    named = re.search(r"--max-missing ([\d.]+)", str(refusal.value))
    assert named is not None
    labelled = read_labels(root, benchmark("hmdb51", 1, lists, float(named[1])))
    assert len(labelled) == len(files[: -len(files) // 300]) and labelled.groups is None
    with pytest.raises(DataError, match="are missing"):
        read_labels(root, benchmark("hmdb51", 1, lists, float(named[1]) - 0.01))


def test_vanished_videos_are_normal_for_kinetics(annotations: Path, tmp_path: Path, make_videos):
    for name in ("val_videofolder.txt", "label_map_k400.txt"):
        shutil.copyfile(annotations / "kinetics400" / name, tmp_path / name)
    lines = (tmp_path / "val_videofolder.txt").read_text().splitlines()
    there = [line for line in lines if line.endswith((" 0", " 399"))]
    (tmp_path / "train_videofolder.txt").write_text("\n".join(there[5:-5]))
    (tmp_path / "val_videofolder.txt").write_text("\n".join([*there[:5], *there[-5:]]))
    stems = [Path(line.split()[0]).name for line in there]
    stems[0] = stems[0][:11]  # without the seconds, as some copies are called
    gone = there[6].split("/")[1].split(" ")[0]
    root = make_videos(tmp_path / "videos", [f"some/{stem}.mp4" for stem in stems if stem != gone])
    labelled = read_labels(root, benchmark("kinetics400"))
    assert labelled.classes == ("abseiling", "zumba")
    assert labelled.facts["missing"] == {"train": 1, "test": 0}
    assert labelled.facts["listed"] == {"train": len(there) - 10, "test": 10}
    assert labelled.facts["missing_sha256"] == ids_sha256([gone[:11]])
    assert labelled.gaps == (
        f"Of kinetics400, fold 1, 1 of {len(there) - 10} train videos and 0 of 10 test videos are missing; "
        "2 of 2 classes are there."
    )
    (root / f"some/{stems[0]}.mp4").unlink()
    (root / f"some/{stems[1]}.mp4").unlink()
    with pytest.raises(DataError, match=r"2 of 10 test videos of Kinetics-400 .* \(20.00%.*the share of 0.1 that"):
        read_labels(root, benchmark("kinetics400"))


@pytest.mark.parametrize("lacking", ["train", "test"])
def test_a_class_without_videos_on_one_side_is_named(make_videos, ucf_lists: Path, tmp_path: Path, lacking: str):
    names = ucf_names(ucf_lists)
    listed = (ucf_lists / f"{lacking}list01.txt").read_text()
    root = make_videos(tmp_path / "root", [n for n in names if not (n.startswith("YoYo/") and n in listed)])
    other = {"train": "test", "test": "train"}[lacking]
    with pytest.raises(DataError, match=f"holds {other} videos of UCF101, fold 1, but no {lacking} video, of YoYo;"):
        read_labels(root, benchmark("ucf101", 1, ucf_lists, 1))


def test_folders_that_are_not_the_benchmark_are_refused(ucf: Path, ucf_lists: Path, shared_data: Path, tmp_path: Path):
    def refusal(root: Path, name: str = "ucf101", lists: Path = ucf_lists) -> str:
        with pytest.raises(DataError) as error:
            read_labels(root, benchmark(name, 1, lists, 1))
        return str(error.value)

    assert (
        "holds 60 videos, but none called as those of UCF101, fold 1 are, such as v_ApplyEyeMakeup_g01_c01"
        in refusal(shared_data / "actions/ut_interaction")
    )
    (tmp_path / "empty").mkdir()
    assert "holds no videos, thus none called as" in refusal(tmp_path / "empty")
    assert "there is no folder" in refusal(tmp_path / "nowhere")
    shutil.copytree(ucf / "Archery", ucf / "copy")
    assert re.search(
        r"holds the video v_Archery_g\d\d_c\d\d of UCF101 twice, as Archery/v_.* and copy/v_", refusal(ucf)
    )


def test_groups_and_facts_reach_the_result_of_an_evaluation(ucf: Path, ucf_lists: Path, tmp_path: Path, capsys):
    out = tmp_path / "figures.json"
    words = ["evaluate", "retrieval", "random", "--data", ucf, "--out", out, "--clips", 1, "--workers", 0]
    words += ["--benchmark", "ucf101", "--fold", 1, "--annotations", ucf_lists]
    assert main([str(word) for word in words]) == 1
    assert "3777 of 3783 test videos of UCF101, fold 1 are missing" in capsys.readouterr().err
    assert not out.exists()
    assert main([str(word) for word in [*words, "--max-missing", 1]]) == 0
    said = "Of ucf101, fold 1, 9531 of 9537 train videos and 3777 of 3783 test videos are missing; 3 of 101 classes"
    assert said in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["result"]["scheme"] == "test against train, no group on both sides"
    data = written["data"]
    assert (data["benchmark"], data["fold"], data["videos"], data["classes"]) == ("ucf101", 1, 12, list(CLASSES))
    assert data["missing"] == {"train": 9531, "test": 3777}
    assert data["files_sha256"] == ids_sha256(written["files"])
    assert written["notes"][0].startswith(said)


def test_finetune_trains_on_train_and_tests_on_test(ucf: Path, ucf_lists: Path, quick_settings: Path, tmp_path: Path):
    yaml = tmp_path / "quick.yaml"  # that of pretraining, without what finetuning has not
    yaml.write_text("".join(ln for ln in quick_settings.open() if not ln.startswith("mscl")) + "clips: 1\n")
    words = ["finetune", ucf, "--out", tmp_path / "run", "--config", yaml, "--benchmark", "ucf101", "--fold", 1]
    words += ["--annotations", ucf_lists, "--max-missing", 1]
    assert main([str(word) for word in words]) == 0
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["queries"] == 6 and results["data"]["missing"]["test"] == 3777
    with (tmp_path / "run/predictions.csv").open(newline="") as file:
        tested = {row["file"]: row["label"] for row in csv.DictReader(file)}
    assert tested == {name: name.split("/")[0] for name in ucf_names(ucf_lists)[6:]}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fold", 2], "--fold, --annotations and --max-missing belong to --benchmark"),
        (["--benchmark", "ucf101", "--labels", "x.csv"], "--benchmark brings labels and groups of its own"),
        (["--benchmark", "ucf101", "--fold", 4], "UCF101 has no fold 4; choose one of 1, 2, 3"),
    ],
)
def test_options_that_do_not_go_together(ucf: Path, refused, tmp_path: Path, words: list[object], complaint: str):
    evaluation = ["evaluate", "retrieval", "random", "--data", ucf, "--out", tmp_path / "x.json"]
    assert complaint in refused(*evaluation, *words)


# kinema data check


def test_check_says_in_a_screen_what_there_is(ucf: Path, ucf_lists: Path, tmp_path: Path, capsys):
    broken = next((ucf / "YoYo").iterdir())
    broken.write_bytes(b"")
    (ucf / "holiday.mp4").write_bytes(b"")  # passed over, not opened
    words = ["data", "check", ucf, "--annotations", ucf_lists, "--missing", tmp_path / "missing.txt"]
    words.insert(2, "ucf101")
    assert main([str(word) for word in words]) == 1
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert lines[0] == (
        f"UCF101: 12 of its videos are in {ucf}, opened, their first frames decoded; 1 others are passed over"
    )
    assert [line.split() for line in lines if line.startswith("fold 1")] == [
        f"fold 1 {side} {listed} listed 6 found {missing} missing {bad} unreadable".split()
        for side, listed, missing in (("train", 9537, 9531), ("test", 3783, 3777))
        for bad in [int(broken.name in (ucf_lists / f"{side}list01.txt").read_text())]
    ]
    assert f"unreadable: YoYo/{broken.name} (the file is empty)" in lines
    assert [line.partition(";")[0] for line in lines if line.startswith("to do: ")][1:] == [
        "to do: unpack or download the unreadable videos anew, or take them away"
    ]
    assert len(lines) < 24 and max(map(len, lines)) < 500
    assert errors == f"kinema data check: {ucf} is not ready for ucf101; what to do stands above\n"
    missing = (tmp_path / "missing.txt").read_text().split()
    assert len(missing) == 13_320 - 12 and missing == sorted(missing)


def test_check_takes_what_a_full_scan_found(ucf: Path, ucf_lists: Path, tmp_path: Path):
    victim = next((ucf / "YoYo").iterdir())
    assert main(["scan", str(ucf), "--out", str(tmp_path / "manifest.csv")]) == 0
    written = (tmp_path / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(written.replace(f"{victim.name},ok", f"{victim.name},unreadable"))
    found = check(get_benchmark("ucf101"), ucf, ucf_lists, manifest=tmp_path / "manifest.csv")
    assert list(found.unreadable) == [f"YoYo/{victim.name}"] and found.fully
    (tmp_path / "manifest.csv").write_text("\n".join(written.splitlines()[:-1]))
    with pytest.raises(DataError, match=r"manifest.csv does not hold \S+.avi; write it anew"):
        check(get_benchmark("ucf101"), ucf, ucf_lists, manifest=tmp_path / "manifest.csv")


def test_a_complete_copy_is_ready(make_videos, annotations: Path, tmp_path: Path, capsys):
    for name in ("val_videofolder.txt", "label_map_k400.txt"):
        shutil.copyfile(annotations / "kinetics400" / name, tmp_path / name)
    lines = (tmp_path / "val_videofolder.txt").read_text().splitlines()[:2] * 2
    lines += (tmp_path / "val_videofolder.txt").read_text().splitlines()[-2:] * 2
    (tmp_path / "train_videofolder.txt").write_text("\n".join((lines[0], lines[4])))
    (tmp_path / "val_videofolder.txt").write_text("\n".join((lines[1], lines[5])))
    root = make_videos(tmp_path / "videos", [f"{line.split(' ')[0]}.mp4" for line in lines])
    assert main(["data", "check", "kinetics400", str(root)]) == 0
    output = capsys.readouterr().out
    assert output.endswith(
        f"ready: kinema evaluate retrieval RUN --data {root} --benchmark kinetics400 --out figures.json\n"
    )
    assert "missing:" not in output


def test_jester_comes_as_folders_of_pictures(jester_lists: Path, tmp_path: Path):
    from PIL import Image

    root = tmp_path / "20bn-jester-v1"
    for name in ("1", "2", "200000", "200001"):
        (root / name).mkdir(parents=True)
        for number in range(1, 5):
            Image.new("RGB", (64, 48), (50 * number, 0, 0)).save(root / name / f"{number:05}.jpg")
    labelled = read_labels(root, benchmark("jester", annotations=jester_lists, max_missing=1))
    assert labels_of(labelled) == {
        "1": ("Swiping Left", "train"), "200000": ("Swiping Left", "test"),
        "2": ("Swiping Right", "train"), "200001": ("Swiping Right", "test"),
    }  # fmt: skip
    found = check(get_benchmark("jester"), root, jester_lists)
    assert set(found.unreadable) == {"1", "2", "200000", "200001"}
    assert "pictures have no clock; write how many make a second into a file fps.txt" in found.summary()
    (root / "fps.txt").write_text("12")
    assert check(get_benchmark("jester"), root, jester_lists).unreadable == {}


def test_webm_and_numbers_for_names(make_videos, ssv2_lists: Path, tmp_path: Path):
    rows = json.loads((ssv2_lists / "something-something-v2-validation.json").read_text())
    label = "Holding [something]"
    test = [row["id"] for row in rows if row["template"] == label][:2]
    test += [row["id"] for row in rows if row["template"] == "Dropping [something] onto [something]"][:2]
    root = make_videos(tmp_path / "ssv2", [f"{name}.webm" for name in ["1000000", "1000001", *test]])
    labelled = read_labels(root, benchmark("ssv2", annotations=ssv2_lists, max_missing=1))
    assert labelled.classes == ("Dropping something onto something", "Holding something")
    assert labelled.splits == ("train", "train", "test", "test", "test", "test")
    assert check(get_benchmark("ssv2"), root, ssv2_lists).unreadable == {}
    assert survey(get_benchmark("ssv2"), root, [1], ssv2_lists)[0].missing_share("test") == pytest.approx(24773 / 24777)
