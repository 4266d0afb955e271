"""Stories of the last day, with drawn pictures and views."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from simulator.arrays import uuids
from simulator.columns import Ids, id_series
from simulator.drawing import VARIANTS
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE
from simulator.town import Town
from simulator.uploads import DOCUMENTS, Upload, to_milliseconds

_MAX_STORIES, _CONNECTOR_SHARE, _MAX_VIEWERS = 200, 0.6, 12
_LIFETIME, _MAX_AGE_HOURS = 86_400, 18.0


@dataclass(frozen=True, slots=True)
class Story:
    """A story with its upload; ``views`` are viewers and their seconds after the story."""

    id: str
    connector: int
    author: int
    title: str
    content: str
    upload: Upload
    views: tuple[tuple[int, float], ...]


def draw_stories(town: Town, ids: Ids, *, without: tuple[int, ...]) -> list[Story]:
    """Draw stories in some connectors, among them those of the people that the demo shows."""
    rng, draw = town.spec.generator(27), random.Random(town.spec.seed + 27)
    memberships, users = town.memberships, ids.users.to_list()
    end = town.spec.days * float(DAY_SECONDS)
    connectors = [number for number in range(len(town.connectors)) if draw.random() < _CONNECTOR_SHARE]
    connectors += memberships.connector[memberships.user < SHOWN_PEOPLE].tolist()
    fresh = iter(id_series(uuids(rng, 3 * _MAX_STORIES)).to_list())
    stories = []
    for connector in sorted(set(connectors))[:_MAX_STORIES]:
        hours = draw.uniform(0.5, min(_MAX_AGE_HOURS, town.spec.days * 12.0))
        at = end - hours * 3_600
        members = memberships.user[(memberships.connector == connector) & (memberships.joined < at)].tolist()
        authors = [user for user in members if user not in without]
        if not authors:
            continue
        author, created = draw.choice(authors), to_milliseconds(town.spec.start + timedelta(seconds=at))
        category, theme = town.vocabulary.themes[town.connectors.theme[connector]]
        talk = town.vocabulary.talk
        words = {"place": draw.choice(town.vocabulary.places), "time": draw.choice(town.vocabulary.times)}
        product = draw.choice(town.vocabulary.market.products[category.name])
        viewers = draw.sample(members, min(len(members), draw.randint(1, _MAX_VIEWERS)))
        upload = Upload(
            id=next(fresh),
            owner=author,
            key=f"{users[author]}/{next(fresh)}",
            drawing=product.drawing,
            variant=draw.randrange(VARIANTS),
            alt_text=f"Picture about {theme.name}: {product.name[0].lower()}{product.name[1:]}",
            created_at=created - timedelta(seconds=40),
        )
        stories.append(
            Story(
                id=next(fresh),
                connector=connector,
                author=author,
                title=draw.choice(talk.stories).format(**words),
                content=draw.choice(talk.captions).format(**words),
                upload=upload,
                views=tuple((user, draw.uniform(30.0, end - at)) for user in viewers if user != author),
            )
        )
    return stories


def story_rows(town: Town, ids: Ids, stories: list[Story]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of stories: documents, captions for moderation, and views."""
    if not stories:
        return
    rng, users, connectors = town.spec.generator(28), ids.users.to_list(), ids.connectors.to_list()
    created = [story.upload.created_at + timedelta(seconds=40) for story in stories]
    expires = [at + timedelta(seconds=_LIFETIME) for at in created]
    documents = [
        {
            "connector_id": connectors[story.connector],
            "author_id": users[story.author],
            "title": story.title,
            "media_id": story.upload.id,
            "view_count": len(story.views),
            "is_active": True,
            "content": story.content,
            "duration_seconds": _LIFETIME,
        }
        for story in stories
    ]
    own_ids = [story.id for story in stories]
    yield (
        DOCUMENTS,
        pl.DataFrame(
            {
                "id": own_ids,
                "collection": pl.repeat("stories", len(stories), eager=True),
                "document": [json.dumps(document) for document in documents],
                "created_at": created,
                "expires_at": expires,
            }
        ),
    )
    yield (
        "media_captions",
        pl.DataFrame(
            {
                "id": own_ids,
                "kind": pl.repeat("story", len(stories), eager=True),
                "connector_id": [document["connector_id"] for document in documents],
                "author_id": [document["author_id"] for document in documents],
                "caption": [f"{story.title}\n{story.content}" for story in stories],
                "created_at": created,
                "expires_at": expires,
            }
        ),
    )
    views = [
        (story.id, users[user], at + timedelta(seconds=seconds))
        for story, at in zip(stories, created, strict=True)
        for user, seconds in story.views
    ]
    if views:
        document_ids, viewers, times = zip(*views, strict=True)
        yield (
            "media_engagements",
            pl.DataFrame(
                {
                    "id": id_series(uuids(rng, len(views))),
                    "document_id": document_ids,
                    "user_id": viewers,
                    "kind": pl.repeat("view", len(views), eager=True),
                    "created_at": times,
                }
            ),
        )
