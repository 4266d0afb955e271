"""A person's copy of what is known of them: a zip of JSON files and their uploads, with a page.

The product's stores are read here. What the analytical stores hold is theirs to read: their pipelines ask which copies
lack it, put their part beside the copy, and say so; then the copy is made anew with both.
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

from neighborconnect.contracts.privacy import PLATFORM, PRODUCT, Place, Store
from neighborconnect.telemetry import get_logger
from transactional_api.auth import Viewer
from transactional_api.db.tables import DataExport, User
from transactional_api.errors import NotFoundError, Problem
from transactional_api.jobs import queue
from transactional_api.media.stores import MAX_UPLOAD_BYTES, Media, open_media
from transactional_api.paging import Page, PageRequest
from transactional_api.privacy.schemas import ExportOut, UnfinishedExport, UnfinishedExportsOut
from transactional_api.resources import Resources
from transactional_api.users.sealing import email_of, home_of, phone_of
from transactional_api.vault import Vault

KEPT_FOR = timedelta(days=7)
_DOCUMENTS_A_PAGE = 200
_UNFINISHED_AT_ONCE = 50

log = get_logger(__name__)


class ExportWaitingError(Problem):
    """A copy is being made."""

    status, code, title = 409, "export_waiting", "Your copy is being made already"


async def begin(session: AsyncSession, *, viewer: Viewer, media: Media) -> ExportOut:
    """Queue the making of a copy.

    Raises:
        ExportWaitingError: when one is being made.
    """
    await session.execute(select(User.id).where(User.id == viewer.id).with_for_update(key_share=True))
    waiting = select(DataExport.id).where(DataExport.user_id == viewer.id, DataExport.state == "waiting")
    if await session.scalar(waiting):
        raise ExportWaitingError
    values = {"user_id": viewer.id, "expires_at": datetime.now(UTC) + KEPT_FOR}
    row = await session.scalar(insert(DataExport).values(values).returning(DataExport))
    assert row is not None  # noqa: S101 (the insert returned it)
    await queue.defer(session, make, one_at_a_time=f"export-{row.id}", export_id=str(row.id))
    return await _out(media, row)


async def get(session: AsyncSession, *, viewer: Viewer, media: Media, export_id: UUID) -> ExportOut:
    """Return a copy of the viewer's, with a link once it is ready."""
    row = await session.scalar(
        select(DataExport).where(DataExport.id == export_id, DataExport.user_id == viewer.id, _lives())
    )
    if row is None:
        raise NotFoundError
    return await _out(media, row)


async def find(session: AsyncSession, *, viewer: Viewer, media: Media, page: PageRequest) -> Page[ExportOut]:
    """List the viewer's copies that have not expired, the last first."""
    statement = select(DataExport).where(DataExport.user_id == viewer.id, _lives())
    rows = (await session.scalars(page.select(statement, at=DataExport.created_at, row_id=DataExport.id))).all()
    return Page(items=[await _out(media, row) for row in rows[: page.limit]], next_cursor=page.next_cursor(rows))


@queue.task("privacy.export", lane=queue.Lane.MEDIA, priority=queue.Priority.NOTICE)
async def make(resources: Resources, *, export_id: str) -> None:
    """Make a copy, with the pipelines' part if it is there; done twice it gives the same object."""
    media = open_media(resources)
    async with resources.transaction() as session:
        row = await session.scalar(select(DataExport).where(DataExport.id == UUID(export_id)))
        if row is None or row.complete:
            return
        rows = {
            place: await _rows(session, place=place, vault=resources.vault, user_id=row.user_id)
            for place in PRODUCT
            if place.exported and place.store is Store.DATABASE
        }
    # Outside of a transaction: uploads take longer to fetch than one may stand idle.
    key = f"{row.user_id}/exports/{row.id}.zip"
    with tempfile.TemporaryDirectory() as folder:
        path, part = Path(folder) / "export.zip", Path(folder) / "part.zip"
        complete = await media.objects.get_file(_part_key(row), part)
        await _write(path, rows=rows, media=media, user_id=row.user_id, part=part if complete else None)
        size = path.stat().st_size
        await media.objects.put_file(key, path, content_type="application/zip")
    async with resources.transaction() as session:
        done = {"state": "ready", "complete": complete, "object_key": key, "bytes": size}
        ready = update(DataExport).where(DataExport.id == row.id).values(done).returning(DataExport.id)
        wanted = await session.scalar(ready) is not None
    if not wanted:  # Its person was forgotten meanwhile.
        await media.objects.remove(key)
        return
    if complete:
        await media.objects.remove(_part_key(row))
    log.info("export.ready", export=export_id, bytes=size, complete=complete)


async def unfinished(session: AsyncSession, *, media: Media) -> UnfinishedExportsOut:
    """Return copies that are ready but for the pipelines' part, the oldest first, each with where it is to be put."""
    wanted = select(DataExport).where(DataExport.state == "ready", ~DataExport.complete, _lives())
    rows = (await session.scalars(wanted.order_by(DataExport.created_at).limit(_UNFINISHED_AT_ONCE))).all()
    return UnfinishedExportsOut(
        exports=[
            UnfinishedExport(id=row.id, user_id=row.user_id, upload_url=await media.objects.target(_part_key(row)))
            for row in rows
        ]
    )


