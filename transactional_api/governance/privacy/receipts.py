"""Receipts of erasures: progress while the erasure runs, then a signed document that does not change any more."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.core.audit import trail
from transactional_api.core.db.tables import Erasure
from transactional_api.governance.privacy import receipt_signing
from transactional_api.governance.privacy.schemas import InfluencedModel, ReceiptLine, ReceiptOut

AUDIT_ACTION = "erasure.receipt_signed"
"""Action of the audit entry that holds the digest of a receipt."""


def receipt_of(erasure: Erasure) -> ReceiptOut:
    """Return the signed receipt, or the progress of an erasure that is not complete."""
    if erasure.signed_receipt is not None:
        return ReceiptOut.model_validate(erasure.signed_receipt)
    return ReceiptOut(
        id=erasure.id,
        requested_at=erasure.requested_at,
        keep_words=erasure.keep_words,
        done_at=erasure.done_at,
        platform_done_at=erasure.platform_done_at,
        lines=[ReceiptLine.model_validate(line) for line in erasure.receipt],
        influenced_models=[InfluencedModel.model_validate(model) for model in erasure.influenced_models],
        signature=None,
    )


async def sign_if_complete(session: AsyncSession, *, erasure_id: UUID, settings: Settings) -> None:
    """Sign the receipt once all stores are done, and enter its digest in the audit trail; idempotent."""
    locked = select(Erasure).where(Erasure.id == erasure_id).with_for_update()
    erasure = (await session.scalars(locked.execution_options(populate_existing=True))).one()
    if erasure.signed_receipt is not None or erasure.done_at is None or erasure.platform_done_at is None:
        return
    receipt = receipt_of(erasure).model_dump(mode="json", exclude={receipt_signing.SIGNATURE})
    erasure.signed_receipt = receipt_signing.sign(receipt, settings=settings)
    await trail.enter_event(
        session,
        actor_id=erasure.user_id,
        action=AUDIT_ACTION,
        subject={"erasure_id": str(erasure_id), "sha256": erasure.signed_receipt["signature"]["digest"]},
        request_id=f"erasure-{erasure_id.hex}",
    )
    await session.flush()
