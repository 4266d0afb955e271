"""Wire format between the API and the image and video services.

Files do not travel through it: a request carries a presigned URL to read the upload from and, where a file is written,
a presigned URL to write it to. Both expire within minutes, so no model service holds object store credentials.
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from neighborconnect.contracts.content import ModelResponse, Verdict

REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY
"""Status of a rejected file, with body ``[{"error": reason}]``; a retry would not help."""
MAX_EDGE = 4_096
"""Maximum length of a picture's longer side, in pixels."""
MIN_THUMBNAIL = 16


class PictureFormat(StrEnum):
    """Output format of a picture."""

    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def content_type(self) -> str:
        """Media type of the format."""
        return f"image/{self.value}"


class AnonymizationMethod(StrEnum):
    """Method that makes a face unrecognizable."""

    BLUR = "blur"
    PIXELATE = "pixelate"


class MediaRequest(BaseModel):
    """One upload by presigned URL; the body is ``{"request": ...}``."""

    model_config = ConfigDict(extra="ignore")

    media_id: str
    url: str


class OptimizeRequest(MediaRequest):
    """Picture to re-encode: ``POST /optimize``; ``target`` is the presigned URL of the PUT."""

    target: str
    format: PictureFormat = PictureFormat.WEBP
    max_edge: int = Field(default=MAX_EDGE, ge=1, le=MAX_EDGE)
    quality: int | None = Field(default=None, ge=1, le=100)


class ThumbnailRequest(MediaRequest):
    """Picture or video to make a thumbnail of: ``POST /thumbnail``, ``POST /extract-thumbnail``."""

    target: str
    format: PictureFormat = PictureFormat.WEBP
    width: int = Field(ge=MIN_THUMBNAIL, le=MAX_EDGE)
    height: int = Field(ge=MIN_THUMBNAIL, le=MAX_EDGE)


class FaceDetectionRequest(MediaRequest):
    """Picture to detect faces in: ``POST /detect-faces``; with a method, a copy is anonymized into ``target``."""

    anonymization: AnonymizationMethod | None = None
    target: str | None = None


class ImageRendition(BaseModel):
    """Picture that was written to the target; ``ssim`` is its similarity to the upload, null where not measured."""

    model_config = ConfigDict(protected_namespaces=())

    width: int
    height: int
    bytes: int
    content_type: str
    quality: int
    ssim: float | None = None
    model_version: str | None = None


class ThumbnailResponse(ImageRendition):
    """Thumbnail with its BlurHash placeholder; of a video also the position of the frame in seconds."""

    blur_hash: str
    second: float | None = None


class Face(BaseModel):
    """Bounding box of a face, as fractions of the picture's width and height."""

    left: float = Field(ge=0, le=1, examples=[0.31])
    top: float = Field(ge=0, le=1, examples=[0.12])
    width: float = Field(ge=0, le=1, examples=[0.2])
    height: float = Field(ge=0, le=1, examples=[0.28])
    score: float = Field(ge=0, le=1, examples=[0.97])


class FaceDetectionResponse(ModelResponse):
    """Faces of a picture by descending score, and the anonymized copy where one was requested."""

    faces: list[Face]
    anonymized: ImageRendition | None = None


class Label(BaseModel):
    """Label of a picture, with a score from 0 to 1."""

    label: str = Field(examples=["garden"])
    score: float = Field(ge=0, le=1, examples=[0.84])


class Color(BaseModel):
    """Color of a picture, and its share of the area from 0 to 1."""

    color: str = Field(pattern="^#[0-9a-f]{6}$", examples=["#2e8b57"])
    share: float = Field(ge=0, le=1, examples=[0.62])


