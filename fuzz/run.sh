#!/usr/bin/env bash
# Runs the fuzz targets one after another and prints a table of what each did.
#
# Usage: fuzz/run.sh SECONDS [TARGET...]
# Memory is at most 1 GiB, an input at most 64 KiB, and one input may take 25 seconds; beyond that it is a finding. A target goes
# on after a finding. Findings stand in fuzz/artifacts/TARGET, logs in fuzz/artifacts/TARGET.log. FUZZ_BIN is a folder of built
# targets; without it they are built first.
set -uo pipefail
bin=${FUZZ_BIN:+$(realpath "$FUZZ_BIN")}
cd "$(dirname "$0")/.."
seconds=${1:?how many seconds each target runs}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)
if [ -z "$bin" ]; then
  cargo +nightly fuzz build --release || exit 1
  bin=${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release
fi
for target in "${targets[@]}"; do
  [ -x "$bin/$target" ] || { echo "$bin/$target is not built" >&2; exit 2; }
done
fuzz/corpus.sh >/dev/null
printf '| target | inputs run | edges | inputs kept | findings |\n|---|---:|---:|---:|---:|\n'
failed=0
for target in "${targets[@]}"; do
  mkdir -p "fuzz/artifacts/$target" "fuzz/corpus/$target"
  log=fuzz/artifacts/$target.log
  : >"$log"
  runs=0 findings=0 end=$((SECONDS + seconds))
  while [ $SECONDS -lt $end ] && [ $findings -lt 5 ]; do
    "$bin/$target" "fuzz/corpus/$target" -max_total_time=$((end - SECONDS)) -max_len=65536 -timeout=25 \
      -rss_limit_mb=1024 -malloc_limit_mb=512 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" >"$log.part" 2>&1
    code=$?
    cat "$log.part" >>"$log"
    done_now=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log.part" | tail -1)
    runs=$((runs + ${done_now:-0}))
    [ $code -eq 0 ] && break
    findings=$((findings + 1)) failed=1
  done
  rm -f "$log.part"
  edges=$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | cut -d' ' -f2)
  kept=$(find "fuzz/corpus/$target" -type f | wc -l)
  printf '| %s | %s | %s | %s | %s |\n' "$target" "$runs" "${edges:-0}" "$kept" "$findings"
done
exit $failed
