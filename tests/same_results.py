"""Holds that two builds of the command give the same results: every detector, on every folder.

    python tests/same_results.py OLD NEW FOLDER...      # OLD, NEW: two builds of the command
    python tests/same_results.py OLD NEW --sketches FOLDER...    # from stored sketches instead
    python tests/same_results.py OLD NEW --within 1e-5 FOLDER... # numbers may differ by so much, or by this share of themselves

Each folder is detected in with each detector by both builds, as JSON. Equal bytes are the rule. Where bytes differ, what
`EXCEPTIONS` lists is taken out of both and the rest must be equal to the last digit, in the same order. Each exception
stands in CHANGELOG.md under *Results*. `--within` is for a change of how sums are rounded. Exit code 1 when anything else differs.
"""

import json
import subprocess
import sys
import tempfile

DETECTORS = [
    ["lineage"], ["independence"], ["kmeans"], ["kmeans", "--alpha", "0.5", "--selector", "smallest-norm"],
    ["mean-shift"], ["mean-shift", "--alpha", "0.5", "--selector", "smallest-norm"], ["dbscan"], ["gmm"],
    ["arborescence", "--kurtosis", "rises", "--lambda", "0.1"], ["neighbor-joining"],
]

# Paths of JSON that may differ, `*` for every element of a list, and why.
EXCEPTIONS = [
    ("models.*.candidates.*.evidence", "evidence is told stage by stage, and adds up"),
    ("models.*.more_candidates", "all candidates are written, not five"),
    ("models.*.parents.*.movements.others", "all movements are written, not the twenty largest"),
    ("structured_remarks", "remarks are read back as they were"),
    ("unread", "what was passed over is part of the result"),
    ("groups", "what was compared with what is part of the result"),
    ("models.*.path", "what models were read from is part of the result"),
    ("models.*.format", "what models were read from is part of the result"),
    ("models.*.layout", "what models were read from is part of the result"),
    ("models.*.content", "what models were read from is part of the result"),
    ("models.*.parameters", "what models were read from is part of the result"),
    ("models.*.dtype", "what models were read from is part of the result"),
    ("models.*.quantization", "what models were read from is part of the result"),
    ("models.*.left_out", "what models were read from is part of the result"),
    ("models.*.not_comparable", "what models were read from is part of the result"),
]


def without(value, path):
    """`value` without what stands at `path`."""
    head, rest = path[0], path[1:]
    if head == "*":
        return [without(v, rest) for v in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest:
        return {k: v for k, v in value.items() if k != head}
    return {k: without(v, rest) if k == head else v for k, v in value.items()}


def compared(text):
    """The result with keys in their order, numbers as they were written, exceptions taken out."""
    value = json.loads(text, parse_float=Number, parse_int=Number)
    for path, _ in EXCEPTIONS:
        value = without(value, path.split("."))
    if isinstance(value, dict) and "remarks" in value:
        # What could not be matched under other names, and which part stands for a pipeline, is said now.
        said_now = ("says nothing about kinship", "its other parts are models of their own")
        value["remarks"] = [remark for remark in value["remarks"] if not remark.endswith(said_now)]
    return value


class Number(str):
    """A number as it was written."""


def difference(a, b, within, path=""):
    """Where two values first differ, as their path and both, or None."""
    if isinstance(a, Number) and isinstance(b, Number):
        x, y = float(a), float(b)
        same = a == b or abs(x - y) <= within * max(1.0, abs(x), abs(y))
        return None if same else f"{path}: {a} before, {b} after"
    if isinstance(a, dict) and isinstance(b, dict) and list(a) == list(b):
        found = (difference(a[key], b[key], within, f"{path}.{key}") for key in a)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        found = (difference(x, y, within, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b)))
    else:
        return None if type(a) is type(b) and a == b else f"{path}: {str(a)[:60]} before, {str(b)[:60]} after"
    return next((one for one in found if one), None)


def run(binary, arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    if done.returncode != 0 and "`--allow-outside`" in done.stderr:
        # Some folders hold adapters whose bases lie beside them. Earlier builds read these without a word.
        done = subprocess.run([binary, *arguments, "--allow-outside"], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else f"exit code {done.returncode}"


def results(binary, folder, detector, store):
    if store is None:
        return run(binary, ["detect", folder, "--format", "json", "--detector", *detector])
    return run(binary, ["detect", "--store", store, "--format", "json", "--detector", *detector])


def main():
    arguments = sys.argv[1:]
    from_sketches = "--sketches" in arguments
    arguments = [a for a in arguments if a != "--sketches"]
    within = 0.0
    if "--within" in arguments:
        at = arguments.index("--within")
        within = float(arguments[at + 1])
        arguments[at:at + 2] = []
    if len(arguments) < 3:
        sys.exit(__doc__)
    old, new, folders = arguments[0], arguments[1], arguments[2:]
    different = 0
    for folder in folders:
        with tempfile.TemporaryDirectory() as made:
            stores = [None, None]
            if from_sketches:
                stores = [f"{made}/old", f"{made}/new"]
                for binary, store in zip((old, new), stores):
                    run(binary, ["sketch", folder, "--store", store])
            for detector in DETECTORS:
                before, after = (results(b, folder, detector, s) for b, s in zip((old, new), stores))
                if before == after:
                    verdict = "both refuse" if before.startswith("exit code") else "the same bytes"
                elif "exit code" in (before[:9], after[:9]):
                    verdict = f"DIFFERENT: {before[:40]!r} before, {after[:40]!r} after"
                elif first := difference(compared(before), compared(after), within):
                    verdict = f"DIFFERENT: {first}"
                else:
                    verdict = "the same but for the listed exceptions"
                different += verdict.startswith("DIFFERENT")
                print(f"{folder:40} {' '.join(detector):50} {verdict}", flush=True)
    print(f"{different} of {len(folders) * len(DETECTORS)} results differ")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
