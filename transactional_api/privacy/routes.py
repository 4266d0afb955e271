"""``/privacy``: what people allow, their copy of what is known of them, and the end of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import AwareDatetime

from neighborconnect.contracts.privacy import PLACES, Purpose
from transactional_api.auth import ActorDep, ViewerDep, WriterDep
from transactional_api.callers import CallerDep
from transactional_api.db.session import SessionDep
from transactional_api.edge import TransactionalRoute
from transactional_api.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    declare,
)
from transactional_api.housekeeping import CLOCKS
from transactional_api.idempotency import KeyInUseError, KeyReusedError
from transactional_api.media.routes import MediaDep
from transactional_api.paging import Page, PageDep
from transactional_api.privacy import consents, erasures, exports
from transactional_api.privacy.erasures import NotThePlatformError
from transactional_api.privacy.exports import ExportWaitingError
from transactional_api.privacy.schemas import (
    ClockOut,
    ConsentBody,
    ConsentsOut,
    ErasureBody,
    ErasureOut,
    ExportOut,
    PlaceOut,
    PlacesOut,
    PlatformReceipt,
    ReceiptCode,
    ReceiptOut,
    RequestedErasures,
    SaidOut,
    UnfinishedExportsOut,
)
from transactional_api.users.account_routes import GUESSED, AccountsDep
from transactional_api.users.mailbox import WrongPasswordError
from transactional_api.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/privacy", tags=["privacy"], route_class=TransactionalRoute)


async def _platform(
    accounts: AccountsDep, caller: CallerDep, x_platform_token: Annotated[str | None, Header(max_length=200)] = None
) -> None:
    await accounts.throttle.check(accounts.throttle.tokens, caller.network)
    try:
        erasures.prove_platform(accounts.settings, token=x_platform_token)
    except NotThePlatformError:
        await accounts.throttle.record(accounts.throttle.tokens, caller.network)
        raise


PlatformDep = Annotated[None, Depends(_platform)]

LISTS = (UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)


@router.get("/places", operation_id="listPlaces", responses=declare(UnauthenticatedError))
async def places(_viewer: ViewerDep) -> PlacesOut:
    """See every place where something of you can lie, what becomes of it when you go, and for how long it is kept."""
    return PlacesOut(
        places=[PlaceOut.model_validate(place) for place in PLACES],
        clocks=[ClockOut(data=clock.data, days=clock.days) for clock in CLOCKS],
    )


@router.get("/consents", operation_id="getConsents", responses=declare(UnauthenticatedError))
async def get_consents(session: SessionDep, viewer: ViewerDep) -> ConsentsOut:
    """See what you allow us to use what we know of you for."""
    return await consents.current(session, viewer=viewer)


@router.get("/consents/history", operation_id="listConsentHistory", responses=declare(*LISTS))
async def consent_history(session: SessionDep, viewer: ViewerDep, page: PageDep) -> Page[SaidOut]:
    """List what you said when, the last first."""
    return await consents.history(session, viewer=viewer, page=page)


@router.put("/consents/{purpose}", operation_id="setConsent", responses=declare(*WRITES))
async def set_consent(purpose: Purpose, body: ConsentBody, session: SessionDep, writer: WriterDep) -> ConsentsOut:
    """Grant or withdraw one purpose. It holds from the next request on, and from the next training of a model."""
    return await consents.say(session, viewer=writer, purpose=purpose, granted=body.granted)


@router.post("/exports", operation_id="beginExport", status_code=202, responses=declare(*WRITES, ExportWaitingError))
async def begin_export(session: SessionDep, media: MediaDep, writer: WriterDep) -> ExportOut:
    """Ask for a copy of what is known of you; it is made in the background and kept for a week."""
    return await exports.begin(session, viewer=writer, media=media)


@router.get("/exports", operation_id="listExports", responses=declare(*LISTS))
async def list_exports(session: SessionDep, media: MediaDep, viewer: ViewerDep, page: PageDep) -> Page[ExportOut]:
    """List your copies, the last first."""
    return await exports.find(session, viewer=viewer, media=media, page=page)


@router.get(
    "/exports/{export_id}",
    operation_id="getExport",
    responses=declare(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get_export(export_id: UUID, session: SessionDep, media: MediaDep, viewer: ViewerDep) -> ExportOut:
    """See whether your copy is ready, and where it is."""
    return await exports.get(session, viewer=viewer, media=media, export_id=export_id)


@router.get(
    "/platform/exports",
    operation_id="listUnfinishedExports",
    responses=declare(NotThePlatformError, InvalidRequestError, TooManyAttemptsError),
)
async def unfinished_exports(_platform: PlatformDep, session: SessionDep, media: MediaDep) -> UnfinishedExportsOut:
    """For the platform's pipelines: which copies lack their part, and where to put it."""
    return await exports.unfinished(session, media=media)


@router.post(
    "/exports/{export_id}/platform",
    operation_id="completeExport",
    status_code=204,
    responses=declare(NotThePlatformError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def complete_export(_platform: PlatformDep, export_id: UUID, session: SessionDep) -> None:
    """For the platform's pipelines: say that their part of a copy has been put. Twice changes nothing."""
    await exports.take_part(session, export_id=export_id)


@router.post(
    "/erasures",
    operation_id="requestErasure",
    status_code=202,
    responses=declare(
        UnauthenticatedError, InvalidRequestError, WrongPasswordError, TooManyAttemptsError, UnavailableError
    ),
)
async def request_erasure(body: ErasureBody, session: SessionDep, accounts: AccountsDep, actor: ActorDep) -> ErasureOut:
    """Be forgotten. Your account closes at once and for good; `code` shows the receipt from then on."""
    return await erasures.request(session, accounts=accounts, viewer=actor, body=body)


@router.get(
    "/platform/erasures",
    operation_id="listRequestedErasures",
    responses=declare(NotThePlatformError, InvalidRequestError),
)
async def requested_erasures(
    _platform: PlatformDep,
    session: SessionDep,
    *,
    ids: Annotated[list[UUID], Query(alias="id", max_length=erasures.REQUESTED_LIMIT, description="Only these.")] = [],  # noqa: B006 (FastAPI copies it)
    since: Annotated[AwareDatetime | None, Query(description="Only those requested at this time or later.")] = None,
    after: Annotated[UUID | None, Query(description="The last id of the page before.")] = None,
) -> RequestedErasures:
    """For the platform's pipelines: which erasures people requested, in the order of their ids, up to 100 a page."""
    return await erasures.requested(session, ids=ids, since=since, after=after)


@router.get(
    "/receipts/{code}",
    operation_id="getReceipt",
    dependencies=[GUESSED],
    responses=declare(NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def get_receipt(code: Annotated[ReceiptCode, Path()], session: SessionDep) -> ReceiptOut:
    """See how far an erasure is, place by place. The code is all that is needed."""
    return await erasures.receipt(session, code=code)


@router.post(
    "/erasures/{erasure_id}/platform",
    operation_id="reportErasure",
    status_code=204,
    responses=declare(NotThePlatformError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def report_erasure(_platform: PlatformDep, erasure_id: UUID, body: PlatformReceipt, session: SessionDep) -> None:
    """For the platform's pipelines: say what they have forgotten. Twice changes nothing."""
    await erasures.take_platform_receipt(session, erasure_id=erasure_id, body=body)
