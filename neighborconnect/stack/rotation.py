"""Rotation of logs while their processes write them.

A process appends to its log as long as it lives, whether or not a supervisor does, so the file stays and is copied and
emptied in place (logrotate's ``copytruncate``). Lines written between the last read and the truncation are lost.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

LARGEST_LOG_BYTES = 20_000_000
COPIES = 3
_BLOCK_BYTES = 1_000_000


def rotate(log: Path, *, largest: int = LARGEST_LOG_BYTES, copies: int = COPIES) -> None:
    """Move the content of a log that is too large to ``<log>.1``, what was there to ``<log>.2``, and so on."""
    if log.stat().st_size <= largest:
        return
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, copies + 1)]
    for source, target in reversed(list(pairwise(older))):
        if source.exists():
            source.replace(target)
    with log.open("rb") as source_file, older[0].open("wb") as target_file:
        os.fchmod(target_file.fileno(), log.stat().st_mode & 0o777)
        while block := source_file.read(_BLOCK_BYTES):
            target_file.write(block)
        os.truncate(log, 0)


def rotate_all(folder: Path) -> None:
    """Rotate every log of a folder."""
    for log in folder.glob("*.log"):
        rotate(log)
