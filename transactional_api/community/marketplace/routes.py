"""``/marketplace``: items, purchases and seller reviews."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import StringConstraints

from transactional_api.community.marketplace import purchases, seller_reviews, service, withdrawal
from transactional_api.community.marketplace.purchases import (
    ItemNotAvailableError,
    OwnItemError,
    PriceChangedError,
    PurchaseClosedError,
    SalePausedError,
)
from transactional_api.community.marketplace.schemas import (
    Category,
    Condition,
    Currency,
    ExpectedPrice,
    ItemBody,
    ItemCategories,
    ItemOut,
    ItemPatch,
    ItemStatus,
    NewItem,
    Price,
    PurchaseOut,
    SellerOut,
    SellerReviewBody,
    SellerReviewOut,
)
from transactional_api.community.marketplace.seller_reviews import (
    PurchaseAlreadyReviewedError,
    PurchaseNotCompletedError,
)
from transactional_api.community.marketplace.service import ItemFilter, ItemSoldError
from transactional_api.core.db.session import SessionDep
from transactional_api.core.db.tables import MarketplaceItem, Purchase
from transactional_api.core.errors import (
    ForbiddenError,
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    problem_responses,
)
from transactional_api.core.geography import NearDep
from transactional_api.core.http.auth import CurrentUser, WritingUser
from transactional_api.core.http.etags import PreconditionFailedError, require_if_match, set_etag
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.media.references import ATTACHING, ATTACHING_IDS
from transactional_api.core.pagination import IdsQuery, Page, PageDep
from transactional_api.core.text import Line

router = APIRouter(prefix="/marketplace", tags=["marketplace"], route_class=TransactionalRoute)

VERSION = require_if_match(MarketplaceItem.updated_at, MarketplaceItem.id, path="item_id")
# No own lock: the item's row is locked first, and a purchase changes only once.
PURCHASE_VERSION = require_if_match(Purchase.updated_at, Purchase.id, path="purchase_id", locks=False)

READS = (UnauthenticatedError, NotFoundError, InvalidRequestError)
LISTS = problem_responses(*READS, InvalidCursorError)
WRITES = (*READS, KeyReusedError, KeyInUseError)
TAKES = problem_responses(
    PreconditionFailedError, *WRITES, OwnItemError, SalePausedError, ItemNotAvailableError, PriceChangedError
)
SearchText = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


async def _filter(
    *,
    near: NearDep,
    connector_id: Annotated[UUID | None, Query()] = None,
    seller_id: Annotated[UUID | None, Query()] = None,
    category: Annotated[Category | None, Query(examples=["garden"])] = None,
    condition: Annotated[Condition | None, Query(examples=["good"])] = None,
    status: Annotated[ItemStatus | None, Query(description="Default: every status.", examples=["available"])] = None,
    currency: Annotated[Currency | None, Query(examples=["USD"])] = None,
    min_price: Annotated[Price | None, Query(examples=["5.00"])] = None,
    max_price: Annotated[Price | None, Query(examples=["50.00"])] = None,
    q: Annotated[
        SearchText | None, Query(description="Substring of the title or description.", examples=["barrow"])
    ] = None,
    ids: IdsQuery = None,
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
        query=q,
        near=near,
        ids=ids,
    )


@router.post(
    "/items",
    operation_id="createItem",
    summary="Create item",
    status_code=201,
    responses=problem_responses(*WRITES, ForbiddenError, *ATTACHING),
)
async def create(body: NewItem, session: SessionDep, writer: WritingUser) -> ItemOut:
    """Offer an item in a connector that you are a member of."""
    return await service.create(session, viewer=writer, body=body)


@router.get("/items", operation_id="listItems", summary="List items", responses=LISTS)
async def list_items(
    session: SessionDep, viewer: CurrentUser, page: PageDep, item_filter: Annotated[ItemFilter, Depends(_filter)]
) -> Page[ItemOut]:
    """List items by text, category, condition, price, location and other filters, newest first."""
    return await service.list_items(session, viewer=viewer, page=page, item_filter=item_filter)


@router.get(
    "/categories",
    operation_id="listItemCategories",
    summary="List item categories",
    responses=problem_responses(UnauthenticatedError),
)
async def categories(session: SessionDep, viewer: CurrentUser) -> ItemCategories:
    """List the categories with the number of available items that you can see, largest first."""
    return await service.categories(session, viewer=viewer)


@router.get("/items/{item_id}", operation_id="getItem", summary="Get item", responses=problem_responses(*READS))
async def get(item_id: UUID, response: Response, session: SessionDep, viewer: CurrentUser) -> ItemOut:
    """Return an item."""
    return set_etag(response, await service.get(session, viewer=viewer, item_id=item_id))


@router.put(
    "/items/{item_id}",
    operation_id="replaceItem",
    summary="Replace item",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, ItemSoldError, *ATTACHING),
)
async def replace(
    item_id: UUID, body: ItemBody, response: Response, session: SessionDep, writer: WritingUser
) -> ItemOut:
    """Replace all editable fields of an item that is not sold. Requires the seller."""
    return set_etag(response, await service.replace(session, viewer=writer, item_id=item_id, body=body))


@router.patch(
    "/items/{item_id}",
    operation_id="changeItem",
    summary="Change item",
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, ItemSoldError, *ATTACHING),
)
async def change(
    item_id: UUID, patch: ItemPatch, response: Response, session: SessionDep, writer: WritingUser
) -> ItemOut:
    """Change the given fields of an item that is not sold. Requires the seller."""
    return set_etag(response, await service.change(session, viewer=writer, item_id=item_id, patch=patch))


@router.delete(
    "/items/{item_id}",
    operation_id="withdrawItem",
    summary="Withdraw item",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, ItemSoldError),
)
async def withdraw(item_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Withdraw an item from sale. Requires the seller or a moderator of the connector."""
    await withdrawal.withdraw(session, viewer=writer, item_id=item_id)


