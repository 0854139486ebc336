#!/usr/bin/env bash
# One training run on a GPU machine that has torch, numpy, opencv, safetensors and many cores, but is not ours
# for long: all material is made or unpacked there.
#
#   on_gpu.sh MATERIAL OUT MINUTES [options of the training command]
#
# MATERIAL holds hdri/ (panoramas) and renders/ (what `python -m matte_server.training pack` made). OUT receives
# bank/, log.jsonl, checkpoint and average.safetensors, which is whole at any time.
set -euo pipefail
material=$1 out=$2 minutes=$3
shift 3
cd "$(dirname "$0")/../.."
cores=$(nproc --all)  # plain nproc counts OMP_NUM_THREADS
export PYTHONPATH=.:shared OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
bank=${BANK:-$out/bank}
fillers=$((cores > 3 ? cores - 2 : 1))
for ((k = 0; k < fillers; k++)); do
  python3 -m matte_server.training fill "$bank" --hdri "$material/hdri" --share "$k/$fillers" \
    --subjects "${SUBJECTS:-900}" --sets "${SETS:-600}" &
done
wait
exec python3 -m matte_server.training train "$out" --bank "$bank" --renders "$material/renders" --minutes "$minutes" \
  --size 384x512 --batch 48 --slots 3000 --rate 2e-3 --threads 2 --makers "${MAKERS:-$((cores - 1))}" "$@"
