"""Erasures after a restore: ``python -m transactional_api.governance.privacy.reapply_erasures FILE``.

A restored database has the users that were erased after its backup. The file has one erasure per line, as the register
of the backups has it; each that the database does not know is requested again, and the job of the API erases the user.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, Field

from neighborconnect.settings import get_settings
from neighborconnect.telemetry import configure_logging, get_logger
from transactional_api.core.app_context import AppContext, open_app_context
from transactional_api.core.db.tables import User
from transactional_api.governance.privacy import erasures

log = get_logger(__name__)


class RegisteredErasure(BaseModel):
    """Erasure of the register. Its access code shows the receipt of the repeated erasure."""

    id: UUID
    user_id: UUID
    keep_words: bool = Field(alias="keeps_words")
    code_hash: str


async def reapply(context: AppContext, registered: Iterable[RegisteredErasure]) -> int:
    """Request the erasures that the database does not know; return their number.

    The time of the request is now: the pipelines repeat erasures of the last days only.
    """
    number = 0
    for each in registered:
        async with context.transaction() as session:
            if await session.get(User, each.user_id) is not None:
                number += await erasures.begin(session, **each.model_dump()) is not None
    return number


async def _run(lines: list[str]) -> None:
    async with open_app_context(get_settings()) as context:
        number = await reapply(context, map(RegisteredErasure.model_validate_json, lines))
    log.info("erasures.reapplied", registered=len(lines), requested=number)


if __name__ == "__main__":
    configure_logging("reapply-erasures")
    asyncio.run(_run(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
