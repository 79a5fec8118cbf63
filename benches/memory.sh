#!/usr/bin/env bash
# Peak memory of `detect` on MODELS generated checkpoints of PARAMETERS values each (F16), for some memory settings: it must
# stay below the setting plus 200 MB. Needs 2 * MODELS * PARAMETERS bytes under TMPDIR (2.6 GB for the defaults), deleted at the end.
#
#   benches/memory.sh [MODELS [PARAMETERS [SETTING…]]]
set -euo pipefail
cd "$(dirname "$0")/.."

models=${1:-64} parameters=${2:-20000000}
shift $(($# < 2 ? $# : 2))
settings=("${@:-1GiB}")
[ $# -gt 0 ] || settings=(1GiB 256MiB)

cargo build --quiet --release --workspace --features cli --bin neural-phylogeny --bin generate_checkpoints
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%s models x %s parameters\n' "$models" "$parameters"
"$target/generate_checkpoints" "$folder/zoo" "$models" "$parameters" 8

# Highest resident memory in KiB, looked at until the process ends: VmHWM never falls.
peak() {
  local pid=$1 high=0 now
  while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
    high=$now
    sleep 0.02
  done
  echo "$high"
}

worst=0
for setting in "${settings[@]}"; do
  began=$(date +%s.%N)
  "$target/neural-phylogeny" detect "$folder/zoo" --memory "$setting" --format json --output "$folder/result.json" &
  pid=$!
  kib=$(peak "$pid")
  wait "$pid"
  seconds=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
  bytes=$(numfmt --from=auto "${setting%B}")
  limit=$((bytes / 1024 + 200000000 / 1024))
  printf 'memory %-8s peak %6d MiB  limit %6d MiB  %6s s  ' \
    "$setting" $((kib / 1024)) $((limit / 1024)) "$seconds"
  if [ "$kib" -le "$limit" ]; then echo ok; else echo ABOVE; worst=1; fi
  "$target/neural-phylogeny" evaluate "$folder/result.json" "$folder/zoo/truth.json" |
    grep -E 'accuracy, children  |families exactly right'
done
exit "$worst"
