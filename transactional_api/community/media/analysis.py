"""Analysis of uploads by the vision models, for alternative texts, color hints and moderation.

A job analyzes an upload after its processing. Until then only the owner sees the upload, for at most
``media_analysis_hold_minutes`` minutes, so that an unavailable model does not hide pictures forever. A verdict other
than *allow* opens a case; *block* hides the upload until a moderator decides. Without a model, nothing is analyzed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    ImageAnalysisResponse,
    MediaRequest,
    VideoAnalysisResponse,
    VideoModerationResponse,
)
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.community.media import renditions
from transactional_api.community.moderation.screening import open_case, was_decided
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.statements import SessionRunner
from transactional_api.core.db.tables import Upload
from transactional_api.core.documents import StoredDocument
from transactional_api.core.inference.client import (
    FallbackReason,
    InferenceClient,
    InferenceError,
    PredictionSource,
    Service,
    job_inference_client,
)
from transactional_api.core.inference.prediction_log import PredictionLogEntry, has_tracking_consent
from transactional_api.core.jobs import queue
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.stores import COLLECTION, HOLD_UNTIL, open_media
from transactional_api.core.moderation import SubjectKind

IMAGE_ANALYSIS, VIDEO_MODERATION, VIDEO_ANALYSIS = "image_analysis", "video_moderation", "video_analysis"
"""Fields of the upload's document that store the responses of the vision services."""
_NSFW, _MIN_LABEL_SCORE = "nsfw", 0.5

log = get_logger(__name__)


def has_model(settings: Settings, kind: str) -> bool:
    """Return whether a vision service is configured for a kind of upload."""
    return (settings.video_url if kind == MediaKind.VIDEO else settings.image_url) is not None


@queue.task("media.analyze", lane=queue.Lane.MODELS)
async def analyze_upload(context: AppContext, *, media_id: str) -> None:
    """Analyze an upload; idempotent.

    Raises:
        InferenceError: when the model is unavailable; the queue retries.
    """
    media, settings = open_media(context), context.settings
    stored = await media.ready(UUID(media_id))
    if stored is None:
        return
    if not has_model(settings, stored.document["kind"]):
        return
    is_video, owner_id = stored.document["kind"] == MediaKind.VIDEO, UUID(stored.document["owner_id"])
    analyze = _analyze_video if is_video else _analyze_image
    vision_service = Service.VIDEO if is_video else Service.IMAGE
    prediction = PredictionLogEntry(vision_service, "analyze_upload", owner_id, SubjectKind.UPLOAD, stored.id)
    request = MediaRequest(media_id=media_id, url=await media.objects.source(stored.document["processed_key"]))
    try:
        async with job_inference_client(settings) as inference:
            fields, text, triage = await analyze(inference, request)
    except InferenceError as error:
        if error.reason is not FallbackReason.REFUSED:
            raise
        log.info("media.rejected", media=media_id)
        return
    await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
    async with context.transaction() as session:
        if await has_tracking_consent(session, owner_id):
            output = {name: triage[name] for name in ("verdict", "categories")}
            await prediction.log(SessionRunner(session), output, version=triage["model_version"], reason=None)
        await _moderate(session, stored, text=text, triage=triage)
        if is_video:
            await renditions.enqueue(session, media=media, media_id=stored.id)
    # Released last, so that an upload that moderation holds was never visible to others.
    await media.documents.change(COLLECTION, document_id=stored.id, fields={HOLD_UNTIL: None})


async def _analyze_image(
    inference: InferenceClient, request: MediaRequest
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    analysis = await inference.ask(Service.IMAGE, "/classify", request, ImageAnalysisResponse)
    fields = {
        IMAGE_ANALYSIS: analysis.model_dump(mode="json"),
        "alt_text": analysis.alt_text or None,
        "blur_hash": analysis.blur_hash,
        "colors": [color.color for color in analysis.colors],
    }
    return fields, analysis.alt_text, _triage(analysis.verdict, analysis.nsfw, analysis.model_version)


async def _analyze_video(
    inference: InferenceClient, request: MediaRequest
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    moderation = await inference.ask(Service.VIDEO, "/moderate", request, VideoModerationResponse)
    analysis = await inference.ask(Service.VIDEO, "/analyze", request, VideoAnalysisResponse)
    labels = [label.label for label in analysis.labels if label.score >= _MIN_LABEL_SCORE]
    text = f"Video, perhaps of {labels[0]}" if labels else ""
    timeline = [span.model_dump(mode="json") for span in moderation.timeline]
    fields: dict[str, Any] = {
        VIDEO_MODERATION: moderation.model_dump(mode="json"),
        VIDEO_ANALYSIS: analysis.model_dump(mode="json"),
        "alt_text": text or None,
    }
    triage = _triage(moderation.verdict, moderation.nsfw, moderation.model_version)
    return fields, text, triage | {"timeline": timeline}


def _triage(verdict: Verdict, nsfw: float, model_version: str) -> dict[str, Any]:
    return {
        "source": PredictionSource.MODEL,
        "verdict": verdict.value,
        "categories": {_NSFW: nsfw},
        "model_version": model_version,
    }


async def _moderate(session: AsyncSession, stored: StoredDocument, *, text: str, triage: dict[str, Any]) -> None:
    owner_id = UUID(stored.document["owner_id"])
    await session.execute(update(Upload).where(Upload.id == stored.id).values(moderated_text=text))
    kind = SubjectKind.UPLOAD
    if triage["verdict"] == Verdict.ALLOW or await was_decided(session, kind, stored.id, text):
        return
    await open_case(session, kind=kind, subject_id=stored.id, owner_id=owner_id, text=text, triage=triage)
