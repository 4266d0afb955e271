"""``neighborconnect backup``: create, list, verify and prune backups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Column, Table

from local_stack.backup import create as creation
from local_stack.backup import keys as key_files
from local_stack.backup.cli_options import (
    IdentityOption,
    KeysOption,
    NameArgument,
    PlaceFromOption,
    PlaceToOption,
    RecipientsOption,
    ask_passphrase,
    console,
    progress,
    read_secrets,
    show,
)
from local_stack.backup.manifest import Manifest, backup_folders, find_backup, read_manifest
from local_stack.backup.place import Retention, exclusive, prune
from local_stack.backup.restore import verify_backup, verify_files
from local_stack.backup.stored_files import parse_recipients, read_identities
from local_stack.cli import existing_stack, exit_on_error
from local_stack.errors import StackError
from local_stack.external import is_external
from local_stack.ports import find_free_offset
from local_stack.stack import Stack, stack_exists
from neighborconnect.settings import home

app = typer.Typer(
    no_args_is_help=True,
    help="Create, list, verify and prune backups of this home. `neighborconnect restore` restores one.",
)
KeepOption = Annotated[int | None, typer.Option(min=1, help="Retain this many of the newest backups.")]
DaysOption = Annotated[int | None, typer.Option("--keep-days", min=1, help="Retain the backups of this many days.")]


def _stack() -> Stack:
    if is_external():
        raise StackError(
            "The external profile has servers of your own: back them up with their own tools "
            "(docs/how-to/back-up-and-restore.md)."
        )
    if not stack_exists():
        raise StackError(f"{home()} has no stack to back up; start one with `neighborconnect up`.")
    return existing_stack()


@app.command()
def create(
    to: PlaceToOption,
    *,
    recipient: RecipientsOption = None,
    keep: KeepOption = None,
    keep_days: DaysOption = None,
) -> None:
    """Back up this home while it runs: databases, objects, and the broker's log.

    The API serves all the time. The broker and its clients stop for some seconds, and events wait in the outbox. Later
    backups into the same folder copy only new and changed objects. From the first backup on, PostgreSQL also archives
    its WAL, so that `restore --until` can reach any time between backups.

    The keys of the home are not included: back them up once, elsewhere, with `neighborconnect backup keys`.

    Example: neighborconnect backup create --to /mnt/backups --keep 7
    Example: neighborconnect backup create --to /mnt/backups --recipient age1…
    """
    with exit_on_error():
        stack = _stack()
        with progress() as steps:
            created = creation.create_backup(
                stack, to, recipients=recipient or (), retention=Retention(keep, keep_days), steps=steps
            )
        manifest = created.manifest
        console.print(f"Backup {manifest.name} is complete: {_size(manifest)} in {to / manifest.name}.", soft_wrap=True)
        console.print(
            f"The broker paused for {manifest.paused_seconds:.0f} s. Objects added {decimal(manifest.new_bytes)}."
        )
        if created.pruned.names:
            console.print(f"Deleted {', '.join(created.pruned.names)}.", soft_wrap=True)
        _warn(manifest)


def _warn(manifest: Manifest) -> None:
    for missing in manifest.not_included:
        typer.echo(f"warning: {missing} is not included; back it up with its own tools at the same time.", err=True)
    if not manifest.is_encrypted:
        typer.echo(
            "warning: the backup is not encrypted and contains personal data; only your user can read its files. "
            "Encrypt with --recipient.",
            err=True,
        )


def _size(manifest: Manifest) -> str:
    stored = sum(each.bytes for each in (*manifest.files, *manifest.wal))
    return f"{decimal(stored)}, {sum(each.objects for each in manifest.buckets.values()):,} objects"


@app.command("list")
def list_backups(place: PlaceFromOption) -> None:
    """List the backups of a folder, the oldest first.

    Example: neighborconnect backup list --from /mnt/backups
    """
    with exit_on_error():
        table = Table(Column("name (UTC)", no_wrap=True), "schema", "rows", "objects", "files", "encrypted")
        folders = backup_folders(place)
        for folder in folders:
            each = read_manifest(folder)
            table.add_row(
                each.name,
                each.database.revision or "",
                f"{sum(state.rows for state in each.database.tables.values()):,}",
                f"{sum(bucket.objects for bucket in each.buckets.values()):,}",
                decimal(sum(file.bytes for file in (*each.files, *each.wal))),
                "yes" if each.is_encrypted else "no",
            )
        if folders:
            console.print(table)
        else:
            console.print(f"{place} has no backup.", soft_wrap=True)


@app.command()
def wal(to: PlaceToOption, *, recipient: RecipientsOption = None) -> None:
    """Add what PostgreSQL has written until now, so that `restore --until` reaches this moment. Nothing pauses.

    Run it every few minutes: what it has not yet added is lost with the disk of the home.

    Example: neighborconnect backup wal --to /mnt/backups
    """
    with exit_on_error():
        added = creation.add_wal(_stack(), to, recipients=recipient or ())
        console.print(f"Added {len(added)} WAL files, {decimal(sum(each.bytes for each in added))}.")


@app.command("prune")
def prune_backups(place: PlaceFromOption, *, keep: KeepOption = None, keep_days: DaysOption = None) -> None:
    """Delete old backups, and the objects and WAL that no other backup needs. The newest backup always stays.

    Example: neighborconnect backup prune --from /mnt/backups --keep 7
    """
    with exit_on_error():
        if keep is None and keep_days is None:
            raise StackError("Say what to retain: --keep N, --keep-days N, or both.")
        with creation.clear_errors(place), exclusive(place):
            pruned = prune(place, Retention(keep, keep_days))
        console.print(f"Deleted {', '.join(pruned.names) or 'nothing'}; freed {decimal(pruned.bytes)} of shared files.")


@app.command()
def verify(
    name: NameArgument = "latest",
    *,
    place: PlaceFromOption,
    keys: KeysOption = None,
    identity: IdentityOption = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Compare checksums only; needs no key and starts nothing.")
    ] = False,
    scratch: Annotated[Path | None, typer.Option(help="Folder for the temporary home.")] = None,
) -> None:
    """Restore a backup into a temporary home on free ports, compare everything, and delete the home.

    Compares the rows and values of each table, the content of each object and the end of each partition with what was
    backed up. Exits with code 1 if anything differs.

    Example: neighborconnect backup verify --from /mnt/backups
    Example: neighborconnect backup verify 20261130T020000Z --from /mnt/backups --identity key.txt --keys keys.age
    """
    with exit_on_error():
        folder = find_backup(place, name)
        manifest = read_manifest(folder)
        with progress() as steps:
            if files_only:
                verify_files(place, folder, manifest, steps=steps)
                findings = []
            else:
                offset = find_free_offset(start=8_000)
                if offset is None:
                    raise StackError("No free ports for a temporary home; stop another stack.")
                identities = read_identities(identity) if identity else []
                findings = verify_backup(
                    place,
                    folder,
                    secrets=read_secrets(keys, identities),
                    identities=identities,
                    offset=offset,
                    scratch=scratch,
                    steps=steps,
                )
        if files_only:
            console.print(f"All files of backup {manifest.name} have their checksums.")
        show(findings, manifest)


@app.command()
def keys(
    to: Annotated[Path, typer.Option("--to", help="New file for the keys.")],
    *,
    recipient: RecipientsOption = None,
) -> None:
    """Write the keys of this home to an encrypted file. Without them no backup can be restored.

    The file has every secret of the home: keys of personal data, receipts and the audit chain, and all passwords.
    Store it apart from the backups: who has both can read everything. Write it again after each rotation of keys.

    The file is encrypted for --recipient, else with a passphrase: NEIGHBORCONNECT_BACKUP_PASSPHRASE, or a prompt.

    Example: neighborconnect backup keys --to neighborconnect-keys.age
    """
    with exit_on_error():
        stack = _stack()
        recipients = parse_recipients(recipient or ())
        passphrase = None if recipients else ask_passphrase(confirm=True)
        key_files.write_keys(stack, to, passphrase=passphrase, recipients=recipients)
        console.print(f"Keys of {stack.home} are in {to}.", soft_wrap=True)
        typer.echo(
            "warning: store this file and its passphrase apart from the backups. If they are lost, the backups are "
            "worthless; who has them and a backup can read everything.",
            err=True,
        )
