"""Import of check-ins, from a small file in the format of the data set."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest
from scipy.io import savemat

from neighborconnect.contracts.events import InteractionEvent
from simulator import checkins
from simulator.bulk import TownError, load

# hour of the week 1 to 168, in order of time; week 2 begins after the drop
ROWS = [
    # person, hour, venue, category
    (1, 39, 70, 5),
    (2, 39, 70, 5),
    (1, 40, 71, 6),
    (1, 63, 70, 5),
    (3, 60, 70, 5),
    (1, 100, 70, 7),
    (2, 166, 71, 6),
    (2, 167, 71, 6),
    (3, 1, 71, 6),
    (1, 2, 71, 6),
    (1, 39, 72, 6),
    (2, 40, 72, 6),
    (2, 41, 72, 6),
    (1, 42, 72, 6),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {
        "selected_checkins": np.array(ROWS, dtype=np.int32),
        "friendship_old": np.array([[1, 2], [3, 3]], dtype=np.uint16),
        "friendship_new": np.array([[1, 2], [2, 3]], dtype=np.uint16),
        "selected_users_IDs": np.array([[11], [12], [13], [14]], dtype=np.int32),
    }
    savemat(tmp_path / checkins.FILE_NAME, content)
    return tmp_path


def import_all(connection: psycopg.Connection, folder: Path) -> checkins.CheckIns:
    data = checkins.read(folder)
    load(connection, checkins.checkin_rows(data, password_hash="-"), add=False)
    return data


def test_folder_and_file_yield_the_same_data(folder: Path) -> None:
    by_folder, by_file = checkins.read(folder), checkins.read(folder / checkins.FILE_NAME)
    assert (by_folder.at == by_file.at).all()


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / checkins.FILE_NAME).write_text("not a matrix")
    with pytest.raises(TownError, match="is not the LBSN2Vec check-in set"):
        checkins.read(tmp_path)


def test_outliers_do_not_end_a_week() -> None:
    week = [*range(30, 168, 2)]
    hours = np.array([*week, 44, *week[10:], *week]) + 1  # the second run begins low: one week end
    hours = np.insert(hours, 5, hours[5] - 3)
    hours = np.insert(hours, 90, 120)
    counted = checkins.hours_since_start(hours)
    assert counted[0] == 30
    assert counted[-1] == 2 * 168 + 166
    assert (np.abs(np.diff(counted)) < 84).all()


def test_hours_are_new_york_time_and_rows_stay_in_order(folder: Path) -> None:
    data = checkins.read(folder)
    moments = [datetime.fromtimestamp(data.start.timestamp() + at, tz=UTC) for at in data.at]
    assert moments[0] == datetime(2012, 4, 3, 18, 15, tzinfo=UTC)  # Tuesday 14:15 in New York
    assert moments[1] == datetime(2012, 4, 3, 18, 45, tzinfo=UTC)
    assert moments[10].date() == datetime(2012, 4, 10, tzinfo=UTC).date()


def test_each_checkin_is_a_valid_visit_event(connection: psycopg.Connection, folder: Path) -> None:
    import_all(connection, folder)
    payloads = connection.execute(
        "SELECT id, payload FROM cdc_outbox WHERE topic = 'behaviour.interactions' ORDER BY id"
    ).fetchall()
    events = [InteractionEvent.model_validate({"event_id": ident, **payload}) for ident, payload in payloads]
    assert len(events) == len(ROWS)
    assert {(event.kind, event.item_kind, event.request_id) for event in events} == {("visit", "connector", None)}


def test_membership_begins_with_the_second_visit(connection: psycopg.Connection, folder: Path) -> None:
    import_all(connection, folder)
    members = connection.execute(
        """
        SELECT u.last_name, c.name, m.joined_at = (
            SELECT (payload->>'occurred_at')::timestamptz FROM cdc_outbox
            WHERE payload->>'user_id' = u.id::text AND payload->>'item_id' = c.id::text ORDER BY 1 OFFSET 1 LIMIT 1)
        FROM connector_members m JOIN users u ON u.id = m.user_id JOIN connectors c ON c.id = m.connector_id
        """
    ).fetchall()
    assert sorted(members) == [
        ("1", "Venue 70", True),
        ("1", "Venue 71", True),
        ("1", "Venue 72", True),
        ("2", "Venue 71", True),
        ("2", "Venue 72", True),
    ]
    wrong = """
        SELECT count(*) FROM connectors c
        WHERE member_count <> (SELECT count(*) FROM connector_members WHERE connector_id = c.id)
    """
    assert connection.execute(wrong).fetchone() == (0,)


def test_a_venue_has_its_most_frequent_category(connection: psycopg.Connection, folder: Path) -> None:
    import_all(connection, folder)
    categories = connection.execute("SELECT name, category FROM connectors ORDER BY name").fetchall()
    assert categories == [
        ("Venue 70", "venue-category-5"),
        ("Venue 71", "venue-category-6"),
        ("Venue 72", "venue-category-6"),
    ]


def test_old_friendships_start_before_and_new_after_visits(connection: psycopg.Connection, folder: Path) -> None:
    data = import_all(connection, folder)
    last = datetime.fromtimestamp(data.start.timestamp() + data.at.max(), tz=UTC)
    follows = connection.execute(
        """
        SELECT a.last_name, b.last_name, f.created_at FROM follows f
        JOIN users a ON a.id = f.follower_id JOIN users b ON b.id = f.followee_id ORDER BY 1, 2
        """
    ).fetchall()
    assert [(follower, followee) for follower, followee, _ in follows] == [
        ("1", "2"),
        ("2", "1"),
        ("2", "3"),
        ("3", "2"),
    ]
    assert [at > last for _, _, at in follows] == [False, False, True, True]
    assert all(at <= data.start or at > last for _, _, at in follows)
