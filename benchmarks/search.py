"""``python -m benchmarks search``: words and spelling in 100,000 and 1,000,000 posts, next to tantivy.

Both have the same posts and answer the same queries in one process after another, ten posts each. Ours asks PostgreSQL
for what a viewer may see, and counts it, in a database that is made for the measurement; nothing of a platform is
changed, and only its PostgreSQL has to run. Tantivy knows no permission, and every post that is searched for is one
that the viewer may see. Its default parser joins words by OR; ``fuzzy`` takes words of one edit for the same.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import numpy as np
import psycopg
import tantivy
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from benchmarks.corpus import CONNECTORS, PEOPLE, Corpus, MadePost, is_private, made_id, misremembered
from benchmarks.report import Row
from local_stack.stack import open_stack
from neighborconnect.settings import Settings, sqlalchemy_url
from transactional_api.community.search import service, vocabulary
from transactional_api.community.search.embeddings import QueryEmbedder
from transactional_api.community.search.schemas import SearchKind, SearchQuery
from transactional_api.core.db.migrate import migrate
from transactional_api.core.db.session import create_engine
from transactional_api.core.inference.client import InferenceClient
from transactional_api.core.viewer import Viewer

SIZES = (100_000, 1_000_000)
SEED = 20_267
ASKED = 300
WARM_UP = 60
FIRST = 10
DATABASE = "benchmark_search"


class Asked(NamedTuple):
    """A query, and the post that it should find; None if it should find none."""

    words: str
    meant: UUID | None


class Answers(NamedTuple):
    """How long queries took, and the reciprocal rank of the meant post."""

    milliseconds: list[float]
    ranks: list[float]

    @property
    def p95(self) -> float:
        """The 95th percentile of the durations."""
        return float(np.percentile(self.milliseconds, 95))

    @property
    def mrr(self) -> float:
        """The mean reciprocal rank."""
        return float(np.mean(self.ranks))


def run(settings: Settings) -> list[Row]:
    """Measure every size."""
    # Words and spelling alone: a model service would be measured, too.
    exclusive_lock = settings.model_copy(update={"content_url": None})
    return [row for size in SIZES for row in measure(exclusive_lock, size)]


def measure(settings: Settings, size: int) -> list[Row]:
    """Measure a corpus of ``size`` posts."""
    corpus = Corpus(size, seed=SEED)
    known, drawn = _known_items(corpus), _drawn(corpus)
    rows: list[Row] = []
    with _database() as (url, admin_url), tempfile.TemporaryDirectory() as folder:
        _fill(admin_url, corpus)
        index = _tantivy(folder, corpus)
        load = os.getloadavg()[0]
        ours = {
            name: asyncio.run(_ask_ours(settings, url, asked)) for name, asked in (("known", known), ("drawn", drawn))
        }
        plain = {name: _ask_tantivy(index, asked) for name, asked in (("known", known), ("drawn", drawn))}
        fuzzy = _ask_tantivy(index, known, fuzzy=True)
        note = f"{size:,} posts, load {load:.1f}, {ASKED} queries; smaller is better"
    names = {"known": "titles with a typo, two words dropped", "drawn": "one to five words by frequency"}
    for name, said in names.items():
        rows.append(
            Row.compare(f"{said}, p95", ours=ours[name].p95, peer=plain[name].p95, unit="ms", note=f"tantivy; {note}")
        )
    rows.append(
        Row.compare(
            f"{names['known']}, p95", ours=ours["known"].p95, peer=fuzzy.p95, unit="ms", note=f"tantivy, fuzzy; {note}"
        )
    )
    for answers, peer in ((plain["known"], "tantivy"), (fuzzy, "tantivy, fuzzy")):
        note = f"{peer}; {size:,} posts, the first {FIRST}"
        rows.append(Row.compare(f"{names['known']}, MRR", ours=ours["known"].mrr, peer=answers.mrr, unit="", note=note))
    return rows


def _known_items(corpus: Corpus) -> list[Asked]:
    generator = np.random.default_rng(SEED + 2)
    wanted = set(generator.choice(corpus.size, 2 * ASKED, replace=False).tolist())
    posts = [post for number, post in enumerate(corpus.posts()) if number in wanted and not is_private(post.connector)]
    return [Asked(misremembered(generator, post.title), post.id) for post in posts[: ASKED + WARM_UP]]


def _drawn(corpus: Corpus) -> list[Asked]:
    generator = np.random.default_rng(SEED + 3)
    return [
        Asked(" ".join(corpus.draw(generator, int(generator.integers(1, 6)))).ljust(2, "a"), None)
        for _ in range(ASKED + WARM_UP)
    ]


@contextmanager
def _database() -> Iterator[tuple[str, str]]:
    """Make a database with the product's tables; yield its URL for the API's role and for the superuser."""
    stack = open_stack()
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE))
    url, admin_url = (
        stack.database_url(database, superuser=superuser).rsplit("/", 1)[0] + f"/{DATABASE}"
        for database, superuser in (("neighborconnect", False), ("postgres", True))
    )
    with psycopg.connect(stack.database_url("postgres", superuser=True), autocommit=True) as admin:
        admin.execute(drop)
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER neighborconnect").format(sql.Identifier(DATABASE)))
        try:
            migrate(url)
            yield url, admin_url
        finally:
            admin.execute(drop)


def _fill(admin_url: str, corpus: Corpus) -> None:
    """Load the corpus without triggers, and index it after."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        with connection.cursor().copy(
            "COPY users (id, email_hash, username, password_hash, first_name, last_name) FROM STDIN"
        ) as copy:
            for number in range(PEOPLE):
                person = made_id("user", number)
                copy.write_row((person, f"{person}@example.org", f"person{number}", "!", "Bench", "Mark"))
        with connection.cursor().copy("COPY connectors (id, name, category, is_public) FROM STDIN") as copy:
            for number in range(CONNECTORS):
                copy.write_row((made_id("connector", number), f"Group {number}", "test", not is_private(number)))
        with connection.cursor().copy("COPY connector_members (connector_id, user_id) FROM STDIN") as copy:
            for number in range(1, CONNECTORS, 7):
                copy.write_row((made_id("connector", number), made_id("user", 0)))
        connection.execute(
            "INSERT INTO blocks (blocker_id, blocked_id) VALUES (%s, %s)", (made_id("user", 0), made_id("user", 1))
        )
        with connection.cursor().copy(
            "COPY posts (id, connector_id, author_id, title, content, created_at) FROM STDIN"
        ) as copy:
            for post in corpus.posts():
                author, connector = made_id("user", post.author), made_id("connector", post.connector)
                copy.write_row((post.id, connector, author, post.title, post.content, post.created_at))
        (index,) = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_search_documents_post'"
        ).fetchone() or ("",)
        connection.execute("DROP INDEX ix_search_documents_post")
        asyncio.run(_rebuild(admin_url))
        connection.execute(index.encode())
        connection.execute("VACUUM ANALYZE")


