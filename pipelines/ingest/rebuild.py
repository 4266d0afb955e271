"""Empties a sink so that its worker fills it again from the beginning of Kafka."""

from __future__ import annotations

import polars as pl
import psycopg
from deltalake import CommitProperties, Transaction, write_deltalake

from neighborconnect.contracts.topics import STREAMS
from neighborconnect.settings import Settings
from pipelines.ingest.lake_sink import open_or_create
from pipelines.ingest.progress import beginning_offsets
from pipelines.ingest.schema import lake_schema
from pipelines.ingest.sinks import Place
from pipelines.ingest.warehouse_tables import create_tables, drop_rows


class HistoryLostError(RuntimeError):
    """Kafka no longer holds the first events; a rebuilt sink would lack them."""


def empty_lake(settings: Settings, *, accept_loss: bool = False) -> None:
    """Empty every event table and set its offsets to the beginning, in one commit a table.

    Raises:
        HistoryLostError: when Kafka has dropped its oldest records, unless ``accept_loss``.
    """
    beginnings = _check_history(settings, accept_loss=accept_loss)
    for stream in STREAMS:
        places = {place: offset for place, offset in beginnings.items() if place.topic == stream.topic}
        write_deltalake(
            open_or_create(settings, stream),
            pl.DataFrame(schema=lake_schema(stream)).to_arrow(),
            mode="overwrite",
            commit_properties=CommitProperties(
                app_transactions=[
                    Transaction(f"{place.topic}:{place.partition}", offset) for place, offset in places.items()
                ]
            ),
        )


def empty_warehouse(settings: Settings, *, accept_loss: bool = False) -> None:
    """Empty every ``raw`` table and forget its offsets, in one transaction.

    Raises:
        HistoryLostError: when Kafka has dropped its oldest records, unless ``accept_loss``.
    """
    _check_history(settings, accept_loss=accept_loss)
    with psycopg.connect(settings.warehouse_url, autocommit=True) as connection:
        create_tables(connection)
        drop_rows(connection, sink="warehouse")


def _check_history(settings: Settings, *, accept_loss: bool) -> dict[Place, int]:
    beginnings = beginning_offsets(settings)
    dropped = sum(beginnings.values())
    if dropped and not accept_loss:
        raise HistoryLostError(
            f"Kafka has dropped its oldest {dropped} records. Rebuild change streams with "
            "`python -m transactional_api.cdc snapshot`, restore the rest from a backup, or accept the loss."
        )
    return beginnings
