"""Application context of requests and background jobs: settings and stores, opened once per process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from neighborconnect.sandbox import Limits, Sandbox
from neighborconnect.settings import Settings
from transactional_api.core.db.session import commit, create_engine
from transactional_api.core.document_capture import open_documents
from transactional_api.core.documents import DocumentStore
from transactional_api.core.redis_client import open_redis
from transactional_api.core.security.field_encryption import FieldCipher

SANDBOX_PROCESSES, SANDBOX_LIMITS = 2, Limits(memory_mib=1_024)


@dataclass(frozen=True, slots=True)
class AppContext:
    """Settings, and open connections to the stores."""

    settings: Settings
    engine: AsyncEngine
    redis: Redis
    cipher: FieldCipher
    documents: DocumentStore
    sandbox: Sandbox
    """Processes for untrusted files; none starts before the first task."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session whose transaction commits at the end of the block and rolls back if the block raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session
            await commit(session)


@asynccontextmanager
async def open_app_context(settings: Settings) -> AsyncIterator[AppContext]:
    """Open the stores of the settings, and close them at the end."""
    engine = create_engine(settings.database_url)
    redis = open_redis(settings)
    sandbox = Sandbox(SANDBOX_PROCESSES, limits=SANDBOX_LIMITS)
    try:
        async with open_documents(settings, engine=engine) as documents:
            yield AppContext(settings, engine, redis, FieldCipher(settings.personal_data_keys), documents, sandbox)
    finally:
        sandbox.stop()
        await redis.aclose()
        await engine.dispose()
