"""The job that fetches previews of links: public pages only, without cookies, within limits of time and size.

A failure is stored like a page without preview, so that it is not repeated with each text that has the link. The page
is parsed in a process of the sandbox. Pictures are left out.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

import httpx
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from neighborconnect.settings import LinkPreviews
from neighborconnect.telemetry import get_logger
from transactional_api.community.link_previews.pages import PageSummary, summarize
from transactional_api.core import safe_http
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.tables import LinkPreview
from transactional_api.core.jobs import queue
from transactional_api.core.media.link_previews import FETCH_PREVIEW, hash_of

FRESH: Final = timedelta(days=1)
"""Time after which a link that is written again is fetched again."""
SECONDS: Final = 8.0
MAX_PAGE_BYTES: Final = 64 * 1024
MAX_REDIRECTS: Final = 3
PARSE_SECONDS: Final = 1.0
_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HEADERS = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "NeighborConnect-LinkPreview/1.0"}
# Name servers of links in texts do not delay those of webhooks.
_RESOLVERS = ThreadPoolExecutor(2, thread_name_prefix="preview-resolver")
_NOTHING = PageSummary(title=None, description=None, site_name=None)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Allowed addresses: unlike webhooks of developers, links of users reach this machine only by a setting."""

    may_call_this_machine: bool


@queue.handler(FETCH_PREVIEW, retry=False)
async def fetch_preview(context: AppContext, *, url: str, user_id: str | None = None) -> None:  # noqa: ARG001
    """Fetch and store the preview of an address, unless a recent one is stored.

    ``user_id`` is the author of the text: an erasure deletes the queued jobs of a user by it.
    """
    if context.settings.link_previews is LinkPreviews.OFF:
        return
    key, now = hash_of(url), datetime.now(UTC)
    async with context.transaction() as session:
        fetched_at = await session.scalar(select(LinkPreview.fetched_at).where(LinkPreview.url_hash == key))
    if fetched_at is not None and now - fetched_at < FRESH:
        return
    summary = await _summary(context, url)
    values = {**asdict(summary), "fetched_at": now}
    async with context.transaction() as session:
        upsert = insert(LinkPreview).values(url_hash=key, **values)
        # A site that is down for a moment does not delete what it stated before.
        changes = values if summary.title is not None else {"fetched_at": now}
        await session.execute(upsert.on_conflict_do_update(index_elements=["url_hash"], set_=changes))


async def _summary(context: AppContext, url: str) -> PageSummary:
    """Return what a page says about itself; nothing where it cannot be fetched. The log has no address."""
    addresses = _Addresses(context.settings.link_previews is LinkPreviews.LOCAL)
    try:
        fetched = await safe_http.request(
            "GET",
            url,
            settings=addresses,
            headers=_HEADERS,
            max_redirects=MAX_REDIRECTS,
            max_bytes=MAX_PAGE_BYTES,
            seconds=SECONDS,
            resolvers=_RESOLVERS,
        )
    except (safe_http.UnsafeAddressError, httpx.HTTPError, TimeoutError) as error:
        log.info("link_preview.not_fetched", error=type(error).__name__)
        return _NOTHING
    content_type = fetched.headers.get("content-type", "")
    if fetched.status != HTTPStatus.OK or content_type.partition(";")[0].strip().lower() not in _TYPES:
        return _NOTHING
    try:
        return await context.sandbox.run(partial(summarize, fetched.body, content_type), seconds=PARSE_SECONDS)
    except Exception as error:  # noqa: BLE001 (a failed job would keep the link in its arguments)
        log.info("link_preview.not_parsed", error=type(error).__name__)
        return _NOTHING
