"""The influence ledger: users of a version are always recognized, others almost never."""

from __future__ import annotations

import uuid

from models.influence import InfluenceFilter


def filter_of(users: list[str]) -> InfluenceFilter:
    return InfluenceFilter.of(users, name="post_recommender", model_version="post-1", run_id="1" * 32)


def test_users_of_a_version_are_recognized_and_others_are_not() -> None:
    users = [str(uuid.UUID(int=number)) for number in range(20_000)]
    others = [str(uuid.UUID(int=2**100 + number)) for number in range(100_000)]
    stored = InfluenceFilter.from_bytes(filter_of(users).to_bytes())
    assert stored.matches(users) == set(users)
    # 100,000 lookups times 20,000 / 2**32 is 0.5 expected mistakes; more than 5 has a probability of 1 in 70,000.
    assert len(stored.matches(others)) <= 5
    assert (stored.name, stored.model_version, stored.run_id) == ("post_recommender", "post-1", "1" * 32)


def test_a_filter_holds_four_bytes_a_user_and_no_id() -> None:
    users = [str(uuid.UUID(int=number)) for number in range(1_000)]
    data = filter_of(users).to_bytes()
    assert len(data) < 4 * len(users) + 300
    assert not any(user_id.encode() in data or uuid.UUID(user_id).bytes in data for user_id in users)


def test_a_version_trained_on_nobody_matches_nobody() -> None:
    nobody = InfluenceFilter.from_bytes(filter_of([]).to_bytes())
    assert nobody.matches([str(uuid.uuid4())]) == set()
    assert filter_of(["a"]).matches([]) == set()
