"""Files of strangers: opened in one place, in processes with limits, and as what their first bytes say."""

from __future__ import annotations

import ast
import io
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from PIL import Image

from models.vision.images import read
from neighborconnect.sandbox import Limits, Sandbox, UnreadableError
from neighborconnect.videos import opened
from tests.malicious_files import png_bomb
from transactional_api.core.media.processing import process, sniff

ROOT = Path(__file__).parent.parent
PARTS = (
    "neighborconnect",
    "local_stack",
    "transactional_api",
    "pipelines",
    "feature_repo",
    "models",
    "bentos",
    "simulator",
)
DECODING = "neighborconnect/decoding.py"
OWN_FILES = {
    "models/benchmarks/pictures.py": {"av.open"},  # public data sets, on the engineer's machine
    "models/vision/image_analysis.py": {"cv2.imdecode"},  # of a picture that was just encoded there
}
OPENERS = {
    *("av.open", "av.container.open", "Image.open", "ImageFile.Parser", "ImageTk.PhotoImage"),
    *("cv2.imread", "cv2.imdecode", "cv2.imreadmulti", "cv2.imdecodemulti", "cv2.VideoCapture", "cv2.imreadanimation"),
    *("imageio.imread", "imageio.v3.imread", "skimage.io.imread", "plt.imread", "matplotlib.image.imread"),
    *("torchvision.io.read_image", "librosa.load", "soundfile.read"),
}
SDP = (
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 15004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
SOON = 120


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    found = Sandbox(1, limits=Limits(memory_mib=1_024))
    yield found
    found.stop()


def opens(path: Path) -> set[str]:
    """Return the functions of a module's calls that decode a file, but for those that write one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            writes = len(node.args) > 1 and isinstance(node.args[1], ast.Constant) and node.args[1].value == "w"
            has_format = any(one.arg == "format" for one in node.keywords)
            if name in OPENERS and not (writes and has_format):
                found.add(name)
        if isinstance(node, ast.ImportFrom) and node.module in {"av", "PIL.Image", "av.container"}:
            found |= {f"{node.module}.{one.name}" for one in node.names if one.name == "open"}
    return found


def test_one_module_alone_opens_files_for_decoding() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
        if (names := opens(path))
    }
    assert found == OWN_FILES | {DECODING: {"av.open", "Image.open"}}


def test_every_opening_names_a_format() -> None:
    tree = ast.parse((ROOT / DECODING).read_text(encoding="utf-8"))
    calls = {
        ast.unparse(node.func): {one.arg for one in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENERS
    }
    assert "format" in calls["av.open"]
    assert "formats" in calls["Image.open"]


def test_no_module_runs_a_decoder_as_a_program() -> None:
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            strings = {
                node.value
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            assert not strings & {"ffmpeg", "ffprobe", "convert", "magick"}, path


def udp_ports() -> set[int]:
    return {one.laddr.port for one in psutil.Process().net_connections("udp") if one.laddr}


@pytest.mark.parametrize("content_type", ["video/mp4", "video/webm"])
async def test_a_session_description_opens_no_port(sandbox: Sandbox, content_type: str) -> None:
    with pytest.raises(UnreadableError):
        sniff(SDP)
    with pytest.raises(UnreadableError):
        await sandbox.run(partial(process, SDP, content_type=content_type), seconds=SOON)
    # It is opened as MP4 only, even behind an MP4 header.
    with pytest.raises(UnreadableError):
        await sandbox.run(partial(process, b"\0\0\0\0ftyp\n" + SDP, content_type="video/mp4"), seconds=SOON)
    assert not udp_ports() & {15_004, 15_005}


def test_the_video_service_opens_no_session_description(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(SDP)
    with pytest.raises(UnreadableError, match="neither MP4 nor WebM"), opened(path):
        pass
    assert not udp_ports() & {15_004, 15_005}


def listen(kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    "task",
    [
        partial(listen, socket.SOCK_DGRAM),
        partial(listen, socket.SOCK_STREAM),
        partial(socket.socket, socket.AF_UNIX),
        partial(subprocess.run, [sys.executable, "-c", "pass"], check=True),
    ],
    ids=["udp", "tcp", "unix", "program"],
)
async def test_a_sandboxed_process_has_no_network_and_no_subprocess(sandbox: Sandbox, task: Any) -> None:
    with pytest.raises(PermissionError):
        await sandbox.run(task, seconds=SOON)


async def test_a_sandboxed_process_writes_no_large_file(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too large"):
        await sandbox.run(partial((tmp_path / "large").write_bytes, bytes(65 * 1024**2)), seconds=SOON)


@cache
def gif_bomb(side: int = 1_000, frames: int = 120) -> bytes:
    """Return a small file of 120 million pixels."""
    # Gray: Pillow would quantize the colors of every frame.
    pictures = [Image.new("L", (side, side), color) for color in ("black", "white")]
    data = io.BytesIO()
    pictures[0].save(data, format="GIF", save_all=True, append_images=(pictures[::-1] * (frames // 2))[1:])
    return data.getvalue()


def many_frames() -> bytes:
    """Return a picture of one pixel and ten thousand frames."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * 10_000 + b";"


@pytest.mark.parametrize("write", [gif_bomb, many_frames], ids=["large", "many"])
async def test_an_animation_is_not_decoded_beyond_its_bound(sandbox: Sandbox, write: Callable[[], bytes]) -> None:
    data = write()
    assert len(data) < 2 * 1024**2
    with pytest.raises(UnreadableError, match="million pixels in total"):
        await sandbox.run(partial(process, data, content_type="image/gif"), seconds=SOON)


@pytest.mark.parametrize("decode", [partial(process, content_type="image/png"), read], ids=["jobs", "image service"])
async def test_a_picture_too_large_is_an_error_before_it_is_decoded(sandbox: Sandbox, decode: Any) -> None:
    with pytest.raises(UnreadableError, match="million pixels"):
        await sandbox.run(partial(decode, png_bomb()), seconds=SOON)


def video(size: tuple[int, int] = (64, 48), *, frames: int = 20) -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as target:
        stream = target.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), dtype=np.uint8), format="rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return data.getvalue()


async def test_a_video_of_absurd_dimensions_is_refused(sandbox: Sandbox) -> None:
    huge = video((7_296, 7_296), frames=1)
    assert len(huge) < 1024**2
    with pytest.raises(UnreadableError, match="more than 3840 by 2160 pixels"):
        await sandbox.run(partial(process, huge, content_type="video/mp4"), seconds=SOON)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
async def test_a_truncated_video_is_refused_or_shorter(sandbox: Sandbox, share: float) -> None:
    whole = video()
    with pytest.raises(UnreadableError):
        await sandbox.run(partial(process, whole[: int(len(whole) * share)], content_type="video/mp4"), seconds=SOON)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def test_killed_process_is_reported_and_the_next_file_processed(sandbox: Sandbox) -> None:
    with pytest.raises(UnreadableError, match="memory"):
        await sandbox.run(kill_itself, seconds=SOON)
    done = await sandbox.run(partial(process, video(), content_type="video/mp4"), seconds=SOON)
    assert (done.width, done.height) == (64, 48)