@router.post(
    "/items/{item_id}/view",
    operation_id="recordItemView",
    summary="Record item view",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES),
)
async def view(item_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """Record that you viewed an item. Each user counts once, the seller never."""
    await service.record_view(session, viewer=writer, item_id=item_id)


@router.put(
    "/items/{item_id}/reservation",
    operation_id="reserveItem",
    summary="Reserve item",
    dependencies=[VERSION],
    responses=TAKES,
)
async def reserve(
    item_id: UUID,
    response: Response,
    session: SessionDep,
    writer: WritingUser,
    expected: ExpectedPrice | None = None,
) -> ItemOut:
    """Reserve an item for 48 hours. With `expected_price`, fails if the price differs."""
    return set_etag(response, await purchases.reserve(session, viewer=writer, item_id=item_id, expected=expected))


@router.delete(
    "/items/{item_id}/reservation",
    operation_id="releaseItem",
    summary="Release item",
    status_code=204,
    dependencies=[VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError),
)
async def release(item_id: UUID, session: SessionDep, writer: WritingUser) -> None:
    """End a reservation. Requires the user who reserved or the seller. Idempotent."""
    await purchases.release(session, viewer=writer, item_id=item_id)


@router.post(
    "/items/{item_id}/buy",
    operation_id="buyItem",
    summary="Buy item",
    status_code=201,
    dependencies=[VERSION],
    responses=TAKES,
)
async def buy(
    *,
    item_id: UUID,
    request: Request,
    response: Response,
    session: SessionDep,
    writer: WritingUser,
    expected: ExpectedPrice | None = None,
) -> PurchaseOut:
    """Buy an item at its current price. Of concurrent requests, one succeeds; the others return 409.

    With `expected_price` or the version of the item (`If-Match`), the request fails if the price or the item has
    changed. One of the two is required if the seller has changed the item since you reserved it.
    """
    has_item_version = request.headers.get("if-match", "*").strip() != "*"
    return set_etag(
        response,
        await purchases.buy(
            session, viewer=writer, item_id=item_id, expected=expected, has_item_version=has_item_version
        ),
    )


@router.get("/purchases", operation_id="listPurchases", summary="List purchases", responses=LISTS)
async def list_purchases(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PurchaseOut]:
    """List your purchases, newest first."""
    return await purchases.list_purchases(session, viewer=viewer, page=page, side=Purchase.buyer_id)


@router.get("/sales", operation_id="listSales", summary="List sales", responses=LISTS)
async def list_sales(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[PurchaseOut]:
    """List your sales, newest first."""
    return await purchases.list_purchases(session, viewer=viewer, page=page, side=Purchase.seller_id)


@router.get(
    "/purchases/{purchase_id}", operation_id="getPurchase", summary="Get purchase", responses=problem_responses(*READS)
)
async def get_purchase(purchase_id: UUID, response: Response, session: SessionDep, viewer: CurrentUser) -> PurchaseOut:
    """Return a purchase in which you are buyer or seller."""
    return set_etag(response, await purchases.get_purchase(session, viewer=viewer, purchase_id=purchase_id))


@router.post(
    "/purchases/{purchase_id}/complete",
    operation_id="completePurchase",
    summary="Complete purchase",
    dependencies=[PURCHASE_VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, ForbiddenError, PurchaseClosedError),
)
async def complete(purchase_id: UUID, response: Response, session: SessionDep, writer: WritingUser) -> PurchaseOut:
    """Confirm that the item was handed over. Requires the seller."""
    return set_etag(response, await purchases.complete(session, viewer=writer, purchase_id=purchase_id))


@router.post(
    "/purchases/{purchase_id}/cancel",
    operation_id="cancelPurchase",
    summary="Cancel purchase",
    dependencies=[PURCHASE_VERSION],
    responses=problem_responses(PreconditionFailedError, *WRITES, PurchaseClosedError),
)
async def cancel(purchase_id: UUID, response: Response, session: SessionDep, writer: WritingUser) -> PurchaseOut:
    """Cancel a purchase before it is completed. Requires its buyer or seller. The item is available again."""
    return set_etag(response, await purchases.cancel(session, viewer=writer, purchase_id=purchase_id))


@router.post(
    "/purchases/{purchase_id}/review",
    operation_id="reviewSeller",
    summary="Review seller",
    status_code=204,
    dependencies=[PURCHASE_VERSION],
    responses=problem_responses(
        PreconditionFailedError,
        *WRITES,
        ForbiddenError,
        PurchaseNotCompletedError,
        PurchaseAlreadyReviewedError,
        *ATTACHING_IDS,
    ),
)
async def review(purchase_id: UUID, body: SellerReviewBody, session: SessionDep, writer: WritingUser) -> None:
    """Review the seller of a completed purchase, once. Requires the buyer."""
    await seller_reviews.create_review(session, viewer=writer, purchase_id=purchase_id, body=body)


@router.get("/sellers/{user_id}", operation_id="getSeller", summary="Get seller", responses=problem_responses(*READS))
async def get_seller(user_id: UUID, session: SessionDep, viewer: CurrentUser) -> SellerOut:
    """Return the sales and rating of a seller."""
    return await seller_reviews.get_seller(session, viewer=viewer, seller_id=user_id)


@router.get(
    "/sellers/{user_id}/reviews", operation_id="listSellerReviews", summary="List seller reviews", responses=LISTS
)
async def list_seller_reviews(
    user_id: UUID, session: SessionDep, viewer: CurrentUser, page: PageDep
) -> Page[SellerReviewOut]:
    """List the reviews of a seller, newest first."""
    return await seller_reviews.list_reviews(session, viewer=viewer, seller_id=user_id, page=page)
