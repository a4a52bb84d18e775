#!/usr/bin/env bash
# Run in seconds what an installation of kinema is for, in an empty folder: ci/quick.sh [EXTRA...]
# kinema and python are those of the PATH. What the core does comes first, then what each extra adds.
set -euo pipefail

small=(--clip.frames 4 --clip.short_side 64 --clip.size "[64, 64]")

core() {
  kinema --version
  kinema --help > /dev/null
  kinema info
  kinema synth clips --videos 12 --difficulty easy --size 64 --frames 24 --workers 1
  kinema scan clips/train --out manifest.csv --workers 1
  python -c 'import kinema; print(kinema.load_encoder("motion").card["model"]["backbone"])'
  kinema index clips/train --index index --workers 1
  kinema search "$(ls -d clips/test/* | head -n 1)" --index index --out hits.html
  kinema flow extract clips/train --out flow --estimator dis --workers 1
  python - <<'END'
import csv, pathlib
names = sorted(path.name for path in pathlib.Path("clips/train").iterdir())
with open("labels.csv", "w", newline="") as file:
    csv.writer(file).writerows([("file", "label"), *((name, "ab"[n % 2]) for n, name in enumerate(names))])
END
  judge histogram probe probe.json
}

judge() {  # an encoder by a protocol
  kinema evaluate "$2" "$1" --data clips/train --labels labels.csv --clips 1 --workers 0 --out "$3"
}

train() {
  kinema pretrain clips/train --out run --steps 2 --model.width 4 --mscl.queue 8 --trainer.batch_size 4 \
    --trainer.workers 1 --trainer.accelerator cpu "${small[@]}"
  kinema pretrain clips/train --out run --resume --steps 2 --model.width 4 --mscl.queue 8 --trainer.batch_size 4 \
    --trainer.workers 1 --trainer.accelerator cpu "${small[@]}"
}

report() {
  kinema flow show "$(ls -d clips/test/* | head -n 1)" --out shown.png
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

core
for extra in "$@"; do
  for part in ${extra//,/ }; do
    "$part"
  done
done
