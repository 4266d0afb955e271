"""The wire between the API and the image and video bentos.

Files do not travel through it: a request brings a link to read the upload with and, where something is made of it, a
link to write that to. Both are good for some minutes, so that no model service holds a key of the object store.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.content import ModelAnswer, Verdict

REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY
"""The status with which a file is refused, its body ``[{"error": why}]``; asking again would not help."""
MAX_EDGE = 4_096
"""Pixels of the longest side that a picture is made of."""
MIN_THUMBNAIL = 16


class PictureFormat(StrEnum):
    """What a picture is written as."""

    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return f"image/{self.value}"


class Hiding(StrEnum):
    """How a face is made unknowable."""

    BLUR = "blur"
    PIXELATE = "pixelate"


class MediaRequest(BaseModel):
    """One upload, by a link that is good for some minutes; body ``{"request": ...}``."""

    model_config = ConfigDict(extra="forbid")

    media_id: str
    url: str


class OptimizeRequest(MediaRequest):
    """A picture to write anew: ``POST /optimize``; ``target`` is where to PUT it."""

    target: str
    format: PictureFormat = PictureFormat.WEBP
    longest: int = Field(default=MAX_EDGE, ge=1, le=MAX_EDGE)
    quality: int | None = Field(default=None, ge=1, le=100)


class ThumbnailRequest(MediaRequest):
    """A picture, or the best moment of a video, to show small: ``POST /thumbnail``, ``/extract-thumbnail``."""

    target: str
    format: PictureFormat = PictureFormat.WEBP
    width: int = Field(ge=MIN_THUMBNAIL, le=MAX_EDGE)
    height: int = Field(ge=MIN_THUMBNAIL, le=MAX_EDGE)


class FacesRequest(MediaRequest):
    """A picture to find faces in, and to hide them in a copy where a way is named: ``POST /detect-faces``."""

    hide: Hiding | None = None
    target: str | None = None


class CopyAnswer(BaseModel):
    """What was written to the target; ``ssim`` is how like it is to the upload, where that was compared."""

    model_config = ConfigDict(protected_namespaces=())

    width: int
    height: int
    bytes: int
    content_type: str
    quality: int
    ssim: float | None = None
    model_version: str | None = None


class ThumbnailAnswer(CopyAnswer):
    """A thumbnail, and a BlurHash to show while it is under way; of a video also the second that it shows."""

    blur_hash: str
    second: float | None = None


class Face(BaseModel):
    """Where a face is, in shares of the picture's width and height."""

    left: float = Field(ge=0, le=1, examples=[0.31])
    top: float = Field(ge=0, le=1, examples=[0.12])
    width: float = Field(ge=0, le=1, examples=[0.2])
    height: float = Field(ge=0, le=1, examples=[0.28])
    score: float = Field(ge=0, le=1, examples=[0.97])


class FacesAnswer(ModelAnswer):
    """The faces of a picture, the surest first; with a copy that hides them also what was written."""

    faces: list[Face]
    written: CopyAnswer | None = None


class Label(BaseModel):
    """What is to be seen, from 0 to 1."""

    label: str = Field(examples=["garden"])
    score: float = Field(ge=0, le=1, examples=[0.84])


class Colour(BaseModel):
    """A colour of a picture, and its share from 0 to 1."""

    colour: str = Field(pattern="^#[0-9a-f]{6}$", examples=["#2e8b57"])
    share: float = Field(ge=0, le=1, examples=[0.62])


class SeenAnswer(ModelAnswer):
    """What is to be seen in a picture, the surest first: ``POST /classify``.

    Attributes:
        labels: in the words of a neighbourhood.
        classes: the things behind them, of ImageNet's thousand.
        nsfw: how likely it is not for everybody.
        verdict: what moderation would do with it.
        faults: of ``blurred``, ``dark``, ``overexposed`` and ``flat``.
        perceptual_hash: 64 bits in hex; few differ where pictures look the same.
    """

    labels: list[Label]
    classes: list[Label]
    nsfw: float = Field(ge=0, le=1)
    verdict: Verdict
    faces: int = Field(ge=0)
    sharpness: float
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=1)
    faults: list[str]
    colours: list[Colour]
    perceptual_hash: str
    blur_hash: str
    alt_text: str


