"""Text that is already on the machine: Python's own sources and documentation, licences, manual pages.

What is missing on a machine is replaced by a part of the standard library, so that the zoo can be made anywhere.
"""

import gzip
import re
import sysconfig
from collections import Counter
from functools import cache
from pathlib import Path

import torch

LIMIT = 600_000
ENOUGH = 100_000
STDLIB = Path(sysconfig.get_paths()["stdlib"])
LICENCES = Path("/usr/share/common-licenses")
MANUALS = Path("/usr/share/man")

# name: (where the text is, the standard-library package to read if there is not enough of it)
CORPORA = {
    "python": (lambda: STDLIB.glob("*.py"), None),
    "asyncio": (lambda: STDLIB.glob("asyncio/*.py"), None),
    "email": (lambda: STDLIB.glob("email/**/*.py"), None),
    "encodings": (lambda: STDLIB.glob("encodings/*.py"), None),
    "unittest": (lambda: STDLIB.glob("unittest/*.py"), None),
    "documentation": (lambda: STDLIB.glob("pydoc_data/topics.py"), None),
    "headers": (lambda: Path(sysconfig.get_paths()["include"]).glob("**/*.h"), "ctypes"),
    "licences": (lambda: LICENCES.glob("*"), "pydoc_data"),
    "manuals": (lambda: MANUALS.glob("man1/*"), "pydoc_data"),
    "manuals-de": (lambda: MANUALS.glob("de/man*/*"), "urllib"),
    "manuals-fr": (lambda: MANUALS.glob("fr/man*/*"), "multiprocessing"),
    "manuals-es": (lambda: MANUALS.glob("es/man*/*"), "xml"),
    "manuals-pl": (lambda: MANUALS.glob("pl/man*/*"), "importlib"),
    "manuals-ru": (lambda: MANUALS.glob("ru/man*/*"), "concurrent"),
    "manuals-ja": (lambda: MANUALS.glob("ja/man*/*"), "http"),
}


def gather(paths):
    parts, size = [], 0
    for path in sorted(paths):
        if path.is_symlink() or not path.is_file() or size >= LIMIT:
            continue
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        if len(data) > 1000:
            parts.append(data)
            size += len(data)
    return b"\n".join(parts)


@cache
def text(name):
    """The text and a remark on where it came from if not from where the name says."""
    paths, substitute = CORPORA[name]
    data = gather(paths())
    if len(data) < ENOUGH and substitute is not None:
        return gather(STDLIB.glob(f"{substitute}/**/*.py"))[:LIMIT], f"standard library, {substitute}"
    return data[:LIMIT], None


@cache
def tokens(name, vocabulary=256):
    """(training, held-out) token ids: bytes, and for ids from 256 on the commonest long words of the text."""
    data = text(name)[0].decode("latin-1")
    if vocabulary > 256:
        words = Counter(re.findall(r"[A-Za-z]{4,}", data))
        for offset, (word, _) in enumerate(sorted(words.items(), key=lambda w: (-w[1], w[0]))[: vocabulary - 256]):
            data = data.replace(word, chr(256 + offset))
    ids = torch.tensor([ord(character) for character in data])
    # The end of each tenth is held out, so that both parts see the whole text.
    pieces = ids.split(max(2000, len(ids) // 10))
    return torch.cat([p[: int(0.9 * len(p))] for p in pieces]), torch.cat([p[int(0.9 * len(p)) :] for p in pieces])
