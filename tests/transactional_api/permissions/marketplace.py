"""``/marketplace``; the item in ``things`` is the owner's, and so is the sale to some other member."""

from __future__ import annotations

from typing import Any

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told

BODY = {"title": "Wheelbarrow", "price": "25.00", "category": "garden"}
SEEN = told(401, 404, 200, 200, blocked=404)
# Only its two sides know of a purchase; the owner sells.
SELLERS = told(401, 404, 404, 200)


async def create_data(town: Town, private: Private) -> None:
    owner = private.people[OWNER]

    async def offer() -> Any:
        return (await owner.post("/marketplace/items", BODY | {"connector_id": private.connector["id"]})).json()["id"]

    buyer = await town.create_user()
    await town.add_member(buyer, private.connector)
    sold = await buyer.post(f"/marketplace/items/{await offer()}/buy")
    private.things.update(item_id=await offer(), purchase_id=sold.json()["id"])


ROWS = [
    Row("POST", "/marketplace/items", told(401, 404, 201, 201), lambda it: BODY | {"connector_id": it.connector["id"]}),
    Row("GET", "/marketplace/items", ANYONE),
    Row("GET", "/marketplace/categories", ANYONE),
    Row("GET", "/marketplace/items/{item_id}", SEEN),
    Row("PUT", "/marketplace/items/{item_id}", told(401, 404, 403, 200, blocked=404), lambda _: BODY),
    Row("PATCH", "/marketplace/items/{item_id}", told(401, 404, 403, 200, blocked=404), lambda _: {"price": "4.00"}),
    Row("DELETE", "/marketplace/items/{item_id}", told(401, 404, 403, 204, blocked=404)),
    Row("POST", "/marketplace/items/{item_id}/view", told(401, 404, 204, 204, blocked=404)),
    Row("PUT", "/marketplace/items/{item_id}/reservation", told(401, 404, 200, 409, blocked=404)),
    Row("DELETE", "/marketplace/items/{item_id}/reservation", told(401, 404, 403, 204, blocked=404)),
    Row("POST", "/marketplace/items/{item_id}/buy", told(401, 404, 201, 409, blocked=404)),
    Row("GET", "/marketplace/purchases", ANYONE),
    Row("GET", "/marketplace/sales", ANYONE),
    Row("GET", "/marketplace/purchases/{purchase_id}", SELLERS),
    Row("POST", "/marketplace/purchases/{purchase_id}/complete", SELLERS),
    Row("POST", "/marketplace/purchases/{purchase_id}/cancel", SELLERS),
    Row("POST", "/marketplace/purchases/{purchase_id}/review", told(401, 404, 404, 403), lambda _: {"rating": 5}),
    Row("GET", "/marketplace/sellers/{user_id}", told(401, 200, 200, 200, blocked=404)),
    Row("GET", "/marketplace/sellers/{user_id}/reviews", told(401, 200, 200, 200, blocked=404)),
]
