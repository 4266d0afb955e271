"""What is seen in one's own uploads: by the vision models where they are deployed, else by none, and it says so."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import ModelAnswer, Verdict
from neighborconnect.contracts.vision import FacesAnswer, LabelsAnswer, MediaRequest, MediaVerdict
from transactional_api.answers import Path
from transactional_api.auth import Viewer
from transactional_api.inference import InferenceClient, InferenceError, Service
from transactional_api.media import service as uploads
from transactional_api.media.processing import MediaKind
from transactional_api.media.schemas import MediaOut, UploadState
from transactional_api.media.service import Media
from transactional_api.moments.service import MediaNotReadyError
from transactional_api.vision.schemas import Copy, Faces, Labels, VideoFacts, VideoModeration

Answer = TypeVar("Answer", bound=ModelAnswer)


async def copy(
    session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID, kind: MediaKind, width: int | None
) -> Copy:
    """Return the processed upload, or its smallest thumbnail that is at least so wide (else the largest)."""
    upload = await _own(session, media=media, viewer=viewer, media_id=media_id, kind=kind)
    if width is None:
        assert upload.url is not None  # noqa: S101 (it is ready)
        return Copy(media_id=media_id, url=upload.url, width=upload.width)
    widths = sorted(int(one) for one in upload.thumbnails)
    fitting = next((one for one in widths if one >= width), widths[-1])
    return Copy(media_id=media_id, url=upload.thumbnails[str(fitting)], width=fitting)


async def faces(
    session: AsyncSession, *, media: Media, viewer: Viewer, inference: InferenceClient, media_id: UUID
) -> Faces:
    """Find the faces of a picture."""
    upload = await _own(session, media=media, viewer=viewer, media_id=media_id, kind=MediaKind.IMAGE)
    answer, said = await _ask(inference, Service.IMAGE, "/detect-faces", upload, FacesAnswer)
    return Faces(**said, faces=[one.model_dump() for one in answer.faces] if answer else [])


async def labels(
    session: AsyncSession, *, media: Media, viewer: Viewer, inference: InferenceClient, media_id: UUID
) -> Labels:
    """Say what is to be seen in a picture."""
    upload = await _own(session, media=media, viewer=viewer, media_id=media_id, kind=MediaKind.IMAGE)
    answer, said = await _ask(inference, Service.IMAGE, "/classify", upload, LabelsAnswer)
    return Labels(**said, labels=[one.model_dump() for one in answer.labels] if answer else [])


async def facts(
    session: AsyncSession, *, media: Media, viewer: Viewer, inference: InferenceClient, media_id: UUID
) -> VideoFacts:
    """Say what a video is and what is to be seen in it."""
    upload = await _own(session, media=media, viewer=viewer, media_id=media_id, kind=MediaKind.VIDEO)
    answer, said = await _ask(inference, Service.VIDEO, "/analyze", upload, LabelsAnswer)
    return VideoFacts(
        **said,
        labels=[one.model_dump() for one in answer.labels] if answer else [],
        seconds=upload.seconds,
        width=upload.width,
        height=upload.height,
    )


async def moderate(
    session: AsyncSession, *, media: Media, viewer: Viewer, inference: InferenceClient, media_id: UUID
) -> VideoModeration:
    """Say what moderation would do with a video."""
    upload = await _own(session, media=media, viewer=viewer, media_id=media_id, kind=MediaKind.VIDEO)
    answer, said = await _ask(inference, Service.VIDEO, "/moderate", upload, MediaVerdict)
    return VideoModeration(**said, verdict=answer.verdict if answer else Verdict.REVIEW)


async def _own(session: AsyncSession, *, media: Media, viewer: Viewer, media_id: UUID, kind: MediaKind) -> MediaOut:
    await uploads.own(media, viewer=viewer, media_id=media_id)
    upload = await uploads.get(session, media=media, viewer=viewer, media_id=media_id)
    if upload.state is not UploadState.READY or upload.kind is not kind:
        raise MediaNotReadyError
    return upload


async def _ask(
    inference: InferenceClient, service: Service, path: str, upload: MediaOut, answer: type[Answer]
) -> tuple[Answer | None, dict[str, Any]]:
    try:
        request = MediaRequest(media_id=str(upload.id), url=upload.url or "")
        got = await inference.ask(service, path, request, answer)
    except InferenceError as error:
        return None, {"path": Path.RULES, "reason_code": error.reason.value, "model_version": None}
    return got, {"path": Path.MODEL, "reason_code": None, "model_version": got.model_version}
