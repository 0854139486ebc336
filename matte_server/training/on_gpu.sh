#!/usr/bin/env bash
# One call of training in a short lease of a GPU machine that has torch, numpy, opencv, safetensors and many cores.
#
#   on_gpu.sh MATERIAL HOME [options of the training command, e.g. --layout detailed --init MATERIAL/weights]
#
# MATERIAL is what `python -m matte_server.training prepare` made. HOME gets the best averaged weights so far, in half
# precision and in parts below 16 MB, the log and the facts for the ledger: complete at any time.
# Training starts as soon as the first pictures exist; the others are made beside it. The run, its checkpoint and the
# bank lie in RUN, which the machine keeps between calls: call again with the same arguments to go on.
# It stops by itself, LEASE_MINUTES after the lease began or CALL_SECONDS after this call did, whichever is first.
set -euo pipefail
material=$1 home=$2
shift 2
cd "$(dirname "$0")/../.."
run=${RUN:-runs/lease}
mkdir -p "$run" "$home"
now=$(date +%s)
# What the machine's start took of the lease, before the first call.
[ -f "$run/began" ] || echo $((now - ${START_SECONDS:-120})) >"$run/began"
left=$(($(cat "$run/began") + ${LEASE_MINUTES:-12} * 60 - now))
seconds=$((left < ${CALL_SECONDS:-540} ? left : ${CALL_SECONDS:-540}))
if ((seconds < 30)); then
  echo "the lease has no time left: $left s" >&2
  exit 3
fi
cores=$(nproc --all)  # plain nproc counts OMP_NUM_THREADS
export PYTHONPATH=.:shared OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
bank=${BANK:-$run/bank}
fillers=${FILLERS:-$((cores > 3 ? cores - 2 : 1))}
pids=()
for ((k = 0; k < fillers; k++)); do
  nice -n 5 "$python" -m matte_server.training fill "$bank" --hdri "$material/hdri" --share "$k/$fillers" \
    --subjects "${SUBJECTS:-700}" --sets "${SETS:-500}" --kinds "${KINDS:-700}" &
  pids+=($!)
done
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
"$python" -m matte_server.training train "$run" --bank "$bank" --renders "$material/renders" \
  --pairs "$material/pairs" --home "$home" \
  --minutes "${TRAIN_MINUTES:-10}" --call-minutes "$(awk "BEGIN{print $seconds / 60}")" --validation 48 \
  --checkpoint-minutes 1 --size 384x512 --batch 64 --slots 3000 --rate 1.5e-3 --threads 2 \
  --makers "${MAKERS:-$((cores > 2 ? cores - 1 : 1))}" "$@"
