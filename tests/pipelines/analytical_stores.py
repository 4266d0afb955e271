"""The lake and the warehouse, with rows that a test writes to both."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import psycopg

from neighborconnect.contracts.topics import STREAM_BY_TABLE, STREAMS
from neighborconnect.settings import Settings
from pipelines.ingest.decode import decode
from pipelines.ingest.lake import scan_events
from pipelines.ingest.lake_sink import LakeSink
from pipelines.ingest.warehouse_sink import WarehouseSink
from tests.pipelines.ingest.events import interaction, next_offsets, row_change


class AnalyticalStores:
    """Writer of rows to the lake and to the warehouse."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self._last = settings, 0

    def put(self, table: str, **image: Any) -> None:
        """Write a row of a captured table."""
        self._last += 1
        record = row_change(STREAM_BY_TABLE[table], self._last, image={"id": str(uuid.uuid4()), **image})
        self._write(table, record)

    def click(self, user_id: str) -> None:
        """Write a click."""
        self._last += 1
        self._write("interactions", interaction(self._last, user_id=user_id))

    def click_all(self, clicks: Iterable[Mapping[str, Any]]) -> None:
        """Write many clicks at once; each has values of its event."""
        records = []
        for values in clicks:
            self._last += 1
            records.append(interaction(self._last, **values))
        self._write("interactions", *records)

    def _write(self, table: str, *records: Any) -> None:
        stream = STREAM_BY_TABLE[table]
        frame, invalid = decode(stream, records)
        assert invalid == []
        for sink in (LakeSink(self.settings), WarehouseSink(self.settings)):
            sink.open()
            assert sink.write(stream, frame, next_offsets(records)) == []
            sink.close()

    def lake_has(self, words: str) -> set[str]:
        """Names of the lake's tables with the text in any column."""
        found = set()
        for stream in STREAMS:
            cells = scan_events(self.settings, stream.table).select(pl.all().cast(pl.String)).collect()
            if any(cells[column].str.contains(words, literal=True).any() for column in cells.columns):
                found.add(stream.table)
        return found

    def warehouse_has(self, words: str) -> set[str]:
        """Names of the raw tables with the text in any column."""
        found = set()
        with psycopg.connect(self.settings.warehouse_url) as connection:
            for stream in STREAMS:
                statement = f"SELECT FROM raw.{stream.table} t WHERE t::text LIKE %s LIMIT 1"
                if connection.execute(statement, [f"%{words}%"]).fetchone() is not None:
                    found.add(stream.table)
        return found
