"""Uploads of one scene in many formats: shown red to the left, blue to the right, and 96 by 64 pixels or the like.

Each carries the name of its maker and a place in every kind of metadata that its format has.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from PIL.ExifTags import Base

SECRETS = (b"Ada Okafor", b"40.6868")
RED, BLUE = (255, 0, 0), (0, 0, 255)
_XMP = b"<x:xmpmeta><creator>Ada Okafor</creator><place>40.6868</place></x:xmpmeta>"
_ONE = 0x10000

# Written with pillow-heif 1.8.1: an encoder of HEVC is not a dependency of this project.
_HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAZdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAABuwABAAAAAAAAAJwAAgAAAAACVwABAAAAAAAAADwAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAi"
    "QAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABgAAAAQAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAAB"
    "ppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAA4G1kYXQAAACYKAGvBjjj578/Tf5ne///8r13of72Bwu+VqVfuR9L7/A97//6ziAnBBP1slDVnJe7"
    "BHTGGW16jnccc92Ql2q0A2UdiuzY9WWsoP4ETGtx4RYFBzqHZ+wAYNMuDmpRXUcRybgPdgeezzZEOyT+AVAMGyudVOuDz6X9O6YTt192rgPdrE"
    "tcy+0aWQ++gdDj8ZX/c8v7ypzza74AAAAGRXhpZgAATU0AKgAAAAgAAgEPAAIAAAALAAAAJgESAAMAAAABAAYAAAAAAABBZGEgT2thZm9yAAA="
)


@dataclass(frozen=True)
class Sample:
    """An upload, and what is shown of it.

    Attributes:
        write: returns the file.
        content_type: by its content.
        written_as: the type of its clean copy, where that is another.
        size: width and height as shown.
        left: the color to the left.
        right: likewise.
        frames: of its clean copy, if it is an animation.
    """

    write: Callable[[], bytes]
    content_type: str
    written_as: str = ""
    size: tuple[int, int] = (96, 64)
    left: tuple[int, int, int] = RED
    right: tuple[int, int, int] = BLUE
    frames: int = field(default=1)

    @property
    def is_video(self) -> bool:
        return self.content_type.startswith("video/")


def scene(size: tuple[int, int] = (96, 64), *, left: object = RED, right: object = BLUE) -> Image.Image:
    picture = Image.new("RGB", size, right)  # type: ignore[arg-type]
    picture.paste(left, (0, 0, size[0] // 2, size[1]))  # type: ignore[arg-type]
    return picture


def _written(image: Image.Image, name: str, **how: object) -> bytes:
    data = io.BytesIO()
    image.save(data, name, **how)  # type: ignore[arg-type]
    return data.getvalue()


def swapped_profile() -> bytes:
    """Return a profile in which red and blue change places: what carries it is stored in the other color."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack(">I", profile[128:132])[0]):
        at = 132 + 12 * number
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)


def _exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Artist], exif[Base.ImageDescription] = "Ada Okafor", "40.6868"
    exif[Base.Orientation] = orientation
    return exif


def _texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Ada Okafor")
    texts.add_text("Location", "40.6868", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    return texts


def _sideways() -> Image.Image:
    """Return the scene as a phone stores it that was turned: orientation 6 stands it upright."""
    return scene().transpose(Image.Transpose.ROTATE_90)


def _palette(*, transparent: bool) -> bytes:
    picture = scene().convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    return _written(picture, "PNG", **({"transparency": bytes([255, 255])} if transparent else {}), pnginfo=_texts())


def _sixteen_bits() -> bytes:
    values = np.full((64, 96), 65_535, dtype=np.uint16)
    values[:, :48] = 128 * 257
    return _written(Image.fromarray(values), "PNG")


def _frames() -> list[Image.Image]:
    return [scene(), scene(left=(0, 255, 0)), scene(right=(0, 255, 0))]


def _animation(name: str, **how: object) -> bytes:
    first, *others = _frames()
    return _written(first, name, save_all=True, append_images=others, duration=100, **how)


def _clear(name: str, **how: object) -> bytes:
    picture = scene().convert("RGBA")
    picture.putalpha(200)
    return _written(picture, name, **how)


def _swapped(mode: str = "RGB") -> Image.Image:
    picture = scene(left=BLUE, right=RED).convert(mode)
    if mode == "RGBA":
        picture.putalpha(254)
    return picture


def video(
    codec: str = "libx264",
    container: str = "mp4",
    *,
    size: tuple[int, int] = (96, 64),
    aspect: Fraction | None = None,
    stored: Image.Image | None = None,
) -> bytes:
    """Return a second of the scene, or of another picture, with the place and the name of its maker."""
    data, picture = io.BytesIO(), stored or scene(size)
    options = {"movflags": "use_metadata_tags"} if container == "mp4" else {}
    with av.open(data, "w", format=container, options=options) as target:
        target.metadata.update(title="Ada Okafor", location="40.6868", comment="Ada Okafor")
        stream = target.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"  # type: ignore[attr-defined]
        stream.metadata["title"] = stream.metadata["handler_name"] = "Ada Okafor"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect  # type: ignore[union-attr]
        for _ in range(10):
            target.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[attr-defined]
        target.mux(stream.encode())  # type: ignore[attr-defined]
    return data.getvalue()


def _turned(matrix: tuple[int, int, int, int], stored: Image.Image) -> bytes:
    """Return a video whose display matrix is the one of a phone that was turned."""
    data = video(size=stored.size, stored=stored)
    at = data.find(b"tkhd") + 4
    at += 40 if data[at] == 0 else 52
    a, b, c, d = (value * _ONE for value in matrix)
    return data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000) + data[at + 36 :]


