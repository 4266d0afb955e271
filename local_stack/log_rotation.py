"""Rotation of logs while their processes write to them.

A process keeps its log open as long as it lives, so the file is copied and then truncated in place (logrotate's
``copytruncate``). Lines written between the last read and the truncation are lost.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

MAX_LOG_BYTES = 20_000_000
ROTATED_FILES = 3
_BLOCK_BYTES = 1_000_000


def rotate(log: Path, *, largest: int = MAX_LOG_BYTES, copies: int = ROTATED_FILES) -> None:
    """Move the content of a log over ``largest`` bytes to ``<log>.1``, that of ``<log>.1`` to ``<log>.2``, etc."""
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
