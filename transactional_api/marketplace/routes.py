"""``/marketplace``: what neighbours sell each other."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import StringConstraints

from transactional_api.auth import ViewerDep, WriterDep
from transactional_api.db.session import SessionDep
from transactional_api.db.tables import MarketplaceItem, Purchase
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    declare,
)
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.marketplace import purchases, sellers, service
from transactional_api.marketplace.purchases import (
    NotAvailableError,
    NotCompletedError,
    OwnItemError,
    PurchaseClosedError,
    ReviewedError,
)
from transactional_api.marketplace.schemas import (
    Category,
    Condition,
    Currency,
    ItemBody,
    ItemCategories,
    ItemOut,
    ItemStatus,
    NewItem,
    Price,
    PurchaseOut,
    SellerOut,
    SellerReviewBody,
    SellerReviewOut,
)
from transactional_api.marketplace.service import ItemFilter, ItemSoldError
from transactional_api.paging import Page, PageDep
from transactional_api.places import NearDep
from transactional_api.text import Line
from transactional_api.versions import StaleError, meant_for, tagged

router = APIRouter(prefix="/marketplace", tags=["marketplace"], route_class=TransactionalRoute)

# What a write of an older version than the present one is refused by.
VERSION = meant_for(MarketplaceItem.updated_at, MarketplaceItem.id, path="item_id")

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
LISTS = declare(*READS, InvalidCursorError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
TAKES = declare(*WRITES, OwnItemError, NotAvailableError)
Words = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


async def _filter(
    *,
    near: NearDep,
    connector_id: Annotated[UUID | None, Query()] = None,
    seller_id: Annotated[UUID | None, Query()] = None,
    category: Annotated[Category | None, Query(examples=["garden"])] = None,
    condition: Annotated[Condition | None, Query(examples=["good"])] = None,
    status: Annotated[ItemStatus | None, Query(description="All where it is left out.", examples=["available"])] = None,
    currency: Annotated[Currency | None, Query(examples=["USD"])] = None,
    min_price: Annotated[Price | None, Query(examples=["5.00"])] = None,
    max_price: Annotated[Price | None, Query(examples=["50.00"])] = None,
    q: Annotated[Words | None, Query(description="Part of the title or description.", examples=["barrow"])] = None,
) -> ItemFilter:
    return ItemFilter(
        connector_id=connector_id,
        seller_id=seller_id,
        category=category,
        condition=condition,
        status=status,
        currency=currency,
        min_price=min_price,
        max_price=max_price,
        words=q,
        near=near,
    )


@router.post("/items", operation_id="createItem", status_code=201, responses=declare(*WRITES, ForbiddenError))
async def create(body: NewItem, session: SessionDep, writer: WriterDep) -> ItemOut:
    """Offer an item in a connector that you belong to."""
    return await service.create(session, viewer=writer, body=body)


@router.get("/items", operation_id="findItems", responses=LISTS)
async def find(
    session: SessionDep, viewer: ViewerDep, page: PageDep, wanted: Annotated[ItemFilter, Depends(_filter)]
) -> Page[ItemOut]:
    """Find items by words, category, condition, price, place and more; the newest first."""
    return await service.find(session, viewer=viewer, page=page, wanted=wanted)


@router.get("/categories", operation_id="listItemCategories", responses=declare(UnauthenticatedError))
async def categories(session: SessionDep, viewer: ViewerDep) -> ItemCategories:
    """List the categories and how many available items of each you may see, the largest first."""
    return await service.categories(session, viewer=viewer)


@router.get("/items/{item_id}", operation_id="getItem", responses=declare(*READS))
async def get(item_id: UUID, response: Response, session: SessionDep, viewer: ViewerDep) -> ItemOut:
    """Get an item."""
    return tagged(response, await service.get(session, viewer=viewer, item_id=item_id))


@router.put(
    "/items/{item_id}",
    operation_id="replaceItem",
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError, ItemSoldError),
)
async def replace(item_id: UUID, body: ItemBody, response: Response, session: SessionDep, writer: WriterDep) -> ItemOut:
    """Replace an item that is not sold; for its seller."""
    return tagged(response, await service.replace(session, viewer=writer, item_id=item_id, body=body))


@router.delete(
    "/items/{item_id}",
    operation_id="withdrawItem",
    status_code=204,
    dependencies=[VERSION],
    responses=declare(StaleError, *WRITES, ForbiddenError, ItemSoldError),
)
async def withdraw(item_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Take an item off the market; for its seller and for who tends the connector."""
    await service.withdraw(session, viewer=writer, item_id=item_id)


