"""Small files as each tool writes them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kinema.boxes.files import check_tracks, open_tracks
from kinema.errors import DataError, KinemaError, VideoError

SHAPE = (100, 200)


def seen(source, path="videos/walk.mp4", start=0.0, end=10.0):
    """The subjects of a video of 25 frames a second and 4 seconds, with their boxes in pixels."""
    found = open_tracks(str(source)).boxes(path, 25.0, 4.0, SHAPE).between(start, end)
    return {
        name: tuple(round(side * scale) for side, scale in zip(vars(box).values(), (200, 100, 200, 100), strict=True))
        for name, box in found.items()
    }


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# tables


def test_a_table_of_boxes(tmp_path):
    table = written(
        tmp_path / "boxes.csv",
        "file,frame,x0,y0,x1,y1,subject\nwalk.mp4,0,10,20,30,40,ann\nwalk.mp4,1,10,20,30,40,ann\n"
        "walk.mp4,1,100,50,120,90,bea\nother/run.mp4,3,0,0,5,5,\n",
    )
    assert seen(table) == {"ann": (10, 20, 30, 40), "bea": (100, 50, 120, 90)}
    assert seen(table, "a/other/run.mp4") == {"": (0, 0, 5, 5)}


def test_a_table_by_time_and_without_subjects(tmp_path):
    table = written(tmp_path / "b.csv", "file;time;x0;y0;x1;y1\nwalk;0.5;10;20;30;40\nwalk;3;60;20;80;40\n")
    assert seen(table, end=1.0) == {"": (10, 20, 30, 40)} and seen(table, start=2.9) == {"": (60, 20, 80, 40)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,frame,x0,y0,x1\nwalk.mp4,0,1,2,3\n", "no column y1"),
        ("file,x0,y0,x1,y1\nwalk.mp4,1,2,3,4\n", "no column frame or time"),
        ("file,frame,x0,y0,x1,y1\nwalk.mp4,0,30,2,3,4\n", "row 2 is no box"),
        ("file,frame,x0,y0,x1,y1\nwalk.mp4,-1,1,2,3,4\n", "row 2 is no box"),
        ("file,frame,x0,y0,x1,y1\nwalk.mp4,one,1,2,3,4\n", "row 2 has something else than a number"),
        ("file,frame,x0,y0,x1,y1\n", "no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_name(tmp_path, text, said):
    table = written(tmp_path / "boxes.csv", text)
    with pytest.raises(DataError, match=said) as caught:
        open_tracks(str(table))
    assert str(table) in str(caught.value)


# DeepLabCut


SINGLE = f"""scorer{",DLC_resnet50_cage" * 6}
bodyparts,snout,snout,snout,tailbase,tailbase,tailbase
coords,x,y,likelihood,x,y,likelihood
0,10.0,20.0,0.99,30.0,40.0,0.98
1,12.0,22.0,0.99,32.0,42.0,0.99
2,190.0,95.0,0.02,32.0,42.0,0.99
"""
SEVERAL = f"""scorer{",DLC_dlcrnet" * 8}
individuals,mus1,mus1,mus1,mus1,mus2,mus2,mus2,mus2
bodyparts,snout,snout,tail,tail,snout,snout,tail,tail
coords,x,y,x,y,x,y,x,y
0,10,20,30,40,100,50,120,90
1,10,20,30,40,,,,
"""


def test_deeplabcut(tmp_path):
    poses = written(tmp_path / "walkDLC_resnet50_cageMay4shuffle1_50000.csv", SINGLE)
    assert seen(poses, end=0.03) == {"": (10, 20, 30, 40)}
    assert seen(poses, start=0.045, end=0.06) == {"": (12, 22, 32, 42)}  # frame 2 has one sure point


def test_deeplabcut_with_several_animals(tmp_path):
    poses = written(tmp_path / "walkDLC_dlcrnetms5_cageshuffle1_50000_el.csv", SEVERAL)
    assert seen(poses) == {"mus1": (10, 20, 30, 40), "mus2": (100, 50, 120, 90)}


def test_a_folder_of_files(tmp_path):
    written(tmp_path / "walkDLC_resnet50_a.csv", SINGLE)
    written(tmp_path / "runDLC_resnet50_a.csv", SEVERAL)
    assert sorted(open_tracks(str(tmp_path)).videos) == ["run", "walk"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SINGLE.replace("coords", "coordinates"), "no header of DeepLabCut"),
        (SINGLE + "3,1,2\n", "something else|as many fields"),
        (SINGLE + "3,1,2,3,4,5,six\n", "something else than numbers"),
    ],
)
def test_what_deeplabcut_would_not_write(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        open_tracks(str(written(tmp_path / "walkDLC_a.csv", text)))


# COCO


def coco(tmp_path, images, annotations, **more):
    said = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "mouse"}], **more}
    return written(tmp_path / "coco.json", json.dumps(said))


BOX = {"category_id": 1, "bbox": [10, 20, 20, 20], "area": 400, "iscrowd": 0}


@pytest.mark.parametrize("name", ["walk/000001.png", "walk_000001.jpg", "frames/walk-frame_1.png", "walk/img_1.png"])
def test_coco_with_numbered_pictures(tmp_path, name):
    image = {"id": 7, "file_name": name, "width": 200, "height": 100}
    found = open_tracks(str(coco(tmp_path, [image], [{"id": 1, "image_id": 7, **BOX}])))
    assert list(found.videos) == ["img" if "img" in name else "walk"]


def test_coco_with_videos_tracks_and_keypoints(tmp_path):
    images = [{"id": n, "file_name": f"{n}.png", "video_id": 3, "frame_id": n} for n in range(2)]
    points = {"category_id": 1, "keypoints": [100, 50, 2, 120, 90, 1, 0, 0, 0], "num_keypoints": 2}
    annotations = [{"id": n, "image_id": n, "track_id": 1, **BOX} for n in range(2)]
    annotations.append({"id": 5, "image_id": 1, "track_id": 2, **points})
    file = coco(tmp_path, images, annotations, videos=[{"id": 3, "name": "walk"}])
    assert seen(file) == {"1": (10, 20, 30, 40), "2": (100, 50, 120, 90)}


def test_what_is_no_coco(tmp_path):
    image = {"id": 7, "file_name": "picture.png"}
    wrong = {
        "does not say which frame": ([image], [{"id": 1, "image_id": 7, **BOX}]),
        "a picture that it does not list": ([], [{"id": 1, "image_id": 8, **BOX}]),
        "has no area": (
            [{"id": 7, "file_name": "walk_1.png"}],
            [{"id": 1, "image_id": 7, **BOX, "bbox": [1, 2, 0, 4]}],
        ),
    }
    for said, (images, boxes) in wrong.items():
        with pytest.raises(DataError, match=said):
            open_tracks(str(coco(tmp_path, images, boxes)))
    for text in ("[]", "{", '{"images": 3, "annotations": []}'):
        with pytest.raises(DataError, match="COCO"):
            open_tracks(str(written(tmp_path / "c.json", text)))


# SLEAP


def test_sleap_analysis(tmp_path):
    h5py = pytest.importorskip("h5py")
    tracks = np.full((2, 2, 3, 4), np.nan)  # tracks, x and y, nodes, frames
    tracks[0, 0, :2], tracks[0, 1, :2] = [[10], [30]], [[20], [40]]
    tracks[1, :, :, 2] = [[100, 120, 110], [50, 90, 60]]
    with h5py.File(tmp_path / "labels.v001.000_walk.analysis.h5", "w") as file:
        file["tracks"], file["video_path"] = tracks, "C:\\cage\\walk.mp4"
        file["node_names"], file["track_names"] = [b"head", b"tail", b"paw"], [b"ann", b"bea"]
        file["track_occupancy"] = np.ones((4, 2), np.uint8)
    assert seen(tmp_path / "labels.v001.000_walk.analysis.h5") == {"ann": (10, 20, 30, 40), "bea": (100, 50, 120, 90)}


def test_sleap_project(tmp_path):
    h5py = pytest.importorskip("h5py")
    frame = [("frame_id", "u8"), ("video", "u4"), ("frame_idx", "u8")]
    frame += [("instance_id_start", "u8"), ("instance_id_end", "u8")]
    instance = [("instance_id", "i8"), ("instance_type", "u1"), ("frame_id", "u8"), ("skeleton", "u4"), ("track", "i4")]
    instance += [("from_predicted", "i8"), ("score", "f4"), ("point_id_start", "u8"), ("point_id_end", "u8")]
    point = [("x", "f8"), ("y", "f8"), ("visible", "?"), ("complete", "?")]
    with h5py.File(tmp_path / "walk.slp", "w") as file:
        file["frames"] = np.array([(0, 0, 5, 0, 2)], frame)
        file["instances"] = np.array([(0, 0, 0, 0, 0, -1, 0, 0, 3), (1, 1, 0, 0, 1, -1, 0.9, 0, 2)], instance)
        file["points"] = np.array([(10, 20, True, True), (30, 40, True, True), (199, 99, False, True)], point)
        file["pred_points"] = np.array(
            [(100, 50, True, True, 0.9), (120, 90, True, True, 0.8)], [*point, ("score", "f8")]
        )
        backend = {"type": "MediaVideo", "filename": "/data/walk.mp4", "grayscale": False}
        file["videos_json"] = [json.dumps({"filename": "/data/walk.mp4", "backend": backend}).encode()]
        file["tracks_json"] = [json.dumps([0, "ann"]).encode(), json.dumps([0, "bea"]).encode()]
    assert seen(tmp_path / "walk.slp") == {"ann": (10, 20, 30, 40), "bea": (100, 50, 120, 90)}
    assert seen(tmp_path / "walk.slp", start=2.0) == {}


def test_hdf5_of_others(tmp_path):
    h5py = pytest.importorskip("h5py")
    for key, said in (("df_with_missing", "CSV file"), ("other", "no file of SLEAP's")):
        with h5py.File(tmp_path / f"{key}.h5", "w") as file:
            file[key] = np.zeros(3)
        with pytest.raises(DataError, match=said):
            open_tracks(str(tmp_path / f"{key}.h5"))
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["tracks"], file["node_names"] = np.zeros((2, 3)), [b"head"]
    with pytest.raises(DataError, match="shape"):
        open_tracks(str(tmp_path / "t.h5"))
    with pytest.raises(DataError, match="damaged"):
        open_tracks(str(written(tmp_path / "text.slp", "no HDF5")))


# all of them


def test_boxes_of_another_video(tmp_path):
    table = written(
        tmp_path / "b.csv", "file,frame,x0,y0,x1,y1\nwalk,0,10,20,30,40\nrun,500,1,2,3,4\nfar,0,300,2,310,4\n"
    )
    for path, said in (
        ("videos/sit.mp4", "has no boxes of it"),
        ("videos/run.mp4", "frame 500, and it has 100 frames"),
        ("videos/far.mp4", "beside its picture of 200x100"),
    ):
        with pytest.raises(VideoError, match=said) as caught:
            seen(table, path)
        assert path in str(caught.value) and str(table) in str(caught.value)


def test_files_that_are_none(tmp_path):
    for name in ("none.csv", "boxes.txt", "."):
        (tmp_path / "boxes.txt").touch()
        with pytest.raises(KinemaError) as caught:
            open_tracks(str(tmp_path / name if name != "." else tmp_path / "none"))
        assert str(tmp_path) in str(caught.value)


def test_jumps_of_a_tracker_hardly_count(tmp_path):
    rows = [f"walk,{n},{190 if n == 20 else 10},20,{199 if n == 20 else 30},40" for n in range(50)]
    table = written(tmp_path / "b.csv", "\n".join(["file,frame,x0,y0,x1,y1", *rows]))
    assert seen(table) == {"": (10, 20, 30, 40)}


DLC = "scorer,a,a,a,a,a,a\nbodyparts,n,n,n,m,m,m\ncoords,x,y,likelihood,x,y,likelihood\n"
PICTURE = '{"images":[{"id":1,"file_name":"v_1.png"}],"annotations":[{"image_id":1,"bbox":[%s]}]}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aDLC.csv", DLC + "nan,1,2,1,3,4,1\n"),
        ("aDLC.csv", DLC + "-1,1,2,1,3,4,1\n"),
        ("aDLC.csv", DLC + '0,"' + "1" * 200_000 + '",2,1,3,4,1\n'),
        ("aDLC.csv", "scorer,a\nindividuals,x,y\nbodyparts,n\ncoords,x\n0,1\n"),
        ("aDLC.csv", "scorer\nbodyparts\ncoords\n0\n"),
        ("a.json", "[" * 100_000),
        ("a.json", PICTURE % f"0,0,{10**400},1"),
        ("a.json", PICTURE % "1e308,0,1e308,1"),
        ("a.json", PICTURE.replace("v_1", "v_" + "9" * 5000) % "0,0,1,1"),
    ],
)
def test_what_no_tool_writes_is_one_sentence_with_its_name(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        open_tracks(str(path))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_mark_of_the_order_of_bytes_is_no_fault(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(PICTURE % "0,0,1,1", encoding="utf-8-sig")
    assert list(open_tracks(str(path)).videos) == ["v"]


def test_poses_that_are_all_unsure_are_no_boxes(tmp_path):
    path = tmp_path / "walkDLC.csv"
    path.write_text(DLC + "0,1,2,0.1,3,4,0.1\n")
    with pytest.raises(VideoError, match="has no boxes of it"):
        open_tracks(str(path)).boxes("walk.mp4", 25.0, 1.0, (10, 10))


def test_a_folder_is_looked_through_as_far_as_the_first_video_with_boxes(tmp_path):
    boxes = written(tmp_path / "boxes.csv", "file,frame,x0,y0,x1,y1\nwalk,0,1,1,9,9\n")
    looked_at = []

    def videos():
        for name in ("run.mp4", "walk.mp4#t=1,2", "sit.mp4"):
            looked_at.append(name)
            yield tmp_path / name

    check_tracks(str(boxes), tmp_path, videos())
    assert looked_at == ["run.mp4", "walk.mp4#t=1,2"]


def test_poses_of_which_all_are_unsure_are_no_boxes_of_a_video(tmp_path):
    unsure = SINGLE.replace("0.9", "0.1")
    poses = written(tmp_path / "walkDLC_a.csv", unsure)
    assert not len(open_tracks(str(poses)).videos["walk"].moments)
    with pytest.raises(DataError, match="of none of the 1 videos"):
        check_tracks(str(poses), tmp_path, [tmp_path / "walk.mp4"])


def test_a_frame_that_no_video_has_is_named_in_short(tmp_path):
    table = written(tmp_path / "boxes.csv", "file,frame,x0,y0,x1,y1\nwalk,1e300,1,1,9,9\n")
    with pytest.raises(VideoError, match=r"has boxes of it at frame 1e\+300, and it has 100 frames"):
        seen(table)
