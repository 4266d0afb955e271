"""``neighborconnect receipts``: verify, show and publish signed receipts of erasures."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from neighborconnect.settings import SettingsError, get_settings
from transactional_api.core.app_context import open_app_context
from transactional_api.core.db.tables import Erasure
from transactional_api.governance.privacy import receipt_signing
from transactional_api.governance.privacy.receipt_signing import ReceiptError
from transactional_api.governance.privacy.receipts import receipt_of

app = typer.Typer(
    help="Signed receipts of erasures.",
    no_args_is_help=True,
    epilog="Example: neighborconnect receipts verify receipt.json --keys receipt-keys.json",
)


@app.callback()
def receipts() -> None:
    """Verify, show and publish signed receipts of erasures."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="Response of `GET /privacy/receipts/{code}`, as a file.")],
    keys: Annotated[
        Path | None,
        typer.Option(help="Response of `GET /privacy/receipt-keys`. Without it, the keys of this machine's settings."),
    ] = None,
) -> None:
    """Verify the signature of a receipt offline; exit with 1 if it is not valid.

    Nothing but the receipt and the public keys is read: no server has to run.
    """
    try:
        receipt = _read(file)
        digest = receipt_signing.verify(receipt, keys=_read_keys(keys))
    except ReceiptError as error:
        typer.echo(f"{file} is not a valid receipt: {error}.", err=True)
        raise typer.Exit(1) from None
    locations, models = len(receipt.get("lines", [])), len(receipt.get("influenced_models", []))
    typer.echo(f"The receipt of erasure {receipt.get('id')} is valid.")
    typer.echo(f"{locations} locations, {models} influenced model versions, SHA-256 {digest}")


@app.command()
def show(erasure_id: Annotated[UUID, typer.Argument(help="Id of the erasure.")]) -> None:
    """Print the receipt of an erasure as JSON, as the API returns it to its user."""
    receipt = asyncio.run(_receipt(erasure_id))
    if receipt is None:
        typer.echo(f"There is no erasure {erasure_id}.", err=True)
        raise typer.Exit(1)
    typer.echo(receipt)


@app.command()
def keys() -> None:
    """Print the public keys that verify receipts, as a JSON Web Key Set."""
    typer.echo(json.dumps({"keys": receipt_signing.public_keys(get_settings())}))


def _read(file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ReceiptError(f"{file.name} cannot be read ({error.strerror})") from None
    return receipt_signing.parse(content)


def _read_keys(file: Path | None) -> list[dict[str, Any]]:
    if file is None:
        try:
            return receipt_signing.public_keys(get_settings())
        except SettingsError:
            raise ReceiptError("this machine has no keys of receipts; name the published ones with --keys") from None
    published = _read(file).get("keys")
    if not isinstance(published, list) or not all(isinstance(key, dict) for key in published):
        raise ReceiptError(f"{file.name} is not a JSON Web Key Set")
    return published


async def _receipt(erasure_id: UUID) -> str | None:
    async with open_app_context(get_settings()) as context, context.transaction() as session:
        erasure = await session.get(Erasure, erasure_id)
        return None if erasure is None else receipt_of(erasure).model_dump_json(exclude_unset=True)
