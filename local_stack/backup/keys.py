"""File with the keys of a home, encrypted by a passphrase or for age recipients. Data backups never contain them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage

from local_stack.backup.manifest import Manifest, key_fingerprints
from local_stack.errors import StackError
from local_stack.stack import SECRETS_FILE_NAME, Stack, write_private_bytes

PASSPHRASE_VARIABLE = "NEIGHBORCONNECT_BACKUP_PASSPHRASE"  # noqa: S105 - a variable's name
MIN_PASSPHRASE_CHARACTERS = 12
_FORMAT = 1


def write_keys(stack: Stack, path: Path, *, passphrase: str | None, recipients: Sequence[Any]) -> None:
    """Write the secrets of a home to a new encrypted file.

    Raises:
        StackError: the file exists, or the passphrase is too short.
    """
    if path.exists():
        raise StackError(f"{path} exists; choose another file, so that older keys stay readable.")
    secrets = json.loads((stack.home / SECRETS_FILE_NAME).read_text(encoding="utf-8"))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    content = json.dumps({"format": _FORMAT, "home": str(stack.home), "created_at": created, "secrets": secrets})
    if recipients:
        encrypted = pyrage.encrypt(content.encode(), list(recipients))
    elif passphrase and len(passphrase) >= MIN_PASSPHRASE_CHARACTERS:
        encrypted = pyrage.passphrase.encrypt(content.encode(), passphrase)
    else:
        raise StackError(f"Choose a passphrase of at least {MIN_PASSPHRASE_CHARACTERS} characters.")
    try:
        write_private_bytes(path, encrypted)
    except OSError as error:
        raise StackError(f"{path} cannot be written ({error.strerror}).") from None


def needs_passphrase(path: Path) -> bool:
    """Return whether a file of keys is encrypted with a passphrase, from the header of the age format."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return b"\n-> scrypt " in file.read(200)
    return False


def read_keys(path: Path, *, passphrase: str | None, identities: Sequence[Any]) -> dict[str, str]:
    """Return the secrets of a file of keys.

    Raises:
        StackError: the file cannot be read or decrypted.
    """
    try:
        encrypted = path.read_bytes()
        if identities:
            content = pyrage.decrypt(encrypted, list(identities))
        else:
            content = pyrage.passphrase.decrypt(encrypted, passphrase or "")
        document = json.loads(content)
        secrets: dict[str, str] = document["secrets"]
    except OSError as error:
        raise StackError(f"{path} cannot be read ({error.strerror}).") from None
    except pyrage.DecryptError as error:
        raise StackError(f"{path} cannot be decrypted ({error}): use its passphrase or identity.") from None
    except (ValueError, KeyError, TypeError):
        raise StackError(f"{path} has no keys of a home.") from None
    return secrets


def check_keys(manifest: Manifest, secrets: Mapping[str, str]) -> None:
    """Raise ``StackError`` if a key that the data of a backup needs is not among ``secrets``."""
    given = key_fingerprints(secrets, salt=manifest.name)
    missing = [name for name, needed in manifest.key_fingerprints.items() if set(needed) - set(given.get(name, ()))]
    if missing:
        raise StackError(
            f"These are not the keys of backup {manifest.name}: {', '.join(missing)} differ. "
            "Use the file that `neighborconnect backup keys` wrote for the same home."
        )
