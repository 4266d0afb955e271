"""The marketplace: one item goes to one buyer, and both sides see the same purchase."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town

BODY = {"title": "Wheelbarrow", "price": "25.00", "category": "garden"}


async def offer(seller: Person, connector: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = await seller.post("/marketplace/items", BODY | {"connector_id": connector["id"]} | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def status_of(person: Person, item: dict[str, Any]) -> str:
    return str((await person.get(f"/marketplace/items/{item['id']}")).json()["status"])


@pytest.fixture
async def item(ada: Person) -> dict[str, Any]:
    return await offer(ada, await ada.make_connector())


async def test_a_price_travels_as_a_decimal_and_comes_back_exactly(ada: Person) -> None:
    made = await offer(ada, await ada.make_connector(), price="0.10", currency="EUR")
    assert (made["price"], made["currency"], made["status"]) == ("0.10", "EUR", "available")


@pytest.mark.parametrize(
    "change",
    [
        {"price": "-1"},
        {"price": "1.005"},
        {"price": "100000000.00"},
        {"price": "NaN"},
        {"price": "Infinity"},
        {"currency": "ZZZ"},
        *({"currency": code} for code in ("DEM", "HRK", "BGN", "FRF", "XTS", "XXX", "XAU", "XDR", "CHW", "usd", "")),
        {"price": "100.5", "currency": "JPY"},
        {"price": "1.2345", "currency": "BHD"},
        {"price": "12.505", "currency": "RSD"},
        {"price": "0.001", "currency": "USD"},
        {"condition": "shiny"},
        {"images": ["javascript:alert(1)"]},
        {"images": ["https://example.org/a.jpg"] * 11},
        {"status": "sold"},
    ],
    ids=str,
)
async def test_an_item_that_makes_no_sense_is_refused(ada: Person, change: dict[str, Any]) -> None:
    made = await ada.make_connector()
    answer = await ada.post("/marketplace/items", BODY | {"connector_id": made["id"]} | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_one_of_many_concurrent_buyers_succeeds(town: Town, ada: Person, item: dict[str, Any]) -> None:
    people = [await town.create_user() for _ in range(20)]
    answers = await asyncio.gather(*(one.post(f"/marketplace/items/{item['id']}/buy") for one in people))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"item_not_available"}
    winner = next(person for person, answer in zip(people, answers, strict=True) if answer.status_code == 201)
    (sale,) = (await ada.get("/marketplace/sales")).json()["items"]
    (purchase,) = (await winner.get("/marketplace/purchases")).json()["items"]
    assert sale == purchase
    assert (sale["buyer_id"], sale["status"]) == (str(winner.id), "agreed")


async def test_concurrent_reserve_and_buy_leave_one_winner(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    for _ in range(4):
        made = await offer(ada, connector)
        buyer, reserver = await town.create_user(), await town.create_user()
        bought, reserved = await asyncio.gather(
            buyer.post(f"/marketplace/items/{made['id']}/buy"),
            reserver.put(f"/marketplace/items/{made['id']}/reservation"),
        )
        assert {bought.status_code, reserved.status_code} in ({201, 409}, {409, 200})


async def test_reservation_excludes_others_and_lets_holder_buy(
    town: Town, ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    held = (await ben.put(f"/marketplace/items/{item['id']}/reservation")).json()
    assert (held["status"], held["reserved_by_viewer"]) == ("reserved", True)
    other = await town.create_user()
    for method, action in (("PUT", "reservation"), ("POST", "buy")):
        refused = await other.request(method, f"/marketplace/items/{item['id']}/{action}")
        assert refused.json()["code"] == "item_not_available"
    seen = (await other.get(f"/marketplace/items/{item['id']}")).json()
    assert (seen["reserved_by_viewer"], "reserved_by" in seen) == (False, False)
    assert (await ben.post(f"/marketplace/items/{item['id']}/buy")).status_code == 201


async def test_reservation_ends_when_released_or_expired(
    town: Town, ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    await ben.put(f"/marketplace/items/{item['id']}/reservation")
    assert (await ada.delete(f"/marketplace/items/{item['id']}/reservation")).status_code == 204
    assert await status_of(ben, item) == "available"
    await ben.put(f"/marketplace/items/{item['id']}/reservation")
    await town.write(
        "UPDATE marketplace_items SET reserved_until = now() - interval '1 second' WHERE id = :id", id=item["id"]
    )
    other = await town.create_user()
    assert await status_of(other, item) == "available"
    assert (await other.post(f"/marketplace/items/{item['id']}/buy")).status_code == 201


async def test_cancelled_purchase_frees_item_and_completed_stands(
    town: Town, ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    first = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
    assert (await ben.post(f"/marketplace/purchases/{first['id']}/complete")).status_code == 403
    assert (await ben.post(f"/marketplace/purchases/{first['id']}/cancel")).json()["status"] == "cancelled"
    assert await status_of(ada, item) == "available"
    second = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
    assert (await ada.post(f"/marketplace/purchases/{second['id']}/complete")).json()["status"] == "completed"
    for deed in ("complete", "cancel"):
        answer = await ada.post(f"/marketplace/purchases/{second['id']}/{deed}")
        assert (answer.status_code, answer.json()["code"]) == (409, "purchase_closed")
    assert await status_of(ada, item) == "sold"
    await town.run_jobs()
    told = [one["kind"] for one in (await ben.get("/notifications")).json()["items"]]
    assert told == ["purchase.completed"]
    told = [one["kind"] for one in (await ada.get("/notifications")).json()["items"]]
    assert sorted(told) == ["item.bought", "item.bought", "purchase.cancelled"]


async def test_completing_and_cancelling_at_once_leaves_one_of_them(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    for _ in range(4):
        made = await offer(ada, connector)
        bought = (await ben.post(f"/marketplace/items/{made['id']}/buy")).json()
        answers = await asyncio.gather(
            ada.post(f"/marketplace/purchases/{bought['id']}/complete"),
            ben.post(f"/marketplace/purchases/{bought['id']}/cancel"),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        now = (await ada.get(f"/marketplace/purchases/{bought['id']}")).json()["status"]
        assert await status_of(ada, made) == {"completed": "sold", "cancelled": "available"}[now]


async def test_what_was_sold_can_neither_be_changed_nor_withdrawn(
    ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    await ben.post(f"/marketplace/items/{item['id']}/buy")
    changed = await ada.put(f"/marketplace/items/{item['id']}", BODY | {"price": "99.00"})
    withdrawn = await ada.delete(f"/marketplace/items/{item['id']}")
    assert changed.json()["code"] == withdrawn.json()["code"] == "item_sold"


async def test_a_purchase_keeps_the_price_it_was_bought_at(ada: Person, ben: Person, item: dict[str, Any]) -> None:
    bought = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
    await ben.post(f"/marketplace/purchases/{bought['id']}/cancel")
    await ada.put(f"/marketplace/items/{item['id']}", BODY | {"price": "99.00"})
    assert (await ben.get(f"/marketplace/purchases/{bought['id']}")).json()["price"] == "25.00"


async def test_each_person_counts_as_one_view_and_the_seller_as_none(
    ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    await asyncio.gather(*(one.post(f"/marketplace/items/{item['id']}/view") for one in (ada, ben, ben, ben)))
    assert (await ben.get(f"/marketplace/items/{item['id']}")).json()["view_count"] == 1


async def test_filters_narrow_the_list(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    here = {"latitude": 10.0, "longitude": 20.0}
    cheap = await offer(ada, connector, price="5.00", condition="good", point=here)
    dear = await offer(ada, connector, price="50.00", category="tools", title="Drill 100%")
    gone = await offer(ada, connector, price="20.00")
    await ben.post(f"/marketplace/items/{gone['id']}/buy")

    async def found(**params: Any) -> list[str]:
        answer = await ben.get("/marketplace/items", connector_id=connector["id"], **params)
        return [one["id"] for one in answer.json()["items"]]

    assert await found() == [gone["id"], dear["id"], cheap["id"]]
    assert await found(status="available") == [dear["id"], cheap["id"]]
    assert await found(min_price="5.01", max_price="50") == [gone["id"], dear["id"]]
    assert await found(category="tools") == await found(q="100%") == [dear["id"]]
    assert await found(condition="good") == await found(**here) == [cheap["id"]]
    assert await found(currency="EUR") == await found(seller_id=str(ben.id)) == []


async def test_a_seller_is_reviewed_once_by_a_buyer_who_has_the_item(
    town: Town, ada: Person, ben: Person, item: dict[str, Any]
) -> None:
    bought = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
    path = f"/marketplace/purchases/{bought['id']}/review"
    assert (await ben.post(path, {"rating": 4})).json()["code"] == "purchase_not_completed"
    await ada.post(f"/marketplace/purchases/{bought['id']}/complete")
    answers = await asyncio.gather(*(ben.post(path, {"rating": 4, "content": "As described."}) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert (await ada.post(path, {"rating": 5})).status_code == 403
    seen = (await town.create_user()).get(f"/marketplace/sellers/{ada.id}")
    summary = (await seen).json()
    assert summary.pop("seller")["id"] == str(ada.id)
    assert summary == {"seller_id": str(ada.id), "sale_count": 1, "review_count": 1, "mean_rating": 4.0}
    (one,) = (await ada.get(f"/marketplace/sellers/{ada.id}/reviews")).json()["items"]
    assert (one["author"]["id"], one["content"], one["rating"]) == (str(ben.id), "As described.", 4)


class TestPicturesOfSellerReviews:
    @staticmethod
    async def bought(ada: Person, ben: Person, item: dict[str, Any]) -> str:
        """Return where Ben reviews Ada."""
        purchase = (await ben.post(f"/marketplace/items/{item['id']}/buy")).json()
        await ada.post(f"/marketplace/purchases/{purchase['id']}/complete")
        return f"/marketplace/purchases/{purchase['id']}/review"

    async def test_are_shown_in_order_with_alt_text(
        self, town: Town, ada: Person, ben: Person, item: dict[str, Any]
    ) -> None:
        first, second = [(await town.keep_upload(ben, jpeg()))["id"] for _ in range(2)]
        await ben.put(f"/media/{first}/alt-text", {"alt_text": "The rake in use"})
        cleo, path = await town.create_user(), await self.bought(ada, ben, item)
        assert (await cleo.get(f"/media/{first}")).status_code == 404
        assert (await ben.post(path, {"rating": 5, "media_ids": [second, first]})).status_code == 204
        (seen,) = (await cleo.get(f"/marketplace/sellers/{ada.id}/reviews")).json()["items"]
        assert [one["id"] for one in seen["media"]] == seen["media_ids"] == [second, first]
        assert seen["media"][1]["alt_text"] == "The rake in use"
        assert seen["media"][0]["url"]
        assert (await cleo.get(f"/media/{first}")).status_code == 200
        await town.block(ada, cleo)
        assert (await cleo.get(f"/media/{first}")).status_code == 404
        await ben.delete(f"/media/{first}")
        (left,) = (await ben.get(f"/marketplace/sellers/{ada.id}/reviews")).json()["items"]
        assert left["media_ids"] == [second]

    async def test_of_others_are_refused(self, town: Town, ada: Person, ben: Person, item: dict[str, Any]) -> None:
        theirs, own = (await town.keep_upload(ada, jpeg()))["id"], (await town.keep_upload(ben, jpeg()))["id"]
        path = await self.bought(ada, ben, item)
        refused = {"unknown_media": [theirs], "repeated_media": [own, own], "invalid_request": ["first"]}
        for code, media_ids in refused.items():
            answer = await ben.post(path, {"rating": 5, "media_ids": media_ids})
            assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await ada.get(f"/marketplace/sellers/{ada.id}/reviews")).json()["items"] == []


async def test_categories_count_what_can_be_had(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    category = f"hats {ada.id}"
    items = [await offer(ada, connector, category=category) for _ in range(2)]
    await ben.post(f"/marketplace/items/{items[0]['id']}/buy")
    counts = {one["category"]: one["item_count"] for one in (await ben.get("/marketplace/categories")).json()["items"]}
    assert counts.get(category) == 1


@pytest.mark.parametrize(
    ("sent", "currency", "shown"),
    [
        ("1500", "JPY", "1500"),
        ("1500.00", "JPY", "1500"),
        ("1.5", "BHD", "1.500"),
        ("12.345", "KWD", "12.345"),
        ("99999999.999", "TND", "99999999.999"),
        ("7", "EUR", "7.00"),
        ("12.50", "RSD", "12.50"),
        ("12", "ALL", "12.00"),
        ("1.250", "IQD", "1.250"),
        ("7.500", "USD", "7.50"),
    ],
)
async def test_a_price_has_the_decimals_of_its_currency(
    ada: Person, ben: Person, sent: str, currency: str, shown: str
) -> None:
    made = await offer(ada, await ada.make_connector(), price=sent, currency=currency)
    assert (made["price"], made["currency"]) == (shown, currency)
    bought = (await ben.post(f"/marketplace/items/{made['id']}/buy", {"expected_price": shown})).json()
    assert (bought["price"], bought["currency"]) == (shown, currency)


async def test_buy_requires_the_version_or_price_that_was_read(ada: Person, ben: Person, item: dict[str, Any]) -> None:
    path = f"/marketplace/items/{item['id']}"
    read = (await ben.get(path)).headers["ETag"]
    await ada.put(path, BODY | {"price": "900.00"})
    for method, action in (("POST", "buy"), ("PUT", "reservation")):
        refused = await ben.request(method, f"{path}/{action}", headers={"If-Match": read})
        assert (refused.status_code, refused.json()["code"]) == (412, "stale")
        for wrong in ({"expected_price": "25.00"}, {"expected_price": "900.00", "expected_currency": "EUR"}):
            refused = await ben.request(method, f"{path}/{action}", json=wrong)
            assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    now = (await ben.get(path)).headers["ETag"]
    bought = await ben.post(f"{path}/buy", {"expected_price": "900", "expected_currency": "USD"}, **{"If-Match": now})
    assert (bought.status_code, bought.json()["price"]) == (201, "900.00")


async def test_price_raised_after_reservation_is_not_charged(ada: Person, ben: Person, item: dict[str, Any]) -> None:
    path = f"/marketplace/items/{item['id']}"
    held = await ben.put(f"{path}/reservation")
    await ada.put(path, BODY | {"price": "900.00"})
    assert (await ben.post(f"{path}/buy")).json()["code"] == "price_changed"
    assert (await ben.post(f"{path}/buy", **{"If-Match": "*"})).json()["code"] == "price_changed"
    assert (await ben.post(f"{path}/buy", **{"If-Match": held.headers["ETag"]})).status_code == 412
    assert (await ben.post(f"{path}/buy", {"expected_price": "25.00"})).json()["code"] == "price_changed"
    assert (await ben.get("/marketplace/purchases")).json()["items"] == []
    assert (await ben.post(f"{path}/buy", {"expected_price": "900.00"})).json()["price"] == "900.00"


async def test_purchase_changes_honor_if_match(ada: Person, ben: Person, item: dict[str, Any]) -> None:
    bought = await ben.post(f"/marketplace/items/{item['id']}/buy")
    path = f"/marketplace/purchases/{bought.json()['id']}"
    for deed in ("complete", "cancel"):
        assert (await ada.post(f"{path}/{deed}", **{"If-Match": '"1"'})).status_code == 412
    done = await ada.post(f"{path}/complete", **{"If-Match": bought.headers["ETag"]})
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert (await ben.post(f"{path}/review", {"rating": 5}, **{"If-Match": bought.headers["ETag"]})).status_code == 412
    assert (await ben.post(f"{path}/review", {"rating": 5}, **{"If-Match": done.headers["ETag"]})).status_code == 204
    stale = await ben.request("DELETE", f"/marketplace/items/{item['id']}/reservation", headers={"If-Match": '"1"'})
    assert stale.status_code in {403, 412}
