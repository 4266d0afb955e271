"""Publication of stories and reels in MongoDB whose change was interrupted."""

from __future__ import annotations

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.document_capture import CapturedDocuments
from transactional_api.core.jobs import queue

log = get_logger(__name__)


@queue.periodic("* * * * *")
@queue.task("documents.publish_pending", priority=queue.Priority.UPKEEP)
async def publish_pending(context: AppContext, timestamp: int) -> None:  # noqa: ARG001 (the planned time)
    """Publish the current state of documents whose change was not followed by an event."""
    if isinstance(context.documents, CapturedDocuments) and (count := await context.documents.publish_pending()):
        log.info("documents.published", count=count)
