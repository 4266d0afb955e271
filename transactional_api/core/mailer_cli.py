"""``neighborconnect mail``: read emails that an embedded platform stored instead of sending."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from neighborconnect.settings import get_settings
from transactional_api.core.mailer import folder, list_stored


def app(number: Annotated[int | None, typer.Argument(help="Show this email; 1 is the newest.")] = None) -> None:
    """List the emails that the platform would have sent, or show one.

    Example: neighborconnect mail 1
    """
    settings = get_settings()
    emails = list_stored(settings)[::-1]
    console = Console()
    if number is not None:
        if not 1 <= number <= len(emails):
            raise typer.BadParameter(f"there are {len(emails)} emails")
        email = emails[number - 1]
        console.print(f"To: {email['To']}\nSubject: {email['Subject']}\n", markup=False, highlight=False)
        console.print(email.get_content(), markup=False, highlight=False)
        return
    if not emails:
        console.print(f"No emails in {folder(settings)}.")
        return
    table = Table("number", "sent", "to", "subject")
    for position, email in enumerate(emails, start=1):
        table.add_row(str(position), str(email["Date"]), str(email["To"]), str(email["Subject"]))
    console.print(table)
