"""Hashtags of posts, by the grammar of UAX #31 (hashtag identifiers) without emoji."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import regex
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.posts.schemas import PostBody
from transactional_api.core.db.tables import PostTag

MAX_LENGTH = 50
# A hashtag begins with a letter, so that "#1" stays a number, and not within a word, a URL or an HTML entity. Joiners
# (ZWNJ, ZWJ) belong to it between two letters or marks, as required by Persian and the scripts of India.
_TAG = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}_&/#])[#\uFF03\uFE5F]"
    r"(\p{L}(?:[\p{L}\p{M}\p{N}\p{Pc}\u00B7\u30FB]|(?<=[\p{L}\p{M}])[\u200c\u200d]+(?=[\p{L}\p{M}]))*)"
)
_IGNORED = regex.compile(r"\p{Default_Ignorable_Code_Point}+")


def extract_hashtags(text: str) -> list[str]:
    """Return the normalized hashtags of a text, without duplicates, in order of appearance."""
    return list(dict.fromkeys(normalize_hashtag(tag) for tag in _TAG.findall(unicodedata.normalize("NFC", text))))


def normalize_hashtag(tag: str) -> str:
    """Return the form in which hashtags are stored and compared.

    It is NFKC_Casefold of Unicode, with the four letters I of Turkish mapped to one.
    """
    key = _IGNORED.sub("", tag)
    for _ in range(2):  # Folding may decompose, and composing may give letters that fold.
        key = unicodedata.normalize("NFKC", key).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return unicodedata.normalize("NFKC", key)[:MAX_LENGTH]


MAX_HASHTAGS = 20


async def replace_hashtags(session: AsyncSession, *, post_id: UUID, body: PostBody) -> None:
    """Replace the stored hashtags of a post by those of its content."""
    await session.execute(delete(PostTag).where(PostTag.post_id == post_id))
    if hashtags := extract_hashtags(f"{body.title or ''} {body.content}")[:MAX_HASHTAGS]:
        await session.execute(insert(PostTag).values([{"post_id": post_id, "tag": hashtag} for hashtag in hashtags]))
