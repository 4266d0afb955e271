"""Files that lie, break off, or are more than anybody should have to look at; all made here, none downloaded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageCms

from models.vision.images import Pixels
from tests.media_samples import SAMPLES


def photograph(width: int = 320, height: int = 240) -> Pixels:
    """Return something with edges, gradients and texture."""
    y, x = np.mgrid[0:height, 0:width]
    red = (np.sin(x / 17) * 60 + 128 + (x > width // 2) * 40).clip(0, 255)
    green = (y / height * 255).clip(0, 255)
    blue = ((x // 20 + y // 20) % 2 * 90 + 60).clip(0, 255)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def written(image: Image.Image, **how: object) -> bytes:
    data = io.BytesIO()
    image.save(data, **how)  # type: ignore[arg-type]
    return data.getvalue()


def jpeg(width: int = 320, height: int = 240, **how: object) -> bytes:
    return written(Image.fromarray(photograph(width, height)), format="JPEG", **how)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """Return a small file that says it is 900 megapixels, and is: zeros are small."""
    packer = zlib.compressobj(9)
    row = b"\0" * (width // 8 + 1)
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _profiled() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return jpeg(icc_profile=profile.tobytes())


def _animated() -> bytes:
    pictures = [Image.fromarray(photograph()).rotate(10 * turn) for turn in range(4)]
    return written(pictures[0], format="GIF", save_all=True, append_images=pictures[1:], duration=100)


def _sixteen_bits() -> bytes:
    grey = (np.outer(np.arange(240), np.ones(320)) * 273).astype(np.uint16)
    return written(Image.fromarray(grey), format="PNG")


def _exif_lies() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "x" * 60_000
    return jpeg(exif=exif)


GOOD_PICTURES: dict[str, Callable[[], bytes]] = {
    "animated": _animated,
    "cmyk": lambda: written(Image.fromarray(photograph()).convert("CMYK"), format="JPEG"),
    "sixteen bits": _sixteen_bits,
    "palette": lambda: written(Image.fromarray(photograph()).convert("P"), format="PNG"),
    "transparent": lambda: written(Image.new("RGBA", (320, 240), (10, 200, 10, 90)), format="PNG"),
    "one bit": lambda: written(Image.fromarray(photograph()).convert("1"), format="PNG"),
    "turned, with long metadata": _exif_lies,
    "colour profile": _profiled,
    "colour profile of garbage": lambda: jpeg(icc_profile=b"no profile at all" * 9),
    "one pixel": lambda: written(Image.new("RGB", (1, 1)), format="PNG"),
    "a line": lambda: written(Image.new("RGB", (3_000, 1)), format="PNG"),
    "wrong extension": lambda: written(Image.fromarray(photograph()), format="WEBP"),
    "avif": lambda: written(Image.fromarray(photograph()), format="AVIF"),
    "heic": SAMPLES["heic"].write,
    "jpeg of two pictures": SAMPLES["jpeg of two pictures (MPO)"].write,
    "transparent with a color profile": SAMPLES["png with transparency and a color profile"].write,
    "progressive": lambda: jpeg(progressive=True),
}
"""Odd, but pictures: all are read."""


def _png_with_a_hole() -> bytes:
    whole = written(Image.fromarray(photograph()), format="PNG")
    middle = len(whole) // 2
    return whole[:middle] + b"\xa5" * 200 + whole[middle + 200 :]


BAD_PICTURES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"Dear neighbours, " * 40,
    "web page": lambda: b"<html><body onload=alert(1)>" * 9,
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
    "only a head": lambda: b"\xff\xd8\xff\xe0",
    "cut off": lambda: jpeg(800, 600, quality=95)[:4_000],
    "png with a hole": _png_with_a_hole,
    "bomb": png_bomb,
    "archive": lambda: b"PK\x03\x04" + b"\0" * 200,
}
"""None of these is a picture that can be read to its end."""


def clip(
    path: Path,
    shots: tuple[int, ...] = (30, 30),
    *,
    container: str = "mp4",
    codec: str = "libx264",
    rate: int = 25,
    size: tuple[int, int] = (160, 120),
    sound: str | None = None,
    gaps: tuple[int, ...] = (1,),
) -> Path:
    """Write a clip of shots of noise-free colour fields that drift; a ``sound`` is ``chord``, ``words`` or ``silence``.

    ``gaps`` are the times between pictures, in pictures, over and over: more than one makes it variable.
    """
    width, height = size
    with av.open(str(path), "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        audio = target.add_stream("aac" if container == "mp4" else "libopus", rate=48_000) if sound else None
        pts = 0
        for shot, number in enumerate(shots):
            base = np.roll(photograph(width * 2, height * 2), shot * 97, axis=2)
            base = np.ascontiguousarray(base[::-1] if shot % 2 else base)
            base = (base.astype(int) + 60 * shot).astype(np.uint8)
            for step in range(number):
                down, across = step // 2 % height, step % width
                picture = np.ascontiguousarray(base[down : down + height, across : across + width])
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = pts
                pts += gaps[step % len(gaps)]
                target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if audio is not None:
            for part in _audio(sound or "", seconds=sum(shots) / rate):
                target.mux(audio.encode(part))
            target.mux(audio.encode())
    return path


def _audio(sound: str, *, seconds: float) -> list[av.AudioFrame]:
    time = np.arange(int(48_000 * seconds)) / 48_000
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330)) / 6
    # Syllables: noise that comes and goes four times a second.
    noise = np.random.default_rng(1).normal(0, 0.2, len(time))
    words = noise * (np.sin(2 * np.pi * 4 * time) > 0.2)
    wave = {"chord": chord, "words": words, "silence": np.zeros(len(time))}[sound]
    frames = []
    for begin in range(0, len(wave) - 960, 960):
        part = np.ascontiguousarray(wave[None, begin : begin + 960].astype(np.float32))
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, begin
        frames.append(frame)
    return frames


def song(path: Path) -> Path:
    """Write sounds without pictures."""
    with av.open(str(path), "w", format="mp4") as target:
        audio = target.add_stream("aac", rate=48_000)
        for frame in _audio("chord", seconds=2):
            target.mux(audio.encode(frame))
        target.mux(audio.encode())
    return path


def endless(path: Path, *, seconds: int = 3_600) -> Path:
    """Write a clip whose two pictures are an hour apart."""
    with av.open(str(path), "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for second in (0, seconds):
            frame = av.VideoFrame.from_ndarray(photograph(64, 48), format="rgb24")
            frame.pts = second
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path
