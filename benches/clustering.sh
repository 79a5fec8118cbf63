#!/usr/bin/env bash
# KMeans and MeanShift of this crate beside NumPy and scikit-learn: the same algorithms on the same coordinates, one after
# the other, then how many times faster. PYTHON names an interpreter with numpy and scikit-learn.
#
#   PYTHON=… benches/clustering.sh [N…]        N models, by default 95 366 2000
set -euo pipefail
cd "$(dirname "$0")/.."

sizes=("$@")
[ $# -gt 0 ] || sizes=(95 366 2000)
python=${PYTHON:-python3}
"$python" -c 'import numpy, sklearn' || { echo "PYTHON names no interpreter with numpy and scikit-learn" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cargo bench --quiet --bench clustering -- --models "$(IFS=,; echo "${sizes[*]}")" --folder "$folder" | tee "$folder/ours.csv"
"$python" benches/clustering_reference.py "$folder" "${sizes[@]}" | tee "$folder/reference.csv"

echo
printf '%-28s %7s %12s %12s %8s %8s\n' algorithm models ours/ms reference/ms ratio 'ratio from coordinates'
awk -F, '
  FNR == NR { ours[$1 "," $2] = $3; next }
  { o = ours[$1 "," $2]; c = ours[$1 " from-coordinates," $2]
    printf "%-28s %7d %12.3f %12.3f %8.1f %8.1f\n", $1, $2, 1e3 * o, 1e3 * $3, $3 / o, $3 / c }
' "$folder/ours.csv" "$folder/reference.csv"