class ImageAnalysisResponse(ModelResponse):
    """Analysis of a picture: ``POST /classify``; labels and classes by descending score.

    Attributes:
        labels: labels of the platform's taxonomy.
        classes: ImageNet classes that the labels are summed from.
        nsfw: probability that the picture is not safe for work.
        verdict: moderation decision for that probability.
        sharpness: variance of the Laplacian.
        quality_issues: any of ``blurred``, ``dark``, ``overexposed`` and ``flat``.
        perceptual_hash: 64-bit pHash in hex; a small Hamming distance means similar pictures.
    """

    labels: list[Label]
    classes: list[Label]
    nsfw: float = Field(ge=0, le=1)
    verdict: Verdict
    face_count: int = Field(ge=0)
    sharpness: float
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=1)
    quality_issues: list[str]
    colors: list[Color]
    perceptual_hash: str
    blur_hash: str
    alt_text: str


class VideoCodec(StrEnum):
    """Video codec of a rendition."""

    H264 = "h264"
    AV1 = "av1"


class RenditionRequest(MediaRequest):
    """Video to transcode: ``POST /process``, which streams lines of ``RenditionProgress``; disconnecting cancels it.

    Attributes:
        target: presigned URL of the PUT; one fragmented MP4 that plays from its start, and by the playlist's ranges.
        height: height in pixels; never more than that of the video.
        codec: video codec; audio is AAC.
        uri: URI of the file in the playlist.
    """

    target: str
    height: int = Field(ge=144, le=2_160, multiple_of=2)
    codec: VideoCodec = VideoCodec.H264
    uri: str = "video.mp4"


class Rendition(BaseModel):
    """Transcoded video; ``playlist`` is HLS, ``bandwidth`` its peak in bits per second."""

    width: int
    height: int
    seconds: float
    bytes: int
    codec: VideoCodec
    codecs: str
    bandwidth: int
    playlist: str


class RenditionProgress(BaseModel):
    """Progress of a rendition from 0 to 1; the last line has the rendition or the reason of the rejection."""

    progress: float = Field(ge=0, le=1)
    rendition: Rendition | None = None
    rejection: str | None = None


class PosterRequest(ThumbnailRequest):
    """Video to take the most representative frame of: ``POST /extract-thumbnail``; ``sprite`` also asks for a sheet."""

    sprite: str | None = None


class Sprite(BaseModel):
    """Sheet of preview frames, row by row, at a constant interval."""

    columns: int
    rows: int
    width: int
    height: int
    interval_seconds: float


class PosterResponse(ThumbnailResponse):
    """Most representative frame of a video as a thumbnail."""

    second: float
    sprite: Sprite | None = None


class Shot(BaseModel):
    """Part of a video between two cuts, in seconds; motion and brightness from 0 to 1, most faces in one frame."""

    begin: float = Field(examples=[0.0])
    end: float = Field(examples=[4.2])
    motion: float = Field(ge=0, le=1, examples=[0.03])
    brightness: float = Field(ge=0, le=1, examples=[0.51])
    face_count: int = Field(ge=0, examples=[1])


class AudioKind(StrEnum):
    """Content of an audio segment."""

    SILENCE = "silence"
    SPEECH = "speech"
    MUSIC = "music"


class AudioSegment(BaseModel):
    """Part of a video's audio of one kind, in seconds, with its level in dBFS."""

    begin: float = Field(examples=[0.0])
    end: float = Field(examples=[12.0])
    kind: AudioKind = Field(examples=["speech"])
    level: float = Field(examples=[-21.5])


class VideoAnalysisResponse(ModelResponse):
    """Technical facts and content of a video: ``POST /analyze``; labels of its frames by descending score."""

    seconds: float
    width: int
    height: int
    frame_rate: float
    codec: str
    audio_codec: str | None
    shots: list[Shot]
    labels: list[Label]
    audio_segments: list[AudioSegment]


class VideoSpan(BaseModel):
    """Part of a video, in seconds, with a verdict other than ``allow``, and the reason."""

    begin: float = Field(examples=[4.2])
    end: float = Field(examples=[6.0])
    verdict: Verdict = Field(examples=["review"])
    reason: str = Field(examples=["nsfw"])
    score: float = Field(ge=0, le=1, examples=[0.71])


class VideoModerationResponse(ModelResponse):
    """Moderation verdict for a video and for its parts: ``POST /moderate``."""

    verdict: Verdict
    nsfw: float = Field(ge=0, le=1, description="Highest score of any frame.")
    timeline: list[VideoSpan]
