#!/usr/bin/env bash
# The GPU benchmark in a lease of a machine that has torch, numpy, opencv, psutil, but neither OpenImageIO nor ZeroMQ.
#
#   on_gpu.sh WHEELS OUT [options of python -m tests.benchmarks.gpu]
#
# WHEELS: a folder made beforehand, for the Python of that machine (3.12), 12 MB:
#   pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
#     --platform manylinux_2_28_x86_64 --platform manylinux_2_26_x86_64 --platform manylinux_2_17_x86_64 \
#     -d WHEELS openimageio openexr pyzmq blake3
set -euo pipefail
wheels=$1 out=$2
shift 2
cd "$(dirname "$0")/../../.."
python=${PYTHON:-python3}
export PYTHONPATH=.:shared PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
# Nothing is installed there, and the server asks for the version of the distribution.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
mkdir "$site/cleanplate-$version.dist-info"
printf 'Metadata-Version: 2.1\nName: cleanplate\nVersion: %s\n' "$version" >"$site/cleanplate-$version.dist-info/METADATA"
PYTHONPATH=$PYTHONPATH:$site
if [ -d "$wheels" ]; then
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$wheels"/*.whl
fi
"$python" -m tests.benchmarks.gpu "$out" "$@"