@router.post("/items/{item_id}/view", operation_id="viewItem", status_code=204, responses=declare(*WRITES))
async def view(item_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """Say that you looked at an item; each person counts once, its seller never."""
    await service.see(session, viewer=writer, item_id=item_id)


@router.post("/items/{item_id}/reserve", operation_id="reserveItem", responses=TAKES)
async def reserve(item_id: UUID, session: SessionDep, writer: WriterDep) -> ItemOut:
    """Keep an item for two days in which nobody else can buy it."""
    return await purchases.reserve(session, viewer=writer, item_id=item_id)


@router.delete(
    "/items/{item_id}/reserve",
    operation_id="releaseItem",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError),
)
async def release(item_id: UUID, session: SessionDep, writer: WriterDep) -> None:
    """End a reservation; for who reserved and for the seller."""
    await purchases.release(session, viewer=writer, item_id=item_id)


@router.post("/items/{item_id}/buy", operation_id="buyItem", status_code=201, responses=TAKES)
async def buy(item_id: UUID, session: SessionDep, writer: WriterDep) -> PurchaseOut:
    """Buy an item. Of all who try, one gets it; the others are told so."""
    return await purchases.buy(session, viewer=writer, item_id=item_id)


@router.get("/purchases", operation_id="listPurchases", responses=LISTS)
async def list_purchases(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[PurchaseOut]:
    """List what you bought, the latest first."""
    return await purchases.history(session, viewer=viewer, page=page, side=Purchase.buyer_id)


@router.get("/sales", operation_id="listSales", responses=LISTS)
async def list_sales(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[PurchaseOut]:
    """List what you sold, the latest first."""
    return await purchases.history(session, viewer=viewer, page=page, side=Purchase.seller_id)


@router.get("/purchases/{purchase_id}", operation_id="getPurchase", responses=declare(*READS))
async def get_purchase(purchase_id: UUID, session: SessionDep, viewer: ViewerDep) -> PurchaseOut:
    """Get a purchase that you are part of."""
    return await purchases.get_purchase(session, viewer=viewer, purchase_id=purchase_id)


@router.post(
    "/purchases/{purchase_id}/complete",
    operation_id="completePurchase",
    responses=declare(*WRITES, ForbiddenError, PurchaseClosedError),
)
async def complete(purchase_id: UUID, session: SessionDep, writer: WriterDep) -> PurchaseOut:
    """Say that the buyer has the item; for the seller."""
    return await purchases.complete(session, viewer=writer, purchase_id=purchase_id)


@router.post(
    "/purchases/{purchase_id}/cancel",
    operation_id="cancelPurchase",
    responses=declare(*WRITES, PurchaseClosedError),
)
async def cancel(purchase_id: UUID, session: SessionDep, writer: WriterDep) -> PurchaseOut:
    """Call a purchase off before it is completed; for both sides. The item can be had again."""
    return await purchases.cancel(session, viewer=writer, purchase_id=purchase_id)


@router.post(
    "/purchases/{purchase_id}/review",
    operation_id="reviewSeller",
    status_code=204,
    responses=declare(*WRITES, ForbiddenError, NotCompletedError, ReviewedError),
)
async def review(purchase_id: UUID, body: SellerReviewBody, session: SessionDep, writer: WriterDep) -> None:
    """Review the seller of a completed purchase, once; for the buyer."""
    await purchases.review(session, viewer=writer, purchase_id=purchase_id, body=body)


@router.get("/sellers/{user_id}", operation_id="getSeller", responses=declare(*READS))
async def get_seller(user_id: UUID, session: SessionDep, viewer: ViewerDep) -> SellerOut:
    """Get how buyers find a seller."""
    return await sellers.summary(session, viewer=viewer, seller_id=user_id)


@router.get("/sellers/{user_id}/reviews", operation_id="listSellerReviews", responses=LISTS)
async def list_seller_reviews(
    user_id: UUID, session: SessionDep, viewer: ViewerDep, page: PageDep
) -> Page[SellerReviewOut]:
    """List what buyers wrote of a seller, the latest first."""
    return await sellers.reviews(session, viewer=viewer, seller_id=user_id, page=page)