async def _rebuild(admin_url: str) -> None:
    options = "-c session_replication_role=replica -c work_mem=256MB"
    engine = create_async_engine(sqlalchemy_url(admin_url), connect_args={"options": options})
    async with AsyncSession(engine) as session:
        await vocabulary.rebuild(session)
        await session.commit()
    await engine.dispose()


async def _ask_ours(settings: Settings, url: str, asked: list[Asked]) -> Answers:
    viewer = Viewer(
        id=made_id("user", 0),
        neighborhood=None,
        city=None,
        role="member",
        session_id=made_id("session", 0),
        personalised=False,
        analysed=False,
        scopes=[],
        verified=True,
    )
    engine = create_engine(url)
    inference = InferenceClient(settings)
    embedder = QueryEmbedder(inference)
    answers = Answers([], [])
    for number, query in enumerate(asked):
        began = time.perf_counter()
        found = await _search(engine, viewer, embedder, query)
        if number >= WARM_UP:
            _note(answers, began, found, query)
    await inference.aclose()
    await engine.dispose()
    return answers


async def _search(engine: AsyncEngine, viewer: Viewer, embedder: QueryEmbedder, asked: Asked) -> list[UUID]:
    query = SearchQuery(q=asked.words, kind=[SearchKind.POST], limit=FIRST)
    async with AsyncSession(engine) as session:
        answer = await service.search(session, viewer=viewer, query_embedder=embedder, query=query)
        # As a request does; psycopg forgets prepared statements at a rollback.
        await session.commit()
    return [item.id for item in answer.items]


def _tantivy(folder: str, corpus: Corpus) -> tantivy.Index:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    for field in ("title", "content"):
        builder.add_text_field(field, tokenizer_name="en_stem")
    index = tantivy.Index(builder.build(), path=folder)
    writer = index.writer(256_000_000, 2)
    for post in corpus.posts():
        writer.add_document(_document(post))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index


def _document(post: MadePost) -> tantivy.Document:
    return tantivy.Document(id=[str(post.id)], title=[post.title], content=[post.content])


def _ask_tantivy(index: tantivy.Index, asked: list[Asked], *, fuzzy: bool = False) -> Answers:
    searcher = index.searcher()
    answers = Answers([], [])
    fields = ["title", "content"]
    loose = dict.fromkeys(fields, (False, 1, True)) if fuzzy else {}
    for number, query in enumerate(asked):
        began = time.perf_counter()
        parsed = index.parse_query(query.words, fields, fuzzy_fields=loose)
        hits = searcher.search(parsed, FIRST).hits
        found = [UUID(searcher.doc(address)["id"][0]) for _, address in hits]
        if number >= WARM_UP:
            _note(answers, began, found, query)
    return answers


def _note(answers: Answers, began: float, found: list[UUID], asked: Asked) -> None:
    answers.milliseconds.append((time.perf_counter() - began) * 1_000)
    answers.ranks.append(1 / (found.index(asked.meant) + 1) if asked.meant in found else 0.0)
