"""Every stored count, and the statement that computes it from its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.transactional_api.people import Town

COUNTERS = {
    "connectors.member_count": "(SELECT count(*) FROM connector_members m WHERE m.connector_id = t.id)",
    "connectors.post_count": "(SELECT count(*) FROM posts p WHERE p.connector_id = t.id AND p.is_active)",
    "posts.likes_count": "(SELECT count(*) FROM post_likes l WHERE l.post_id = t.id)",
    "posts.comments_count": "(SELECT count(*) FROM comments c WHERE c.post_id = t.id AND c.is_active)",
    "comments.likes_count": "(SELECT count(*) FROM comment_likes l WHERE l.comment_id = t.id)",
    "events.attendee_count": "(SELECT coalesce(sum(1 + a.guests), 0) FROM event_attendees a "
    "WHERE a.event_id = t.id AND a.status = 'attending')",
    "marketplace_items.views_count": "(SELECT count(*) FROM marketplace_item_views v WHERE v.item_id = t.id)",
    "reviews.helpful_count": "(SELECT count(*) FROM review_votes v WHERE v.review_id = t.id)",
    "moderation_cases.report_count": "(SELECT count(*) FROM moderation_reports r WHERE r.case_id = t.id)",
    "conversations.last_event_id": "(SELECT count(*) FROM chat_events e WHERE e.conversation_id = t.id)",
}
"""By table and column; ``t`` is the row that stores the count."""

DOCUMENTS = {("stories", "view_count"): "view", ("reels", "view_count"): "view", ("reels", "like_count"): "like"}
"""Counts in documents of stories and reels, and the kind of the marks that they are of."""

NOT_COUNTS = {
    "users.reputation": "Computed again from all rows each night (tests/transactional_api/test_reputation.py)",
    "events.revision": "How often the event was changed",
    "event_attendees.guests": "What the person answered, not a number of rows",
    "second_factors.last_step": "The time of a code",
    "conversation_members.read_up_to": "The number of an event",
    "media_usage.bytes": "The size of files that are removed with the row",
    "data_exports.bytes": "The size of a file",
    "search_words.documents": "Counted from a log of changes (tests/transactional_api/test_search.py)",
    "search_languages.documents": "Counted from a log of changes (tests/transactional_api/test_search.py)",
    "search_languages.lexemes": "Counted from a log of changes (tests/transactional_api/test_search.py)",
}


async def wrong(town: Town, ids: Iterable[Any]) -> dict[str, list[tuple[str, int, int]]]:
    """The counts of these rows that are not what their rows say: id, stored, computed; by counter."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    for name, computed in COUNTERS.items():
        table, column = name.split(".")
        rows = await town.rows(
            f"SELECT t.id, t.{column} AS stored, {computed} AS computed FROM {table} t "
            f"WHERE t.id = ANY(CAST(:ids AS uuid[])) AND t.{column} <> {computed}",
            ids=[str(one) for one in ids],
        )
        if rows:
            found[name] = [(str(row.id), row.stored, row.computed) for row in rows]
    for (collection, field), kind in DOCUMENTS.items():
        rows = await town.rows(
            "SELECT id, stored, computed FROM (SELECT d.id, (d.document->>:field)::int AS stored, "
            "(SELECT count(*) FROM media_engagements m WHERE m.document_id = d.id AND m.kind = :kind) AS computed "
            "FROM media_documents d WHERE d.collection = :collection AND d.id = ANY(CAST(:ids AS uuid[]))) s "
            "WHERE stored <> computed",
            field=field,
            kind=kind,
            collection=collection,
            ids=[str(one) for one in ids],
        )
        if rows:
            found[f"{collection}.{field}"] = [(str(row.id), row.stored, row.computed) for row in rows]
    return found
