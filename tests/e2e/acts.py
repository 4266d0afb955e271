"""An RSVP, a purchase and a review by the routes of the API, and what the platform stores about them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from feature_repo.online import OnlineReader
from feature_repo.store import open_store
from neighborconnect.contracts import features as names
from neighborconnect.settings import Settings
from tests.e2e.people import Neighbour

PATIENCE_SECONDS = 60.0
COUNTS = ("event_rsvps_last_hour", "purchases_last_hour", "reviews_last_hour")
MARTS = {
    "fct_events": "SELECT attending, guests, declined FROM marts.fct_events WHERE event_id = %(event)s",
    "fct_marketplace_items": "SELECT status, sold_price, sold_currency FROM marts.fct_marketplace_items "
    "WHERE item_id = %(item)s",
    "weekly_connector_reviews": "SELECT reviews, mean_rating FROM marts.weekly_connector_reviews "
    "WHERE connector_id = %(connector)s",
    "fct_activity": "SELECT kind, item_kind, item_id::text, is_retracted FROM marts.fct_activity "
    "WHERE user_id = %(guest)s AND kind IN ('rsvp', 'purchase', 'review') ORDER BY kind",
}


@dataclass(frozen=True, slots=True)
class Acts:
    """Ids of a guest, and of the event, the item and the connector that the guest acted on."""

    guest: str
    event: str
    item: str
    connector: str


def act(host: Neighbour, guest: Neighbour) -> Acts:
    """Let ``guest`` join a connector of ``host``, respond to its event, buy an item and review the connector."""
    garden = host.post("/connectors", {"name": f"Garden {host.id}", "category": "gardening"})["id"]
    guest.post(f"/connectors/{garden}/join")
    starts = {"connector_id": garden, "title": "Seed swap", "start_date": "2099-05-02T14:00:00Z"}
    event = host.post("/events", starts)["id"]
    guest.post(f"/events/{event}/rsvp", {"status": "attending", "guest_count": 2})
    offer = {"connector_id": garden, "title": "A spade", "category": "tools", "price": "5.50", "currency": "EUR"}
    item = host.post("/marketplace/items", offer)["id"]
    purchase = guest.post(f"/marketplace/items/{item}/buy")["id"]
    host.post(f"/marketplace/purchases/{purchase}/complete")
    guest.post("/reviews", {"connector_id": garden, "title": "Kind", "content": "They lent me a spade.", "rating": 4})
    return Acts(guest.id, event, item, garden)


def activity_online(settings: Settings, acts: Acts) -> dict[str, Any]:
    """Return what the guest did in the last hour from the online store, once each act has been counted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with open_store(settings) as store:
        reader = OnlineReader(store)
        while True:
            values = reader.read_recent_activity(acts.guest).values
            if all(values.get(name) for name in COUNTS):
                return {name: values[name] for name in (*COUNTS, "recent_event_ids", "recent_item_ids")}
            assert time.monotonic() < deadline, values
            time.sleep(0.1)


def statistics_online(settings: Settings, acts: Acts) -> dict[str, int]:
    """Return the counts of the event, of the item, and of the guest with the connector, from the online store."""
    counts = {
        f"{names.EVENT_STATS}:rsvps_total": {"event_id": acts.event},
        f"{names.MARKETPLACE_ITEM_STATS}:purchases_total": {"marketplace_item_id": acts.item},
        f"{names.USER_CONNECTOR}:reviews_28d": {"user_id": acts.guest, "connector_id": acts.connector},
    }
    with open_store(settings) as store:
        return {
            feature.partition(":")[2]: store.get_online_features(features=[feature], entity_rows=[keys]).to_dict()[
                feature.partition(":")[2]
            ][0]
            for feature, keys in counts.items()
        }


def mart_rows(settings: Settings, acts: Acts) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows about the acts by mart."""
    keys = {"guest": acts.guest, "event": acts.event, "item": acts.item, "connector": acts.connector}
    with psycopg.connect(settings.warehouse_url) as warehouse:
        return {mart: warehouse.execute(query.encode(), keys).fetchall() for mart, query in MARTS.items()}
