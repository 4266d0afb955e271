"""Data exports: a zip of JSON files and uploads with an index page.

This module reads the stores of the API. The pipelines add the analytical stores: they list incomplete exports, upload
their part next to the export, and report it; then the export is built again with both parts.
"""

from __future__ import annotations

import asyncio
import html
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import column as sql_column
from sqlalchemy import insert, select, table, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.privacy import PLATFORM_LOCATIONS, PRODUCT_LOCATIONS, DataLocation, Store
from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import DataExport, User
from transactional_api.core.errors import NotFoundError, Problem
from transactional_api.core.jobs import queue
from transactional_api.core.media.stores import MAX_UPLOAD_BYTES, MediaStores, open_media
from transactional_api.core.pagination import Page, PageRequest
from transactional_api.core.security.field_encryption import FieldCipher
from transactional_api.core.security.personal_data import email_of, home_of, phone_of
from transactional_api.core.viewer import Viewer
from transactional_api.governance.privacy.schemas import ExportOut, UnfinishedExport, UnfinishedExportsOut

VALIDITY = timedelta(days=7)
_DOCUMENTS_PER_PAGE = 200
_UNFINISHED_LIMIT = 50

log = get_logger(__name__)


class ExportInProgressError(Problem):
    """An export is being built."""

    status, code, title = 409, "export_in_progress", "An export of your data is already in progress"


async def create(session: AsyncSession, *, viewer: Viewer, media: MediaStores) -> ExportOut:
    """Queue an export.

    Raises:
        ExportInProgressError: when one is being built.
    """
    await session.execute(select(User.id).where(User.id == viewer.id).with_for_update(key_share=True))
    waiting = select(DataExport.id).where(DataExport.user_id == viewer.id, DataExport.state == "waiting")
    if await session.scalar(waiting):
        raise ExportInProgressError
    values = {"user_id": viewer.id, "expires_at": datetime.now(UTC) + VALIDITY}
    row = await session.scalar(insert(DataExport).values(values).returning(DataExport))
    assert row is not None  # noqa: S101 (the insert returned it)
    await queue.defer(session, build, one_at_a_time=f"export-{row.id}", export_id=str(row.id))
    return await _out(media, row)


async def get(session: AsyncSession, *, viewer: Viewer, media: MediaStores, export_id: UUID) -> ExportOut:
    """Return an export of the viewer, with a link once it is ready."""
    row = await session.scalar(
        select(DataExport).where(DataExport.id == export_id, DataExport.user_id == viewer.id, _is_valid())
    )
    if row is None:
        raise NotFoundError
    return await _out(media, row)


async def list_exports(
    session: AsyncSession, *, viewer: Viewer, media: MediaStores, page: PageRequest
) -> Page[ExportOut]:
    """List the viewer's exports that have not expired, newest first."""
    statement = select(DataExport).where(DataExport.user_id == viewer.id, _is_valid())
    rows = (await session.scalars(page.select(statement, at=DataExport.created_at, row_id=DataExport.id))).all()
    return Page(items=[await _out(media, row) for row in rows[: page.limit]], next_cursor=page.next_cursor(rows))


@queue.task("privacy.export", lane=queue.Lane.MEDIA, priority=queue.Priority.NOTICE)
async def build(context: AppContext, *, export_id: str) -> None:
    """Build an export, with the part of the pipelines if it is uploaded; a repetition writes the same object."""
    media = open_media(context)
    async with context.transaction() as session:
        row = await session.scalar(select(DataExport).where(DataExport.id == UUID(export_id)))
        if row is None or row.complete:
            return
        rows = {
            location: await _rows(session, location=location, cipher=context.cipher, user_id=row.user_id)
            for location in PRODUCT_LOCATIONS
            if location.is_exported and location.store is Store.DATABASE
        }
    # Outside a transaction: fetching uploads takes longer than the idle-in-transaction timeout.
    key = f"{row.user_id}/exports/{row.id}.zip"
    with tempfile.TemporaryDirectory() as folder:
        path, part = Path(folder) / "export.zip", Path(folder) / "part.zip"
        complete = await media.objects.get_file(_part_key(row), part)
        await _write(path, rows=rows, media=media, user_id=row.user_id, part=part if complete else None)
        size = path.stat().st_size
        await media.objects.put_file(key, path, content_type="application/zip")
    async with context.transaction() as session:
        done = {"state": "ready", "complete": complete, "object_key": key, "bytes": size}
        ready = update(DataExport).where(DataExport.id == row.id).values(done).returning(DataExport.id)
        exists = await session.scalar(ready) is not None
    if not exists:  # The user was erased meanwhile.
        await media.objects.remove(key)
        return
    if complete:
        await media.objects.remove(_part_key(row))
    log.info("export.ready", export=export_id, bytes=size, complete=complete)


async def unfinished(session: AsyncSession, *, media: MediaStores) -> UnfinishedExportsOut:
    """Return exports that lack the part of the pipelines, oldest first, each with an upload link for it."""
    incomplete = select(DataExport).where(DataExport.state == "ready", ~DataExport.complete, _is_valid())
    rows = (await session.scalars(incomplete.order_by(DataExport.created_at).limit(_UNFINISHED_LIMIT))).all()
    return UnfinishedExportsOut(
        exports=[
            UnfinishedExport(id=row.id, user_id=row.user_id, upload_url=await media.objects.target(_part_key(row)))
            for row in rows
        ]
    )


