"""Routes of ``/privacy``: consents, data exports, erasures and the data inventory."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from neighborconnect.contracts.privacy import DATA_INVENTORY, Purpose
from transactional_api.community.media.routes import MediaDep
from transactional_api.core.db.session import SessionDep
from transactional_api.core.errors import (
    InvalidCursorError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    problem_responses,
)
from transactional_api.core.http.auth import AuditedUser, CurrentUser, WritingUser
from transactional_api.core.http.idempotency import KeyInUseError, KeyReusedError
from transactional_api.core.http.unit_of_work import TransactionalRoute
from transactional_api.core.pagination import Page, PageDep
from transactional_api.core.security.jwks import KeySet, PublicKey
from transactional_api.governance.privacy import consents, erasures, exports, receipt_signing
from transactional_api.governance.privacy.exports import ExportInProgressError
from transactional_api.governance.privacy.retention import RETENTION_POLICIES
from transactional_api.governance.privacy.schemas import (
    ConsentBody,
    ConsentRecord,
    ConsentsOut,
    DataInventoryOut,
    DataLocationOut,
    ErasureBody,
    ErasureOut,
    ExportOut,
    PlatformReceipt,
    ReceiptCode,
    ReceiptOut,
    RequestedErasures,
    RetentionPolicyOut,
    UnfinishedExportsOut,
)
from transactional_api.identity.users.account_routes import GUESSED, AccountsDep
from transactional_api.identity.users.email_address import WrongPasswordError
from transactional_api.identity.users.platform import PlatformDep, PlatformOnlyError
from transactional_api.identity.users.throttle import TooManyAttemptsError

router = APIRouter(prefix="/privacy", tags=["privacy"], route_class=TransactionalRoute)


LISTS = (UnauthenticatedError, InvalidRequestError, InvalidCursorError)
WRITES = (UnauthenticatedError, InvalidRequestError, KeyReusedError, KeyInUseError)


@router.get(
    "/data-inventory",
    operation_id="getDataInventory",
    summary="Get the data inventory",
    responses=problem_responses(UnauthenticatedError),
)
async def get_data_inventory(_viewer: CurrentUser) -> DataInventoryOut:
    """Return every location of personal data, what an erasure does there, and the retention policies."""
    return DataInventoryOut(
        locations=[DataLocationOut.model_validate(location) for location in DATA_INVENTORY],
        retention_policies=[RetentionPolicyOut(data=policy.data, days=policy.days) for policy in RETENTION_POLICIES],
    )


@router.get(
    "/consents", operation_id="getConsents", summary="Get consents", responses=problem_responses(UnauthenticatedError)
)
async def get_consents(session: SessionDep, viewer: CurrentUser) -> ConsentsOut:
    """Return your consent for every purpose."""
    return await consents.current(session, viewer=viewer)


@router.get(
    "/consents/history",
    operation_id="listConsentHistory",
    summary="List consent history",
    responses=problem_responses(*LISTS),
)
async def consent_history(session: SessionDep, viewer: CurrentUser, page: PageDep) -> Page[ConsentRecord]:
    """List your consent decisions, newest first."""
    return await consents.history(session, viewer=viewer, page=page)


@router.put(
    "/consents/{purpose}", operation_id="setConsent", summary="Set a consent", responses=problem_responses(*WRITES)
)
async def set_consent(purpose: Purpose, body: ConsentBody, session: SessionDep, writer: WritingUser) -> ConsentsOut:
    """Grant or withdraw consent for a purpose. It applies from the next request and the next model training."""
    return await consents.decide(session, viewer=writer, purpose=purpose, granted=body.granted)


@router.post(
    "/exports",
    operation_id="createExport",
    summary="Create a data export",
    status_code=202,
    responses=problem_responses(*WRITES, ExportInProgressError),
)
async def create_export(session: SessionDep, media: MediaDep, writer: WritingUser) -> ExportOut:
    """Start an export of your data in the background; it is available for seven days."""
    return await exports.create(session, viewer=writer, media=media)


@router.get("/exports", operation_id="listExports", summary="List data exports", responses=problem_responses(*LISTS))
async def list_exports(session: SessionDep, media: MediaDep, viewer: CurrentUser, page: PageDep) -> Page[ExportOut]:
    """List your data exports, newest first."""
    return await exports.list_exports(session, viewer=viewer, media=media, page=page)


@router.get(
    "/exports/{export_id}",
    operation_id="getExport",
    summary="Get a data export",
    responses=problem_responses(UnauthenticatedError, NotFoundError, InvalidRequestError),
)
async def get_export(export_id: UUID, session: SessionDep, media: MediaDep, viewer: CurrentUser) -> ExportOut:
    """Return the state of an export and, once it is ready, a download link."""
    return await exports.get(session, viewer=viewer, media=media, export_id=export_id)


@router.get(
    "/platform/exports",
    operation_id="listUnfinishedExports",
    summary="List unfinished exports (platform)",
    responses=problem_responses(PlatformOnlyError, InvalidRequestError, TooManyAttemptsError),
)
async def unfinished_exports(_platform: PlatformDep, session: SessionDep, media: MediaDep) -> UnfinishedExportsOut:
    """List exports that lack the part of the platform's pipelines, with upload links."""
    return await exports.unfinished(session, media=media)


