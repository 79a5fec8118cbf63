#!/bin/bash
# Changes each constant of src/kernel/format.rs in a copy of the working tree, one after another, and expects tests/golden_store.rs
# to fail each time. Prints one line per constant; exits 1 when a change went unnoticed.
#
# Usage: tests/mutate_format.sh [NAME...]     some constants alone
# CARGO and CARGO_TARGET_DIR are respected; each constant costs one build of the library.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$copy/target}
tar -C "$top" --exclude=./target --exclude=./.git -cf - . | tar -C "$copy" -xf -
format=$copy/src/kernel/format.rs
cp "$format" "$copy/format.rs"

run() { (cd "$copy" && ${CARGO:-cargo} test --quiet --test golden_store >"$copy/log" 2>&1); }

if ! run; then
    echo "the test fails before anything is changed:" && tail -30 "$copy/log" && exit 1
fi
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(sed -nE 's/^pub\(crate\) const ([A-Z_0-9]+):.*/\1/p' "$copy/format.rs")
unnoticed=0
for name in "${names[@]}"; do
    cp "$copy/format.rs" "$format"
    python3 - "$format" "$name" <<'PYTHON'
import re, sys
path, name = sys.argv[1:]
text = open(path).read()
found = re.search(rf"const {name}: [^=]+= (.*);", text)
value = found.group(1)
changed = {
    "JOB": "1 << 17",
    # Between the two shapes that the golden models have on either side.
    "TALL": "3.52",
    "BASE": "512",
    "SPLITMIX_SHIFTS": "[30, 27, 32]",
    "INDEX_WIDTH": "BASE / 2",
}.get(name)
if changed is None and value.startswith('"'):
    changed = value[:-1] + '~"'
if changed is None:
    changed = hex(int(value.replace("_", ""), 0) ^ 2) if value.startswith("0x") else str(int(value) + 1)
open(path, "w").write(text[: found.start(1)] + changed + text[found.end(1) :])
PYTHON
    if run; then
        echo "UNNOTICED $name" && unnoticed=1
    elif grep -q "could not compile" "$copy/log"; then
        echo "UNTESTED  $name: the changed crate does not compile" && unnoticed=1
    else
        echo "held      $name"
    fi
done
exit $unnoticed
