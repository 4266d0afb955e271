"""Options, progress and output that the commands of backups and of restores share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from local_stack.backup import keys as key_files
from local_stack.backup.manifest import Manifest
from local_stack.backup.restore import Finding
from local_stack.errors import StackError
from local_stack.stack import read_stack, stack_exists

console = Console()

_PLACE_VARIABLE = "NEIGHBORCONNECT_BACKUPS"
_RECIPIENTS_VARIABLE = "NEIGHBORCONNECT_BACKUP_RECIPIENTS"
_IDENTITY_VARIABLE = "NEIGHBORCONNECT_BACKUP_IDENTITY"
PlaceToOption = Annotated[Path, typer.Option("--to", envvar=_PLACE_VARIABLE, help="Folder of all backups.")]
PlaceFromOption = Annotated[Path, typer.Option("--from", envvar=_PLACE_VARIABLE, help="Folder of all backups.")]
RecipientsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient", envvar=_RECIPIENTS_VARIABLE, help="Encrypt for this age public key (age1…, ssh-ed25519 …)."
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(envvar=_IDENTITY_VARIABLE, help="File of the age identity or SSH key that decrypts the backup."),
]
KeysOption = Annotated[
    Path | None, typer.Option("--keys", help="File of `neighborconnect backup keys`; the keys of this home if omitted.")
]
NameArgument = Annotated[str, typer.Argument(help="Name of a backup, or latest.")]


class _Steps:
    """Progress bars on a terminal, one line per step elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: tuple[str, TaskID] | None = None

    def __call__(self, step: str, done: int, total: int) -> None:
        if self._task is None or self._task[0] != step:
            self.end()
            self._task = (step, self._progress.add_task(step, total=total or None))
            if not self._progress.console.is_terminal:
                self._progress.console.print(step)
        self._progress.update(self._task[1], completed=done, total=total or None)

    def end(self) -> None:
        """Mark the current step as finished."""
        if self._task is not None:
            self._progress.update(self._task[1], total=1, completed=1)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def progress() -> Iterator[_Steps]:
    """Show the progress of a command. Meanwhile SIGTERM ends it like Ctrl-C, so that nothing is left running."""
    former = signal.signal(signal.SIGTERM, _exit)
    errors = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=errors, disable=not errors.is_terminal) as bars:
            steps = _Steps(bars)
            yield steps
            steps.end()
    finally:
        signal.signal(signal.SIGTERM, former)


def read_secrets(path: Path | None, identities: list[Any]) -> dict[str, str]:
    """Return the keys of a file, or those of this home."""
    if path is not None:
        is_for_passphrase = not identities or key_files.needs_passphrase(path)
        return key_files.read_keys(
            path,
            passphrase=ask_passphrase(confirm=False) if is_for_passphrase else None,
            identities=[] if is_for_passphrase else identities,
        )
    if not stack_exists():
        raise StackError(
            "A backup does not contain the keys of its home: pass the file of `neighborconnect backup keys` "
            "with --keys, or set NEIGHBORCONNECT_HOME to the old home."
        )
    return read_stack().secrets


def ask_passphrase(*, confirm: bool) -> str:
    """Return the passphrase of the environment, or ask for it."""
    if (given := os.environ.get(key_files.PASSPHRASE_VARIABLE)) is not None:
        return given
    text: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return text


def show(findings: list[Finding], manifest: Manifest) -> None:
    """Print the comparison of a restore; raise ``StackError`` if anything differs."""
    if not findings:
        return
    table = Table("part", "backup", "restored", "", title=f"Backup {manifest.name}", title_justify="left")
    for each in findings:
        table.add_row(each.part, each.expected, each.actual, "[green]equal[/]" if each.is_equal else "[red]differs[/]")
    console.print(table)
    if not all(each.is_equal for each in findings):
        raise StackError("The restored data differs from the backup; see the table.")
