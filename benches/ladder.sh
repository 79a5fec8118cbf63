#!/usr/bin/env bash
# The pass over the weights beside reading the same bytes and doing nothing, NumPy's load, flatten to f32 and `X @ X.T`, and the
# machine's f64 rank-k rate, on a ladder of sizes: one run, page cache warm, the least of RUNS runs each. Prints the table of
# docs/performance.md. PYTHON names an interpreter with numpy and safetensors; without one that column is empty.
#
#   PYTHON=… benches/ladder.sh [RUNS [MODELS PARAMETERS DTYPE]…]
#
# Checkpoints are generated under TMPDIR and deleted step by step; a step whose files exceed four fifths of the memory that is available, or the
# space that is free, is left out and said so, since it would measure the disk. NumPy may use as much memory as is available.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-3}
shift $(($# < 1 ? $# : 1))
steps=("$@")
if [ $# -eq 0 ]; then
  for dtype in F32 F16 BF16; do
    for parameters in 1000000 20000000 100000000; do
      for models in 2 8 32 128 366; do
        steps+=("$models" "$parameters" "$dtype")
      done
    done
  done
fi

cargo build --quiet --release -p neural-phylogeny-evaluation --bin generate_checkpoints
cargo bench --quiet --no-run --bench ladder
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ladder() { cargo bench --quiet --bench ladder -- "$@"; }

python=${PYTHON:-}
available() { awk '/^MemAvailable/ { print $2 }' /proc/meminfo; }
rate=$(ladder syrk)
threads=$(nproc)
echo "f64 rank-k rate of $threads processors: $rate GFLOP/s"
echo
echo '| models | parameters | dtype | read, s | geometry, s | ratio | GFLOP/s | of the rate | peak, MiB | NumPy, s | ratio | NumPy peak, MiB |'
echo '|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|'
left_out=()
for ((s = 0; s + 2 < ${#steps[@]}; s += 3)); do
  models=${steps[s]} parameters=${steps[s + 1]} dtype=${steps[s + 2]}
  width=2
  [ "$dtype" != F32 ] || width=4
  kib=$((models * parameters * width / 1024))
  free=$(df --output=avail -k "$folder" | tail -1)
  if [ $((kib * 5 / 4)) -gt "$(available)" ] || [ "$kib" -gt $((free - 1048576)) ]; then
    left_out+=("$models x $parameters $dtype ($((kib / 1024)) MiB)")
    continue
  fi
  "$target/generate_checkpoints" "$folder/zoo" "$models" "$parameters" "$(((models + 7) / 8))" 0 "$dtype"
  read -r _ _ _ reading geometry _ peak gflops < <(ladder "$folder/zoo" "$runs")
  numpy=- numpy_peak=-
  if [ -n "$python" ]; then
    read -r numpy numpy_peak < <(
      ulimit -v "$(available)"
      "$python" benches/ladder_reference.py "$folder/zoo" "$runs"
    ) || true
  fi
  rm -rf "$folder/zoo"
  awk -v n="$models" -v d="$parameters" -v t="$dtype" -v r="$reading" -v g="$geometry" -v p="$peak" -v f="$gflops" \
    -v rate="$rate" -v x="$numpy" -v xp="$numpy_peak" 'BEGIN {
      ratio = x == "-" ? "-" : sprintf("%.1f", x / g)
      printf "| %d | %d | %s | %.4f | %.4f | %.1f | %.1f | %.0f %% | %d | %s | %s | %s |\n", \
        n, d, t, r, g, g / r, f, 100 * f / rate, p, x, ratio, xp
    }'
done
[ ${#left_out[@]} -eq 0 ] || printf '\nleft out, too large for this machine: %s\n' "$(printf '%s; ' "${left_out[@]}")"
