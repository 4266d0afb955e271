"""Manifest of a backup: what it contains and how to verify it. It holds no personal data and no keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from local_stack.backup.stored_files import StoredFile
from local_stack.errors import StackError
from local_stack.stack import write_private_file

FORMAT = 1
FILE_NAME = "manifest.json"
PART = ".part"
_NAME = re.compile(r"\d{8}T\d{6}Z")
DATA_KEYS = ("postgres", "personal_data", "receipts", "audit")
"""Secrets without which the data of a backup cannot be opened or verified."""


class TableState(BaseModel):
    """Number of rows of a table, and a hash of its rows that does not depend on their order; None for a large one."""

    rows: int
    fingerprint: str | None


class DatabaseState(BaseModel):
    """PostgreSQL at the restore point.

    Attributes:
        version: major version of the server.
        start_segment: first WAL segment that a recovery needs.
        end_segment: WAL segment of the restore point.
        restore_point: its name.
        lsn: its position.
        archive: folder of the WAL segments below ``wal/``.
        revision: revision of the product's schema.
        tables: tables by ``database.schema.table``.
        exact: whether ``tables`` describe the restore point exactly; writes between the two can make them differ.
    """

    version: int
    start_segment: str
    end_segment: str
    restore_point: str
    lsn: str
    archive: str
    revision: str | None
    tables: dict[str, TableState]
    exact: bool


class BrokerState(BaseModel):
    """Message broker: its kind, and the end offset of each partition as ``topic:partition``."""

    kind: str
    end_offsets: dict[str, int]


class BucketState(BaseModel):
    """Objects of a bucket, and those that were deleted between the listing and the copy."""

    objects: int
    bytes: int
    deleted_meanwhile: list[str]


class Manifest(BaseModel):
    """A complete backup."""

    format: int = FORMAT
    name: str
    created_at: datetime
    restore_point_at: datetime
    finished_at: datetime
    application_version: str
    paused_seconds: float
    recipients: list[str]
    files: list[StoredFile]
    wal: list[StoredFile]
    database: DatabaseState
    buckets: dict[str, BucketState]
    broker: BrokerState
    new_bytes: int
    key_fingerprints: dict[str, list[str]]
    not_included: list[str]

    @property
    def is_encrypted(self) -> bool:
        """Whether an age identity is required to restore."""
        return bool(self.recipients)


def new_name(moment: datetime) -> str:
    """Return the name of a backup that begins at ``moment``."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup."""
    write_private_file(folder / FILE_NAME, manifest.model_dump_json(indent=1))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        StackError: there is none, or it is of an unknown format.
    """
    try:
        manifest = Manifest.model_validate_json((folder / FILE_NAME).read_text(encoding="utf-8"))
    except OSError as error:
        raise StackError(f"{folder} is not a backup: {FILE_NAME} cannot be read ({error.strerror}).") from None
    except ValidationError as error:
        raise StackError(f"The manifest of {folder} is damaged: {error.errors()[0]['msg']}.") from None
    if manifest.format != FORMAT:
        raise StackError(f"{folder} has format {manifest.format}, and this version restores format {FORMAT}.")
    return manifest


def backup_folders(place: Path) -> list[Path]:
    """Return the folders of the complete backups, the oldest first."""
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if _NAME.fullmatch(path.name) and (path / FILE_NAME).exists())


def find_backup(place: Path, name: str) -> Path:
    """Return the folder of a backup; ``latest`` is the newest one.

    Raises:
        StackError: there is no such backup.
    """
    folders = backup_folders(place)
    if not folders:
        raise StackError(f"{place} has no backup; create one with `neighborconnect backup create --to {place}`.")
    if name == "latest":
        return folders[-1]
    found = [folder for folder in folders if folder.name == name]
    if not found:
        names = ", ".join(folder.name for folder in folders)
        raise StackError(f"{place} has no backup {name}; it has {names}.")
    return found[0]


def key_fingerprints(secrets: Mapping[str, str], *, salt: str) -> dict[str, list[str]]:
    """Return slow salted hashes of each key of ``DATA_KEYS``, by which a restore recognizes the right keys."""

    def fingerprint(name: str, key: str) -> str:
        digest = hashlib.scrypt(key.encode(), salt=f"{salt}:{name}".encode(), n=2**14, r=8, p=1, dklen=16)
        return digest.hex()

    return {name: [fingerprint(name, key) for key in secrets.get(name, "").split(",") if key] for name in DATA_KEYS}
