"""``python -m benchmarks images``: the image service next to OpenCV, Pillow and pyvips doing the same work.

The service of the running platform is asked, files and all; the libraries work on bytes in memory, in as many
processes.
pyvips is measured where it is installed (``pip install -e .[bench]``).
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from urllib.parse import urlsplit
from uuid import uuid4

import cv2
import httpx
import numpy as np
from minio import Minio
from minio.deleteobjects import DeleteObject
from PIL import Image, ImageOps

from benchmarks.report import Row
from neighborconnect.contracts.vision import PictureFormat
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

PROCESSES = 2
PICTURES = 60
AT_ONCE = 4
SIZE = (4_000, 3_000)
LONGEST = 1_600
QUALITY = {PictureFormat.JPEG: 82, PictureFormat.WEBP: 80}
SEED = 20_261
_ROUNDS = 2


def run(settings: Settings) -> list[Row]:
    """Measure pictures a second: 12 megapixels of JPEG to 1600 pixels, as JPEG and as WebP."""
    data, rows = _picture(), []
    for as_format, quality in QUALITY.items():
        peers = {name: _library(partial(work, data, as_format, quality)) for name, work in _LIBRARIES.items()}
        ours = asyncio.run(_service(settings, data, as_format=as_format, quality=quality))
        fastest = max(peers, key=lambda name: peers[name])
        told = ", ".join(f"{name} {figure:.1f}" for name, figure in peers.items())
        note = f"peer: {fastest}, the fastest of {told}; {PROCESSES} processes each; ours with fetching and keeping"
        rows.append(
            Row.compare(
                f"12 MP JPEG to {LONGEST} {as_format}", ours=ours, peer=peers[fastest], unit="pictures/s", note=note
            )
        )
    return rows


def _picture() -> bytes:
    generator, (width, height) = np.random.default_rng(SEED), SIZE
    small = generator.integers(0, 255, (height // 40, width // 40, 3), dtype=np.uint8)
    scene = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    scene = (scene + generator.integers(-8, 8, scene.shape)).clip(0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(scene).save(data, format="JPEG", quality=88)
    return data.getvalue()


def with_pillow(data: bytes, as_format: PictureFormat, quality: int) -> int:
    """Convert with Pillow, which decodes JPEG at half its size where that suffices."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (LONGEST, LONGEST * image.height // image.width))
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
        out = io.BytesIO()
        if as_format is PictureFormat.JPEG:
            upright.save(out, format="JPEG", quality=quality, optimize=True, progressive=True)
        else:
            upright.save(out, format="WEBP", quality=quality, method=4)
    return len(out.getvalue())


def with_opencv(data: bytes, as_format: PictureFormat, quality: int) -> int:
    """Convert with OpenCV, likewise."""
    cv2.setNumThreads(1)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    assert image is not None  # noqa: S101 (we made it)
    scale = LONGEST / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    how = {
        PictureFormat.JPEG: (
            ".jpg",
            [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1],
        ),
        PictureFormat.WEBP: (".webp", [cv2.IMWRITE_WEBP_QUALITY, quality]),
    }[as_format]
    return len(cv2.imencode(how[0], small, how[1])[1])


def with_pyvips(data: bytes, as_format: PictureFormat, quality: int) -> int:
    """Convert with pyvips, whose thumbnails decode JPEG at a reduced size by default."""
    import pyvips  # noqa: PLC0415 (it may be missing)

    pyvips.cache_set_max(0)
    image = pyvips.Image.thumbnail_buffer(data, LONGEST, height=LONGEST)
    if as_format is PictureFormat.JPEG:
        return len(image.jpegsave_buffer(Q=quality, interlace=True, optimize_coding=True, strip=True))
    return len(image.webpsave_buffer(Q=quality, effort=4, strip=True))


Library = Callable[[bytes, PictureFormat, int], int]
_LIBRARIES: dict[str, Library] = {"Pillow": with_pillow, "OpenCV": with_opencv}
if find_spec("pyvips"):
    _LIBRARIES["pyvips"] = with_pyvips


def _library(work: Callable[[], int]) -> float:
    """Return pictures a second of a library in as many processes as the service has."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_call, [work] * PROCESSES * 2))
        best = 0.0
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            list(pool.map(_call, [work] * PICTURES))
            best = max(best, PICTURES / (time.perf_counter() - began))
        return best


def _call(work: Callable[[], int]) -> int:
    return work()


async def _service(settings: Settings, data: bytes, *, as_format: PictureFormat, quality: int) -> float:
    store = Minio(
        urlsplit(settings.s3_endpoint_url).netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_endpoint_url.startswith("https"),
        region=settings.s3_region,
    )
    bucket, folder, soon = settings.s3_media_bucket, f"benchmark-{uuid4()}", timedelta(minutes=10)
    store.put_object(bucket, f"{folder}/picture", io.BytesIO(data), len(data))
    url = store.presigned_get_object(bucket, f"{folder}/picture", soon)
    gate = asyncio.Semaphore(AT_ONCE)
    token = bearer(settings.platform_token)
    async with httpx.AsyncClient(base_url=settings.image_url or "", headers=token, timeout=60, trust_env=False) as http:

        async def ask(number: int) -> None:
            target = store.presigned_put_object(bucket, f"{folder}/{number}", soon)
            asked = {"url": url, "target": target, "format": as_format, "max_edge": LONGEST, "quality": quality}
            async with gate:
                answer = await http.post("/optimize", json={"request": {"media_id": str(number), **asked}})
            answer.raise_for_status()

        await asyncio.gather(*(ask(number) for number in range(PROCESSES * 2)))
        best = 0.0
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            await asyncio.gather(*(ask(number) for number in range(PICTURES)))
            best = max(best, PICTURES / (time.perf_counter() - began))
    written = [DeleteObject(one.object_name or "") for one in store.list_objects(bucket, f"{folder}/")]
    for error in store.remove_objects(bucket, written):
        raise RuntimeError(f"{error.name} was left behind: {error.message}")
    return best
