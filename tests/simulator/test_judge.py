"""Feeds judged by the hidden preferences of a town."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from neighborconnect.contracts.events import ReportableKind
from neighborconnect.feed.policy import ranking_policy
from simulator.columns import Ids, draw_ids
from simulator.feeds import pair_key
from simulator.ground_truth import write_ground_truth
from simulator.judged_home import home_quality, mixed_again
from simulator.judged_pages import Facts, Served, composition, interval, quality
from simulator.judged_town import read_eligible
from simulator.reactions import Utility
from simulator.town import Town
from simulator.true_utility import KINDS, GroundTruth

Run = subprocess.CompletedProcess[str]
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def judge(*arguments: str, environment: dict[str, str]) -> Run:
    """Run the command as its entry point does, which an older installation lacks."""
    return subprocess.run(
        [sys.executable, "-c", "from simulator.judge_cli import app; app()", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def simulate(*arguments: str, environment: dict[str, str]) -> None:
    program = Path(sys.executable).with_name("neighborconnect")
    command = [program, "simulate", "--days", "5", *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def ids(town: Town) -> Ids:
    return draw_ids(town)


@pytest.fixture(scope="module")
def truth(town: Town, ids: Ids, tmp_path_factory: pytest.TempPathFactory) -> GroundTruth:
    folder = tmp_path_factory.mktemp("truth")
    write_ground_truth(folder, town, ids)
    truth = GroundTruth.read([folder])
    pairs = zip(ids.users.gather(town.follows.follower), ids.users.gather(town.follows.followee), strict=True)
    truth.follows = frozenset(pairs)
    return truth


def test_utility_of_the_files_is_that_of_the_simulation(town: Town, ids: Ids, truth: GroundTruth) -> None:
    follows = np.sort(pair_key(town.follows.follower, town.follows.followee))
    utility = Utility(town.people, town.connectors, town.choice_model, follows)
    person = int(town.follows.follower[0])

    def everyone(count: int) -> Any:
        return np.full(count, person), np.arange(count)

    expected = {
        ReportableKind.POST: (ids.posts, utility.of_posts(town.posts, *everyone(len(town.posts)))),
        ReportableKind.CONNECTOR: (ids.connectors, utility.of_connectors(*everyone(len(town.connectors)))),
        ReportableKind.EVENT: (ids.events, utility.of_events(town.events, *everyone(len(town.events)))),
        ReportableKind.ITEM: (
            ids.goods,
            utility.of_goods(town.marketplace.goods, *everyone(len(town.marketplace.goods))),
        ),
    }
    for kind, (item_ids, values) in expected.items():
        assert len(values) > 1
        read = truth.utility(kind, item_ids.to_list(), person=truth.person(ids.users[person]))
        np.testing.assert_allclose(read, values)


def test_items_without_truth_gain_nothing_and_are_counted(truth: GroundTruth, ids: Ids) -> None:
    utility = truth.utility(ReportableKind.POST, ["unknown", ids.posts[0]], person=truth.person(ids.users[0]))
    gains = truth.gain(utility)
    assert gains[0] == 0.0 < gains[1] < 1.0
    assert truth.is_known(ReportableKind.POST, ids.posts[0])
    assert not truth.is_known(ReportableKind.CONNECTOR, ids.posts[0])


def test_only_the_best_order_of_eligible_items_scores_one() -> None:
    gains = {"a": 0.9, "b": 0.5, "c": 0.2, "d": 0.1}
    popularity = {"a": 1, "b": 2, "c": 3, "d": 4}

    def of(*served: str) -> Any:
        return quality(served, eligible=list(gains), gains=gains, popularity=popularity)

    assert of("a", "b", "c", "d").served == pytest.approx(1.0) == of().oracle
    assert of("liked", "a", "b", "c").served < of("a", "b", "c", "d").served
    assert of().popularity == pytest.approx(of("d", "c", "b", "a").served)
    assert of().random == pytest.approx(np.mean([of(*order).served for order in permutations(gains)]))


def test_a_home_page_is_judged_by_the_best_items_of_each_kind() -> None:
    post, event = ReportableKind.POST, ReportableKind.EVENT
    facts = {
        post: {one: Facts(one, "garden", "c", NOW - timedelta(days=2), 1) for one in ("a", "b", "opened")},
        event: {"e": Facts("e", "choir", "d", NOW, 1)},
    }
    row = home_quality(
        [("post", "b"), ("event", "e"), ("post", "opened")],
        reasons=("new", "new", "popular"),
        gains={post: {"a": 0.8, "b": 0.4}, event: {"e": 0.5}},
        may_serve=frozenset("abe"),
        facts=facts,
        at=NOW,
    )
    assert row.utility == {"post": pytest.approx(0.4 / 1.2), "event": 1.0}
    assert row.shares == {"post": pytest.approx(2 / 3), "event": pytest.approx(1 / 3)}
    assert (row.ineligible, row.categories, row.ages) == (pytest.approx(1 / 3), 2, (2.0, 2.0))
    assert (row.largest_category, row.reasons) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_feeds_are_mixed_again_as_the_policy_says() -> None:
    facts = {
        kind: {
            f"{kind.value} {place}": Facts(None, f"{kind.value} {place}", "sport" if place < 12 else "music", NOW, 1)
            for place in range(20)
        }
        for kind in KINDS
    }
    lanes = {
        kind: Served(tuple(items), ("new",) * 20, tuple(0.9 - place / 100 for place in range(20)), (False,) * 20)
        for kind, items in facts.items()
    }

    def sports(most: float) -> int:
        policy = ranking_policy()
        policy = policy.model_copy(update={"home": policy.home.model_copy(update={"most_of_category": most})})
        items = mixed_again(lanes, facts=facts, policy=policy, limit=20)
        return sum(facts[ReportableKind(kind)][item_id].category == "sport" for kind, item_id in items)

    assert sports(0.5) == 10 < sports(1.0)


def test_composition_counts_what_is_on_the_first_ten() -> None:
    facts = {
        str(number): Facts("ada" if number < 3 else str(number), "garden", "c", NOW - timedelta(days=number), 1)
        for number in range(12)
    }
    described = composition(
        Served((*facts,), ("new",) * 12),
        facts=facts,
        may_serve=frozenset(facts) - {"9", "11"},
        joined=frozenset(),
        is_known=lambda item_id: item_id != "0",
        at=NOW,
    )
    assert (described.same_author, described.same_connector, described.categories) == (3, 10, 1)
    assert (described.excluded, described.fresh, described.discovery) == (0.1, 0.3, 1.0)
    assert (described.reasons, described.unknown) == (0.1, 1)


def test_interval_contains_the_mean_and_ignores_missing_people() -> None:
    values = [0.2, 0.4, 0.6, float("nan"), 0.8]
    found = interval(values, seed=1)
    assert found == interval(values, seed=1)
    assert found.mean == pytest.approx(0.5)
    assert found.low < found.mean < found.high


def test_judge_measures_every_feed_and_leaves_no_trace(
    environment: dict[str, str], api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate("--users", "40", environment=environment)
    traces = (
        "SELECT count(*) FROM cdc_outbox WHERE topic = 'behaviour.interactions'",
        "SELECT sum(extract(epoch FROM shown_at)) FROM item_exposures",
        "SELECT count(*) FROM post_likes",
        "SELECT count(*) FROM user_sessions",
    )
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        before = [connection.execute(query.encode()).fetchone() for query in traces]
        path = tmp_path / "judged.json"
        done = judge("feeds", "--people", "6", "--json", str(path), environment=environment)
        assert done.returncode == 0, done.stderr
        assert [connection.execute(query.encode()).fetchone() for query in traces] == before
        liked = connection.execute(
            "SELECT user_id::text, array_agg(post_id::text) FROM post_likes GROUP BY 1"
        ).fetchall()
    report = json.loads(path.read_text())
    assert report["groups"]["known"]["people"] == 6
    assert report["groups"]["newcomers"]["people"] > 0
    for group in report["groups"].values():
        assert set(group["composition"]) == {kind.value for kind in KINDS}
        for kind, row in group["quality"].items():
            assert row["oracle"]["mean"] == pytest.approx(1.0), kind
            assert 0.0 < row["random"]["mean"] < 1.0, kind
            assert 0.0 < row["served"]["mean"] <= 1.0, kind
        for kind, row in group["composition"].items():
            assert row["excluded_share"] == 0.0, kind
            assert sum(row["paths"].values()) == group["people"], kind
        served, mixed, unlimited = group["home"].values()
        for measure in ("utility", "shares"):
            for kind, value in served[measure].items():
                assert value["mean"] == pytest.approx(mixed[measure][kind]["mean"], abs=0.05), (measure, kind)
        assert sum(value["mean"] for value in served["shares"].values()) == pytest.approx(1.0)
        assert served["ineligible_share"]["mean"] == 0.0
        assert served["largest_category_share"]["mean"] <= unlimited["largest_category_share"]["mean"]
    assert "post, younger than a week" in done.stdout

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    user_id, posts = liked[0]
    eligible = read_eligible([user_id])[user_id, ReportableKind.POST]
    assert eligible.first
    assert not {*eligible.first, *eligible.last} & set(posts)


def test_newcomers_are_measured_before_and_after_three_likes(
    environment: dict[str, str], api: str, tmp_path: Path
) -> None:
    simulate("--users", "40", environment=environment)
    path = tmp_path / "newcomers.json"
    done = judge("newcomers", "--people", "2", "--wait", "0", "--json", str(path), environment=environment)
    assert done.returncode == 0, done.stderr
    pages = json.loads(path.read_text())["pages"]
    assert list(pages) == ["first page", "after three likes"]
    for page in pages.values():
        assert 0.0 < page["served"]["mean"] <= page["oracle"]["mean"]
        assert page["random"]["mean"] < page["oracle"]["mean"]
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT jsonb_array_length(u.interests), u.neighborhood IS NOT NULL, count(l.post_id) FROM users u "
            "JOIN post_likes l ON l.user_id = u.id WHERE u.username LIKE 'newcomer.%' GROUP BY u.id"
        ).fetchall()
    assert rows == [(3, True, 3)] * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "There is no ground truth in"),
        ({"DATABASE_URL": "postgresql://u:p@db.example.org/neighborconnect"}, "Pass it with --password"),
    ],
    ids=["no truth", "no password"],
)
def test_what_is_missing_is_reported_in_one_sentence(
    environment: dict[str, str], changed: dict[str, str], message: str
) -> None:
    done = judge("feeds", environment=environment | changed)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
