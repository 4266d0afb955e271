"""What requests and background jobs are served with: the stores, opened once a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from neighborconnect.sandbox import Limits, Sandbox
from neighborconnect.settings import Settings
from transactional_api.db.session import commit, create_engine
from transactional_api.media.documents import DocumentStore, open_documents
from transactional_api.redis_client import open_redis
from transactional_api.vault import Vault

SANDBOX_PROCESSES, SANDBOX_LIMITS = 2, Limits(memory_mib=1_024)


@dataclass(frozen=True, slots=True)
class Resources:
    """The settings, and open connections to what they name."""

    settings: Settings
    engine: AsyncEngine
    redis: Redis
    vault: Vault
    documents: DocumentStore
    sandbox: Sandbox
    """Processes for untrusted files; none starts before the first task."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose transaction commits at the end of the block, or never if the block raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session
            await commit(session)


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open the stores that ``settings`` name, and close them at the end."""
    engine = create_engine(settings.database_url)
    redis = open_redis(settings)
    sandbox = Sandbox(SANDBOX_PROCESSES, limits=SANDBOX_LIMITS)
    try:
        async with open_documents(settings, engine=engine) as documents:
            yield Resources(settings, engine, redis, Vault(settings.personal_data_keys), documents, sandbox)
    finally:
        sandbox.stop()
        await redis.aclose()
        await engine.dispose()
