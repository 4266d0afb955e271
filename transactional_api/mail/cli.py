"""``neighborconnect mail``: read the letters that an embedded platform has laid down."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import get_settings
from transactional_api.mail.letters import folder, lying


def app(number: Annotated[int | None, typer.Argument(help="Show this letter; 1 is the newest.")] = None) -> None:
    """List the letters that the platform would have sent, or show one.

    Example: neighborconnect mail 1
    """
    settings = get_settings()
    letters = lying(settings)[::-1]
    console = Console()
    if number is not None:
        if not 1 <= number <= len(letters):
            raise typer.BadParameter(f"there are {len(letters)} letters")
        letter = letters[number - 1]
        console.print(f"To: {letter['To']}\nSubject: {letter['Subject']}\n", markup=False, highlight=False)
        console.print(letter.get_content(), markup=False, highlight=False)
        return
    if not letters:
        console.print(f"No letters in {folder(settings)}.")
        return
    table = Table("number", "sent", "to", "subject")
    for place, letter in enumerate(letters, start=1):
        table.add_row(str(place), str(letter["Date"]), str(letter["To"]), str(letter["Subject"]))
    console.print(table)
