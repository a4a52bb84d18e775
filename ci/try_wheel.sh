#!/usr/bin/env bash
# Build sdist and wheel, and run what the wheel brings, with each extra in an environment of its own:
#   ci/try_wheel.sh [EXTRA...]      core, every extra and all of them by default; "train,report" is one environment with both
# PYTHON and CONSTRAINTS (a file of pip's) choose other versions. Everything is made in a temporary folder.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
constraints=${CONSTRAINTS:-$root/constraints.txt}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/build"
"$folder/build/bin/python" -m pip install --quiet build
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$root"
wheel=$(ls "$folder"/dist/*.whl)

if [ $# = 0 ]; then
  set -- core train search cluster storage server serve report hf hub onnx raft nwb pose torchcodec all
fi
for extra in "$@"; do
  echo "== $extra"
  environment=$folder/$extra
  "$python" -m venv "$environment"
  case $extra in
    core) install=$wheel parts=core ;;
    all) install="$wheel[all]" parts="core train search cluster storage server serve report hf hub onnx raft nwb pose jobs" ;;
    *) install="$wheel[$extra]" parts=${extra//,/ } ;;
  esac
  "$environment/bin/python" -m pip install --quiet --constraint "$constraints" "$install"
  mkdir "$folder/work"
  (cd "$folder/work" && PATH="$environment/bin:$PATH" bash "$root/ci/quick.sh" $parts)
  rm -rf "$environment" "$folder/work"
done
echo "all of them work"