async def add_part(session: AsyncSession, *, export_id: UUID) -> None:
    """Queue the rebuild of an export with the part of the pipelines; raises ``NotFoundError`` for an unknown export."""
    row = await session.scalar(select(DataExport).where(DataExport.id == export_id, _is_valid()))
    if row is None:
        raise NotFoundError
    if not row.complete:
        await queue.defer(session, build, one_at_a_time=f"export-{row.id}", export_id=str(row.id))


async def remove_expired(context: AppContext) -> int:
    """Remove expired exports, objects first; return their number."""
    async with context.transaction() as session:
        statement = select(DataExport).where(~_is_valid()).limit(500).with_for_update(skip_locked=True)
        rows = (await session.scalars(statement)).all()
        objects = open_media(context).objects
        for row in rows:
            if row.object_key:
                await objects.remove(row.object_key, _part_key(row))
            await session.delete(row)
    return len(rows)


def _part_key(row: DataExport) -> str:
    return f"{row.user_id}/exports/{row.id}.part.zip"


async def _write(
    path: Path,
    *,
    rows: Mapping[DataLocation, list[dict[str, Any]]],
    media: MediaStores,
    user_id: UUID,
    part: Path | None,
) -> None:
    listed: list[tuple[str, int, str]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, entries: list[dict[str, Any]], note: str) -> None:
            archive.writestr(name, orjson.dumps(entries, option=orjson.OPT_INDENT_2, default=str))
            listed.append((name, len(entries), note))

        for location, entries in rows.items():
            add(f"database/{location.name}.{location.subject_key}.json", entries, location.note)
        for location in PRODUCT_LOCATIONS:
            if location.is_exported and location.store is Store.DOCUMENTS:
                documents = await _documents(media, location=location, user_id=user_id)
                add(f"documents/{location.name}.json", documents, location.note)
                for key in [document["processed_key"] for document in documents if document.get("processed_key")]:
                    data = await media.objects.get(key, at_most=2 * MAX_UPLOAD_BYTES)
                    if data is not None:
                        name = f"uploads/{Path(key).name}"
                        await asyncio.to_thread(archive.writestr, name, data)
                        listed.append((name, 1, ""))
        if part is not None:
            listed += await asyncio.to_thread(_add_part, archive, part)
        archive.writestr("index.html", _page(listed, complete=part is not None))


def _add_part(archive: zipfile.ZipFile, part: Path) -> list[tuple[str, int, str]]:
    notes = {f"{location.store.value}/{location.name}": location.note for location in PLATFORM_LOCATIONS}
    listed = []
    with zipfile.ZipFile(part) as source:
        for name in source.namelist():
            entries = source.read(name)
            archive.writestr(name, entries)
            listed.append((name, len(orjson.loads(entries)), notes.get(name.partition(".")[0], "")))
    return listed


async def _rows(
    session: AsyncSession, *, location: DataLocation, cipher: FieldCipher, user_id: UUID
) -> list[dict[str, Any]]:
    everything = select(text("*")).select_from(table(location.name)).where(sql_column(location.subject_key) == user_id)
    rows = [
        {name: value for name, value in row.items() if name not in location.secret}
        for row in (await session.execute(everything)).mappings()
    ]
    if location.name == "users":
        user = await session.get_one(User, user_id)
        home = home_of(cipher, user)
        decrypted = {"email": email_of(cipher, user), "phone": phone_of(cipher, user)}
        rows[0] |= decrypted | {"home": home.model_dump() if home else None}
    return rows


async def _documents(media: MediaStores, *, location: DataLocation, user_id: UUID) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = []
    before = None
    while rows := await media.documents.find(
        location.name, matching={location.subject_key: str(user_id)}, limit=_DOCUMENTS_PER_PAGE, before=before
    ):
        documents += [{"id": str(row.id), "created_at": row.created_at, **row.document} for row in rows]
        before = (rows[-1].created_at, rows[-1].id)
    return documents


def _page(listed: list[tuple[str, int, str]], *, complete: bool) -> str:
    lines = "\n".join(
        f'<tr><td><a href="{html.escape(name)}">{html.escape(name)}</a><td>{number}<td>{html.escape(note)}'
        for name, number, note in listed
    )
    missing = (
        ""
        if complete
        else " Your interactions, recommendations and model features are not included yet; they follow within minutes. "
        "Download the export again then."
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Your NeighborConnect data</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding:.2em 1em .2em 0}</style>"
        f"<h1>Your NeighborConnect data</h1><p>As of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Each file is "
        f"JSON, a list of rows.{missing}</p><table><tr><th>File<th>Entries<th>Note\n{lines}</table></html>\n"
    )


def _is_valid() -> Any:
    return DataExport.expires_at > datetime.now(UTC)


async def _out(media: MediaStores, row: DataExport) -> ExportOut:
    return ExportOut(
        id=row.id,
        state=row.state,
        complete=row.complete,
        bytes=row.bytes,
        url=await media.objects.link(row.object_key) if row.object_key else None,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
