"""Parse tags in scripts with combining marks or joiners again, from the posts that have them."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import regex
import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

BATCH = 500
LONGEST, MOST = 50, 20
# As in ``transactional_api/posts/tags.py`` when this was written.
TAG = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}_&/#])[#\uFF03\uFE5F]"
    r"(\p{L}(?:[\p{L}\p{M}\p{N}\p{Pc}\u00B7\u30FB]|(?<=[\p{L}\p{M}])[\u200c\u200d]+(?=[\p{L}\p{M}]))*)"
)
IGNORED = regex.compile(r"\p{Default_Ignorable_Code_Point}+")


def key_of(tag: str) -> str:
    key = IGNORED.sub("", tag)
    for _ in range(2):
        key = unicodedata.normalize("NFKC", key).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return unicodedata.normalize("NFKC", key)[:LONGEST]


READ = sa.text(
    "SELECT id, words FROM (SELECT id, coalesce(title, '') || ' ' || content AS words FROM posts) AS read "
    r"WHERE id > :after AND words ~ '[#\uFF03\uFE5F]' AND words ~ '[^\x01-\x7f]' ORDER BY id LIMIT :batch"
)
ADD = sa.text(
    "INSERT INTO post_tags (post_id, tag) SELECT unnest(CAST(:ids AS uuid[])), unnest(CAST(:tags AS text[])) "
    "ON CONFLICT DO NOTHING"
)
REMOVE = sa.text(
    "DELETE FROM post_tags WHERE post_id = ANY(CAST(:read AS uuid[])) AND (post_id, tag) NOT IN "
    "(SELECT unnest(CAST(:ids AS uuid[])), unnest(CAST(:tags AS text[])))"
)


def tags_in(words: str) -> list[str]:
    return list(dict.fromkeys(map(key_of, TAG.findall(unicodedata.normalize("NFC", words)))))[:MOST]


def upgrade() -> None:
    """Commit batch by batch, so that no writer waits for more than one of them."""
    with op.get_context().autocommit_block():
        connection, after = op.get_bind(), UUID(int=0)
        while rows := connection.execute(READ, {"after": after, "batch": BATCH}).all():
            after = rows[-1].id
            found = [(one.id, tag) for one in rows for tag in tags_in(one.words)]
            pairs = {"ids": [post for post, _ in found], "tags": [tag for _, tag in found]}
            connection.execute(ADD, pairs)
            connection.execute(REMOVE, pairs | {"read": [one.id for one in rows]})
