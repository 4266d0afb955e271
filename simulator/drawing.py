"""Drawn pictures of items, from the shapes in ``vocabulary/drawings.toml``."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from simulator.vocabulary import Shape, load_vocabulary

WIDTH, HEIGHT = 640, 480
JPEG_QUALITY, WEBP_QUALITY = 88, 80
THUMBNAIL_WIDTHS = (320, 1080)
"""Of the platform's thumbnails; a smaller picture keeps its size."""
VARIANTS = 8
"""Different pictures of the same object."""
_UNITS, _OVERSAMPLING = 100, 2
_PALETTES = (
    ("#c0392b", "#f1c40f"),
    ("#2471a3", "#f39c12"),
    ("#1e8449", "#f7dc6f"),
    ("#7d3c98", "#48c9b0"),
    ("#d35400", "#2e86c1"),
    ("#117a65", "#e74c3c"),
    ("#884ea0", "#f5b041"),
    ("#b03a2e", "#5dade2"),
)
_FIXED = {"dark": "#2c3e50", "light": "#fbfcfc", "leaf": "#3f9142", "clay": "#a9714b", "sky": "#aed6f1"}
_WALLS = ("#e8dccb", "#d6e4e5", "#e5e1ee", "#f2e3d5", "#dde8d3")
_TABLES = ("#b08968", "#8d6e63", "#c9ada7", "#7f8c8d", "#9c8b6e")
_TABLE_FROM = 54
_SHADOW = "#6b6259"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the formats in which the platform stores an upload: the file, and thumbnails by their width."""

    data: bytes
    thumbnails: dict[int, bytes]


@cache
def draw_picture(subject: str, variant: int) -> Picture:
    """Draw an object; ``variant`` chooses colors, background and position. The same arguments yield the same bytes."""
    image = _render(load_vocabulary().drawings[subject], variant=variant, seed=sum(map(ord, subject)))
    thumbnails = {}
    for width in THUMBNAIL_WIDTHS:
        small = image.copy()
        small.thumbnail((width, width))
        thumbnails[width] = _encode(small, "WEBP", quality=WEBP_QUALITY, method=0)
    return Picture(_encode(image, "JPEG", quality=JPEG_QUALITY), thumbnails)


def _encode(image: Image.Image, name: str, **options: int) -> bytes:
    data = io.BytesIO()
    image.save(data, format=name, **options)
    return data.getvalue()


def _render(shapes: tuple[Shape, ...], *, variant: int, seed: int) -> Image.Image:
    rng = np.random.default_rng([seed, variant])
    scene = Image.new("RGB", (WIDTH * _OVERSAMPLING, HEIGHT * _OVERSAMPLING), _WALLS[rng.integers(len(_WALLS))])
    unit = scene.width / _UNITS
    draw = ImageDraw.Draw(scene)
    horizon = (_TABLE_FROM + rng.uniform(-3, 3)) * unit
    draw.rectangle((0, horizon, *scene.size), fill=_TABLES[rng.integers(len(_TABLES))])
    main, accent = _PALETTES[variant % len(_PALETTES)]
    colors = {**_FIXED, "main": main, "accent": accent}
    scale = rng.uniform(0.82, 1.0)
    # Objects stand on the lower edge of the canvas.
    left, top = (1 - scale) * _UNITS * rng.random(), (1 - scale) * _UNITS * HEIGHT / WIDTH
    for shape in shapes:
        _draw(draw, shape, fill=_SHADOW, unit=unit, scale=scale, offset=(left + 1.2, top + 1.0))
    for shape in shapes:
        _draw(draw, shape, fill=colors[shape.color], unit=unit, scale=scale, offset=(left, top))
    if rng.random() < 0.5:  # noqa: PLR2004 (half of the pictures are mirrored)
        scene = ImageOps.mirror(scene)
    return scene.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _draw(
    draw: ImageDraw.ImageDraw, shape: Shape, *, fill: str, unit: float, scale: float, offset: tuple[float, float]
) -> None:
    points = [(value * scale + offset[index % 2]) * unit for index, value in enumerate(shape.points)]
    width = max(1, round(shape.width * unit * scale))
    match shape.kind:
        case "ellipse":
            draw.ellipse(points, fill=fill)
        case "ring":
            draw.ellipse(points, outline=fill, width=width)
        case "box":
            draw.rounded_rectangle(points, radius=width, fill=fill)
        case "poly":
            draw.polygon(points, fill=fill)
        case "pie":
            draw.pieslice(points, 180, 360, fill=fill)
        case "arc":
            draw.arc(points, 180, 360, fill=fill, width=width)
        case _:
            draw.line(points, fill=fill, width=width, joint="curve")
