"""What the vision models see in an upload: kept with it, for who cannot see it, and for moderation.

It happens in a job after the upload was processed; until then the upload is its owner's alone, for
``media_look_minutes`` at most, so that a model that is away keeps nobody's pictures for good. One that moderation
should see opens a case, and is kept back from others until a moderator lets it stand where the policy says so. Without
a model nothing is claimed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import MediaRequest, SeenAnswer, VideoAnswer, VideoVerdict
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from transactional_api.answers import Path
from transactional_api.db.tables import Upload
from transactional_api.inference import InferenceClient, InferenceError, NoAnswer, Service, inference_of_a_job
from transactional_api.jobs import queue
from transactional_api.judgements import Question, is_watched
from transactional_api.media import renditions
from transactional_api.media.documents import StoredDocument
from transactional_api.media.processing import MediaKind
from transactional_api.media.stores import COLLECTION, HELD_UNTIL, open_media
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.moderation.screening import open_case, was_decided
from transactional_api.resources import Resources

SEEN, MODERATION, ANALYSIS = "seen", "moderation", "analysis"
"""Fields of the upload's document: what a picture shows; what moderation would do with a video, and what it shows."""
_NSFW, _SURE = "nsfw", 0.5

log = get_logger(__name__)


def is_looked_at(settings: Settings, kind: str) -> bool:
    """Whether there is a model for what is of this kind."""
    return (settings.video_url if kind == MediaKind.VIDEO else settings.image_url) is not None


@queue.task("media.see", lane=queue.Lane.MODELS)
async def see(resources: Resources, *, media_id: str) -> None:
    """Have an upload looked at; done twice it changes nothing more.

    Raises:
        InferenceError: when the model does not answer; the queue tries again later.
    """
    media, settings = open_media(resources), resources.settings
    stored = await media.ready(UUID(media_id))
    if stored is None:
        return
    if not is_looked_at(settings, stored.document["kind"]):
        return
    is_video, owner_id = stored.document["kind"] == MediaKind.VIDEO, UUID(stored.document["ownerId"])
    look = _video if is_video else _picture
    family = Service.VIDEO if is_video else Service.IMAGE
    question = Question(family, "see", owner_id, SubjectKind.UPLOAD, stored.id)
    request = MediaRequest(media_id=media_id, url=await media.objects.source(stored.document["clean"]))
    try:
        async with inference_of_a_job(settings) as inference:
            fields, words, triage = await look(inference, request)
    except InferenceError as error:
        if error.reason is not NoAnswer.REFUSED:
            raise
        log.info("media.refused", media=media_id)
        return
    await media.documents.change(COLLECTION, document_id=stored.id, fields=fields)
    async with resources.transaction() as session:
        if await is_watched(session, owner_id):
            told = {name: triage[name] for name in ("verdict", "categories")}
            await question.log(session, told, version=triage["model_version"], reason=None)
        await _moderate(session, stored, words=words, triage=triage)
        if is_video:
            await renditions.begin(session, media=media, media_id=stored.id)
    # Only now: what moderation keeps back was never shown.
    await media.documents.change(COLLECTION, document_id=stored.id, fields={HELD_UNTIL: None})


async def _picture(inference: InferenceClient, request: MediaRequest) -> tuple[dict[str, Any], str, dict[str, Any]]:
    seen = await inference.ask(Service.IMAGE, "/classify", request, SeenAnswer)
    fields = {
        SEEN: seen.model_dump(mode="json"),
        "alt_text": seen.alt_text or None,
        "blur_hash": seen.blur_hash,
        "colours": [one.colour for one in seen.colours],
    }
    return fields, seen.alt_text, _triage(seen.verdict, seen.nsfw, seen.model_version)


async def _video(inference: InferenceClient, request: MediaRequest) -> tuple[dict[str, Any], str, dict[str, Any]]:
    verdict = await inference.ask(Service.VIDEO, "/moderate", request, VideoVerdict)
    facts = await inference.ask(Service.VIDEO, "/analyze", request, VideoAnswer)
    sure = [one.label for one in facts.labels if one.score >= _SURE]
    words = f"Video, perhaps of {sure[0]}" if sure else ""
    timeline = [one.model_dump(mode="json") for one in verdict.timeline]
    fields: dict[str, Any] = {
        MODERATION: verdict.model_dump(mode="json"),
        ANALYSIS: facts.model_dump(mode="json"),
        "alt_text": words or None,
    }
    triage = _triage(verdict.verdict, verdict.nsfw, verdict.model_version)
    return fields, words, triage | {"timeline": timeline}


def _triage(verdict: Verdict, nsfw: float, model_version: str) -> dict[str, Any]:
    return {
        "path": Path.MODEL,
        "verdict": verdict.value,
        "categories": {_NSFW: nsfw},
        "model_version": model_version,
    }


async def _moderate(session: AsyncSession, stored: StoredDocument, *, words: str, triage: dict[str, Any]) -> None:
    owner_id = UUID(stored.document["ownerId"])
    await session.execute(update(Upload).where(Upload.id == stored.id).values(words=words))
    kind = SubjectKind.UPLOAD
    if triage["verdict"] == Verdict.ALLOW or await was_decided(session, kind, stored.id, words):
        return
    await open_case(session, kind=kind, subject_id=stored.id, owner_id=owner_id, words=words, triage=triage)