async def take_part(session: AsyncSession, *, export_id: UUID) -> None:
    """Queue the making of a copy with the pipelines' part; raises ``NotFoundError`` where there is no such copy."""
    row = await session.scalar(select(DataExport).where(DataExport.id == export_id, _lives()))
    if row is None:
        raise NotFoundError
    if not row.complete:
        await queue.defer(session, make, one_at_a_time=f"export-{row.id}", export_id=str(row.id))


async def remove_expired(resources: Resources) -> int:
    """Remove copies that have expired, objects first; returns how many."""
    async with resources.transaction() as session:
        statement = select(DataExport).where(~_lives()).limit(500).with_for_update(skip_locked=True)
        rows = (await session.scalars(statement)).all()
        objects = open_media(resources).objects
        for row in rows:
            if row.object_key:
                await objects.remove(row.object_key, _part_key(row))
            await session.delete(row)
    return len(rows)


def _part_key(row: DataExport) -> str:
    return f"{row.user_id}/exports/{row.id}.part.zip"


async def _write(
    path: Path, *, rows: Mapping[Place, list[dict[str, Any]]], media: Media, user_id: UUID, part: Path | None
) -> None:
    listed: list[tuple[str, int, str]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, entries: list[dict[str, Any]], note: str) -> None:
            archive.writestr(name, orjson.dumps(entries, option=orjson.OPT_INDENT_2, default=str))
            listed.append((name, len(entries), note))

        for place, found in rows.items():
            add(f"database/{place.name}.{place.person}.json", found, place.note)
        for place in PRODUCT:
            if place.exported and place.store is Store.DOCUMENTS:
                documents = await _documents(media, place=place, user_id=user_id)
                add(f"documents/{place.name}.json", documents, place.note)
                for key in [document["clean"] for document in documents if document.get("clean")]:
                    data = await media.objects.get(key, at_most=2 * MAX_UPLOAD_BYTES)
                    if data is not None:
                        name = f"uploads/{Path(key).name}"
                        await asyncio.to_thread(archive.writestr, name, data)
                        listed.append((name, 1, ""))
        if part is not None:
            listed += await asyncio.to_thread(_add_part, archive, part)
        archive.writestr("index.html", _page(listed, complete=part is not None))


def _add_part(archive: zipfile.ZipFile, part: Path) -> list[tuple[str, int, str]]:
    notes = {f"{place.store.value}/{place.name}": place.note for place in PLATFORM}
    listed = []
    with zipfile.ZipFile(part) as theirs:
        for name in theirs.namelist():
            entries = theirs.read(name)
            archive.writestr(name, entries)
            listed.append((name, len(orjson.loads(entries)), notes.get(name.partition(".")[0], "")))
    return listed


async def _rows(session: AsyncSession, *, place: Place, vault: Vault, user_id: UUID) -> list[dict[str, Any]]:
    everything = select(text("*")).select_from(table(place.name)).where(sql_column(place.person) == user_id)
    found = [
        {name: value for name, value in row.items() if name not in place.secret}
        for row in (await session.execute(everything)).mappings()
    ]
    if place.name == "users":
        user = await session.get_one(User, user_id)
        home = home_of(vault, user)
        opened = {"email": email_of(vault, user), "phone": phone_of(vault, user)}
        found[0] |= opened | {"home": home.model_dump() if home else None}
    return found


async def _documents(media: Media, *, place: Place, user_id: UUID) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before = None
    while rows := await media.documents.find(
        place.name, matching={place.person: str(user_id)}, limit=_DOCUMENTS_A_PAGE, before=before
    ):
        found += [{"id": str(row.id), "created_at": row.created_at, **row.document} for row in rows]
        before = (rows[-1].created_at, rows[-1].id)
    return found


def _page(listed: list[tuple[str, int, str]], *, complete: bool) -> str:
    lines = "\n".join(
        f'<tr><td><a href="{html.escape(name)}">{html.escape(name)}</a><td>{number}<td>{html.escape(note)}'
        for name, number, note in listed
    )
    lacks = (
        ""
        if complete
        else " What you viewed and clicked, what was recommended to you and what models know you by is not here yet: "
        "it follows within minutes. Fetch the copy again then."
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>What NeighborConnect knows of you</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding:.2em 1em .2em 0}</style>"
        f"<h1>What NeighborConnect knows of you</h1><p>As of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Each file is "
        f"JSON, a list of rows.{lacks}</p><table><tr><th>file<th>entries<th>note\n{lines}</table></html>\n"
    )


def _lives() -> Any:
    return DataExport.expires_at > datetime.now(UTC)


async def _out(media: Media, row: DataExport) -> ExportOut:
    return ExportOut(
        id=row.id,
        state=row.state,
        complete=row.complete,
        bytes=row.bytes,
        url=await media.objects.link(row.object_key) if row.object_key else None,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
