"""What models learn from the warehouse's mirror: the town for matching, and what moderators decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from neighborconnect.settings import Settings
from pipelines import moderation_feedback, town
from tests.dbt_project.conftest import Warehouse, own_warehouse, row_id

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
STAMPS = {"created_at": NOON, "updated_at": NOON, "is_active": True}


@pytest.fixture(scope="module")
def mirror(settings: Settings, postgres_admin_url: str) -> Iterator[Warehouse]:
    with own_warehouse(settings, postgres_admin_url, database="warehouse_for_snapshots") as own:
        yield own


@pytest.fixture(scope="module")
def found(mirror: Warehouse) -> town.Town:
    def person(name: str, **values: Any) -> None:
        known = {"city": "Brooklyn", "neighborhood": "Park Slope", "interests": ["Bees "], "personalised": True}
        mirror.put("users", id=row_id(name), username=name, **(STAMPS | known | values))

    person("ana")
    person("ben", city="brooklyn", neighborhood=None, interests=None)
    person("refuses", personalised=False)
    person("left", is_active=False)
    person("erased", erased_at=NOON)
    for connector, is_public in (("garden", True), ("cellar", False)):
        known = {"name": connector, "category": "Gardening", "is_public": is_public}
        mirror.put("connectors", id=row_id(connector), **(STAMPS | known))
    for follower, followee in (("ana", "ben"), ("ana", "refuses"), ("left", "ana")):
        tie = {"follower_id": row_id(follower), "followee_id": row_id(followee), "created_at": NOON}
        mirror.put("follows", id=uuid4(), **tie)
    for name in ("ana", "refuses"):
        member = {"connector_id": row_id("cellar"), "user_id": row_id(name), "role": "member", "joined_at": NOON}
        mirror.put("connector_members", id=uuid4(), **member)
    return town.collect(mirror.settings)


def test_the_town_has_who_may_be_in_it_and_what_they_have_in_common(found: town.Town) -> None:
    assert set(found.people) == {str(row_id("ana")), str(row_id("ben"))}
    ana, ben = (found.people.index(str(row_id(name))) for name in ("ana", "ben"))
    assert found.ties.tolist() == [[ana, ben]]
    assert found.tied_at.tolist() == [int(NOON.timestamp() * 1e6)]
    assert [found.connectors[place] for _, place in found.members] == [str(row_id("cellar"))]
    assert {name: bool(found.is_open[place]) for place, name in enumerate(found.connectors)} == {
        str(row_id("garden")): True,
        str(row_id("cellar")): False,
    }
    assert found.interests == ("bees", "gardening")
    assert [found.interests[place] for _, place in found.likes] == ["bees"]
    assert found.cities[ana] == found.cities[ben]
    assert found.neighborhoods[ben] == town.UNKNOWN
    assert found.interest_vectors.shape == (2, 384)


def test_the_newest_town_is_read_as_it_was_published(mirror: Warehouse, found: town.Town) -> None:
    published, version = town.publish(mirror.settings)
    again, name = town.read_newest(mirror.settings)
    assert name.endswith(version)
    assert again.people == published.people == found.people


def test_decisions_are_lessons_and_one_that_was_taken_back_is_the_opposite(mirror: Warehouse) -> None:
    def decided(name: str, content: str, *, minutes: int, **values: Any) -> None:
        mirror.put("posts", id=row_id(name), connector_id=row_id("garden"), content=content, **STAMPS)
        known = {"subject_kind": "post", "subject_id": row_id(name), "rule": "Be kind", "outcome": "hide"}
        when = {"created_at": NOON + timedelta(minutes=minutes)}
        mirror.put("moderation_decisions", id=uuid4(), **(known | when | values))

    decided("kept", "A kind word", minutes=3, outcome="keep")
    decided("hidden", "A rude word", minutes=1)
    decided("hated", "A hateful word", minutes=2, rule="No hate")
    decided("undone", "A mistaken word", minutes=4, undone_at=NOON)
    decided("silent", " ", minutes=5)
    rows = moderation_feedback.collect(mirror.settings)
    assert list(zip(rows["text"], rows["label"], strict=True)) == [
        ("A rude word", "offensive"),
        ("A hateful word", "hate"),
        ("A kind word", "neither"),
        ("A mistaken word", "neither"),
    ]
    _, version = moderation_feedback.write(mirror.settings)
    feedback, name = moderation_feedback.read(mirror.settings)
    assert name == version
    assert feedback.labels == ("offensive", "hate", "neither", "neither")