@router.post(
    "/exports/{export_id}/platform",
    operation_id="completeExport",
    summary="Complete an export (platform)",
    status_code=204,
    responses=problem_responses(PlatformOnlyError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def complete_export(_platform: PlatformDep, export_id: UUID, session: SessionDep) -> None:
    """Report that the part of the platform's pipelines is uploaded. A repetition changes nothing."""
    await exports.add_part(session, export_id=export_id)


@router.post(
    "/erasures",
    operation_id="requestErasure",
    summary="Request erasure",
    status_code=202,
    responses=problem_responses(
        UnauthenticatedError, InvalidRequestError, WrongPasswordError, TooManyAttemptsError, UnavailableError
    ),
)
async def request_erasure(
    body: ErasureBody, session: SessionDep, accounts: AccountsDep, actor: AuditedUser
) -> ErasureOut:
    """Erase your account. It closes immediately and permanently; `code` gives access to the receipt."""
    return await erasures.request(session, accounts=accounts, viewer=actor, body=body)


@router.get(
    "/platform/erasures",
    operation_id="listRequestedErasures",
    summary="List requested erasures (platform)",
    responses=problem_responses(PlatformOnlyError, InvalidRequestError),
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
    summary="Get an erasure receipt",
    # A field that is added later is not part of receipts that are signed already.
    response_model_exclude_unset=True,
    dependencies=[GUESSED],
    responses=problem_responses(NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def get_receipt(code: Annotated[ReceiptCode, Path()], session: SessionDep) -> ReceiptOut:
    """Return the progress of an erasure by location. The code is the only credential."""
    return await erasures.receipt(session, code=code)


@router.get("/receipt-keys", operation_id="getReceiptKeys", summary="Get the public keys of receipts")
async def get_receipt_keys(accounts: AccountsDep) -> KeySet:
    """Return the keys that verify signatures of receipts, including former ones (a JSON Web Key Set)."""
    return KeySet(keys=[PublicKey(**key) for key in receipt_signing.public_keys(accounts.settings)])


@router.post(
    "/erasures/{erasure_id}/platform",
    operation_id="reportErasure",
    summary="Report an erasure (platform)",
    status_code=204,
    responses=problem_responses(PlatformOnlyError, NotFoundError, InvalidRequestError, TooManyAttemptsError),
)
async def report_erasure(
    _platform: PlatformDep, erasure_id: UUID, body: PlatformReceipt, session: SessionDep, accounts: AccountsDep
) -> None:
    """Report what the platform's pipelines erased. A repetition changes nothing."""
    await erasures.add_platform_receipt(session, erasure_id=erasure_id, body=body, settings=accounts.settings)