SAMPLES: dict[str, Sample] = {
    "jpeg": Sample(lambda: _written(scene(), "JPEG", exif=_exif(), comment=b"Ada Okafor", xmp=_XMP), "image/jpeg"),
    "jpeg of two pictures (MPO)": Sample(
        lambda: _written(scene(), "MPO", save_all=True, append_images=[scene(left=(0, 255, 0))]), "image/jpeg"
    ),
    "jpeg taken sideways": Sample(lambda: _written(_sideways(), "JPEG", exif=_exif(6), quality=95), "image/jpeg"),
    "jpeg in CMYK": Sample(lambda: _written(scene().convert("CMYK"), "JPEG"), "image/jpeg"),
    "jpeg with a color profile": Sample(
        lambda: _written(_swapped(), "JPEG", icc_profile=swapped_profile(), quality=95), "image/jpeg"
    ),
    "png": Sample(lambda: _written(scene(), "PNG", pnginfo=_texts(), exif=_exif()), "image/png"),
    "png taken sideways": Sample(lambda: _written(_sideways(), "PNG", exif=_exif(6)), "image/png"),
    "png with a palette": Sample(lambda: _palette(transparent=False), "image/png"),
    "png with a palette and transparency": Sample(lambda: _palette(transparent=True), "image/png"),
    "png of 16 bits": Sample(_sixteen_bits, "image/png", left=(128, 128, 128), right=(255, 255, 255)),
    "png with transparency and a color profile": Sample(
        lambda: _written(_swapped("RGBA"), "PNG", icc_profile=swapped_profile(), pnginfo=_texts()), "image/png"
    ),
    "png animation": Sample(lambda: _animation("PNG", pnginfo=_texts()), "image/png", frames=3),
    "gif": Sample(lambda: _written(scene(), "GIF", comment=b"Ada Okafor"), "image/gif"),
    "gif animation": Sample(lambda: _animation("GIF", comment=b"Ada Okafor", loop=0), "image/gif", frames=3),
    "webp": Sample(lambda: _written(scene(), "WEBP", exif=_exif(), xmp=_XMP), "image/webp"),
    "webp taken sideways": Sample(lambda: _written(_sideways(), "WEBP", exif=_exif(6), lossless=True), "image/webp"),
    "webp with transparency and a color profile": Sample(
        lambda: _written(_swapped("RGBA"), "WEBP", icc_profile=swapped_profile(), lossless=True), "image/webp"
    ),
    "webp animation": Sample(lambda: _animation("WEBP", exif=_exif(), xmp=_XMP), "image/webp", frames=3),
    "avif": Sample(lambda: _written(scene(), "AVIF", exif=_exif(), xmp=_XMP), "image/avif", "image/jpeg"),
    "avif taken sideways": Sample(lambda: _written(_sideways(), "AVIF", exif=_exif(6)), "image/avif", "image/jpeg"),
    "avif with transparency": Sample(lambda: _clear("AVIF"), "image/avif", "image/webp"),
    "avif with a color profile": Sample(
        lambda: _written(_swapped(), "AVIF", icc_profile=swapped_profile()), "image/avif", "image/jpeg"
    ),
    "avif animation": Sample(lambda: _animation("AVIF"), "image/avif", "image/webp", frames=3),
    "heic": Sample(lambda: _HEIC, "image/heic", "image/jpeg"),
    "heic of a general brand": Sample(lambda: _HEIC.replace(b"ftypheic", b"ftypmif1", 1), "image/heic", "image/jpeg"),
    "mp4": Sample(video, "video/mp4"),
    "mp4 in HEVC": Sample(lambda: video("libx265"), "video/mp4"),
    "mp4 in AV1": Sample(lambda: video("libsvtav1"), "video/mp4"),
    "quicktime": Sample(lambda: video(container="mov"), "video/mp4"),
    "webm": Sample(lambda: video("libvpx-vp9", "webm"), "video/webm"),
    "mp4 taken sideways": Sample(lambda: _turned((0, 1, -1, 0), _sideways()), "video/mp4"),
    "mp4 taken upside down": Sample(lambda: _turned((-1, 0, 0, -1), scene(left=BLUE, right=RED)), "video/mp4"),
    "mp4 of a front camera": Sample(lambda: _turned((-1, 0, 0, 1), scene(left=BLUE, right=RED)), "video/mp4"),
    "mp4 of wide samples": Sample(lambda: video(aspect=Fraction(3, 2)), "video/mp4", size=(144, 64)),
    "mp4 of tall samples": Sample(lambda: video(aspect=Fraction(1, 2)), "video/mp4", size=(96, 128)),
}
