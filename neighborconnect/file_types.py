"""Content type of an uploaded file by its first bytes, shared by the API and the image and video services."""

from __future__ import annotations

import struct

HEAD_BYTES = 512
"""Number of first bytes that determine the type of a file."""

JPEG, PNG, GIF, WEBP = "image/jpeg", "image/png", "image/gif", "image/webp"
AVIF, HEIC = "image/avif", "image/heic"
MP4, WEBM = "video/mp4", "video/webm"

SUPPORTED = "JPEG, PNG, WebP, GIF, AVIF, HEIC, MP4 or WebM"

_SIGNATURES = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_GENERIC_IMAGE_BRANDS = {b"mif1", b"mif2", b"msf1", b"miaf"}
"""HEIF brands whose codec follows from the compatible brands."""
_REFUSED_BRANDS = {
    b"crx ": "Canon CR3",
    b"avci": "HEIF with H.264",
    b"avcs": "HEIF with H.264",
    b"jpeg": "HEIF with JPEG",
    b"jpgs": "HEIF with JPEG",
    b"j2ki": "HEIF with JPEG 2000",
    b"M4A ": "MPEG-4 audio",
    b"M4B ": "MPEG-4 audio",
    b"M4P ": "MPEG-4 audio",
}
_REFUSED_SIGNATURES = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"BM": "BMP",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\x1aE\xdf\xa3": "Matroska",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"FLV": "FLV",
}
_REFUSED_RIFF = {b"AVI ": "AVI", b"WAVE": "WAV"}


def content_type_of(head: bytes) -> str | None:
    """Return the content type of a file by its first bytes; None if it is not a supported image or video."""
    head = head[:HEAD_BYTES]
    if head[4:8] == b"ftyp":
        return _type_of_brands(head)
    if head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:64]:
        return WEBM
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    return next((content_type for begin, content_type in _SIGNATURES.items() if head.startswith(begin)), None)


def refused_format(head: bytes) -> str | None:
    """Return the name of a known format that is not supported; None for a supported or unknown one."""
    head = head[:HEAD_BYTES]
    if content_type_of(head) is not None:
        return None
    if head[4:8] == b"ftyp":
        return next((_REFUSED_BRANDS[brand] for brand in _brands(head) if brand in _REFUSED_BRANDS), "HEIF")
    if head.startswith(b"RIFF"):
        return _REFUSED_RIFF.get(head[8:12])
    if b"<svg" in head:
        return "SVG"
    return next((name for begin, name in _REFUSED_SIGNATURES.items() if head.startswith(begin)), None)


def _brands(head: bytes) -> list[bytes]:
    """Return the brands of an ISO base media file: the major brand, then the compatible brands."""
    (size,) = struct.unpack(">I", head[:4])
    # Writers do not use the sizes 0 (until the end of the file) and 1 (64-bit size follows) for this box.
    end = min(len(head), size) if size >= 16 else len(head)  # noqa: PLR2004 (the box without compatible brands)
    return [head[8:12], *(head[begin : begin + 4] for begin in range(16, end - 3, 4))]


def _type_of_brands(head: bytes) -> str | None:
    """Return the type of the brands: that of the major brand, else that of the compatible brands."""
    brands = _brands(head)
    if brands[0] in _GENERIC_IMAGE_BRANDS:
        codecs = brands[1:]
        if _AVIF_BRANDS.intersection(codecs):
            return AVIF
        # HEVC is the only other common codec; a decoder refuses the rest.
        return None if set(codecs) & set(_REFUSED_BRANDS) and not _HEIC_BRANDS.intersection(codecs) else HEIC
    if brands[0] in _AVIF_BRANDS:
        return AVIF
    if brands[0] in _HEIC_BRANDS:
        return HEIC
    return None if brands[0] in _REFUSED_BRANDS else MP4
