"""What is made of one's own uploads and seen in them: by the vision services where they are, else by none; it says so.

What was made or seen once is kept with the upload, so that asking again costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    CopyAnswer,
    FacesAnswer,
    FacesRequest,
    MediaRequest,
    OptimizeRequest,
    PictureFormat,
    PosterAnswer,
    PosterRequest,
    SeenAnswer,
    ThumbnailAnswer,
    ThumbnailRequest,
    VideoAnswer,
    VideoVerdict,
)
from transactional_api.answers import Path
from transactional_api.auth import Viewer
from transactional_api.db.session import let_go
from transactional_api.errors import Problem
from transactional_api.inference import InferenceClient, InferenceError, Service
from transactional_api.judgements import Question
from transactional_api.media import seeing
from transactional_api.media import service as uploads
from transactional_api.media.documents import StoredDocument
from transactional_api.media.processing import MediaKind
from transactional_api.media.schemas import UploadState
from transactional_api.media.stores import COLLECTION, Media
from transactional_api.moderation.schemas import SubjectKind
from transactional_api.moments.service import MediaNotReadyError
from transactional_api.vision.schemas import (
    Copy,
    Faces,
    FacesBody,
    Labels,
    OptimizeBody,
    ThumbnailBody,
    VideoCopy,
    VideoFacts,
    VideoModeration,
)

MAX_COPIES = 24
PATIENCE_SECONDS = 15.0
"""For so long somebody waits for an answer; jobs, which look at every upload anyway, wait longer."""
_COPY = "copy_"
_EXTENSIONS = {PictureFormat.JPEG: "jpg", PictureFormat.WEBP: "webp", PictureFormat.AVIF: "avif"}

Answer = TypeVar("Answer", bound=BaseModel)


class TooManyCopiesError(Problem):
    """An upload is kept in so many sizes and no more."""

    status, code, title = (
        409,
        "too_many_copies",
        f"There are {MAX_COPIES} copies already; use one of them",
    )


@dataclass(frozen=True, slots=True)
class _Task(Generic[Answer]):
    """What a service is asked to do, what answers it, and the verdicts and scores of that which its judgement keeps."""

    service: Service
    path: str
    answer: type[Answer]
    told: dict[str, Any]


_MADE: dict[str, Any] = dict.fromkeys(("width", "height", "bytes", "quality", "ssim"), True)
_VERDICT: dict[str, Any] = dict.fromkeys(("verdict", "nsfw"), True)
_OPTIMIZE = _Task(Service.IMAGE, "optimize", CopyAnswer, _MADE)
_THUMBNAIL = _Task(Service.IMAGE, "thumbnail", ThumbnailAnswer, _MADE)
_FACES = _Task(Service.IMAGE, "detect-faces", FacesAnswer, {"faces": {"__all__": {"score"}}, "written": _MADE})
_CLASSIFY = _Task(Service.IMAGE, "classify", SeenAnswer, _VERDICT)
_POSTER = _Task(Service.VIDEO, "extract-thumbnail", PosterAnswer, _MADE)
_ANALYZE = _Task(Service.VIDEO, "analyze", VideoAnswer, {"seconds": True, "shots": {"__all__": {"motion"}}})
_MODERATE = _Task(Service.VIDEO, "moderate", VideoVerdict, _VERDICT)


class Eyes:
    """What the routes ask with: the stores, the services, and who asks."""

    def __init__(self, session: AsyncSession, *, media: Media, inference: InferenceClient, viewer: Viewer) -> None:
        self._session, self._media, self._inference, self._viewer = session, media, inference, viewer

    async def optimize(self, body: OptimizeBody) -> Copy:
        """Write a picture as small as it looks the same.

        Raises:
            NotFoundError: when it is not the viewer's.
            MediaNotReadyError: when it is no picture, or not ready.
            TooManyCopiesError: when it has too many copies.
        """
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        name = f"{body.format}-{body.longest}"
        request = OptimizeRequest(
            **await self._links(stored, name, body.format), format=body.format, longest=body.longest
        )
        answer, said = await self._copy(stored, name, _OPTIMIZE, request)
        return await self._copy_out(Copy, stored, answer, said, key=_key(stored, name, body.format))

    async def thumbnail(self, body: ThumbnailBody) -> Copy:
        """Show a picture small: the whole as it is kept anyway, or the part that matters. Raises as ``optimize``."""
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        if body.height is None:
            return await self._kept(Copy, stored, width=body.width)
        name = f"{body.format}-{body.width}x{body.height}"
        request = ThumbnailRequest(**await self._links(stored, name, body.format), **_shape(body))
        answer, said = await self._copy(stored, name, _THUMBNAIL, request)
        return await self._copy_out(Copy, stored, answer, said, key=_key(stored, name, body.format), width=body.width)

    async def poster(self, body: ThumbnailBody) -> VideoCopy:
        """Show a video's best moment small. Raises as ``optimize``, for a picture."""
        stored = await self._own(body.media_id, MediaKind.VIDEO)
        if body.height is None:
            return await self._kept(VideoCopy, stored, width=body.width)
        name = f"{body.format}-{body.width}x{body.height}"
        links, sheet = await self._links(stored, name, body.format), f"{stored.document['key']}-sheet.webp"
        request = PosterRequest(**links, **_shape(body), sprite=await self._media.objects.target(sheet))
        answer, said = await self._copy(stored, name, _POSTER, request)
        copy = await self._copy_out(
            VideoCopy, stored, answer, said, key=_key(stored, name, body.format), width=body.width
        )
        if answer is None:
            return copy
        copy = copy.model_copy(update={"second": answer.second})
        if answer.sprite is None:
            return copy
        return copy.model_copy(
            update={
                "sprite_url": await self._media.objects.link(sheet),
                "sprite_columns": answer.sprite.columns,
                "sprite_rows": answer.sprite.rows,
                "sprite_every_seconds": answer.sprite.every_seconds,
            }
        )

    async def faces(self, body: FacesBody) -> Faces:
        """Find the faces of a picture, and hide them in a copy if asked. Raises as ``optimize``."""
        stored = await self._own(body.media_id, MediaKind.IMAGE)
        name = f"faces-{body.hide}"
        links: dict[str, Any] = await self._links(stored, name, PictureFormat.JPEG)
        if body.hide is None:
            del links["target"]
        answer, said = await self._copy(stored, name, _FACES, FacesRequest(**links, hide=body.hide))
        if answer is None:
            return Faces(**said, faces=[])
        hidden = None
        if answer.written is not None:
            url = await self._media.objects.link(_key(stored, name, PictureFormat.JPEG))
            hidden = Copy(**said, **_told(answer.written), media_id=stored.id, url=url)
        return Faces(**said, faces=answer.faces, hidden=hidden)

    async def labels(self, media_id: UUID) -> Labels:
        """Say what is to be seen in a picture. Raises as ``optimize``."""
        stored = await self._own(media_id, MediaKind.IMAGE)
        answer, said = await self._seen(stored, seeing.SEEN, _CLASSIFY)
        if answer is None:
            return Labels(**said, labels=[])
        return Labels(**said, **answer.model_dump(include=set(Labels.model_fields) - set(said)))

    async def facts(self, media_id: UUID) -> VideoFacts:
        """Say what a video is and what is to be seen and heard in it. Raises as ``optimize``, for a picture."""
        stored = await self._own(media_id, MediaKind.VIDEO)
        answer, said = await self._seen(stored, seeing.ANALYSIS, _ANALYZE)
        known = {name: stored.document.get(name) for name in ("seconds", "width", "height")}
        if answer is None:
            return VideoFacts(**said, **known)
        return VideoFacts(**said, **answer.model_dump(include=set(VideoFacts.model_fields) - set(said)))

    async def moderate(self, media_id: UUID) -> VideoModeration:
        """Say what moderation would do with a video. Raises as ``optimize``, for a picture."""
        stored = await self._own(media_id, MediaKind.VIDEO)
        answer, said = await self._seen(stored, seeing.MODERATION, _MODERATE)
        if answer is None:
            return VideoModeration(**said, verdict=Verdict.REVIEW)
        return VideoModeration(**said, verdict=answer.verdict, nsfw=answer.nsfw, timeline=answer.timeline)

    async def _own(self, media_id: UUID, kind: MediaKind) -> StoredDocument:
        stored = await uploads.own(self._media, viewer=self._viewer, media_id=media_id)
        if stored.document["state"] != UploadState.READY or stored.document["kind"] != kind:
            raise MediaNotReadyError
        return stored

    async def _links(self, stored: StoredDocument, name: str, as_format: PictureFormat) -> dict[str, str]:
        return {
            "media_id": str(stored.id),
            "url": await self._media.objects.source(stored.document["clean"]),
            "target": await self._media.objects.target(_key(stored, name, as_format)),
        }

    async def _copy(
        self, stored: StoredDocument, name: str, task: _Task[Answer], request: MediaRequest
    ) -> tuple[Answer | None, dict[str, Any]]:
        """Have a copy made, or remember the one that there is."""
        field = _COPY + name
        if field not in stored.document and sum(one.startswith(_COPY) for one in stored.document) >= MAX_COPIES:
            raise TooManyCopiesError
        return await self._seen(stored, field, task, request)

    async def _seen(
        self, stored: StoredDocument, field: str, task: _Task[Answer], request: MediaRequest | None = None
    ) -> tuple[Answer | None, dict[str, Any]]:
        """Return what is kept with the upload, else ask and keep it; and what the answer says of itself."""
        got: Answer | None
        if field in stored.document:
            got = task.answer.model_validate(stored.document[field])
        else:
            got, reason = await self._ask(stored, task, request or await self._plain(stored))
            if got is None:
                return None, {"path": Path.RULES, "reason_code": reason, "model_version": None}
            kept = {field: got.model_dump(mode="json")}
            await self._media.documents.change(COLLECTION, document_id=stored.id, fields=kept)
        return got, {"path": Path.MODEL, "reason_code": None, "model_version": _version(got)}

    async def _ask(
        self, stored: StoredDocument, task: _Task[Answer], request: MediaRequest
    ) -> tuple[Answer | None, str | None]:
        """Return what a service answers, or why it does not; both are a judgement, where the viewer lets us keep it."""
        question = Question(task.service, task.path, self._viewer.id, SubjectKind.UPLOAD, stored.id)
        await let_go(self._session)
        got, reason = None, None
        try:
            got = await self._inference.ask(
                task.service, f"/{task.path}", request, task.answer, seconds=PATIENCE_SECONDS
            )
        except InferenceError as error:
            reason = error.reason.value
        if self._viewer.watched:
            told = {} if got is None else got.model_dump(mode="json", include=task.told)
            await question.log(self._session, told, version=_version(got), reason=reason)
        return got, reason

    async def _plain(self, stored: StoredDocument) -> MediaRequest:
        url = await self._media.objects.source(stored.document["clean"])
        return MediaRequest(media_id=str(stored.id), url=url)

    async def _copy_out(
        self,
        kind: type[AnyCopy],
        stored: StoredDocument,
        answer: CopyAnswer | None,
        said: dict[str, Any],
        *,
        key: str,
        width: int | None = None,
    ) -> AnyCopy:
        if answer is None:
            kept = await self._kept(kind, stored, width=width)
            return kept.model_copy(update=said)
        url = await self._media.objects.link(key)
        return kind(**said, **_told(answer), media_id=stored.id, url=url)

    async def _kept(self, kind: type[AnyCopy], stored: StoredDocument, *, width: int | None) -> AnyCopy:
        """Return the processed upload, or its smallest thumbnail that is at least so wide (else the largest)."""
        said = {"path": Path.RULES, "reason_code": "kept_copy", "model_version": None}
        if width is None:
            key, wide = stored.document["clean"], stored.document["width"]
        else:
            thumbnails = stored.document["thumbnails"]
            widths = sorted(int(one) for one in thumbnails)
            wide = next((one for one in widths if one >= width), widths[-1])
            key = thumbnails[str(wide)]
        return kind(**said, media_id=stored.id, url=await self._media.objects.link(key), width=wide)


AnyCopy = TypeVar("AnyCopy", bound=Copy)


def _shape(body: ThumbnailBody) -> dict[str, Any]:
    return {"width": body.width, "height": body.height, "format": body.format}


def _key(stored: StoredDocument, name: str, as_format: PictureFormat) -> str:
    return f"{stored.document['key']}-{name}.{_EXTENSIONS[as_format]}"


def _version(answer: BaseModel | None) -> str | None:
    return getattr(answer, "model_version", None)


def _told(answer: CopyAnswer) -> dict[str, Any]:
    return answer.model_dump(include={"width", "height", "bytes", "content_type", "ssim", "blur_hash"})
