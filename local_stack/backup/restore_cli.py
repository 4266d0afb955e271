"""``neighborconnect restore``: restore a backup into an empty home."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from local_stack.backup.cli_options import (
    IdentityOption,
    KeysOption,
    NameArgument,
    PlaceFromOption,
    console,
    progress,
    read_secrets,
    show,
)
from local_stack.backup.manifest import find_backup, read_manifest
from local_stack.backup.restore import restore_backup
from local_stack.backup.stored_files import read_identities
from local_stack.cli import exit_on_error
from local_stack.errors import StackError


def restore(
    name: NameArgument,
    *,
    place: PlaceFromOption,
    home: Annotated[Path, typer.Option("--home", help="New home; an empty or missing folder.")],
    keys: KeysOption = None,
    identity: IdentityOption = None,
    until: Annotated[
        str | None, typer.Option(help="Time up to which transactions are restored, such as 2026-11-30T09:15:00Z.")
    ] = None,
    offset: Annotated[int | None, typer.Option(help="Port offset of the new home.")] = None,
) -> None:
    """Restore a backup into an empty home, compare it with what was backed up, and leave it stopped.

    With --until, PostgreSQL has all transactions until that time; the lake and the broker have the state of the backup.

    Example: neighborconnect restore latest --from /mnt/backups --home /srv/neighborconnect --keys keys.age
    Example: neighborconnect restore 20261130T020000Z --from /mnt/backups --home new --until 2026-11-30T09:15:00Z
    """
    with exit_on_error():
        folder = find_backup(place, name)
        manifest = read_manifest(folder)
        moment = _moment(until) if until else None
        identities = read_identities(identity) if identity else []
        with progress() as steps:
            findings = restore_backup(
                place,
                folder,
                home.absolute(),
                secrets=read_secrets(keys, identities),
                identities=identities,
                until=moment,
                offset=offset,
                steps=steps,
            )
        show(findings, manifest)
        command = "neighborconnect up"
        console.print(
            f"Start it with: NEIGHBORCONNECT_HOME={home.absolute()} {command}", soft_wrap=True, highlight=False
        )
        if moment is not None:
            console.print(
                "The lake lacks the events after the backup: once it runs, run "
                "`neighborconnect rebuild lake --snapshot`.",
                soft_wrap=True,
            )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StackError(f"{text!r} is not a time; write it as 2026-11-30T09:15:00Z.") from None
    if moment.tzinfo is None:
        raise StackError(f"{text!r} has no time zone; write it as {text}Z for UTC.")
    return moment.astimezone(UTC)
