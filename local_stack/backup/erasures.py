"""Register of erasures next to the backups: a restore brings erased users back, and erases them again.

The register is written with each backup and each addition of WAL. It has ids of users, and no other personal data.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from local_stack.backup.stored_files import open_stored, store
from local_stack.stack import ERASURES_FILE_NAME, Stack, write_private_file

FOLDER = "erasures"


def write_register(stack: Stack, place: Path, *, archive: str, recipients: Sequence[Any]) -> None:
    """Replace the register of a home by the erasures of its database."""
    folder = place / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    with psycopg.connect(stack.database_url("neighborconnect", superuser=True), row_factory=dict_row) as connection:
        if connection.execute("SELECT to_regclass('public.erasures') AS found").fetchone() == {"found": None}:
            return
        rows = connection.execute("SELECT id, user_id, keeps_words, code_hash, requested_at FROM erasures ORDER BY id")
        lines = "".join(json.dumps(row, default=str) + "\n" for row in rows)
    part = store(folder / f".{archive}.jsonl", io.BytesIO(lines.encode()), recipients=recipients)
    final = folder / part.name.removeprefix(".")
    (folder / part.name).replace(final)
    # One that was written with another encryption.
    for path in folder.glob(f"{archive}.jsonl*"):
        if path != final:
            path.unlink()


def restore_register(stack: Stack, place: Path, *, since: datetime, identities: Sequence[Any]) -> int:
    """Write the erasures of all homes into a restored home, which applies them at its start.

    Returns:
        The number of those requested after ``since``.
    """
    lines = []
    for path in sorted((place / FOLDER).glob("*.jsonl*")):
        with open_stored(path, identities=identities) as stream:
            lines += [line.decode() for line in stream]
    write_private_file(stack.home / ERASURES_FILE_NAME, "".join(lines))
    return sum(datetime.fromisoformat(json.loads(line)["requested_at"]) > since for line in lines)
