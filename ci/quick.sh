#!/usr/bin/env bash
# Run what an installation of kinema is for, on a few small videos in an empty folder: ci/quick.sh PART...
# kinema and python are those of the PATH. A part is "core", an extra, for what it adds, or "jobs", for the whole jobs that
# take several extras.
set -euo pipefail

clip=(--clip.frames 4 --clip.short_side 64 --clip.size "[64, 64]")
quick=("${clip[@]}" --model.width 4 --trainer.batch_size 4 --trainer.workers 1 --trainer.accelerator cpu)

begin() {
  kinema --version
  kinema --help > /dev/null
  kinema info
  kinema synth clips --videos 12 --difficulty easy --size 64 --frames 24 --workers 1
  kinema scan clips/train --out manifest.csv --workers 1
  kinema data check ucf101 clips || test $? = 1  # which it is not, as it says
  python - <<'END'
import csv, pathlib, shutil
names = sorted(path.name for path in pathlib.Path("clips/train").iterdir())
with open("labels.csv", "w", newline="") as file:
    csv.writer(file).writerows([("file", "label"), *((name, "ab"[n % 2]) for n, name in enumerate(names))])
with open("intervals.csv", "w", newline="") as file:
    rows = [(name, 0.0, 1.4, "ab"[n % 2]) for n, name in enumerate(names)]
    csv.writer(file).writerows([("file", "start", "end", "label"), *rows])
triplet = pathlib.Path("triplets/category/example_1")
triplet.mkdir(parents=True)
for part, name in zip(("ref", "positive", "negative"), names):
    shutil.copy(f"clips/train/{name}", triplet / f"{part}.mp4")
END
  asked=$(ls -d clips/test/* | head -n 1)
  kinema index clips/train --index index --workers 1
}

core() {
  encoders
  labels
  fields
}

encoders() {
  python -c 'import kinema; print(kinema.load_encoder("motion").card["model"]["backbone"])'
  kinema weights motion --out opened
  kinema export torch motion --out motion.pt2
  judge histogram probe probe.json
  kinema evaluate triplets triplets --encoder random --clips 1 --workers 0 "${clip[@]}"
  kinema reproduce --list > /dev/null
}

judge() {  # an encoder by a protocol
  kinema evaluate "$2" "$1" --data clips/train --labels labels.csv --clips 1 --workers 0 --out "$3"
}

labels() {
  kinema search "$asked" --index index --out hits.html
  kinema copy index copied
  kinema labels convert intervals.csv intervals.boris --videos clips/train
  kinema labels compare intervals.csv intervals.boris
  kinema labels import intervals.csv --index index
  kinema labels rename a walk --index index
  kinema labels undo --index index
  kinema labels redo --index index
  kinema labels history --index index
  kinema labels list --index index
  kinema labels export exported.csv --index index
  kinema label --index index --labels intervals.csv --out bouts.csv --save classifier
  kinema watch "$asked" --index index --classifier classifier --bouts
  kinema labels snippets snippets --index index --count 2
  kinema report --index index --out index.html --count 2
}

fields() {
  kinema flow --list > /dev/null
  kinema flow extract clips/train --out flow --estimator dis --workers 1
  kinema flow export flow --out flo --format flo
  kinema flow import flo clips/train --out imported --estimator dis
  python - <<'END'
import pathlib
import numpy, PIL.Image
scene = pathlib.Path("scenes/still")
scene.mkdir(parents=True)
picture = numpy.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=numpy.uint8)
for name in ("frame10", "frame11"):
    PIL.Image.fromarray(picture).save(scene / f"{name}.png")
head = b"PIEH" + numpy.array([64, 64], "<i4").tobytes()
(scene / "flow10.flo").write_bytes(head + numpy.zeros((64, 64, 2), "<f4").tobytes())
END
  kinema flow evaluate scenes --estimators dis --out flow.json
}

train() {
  kinema pretrain clips/train --out run --steps 2 --mscl.queue 8 "${quick[@]}"
  kinema pretrain clips/train --out run --resume --steps 2 --mscl.queue 8 "${quick[@]}"
  kinema finetune clips/train --labels labels.csv --split none --out tuned --epochs null --steps 2 "${quick[@]}"
  kinema predict clips/train --model tuned --out predicted.csv --workers 1
}

report() {
  kinema flow show "$asked" --out shown.png
  kinema evaluate all histogram --data clips/train --labels labels.csv --clips 1 --workers 0 --out judged
  test -s judged/report.html
}

search() {
  kinema embed clips/train --out clips.parquet --workers 1
  python -c 'import faiss, pyarrow.parquet; print(pyarrow.parquet.read_table("clips.parquet").num_rows, "rows")'
}

serve() {
  kinema serve --index index --port 0 > address.txt &
  local server=$!
  trap 'kill $server' RETURN
  python - <<'END'
import pathlib, time, urllib.request
for _ in range(600):
    if text := pathlib.Path("address.txt").read_text():
        break
    time.sleep(0.1)
page = urllib.request.urlopen(text.split()[0]).read()
print(len(page), "bytes of the page")
END
}

cluster() {
  kinema scan clips/train --out spread.csv --cluster local
}

storage() {  # where no bucket is to be had: its library is there, and what it says is told in a sentence
  said=$(AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_MAX_ATTEMPTS=1 \
    kinema scan s3://nowhere/clips --out never.csv 2>&1) && return 1
  grep "^kinema scan: .*nowhere" <<< "$said"
}

server() {  # the same of a server
  said=$(kinema copy index postgresql://nobody@127.0.0.1:9/none 2>&1) && return 1
  grep "^kinema copy: .*127.0.0.1" <<< "$said"
}

hf() {
  python - <<'END'
from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel
VideoMAEModel(VideoMAEConfig(image_size=32, patch_size=16, num_frames=4, hidden_size=16, num_hidden_layers=1,
                             num_attention_heads=2, intermediate_size=16)).save_pretrained("videomae")
VideoMAEImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained("videomae")
END
  judge hf:videomae knn hf.json
}

hub() {
  kinema export hub motion --out shared
  python -c 'import huggingface_hub, kinema; kinema.from_pretrained("shared")'
}

onnx() {
  kinema export onnx motion --out motion.onnx
  python - <<'END'
import numpy, onnxruntime
session = onnxruntime.InferenceSession("motion.onnx")
shape = [side if isinstance(side, int) else 1 for side in session.get_inputs()[0].shape]
print(session.run(None, {"clips": numpy.zeros(shape, numpy.float32)})[0].shape)
END
}

raft() {
  python - <<'END'
import torch
from torchvision.models.optical_flow import raft_small
torch.save(raft_small(weights=None).state_dict(), "raft.pt")
END
  kinema synth large --videos 2 --difficulty easy --size 128 --frames 8 --workers 1
  kinema flow extract large/train --out flow-raft --estimator raft \
    --parameters '{model: small, weights: raft.pt}' --workers 1
}

nwb() {
  kinema labels convert intervals.csv intervals.nwb --to nwb
  kinema labels convert intervals.nwb back.csv
}

pose() {
  python - <<'END'
import pathlib
import h5py, numpy
pathlib.Path("poses").mkdir()
for path in pathlib.Path("clips/train").iterdir():
    with h5py.File(f"poses/{path.stem}.analysis.h5", "w") as file:
        file["tracks"] = numpy.random.default_rng(0).uniform(16, 48, (1, 2, 3, 24))
        file["video_path"], file["track_names"] = path.name, [b"one"]
        file["node_names"], file["track_occupancy"] = [b"head", b"tail", b"paw"], numpy.ones((24, 1), numpy.uint8)
END
  kinema index clips/train --index around --crop poses --workers 1
}

torchcodec() {
  KINEMA_DECODER=torchcodec kinema index clips/train --index decoded --workers 1
}

jobs() {
  ladder=(--videos 60 --seeds "[0]" "${quick[@]}")
  kinema ablate mscl ladder --only '[random]' "${ladder[@]}"
  kinema ablate hcml few --only '["no motion block"]' --per_class "[2]" --epochs null --steps 2 "${ladder[@]}"
  cat > recipes.yaml <<'END'
videos: 30
difficulty: easy
seeds: [0]
clips: 1
per_class: 1
tolerance: {motion_share: 1, motion_r1: 1, appearance_r1: 1, probe: 1, few_label: 1}
encoders:
  random: {method: random, settings: {clip: {frames: 4, short_side: 32, size: [32, 32]}, model: {width: 4}}}
END
  kinema reproduce random-0 --recipes recipes.yaml --out anew --record
  kinema demo --out demo --videos 60 --steps 2 --mscl.queue 8 "${quick[@]}"
  test -s demo/report.html
}

begin
for part in "$@"; do
  "$part"
done