class VideoCodec(StrEnum):
    """How the pictures of a video are written."""

    H264 = "h264"
    AV1 = "av1"


class RenditionRequest(MediaRequest):
    """A video to write anew: ``POST /process``, answered by lines of ``RenditionStep``; hanging up cancels it.

    Attributes:
        target: where to PUT it: one file that plays from its beginning, and in ranges as the playlist says.
        height: of its pictures, in pixels; never more than the video has.
        codec: how they are written; sounds are AAC.
        uri: what the playlist calls the file.
    """

    target: str
    height: int = Field(ge=144, le=2_160, multiple_of=2)
    codec: VideoCodec = VideoCodec.H264
    uri: str = "video.mp4"


class Rendition(BaseModel):
    """A video that was written; ``playlist`` is HLS, ``bandwidth`` its most bits a second."""

    width: int
    height: int
    seconds: float
    bytes: int
    codec: VideoCodec
    codecs: str
    bandwidth: int
    playlist: str


class RenditionStep(BaseModel):
    """How far a rendition is, from 0 to 1; the last step has it, or says why the video is refused."""

    share: float = Field(ge=0, le=1)
    done: Rendition | None = None
    refused: str | None = None


class PosterRequest(ThumbnailRequest):
    """The best moment of a video: ``POST /extract-thumbnail``; with ``sprite`` also a sheet of small pictures."""

    sprite: str | None = None


class Sprite(BaseModel):
    """A sheet of small pictures, row by row, one every so many seconds."""

    columns: int
    rows: int
    width: int
    height: int
    every_seconds: float


class PosterAnswer(ThumbnailAnswer):
    """The best moment of a video as a thumbnail."""

    second: float
    sprite: Sprite | None = None


class Shot(BaseModel):
    """A part of a video without a cut, in seconds; motion and brightness from 0 to 1, faces at most at once."""

    begin: float = Field(examples=[0.0])
    end: float = Field(examples=[4.2])
    motion: float = Field(ge=0, le=1, examples=[0.03])
    brightness: float = Field(ge=0, le=1, examples=[0.51])
    faces: int = Field(ge=0, examples=[1])


class Sound(StrEnum):
    """What is to be heard."""

    SILENCE = "silence"
    SPEECH = "speech"
    MUSIC = "music"


class SoundPart(BaseModel):
    """A part of a video that sounds alike, in seconds; its level in dBFS."""

    begin: float = Field(examples=[0.0])
    end: float = Field(examples=[12.0])
    sound: Sound = Field(examples=["speech"])
    level: float = Field(examples=[-21.5])


class VideoAnswer(ModelAnswer):
    """What a video is and shows: ``POST /analyze``. ``labels`` are those of its pictures, the surest first."""

    seconds: float
    width: int
    height: int
    frames_a_second: float
    codec: str
    audio_codec: str | None
    shots: list[Shot]
    labels: list[Label]
    sounds: list[SoundPart]


class VideoSpan(BaseModel):
    """A part of a video, in seconds, of which moderation would do something else than show it, and why."""

    begin: float = Field(examples=[4.2])
    end: float = Field(examples=[6.0])
    verdict: Verdict = Field(examples=["review"])
    reason: str = Field(examples=["nsfw"])
    score: float = Field(ge=0, le=1, examples=[0.71])


class VideoVerdict(ModelAnswer):
    """What moderation would do with a video, and for which parts: ``POST /moderate``."""

    verdict: Verdict
    nsfw: float = Field(ge=0, le=1, description="The highest of its pictures.")
    timeline: list[VideoSpan]
