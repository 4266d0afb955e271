"""Training data from the warehouse's mirror: the social graph and moderation feedback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from models.matching.social_graph import UNKNOWN, SocialGraph
from neighborconnect.settings import Settings
from pipelines.training import moderation_feedback, social_graph_snapshot
from tests.dbt_project.conftest import Warehouse, own_warehouse, row_id

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
STAMPS = {"created_at": NOON, "updated_at": NOON, "is_active": True}


@pytest.fixture(scope="module")
def mirror(settings: Settings, postgres_admin_url: str) -> Iterator[Warehouse]:
    with own_warehouse(settings, postgres_admin_url, database="warehouse_for_snapshots") as own:
        yield own


@pytest.fixture(scope="module")
def graph(mirror: Warehouse) -> SocialGraph:
    def user(name: str, **values: Any) -> None:
        defaults = {"city": "Brooklyn", "neighborhood": "Park Slope", "interests": ["Bees "], "personalised": True}
        mirror.put("users", id=row_id(name), username=name, **(STAMPS | defaults | values))

    user("ana")
    user("ben", city="brooklyn", neighborhood=None, interests=None)
    user("refuses", personalised=False)
    user("left", is_active=False)
    user("erased", erased_at=NOON)
    for connector, is_public in (("garden", True), ("cellar", False)):
        defaults = {"name": connector, "category": "Gardening", "is_public": is_public}
        mirror.put("connectors", id=row_id(connector), **(STAMPS | defaults))
    for follower, followee in (("ana", "ben"), ("ana", "refuses"), ("left", "ana")):
        tie = {"follower_id": row_id(follower), "followee_id": row_id(followee), "created_at": NOON}
        mirror.put("follows", id=uuid4(), **tie)
    for name in ("ana", "refuses"):
        member = {"connector_id": row_id("cellar"), "user_id": row_id(name), "role": "member", "joined_at": NOON}
        mirror.put("connector_members", id=uuid4(), **member)
    return social_graph_snapshot.collect(mirror.settings)


def test_the_graph_has_consenting_users_and_their_edges(graph: SocialGraph) -> None:
    assert set(graph.users) == {str(row_id("ana")), str(row_id("ben"))}
    ana, ben = (graph.users.index(str(row_id(name))) for name in ("ana", "ben"))
    assert graph.follows.tolist() == [[ana, ben]]
    assert graph.followed_at.tolist() == [int(NOON.timestamp() * 1e6)]
    assert [graph.connectors[index] for _, index in graph.members] == [str(row_id("cellar"))]
    assert {name: bool(graph.is_open[index]) for index, name in enumerate(graph.connectors)} == {
        str(row_id("garden")): True,
        str(row_id("cellar")): False,
    }
    assert graph.interests == ("bees", "gardening")
    assert [graph.interests[index] for _, index in graph.likes] == ["bees"]
    assert graph.cities[ana] == graph.cities[ben]
    assert graph.neighborhoods[ben] == UNKNOWN
    assert graph.interest_vectors.shape == (2, 384)


def test_the_newest_graph_is_read_as_published(mirror: Warehouse, graph: SocialGraph) -> None:
    published, version = social_graph_snapshot.publish_current(mirror.settings)
    again, name = social_graph_snapshot.read_newest(mirror.settings)
    assert name.endswith(version)
    assert again.users == published.users == graph.users


def test_a_reversed_decision_is_labeled_as_harmless(mirror: Warehouse) -> None:
    def decided(name: str, content: str, *, minutes: int, **values: Any) -> None:
        mirror.put("posts", id=row_id(name), connector_id=row_id("garden"), content=content, **STAMPS)
        defaults = {"subject_kind": "post", "subject_id": row_id(name), "rule": "Be kind", "outcome": "hide"}
        when = {"created_at": NOON + timedelta(minutes=minutes)}
        mirror.put("moderation_decisions", id=uuid4(), **(defaults | when | values))

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
