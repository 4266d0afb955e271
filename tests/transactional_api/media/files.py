"""Pictures and videos as a phone would send them."""

from __future__ import annotations

import io

import av
import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base


def jpeg(width: int = 640, height: int = 480, *, sideways: bool = False) -> bytes:
    """Return a picture that says who took it and where; ``sideways`` as a phone that was turned."""
    exif = Image.Exif()
    exif[Base.Artist] = "Ada Okafor"
    if sideways:
        exif[Base.Orientation] = 6
    exif.get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] = (40.0, 41.0, 12.5)
    data = io.BytesIO()
    Image.new("RGB", (width, height), "seagreen").save(data, format="JPEG", exif=exif)
    return data.getvalue()


def png(width: int = 8, height: int = 8) -> bytes:
    """Return a small picture."""
    data = io.BytesIO()
    Image.new("RGB", (width, height), "seagreen").save(data, format="PNG")
    return data.getvalue()


def gif(frames: int = 3) -> bytes:
    """Return a moving picture with a comment in it."""
    pictures = [Image.new("RGB", (16, 16), (shade * 60, 80, 80)) for shade in range(frames)]
    data = io.BytesIO()
    pictures[0].save(data, format="GIF", save_all=True, append_images=pictures[1:], comment=b"Ada Okafor")
    return data.getvalue()


def video(container: str = "mp4", *, pictures: int = 30) -> bytes:
    """Return a second of video that names its place, as phones do."""
    data = io.BytesIO()
    with av.open(data, "w", format=container, options={"movflags": "use_metadata_tags"}) as target:
        target.metadata["location"] = "+40.6868-073.9442/"
        stream = target.add_stream("mpeg4" if container == "mp4" else "libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade * 8 % 256, dtype=np.uint8), format="rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return data.getvalue()
