"""``python -m transactional_api.cdc.documents`` publishes the stories and reels that are in MongoDB.

A program of its own, because the relay has no access to MongoDB: run it where the API runs.
"""

from __future__ import annotations

import asyncio

import typer

from neighborconnect.contracts.tables import CAPTURED_DOCUMENTS
from neighborconnect.settings import Settings, get_settings
from neighborconnect.telemetry import configure_logging, get_logger
from transactional_api.cdc.back_pressure import OutboxFullError, wait_for_room_in
from transactional_api.core.db.session import create_engine
from transactional_api.core.document_capture import CapturedDocuments, open_documents


def main() -> None:
    """Publish the state of every story and reel to the outbox, to rebuild Kafka from MongoDB."""
    settings = get_settings()
    if settings.mongo_url is None:
        typer.echo("MONGO_URL is not set. `python -m transactional_api.cdc snapshot` covers PostgreSQL.", err=True)
        raise typer.Exit(1)
    configure_logging("relay", level=settings.neighborconnect_log_level, log_format=settings.neighborconnect_log_format)
    try:
        published = asyncio.run(publish_documents(settings))
    except OutboxFullError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    for collection, count in published.items():
        get_logger(__name__).info("snapshot.written", table=collection, rows=count)


async def publish_documents(settings: Settings) -> dict[str, int]:
    """Publish the state of every captured document in MongoDB; return their number by collection.

    Raises:
        OutboxFullError: if the outbox is full and the relay publishes nothing.
    """
    engine = create_engine(settings.database_url)
    try:
        async with open_documents(settings, engine=engine) as documents:
            assert isinstance(documents, CapturedDocuments)  # noqa: S101 (the store of MONGO_URL)
            # Nothing else runs in this loop, so the wait may block it.
            return {
                table.name: await documents.publish_all(
                    table.name, on_progress=lambda _rows: wait_for_room_in(settings.database_url)
                )
                for table in CAPTURED_DOCUMENTS
            }
    finally:
        await engine.dispose()


if __name__ == "__main__":
    typer.run(main)
