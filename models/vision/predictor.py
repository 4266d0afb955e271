"""What the image service asks of a version: all that it sees in a picture. No training code is imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from models.vision import seeing
from models.vision.cropping import Window, crop
from models.vision.faces import Boxes, FaceDetector, hide
from models.vision.networks import FACES, LABELS, MANIFEST, NSFW
from models.vision.pictures import Pixels
from models.vision.policy import read_policy
from models.vision.seeing import Labeller, NsfwScorer, Quality
from neighborconnect.contracts.vision import Hiding


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be seen in a picture."""

    labels: list[tuple[str, float]]
    classes: list[tuple[str, float]]
    nsfw: float
    faces: int
    quality: Quality
    colours: list[tuple[str, float]]
    perceptual_hash: str
    blur_hash: str
    alt_text: str


class Eyes:
    """The networks of one version, for one thread at a time."""

    def __init__(self, folder: Path, *, model_version: str) -> None:
        """Open the networks that are files of a folder."""
        self.model_version = model_version
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        self.policy = read_policy(manifest["policy"])
        self._faces = FaceDetector(folder / FACES)
        self._labeller = Labeller(folder / LABELS)
        self._nsfw = NsfwScorer(folder / NSFW)

    def faces(self, pixels: Pixels) -> Boxes:
        """Return where the faces are."""
        return self._faces.find(pixels)

    def hide_faces(self, pixels: Pixels, *, how: Hiding) -> tuple[Pixels, int]:
        """Return a copy in which no face is found any more, and how many places were hidden."""
        return hide(self._faces, pixels, how=how)

    def crop(self, pixels: Pixels, *, width: int, height: int) -> Window:
        """Return the part that a small copy of this shape should show."""
        return crop(pixels, self.faces(pixels), width=width, height=height)

    def labels(self, pixels: Pixels) -> list[tuple[str, float]]:
        """Return the labels of a picture with their scores, the surest first."""
        return self._labeller.look(pixels)[0]

    def nsfw(self, pixels: Pixels) -> float:
        """Return how likely a picture is not for everybody, from 0 to 1."""
        return self._nsfw.score(pixels)

    def look(self, pixels: Pixels) -> Seen:
        """Return all that is to be seen in a picture."""
        labels, classes = self._labeller.look(pixels)
        faces = len(self.faces(pixels))
        return Seen(
            labels=labels,
            classes=classes,
            nsfw=self.nsfw(pixels),
            faces=faces,
            quality=seeing.quality(pixels),
            colours=seeing.dominant_colours(pixels),
            perceptual_hash=seeing.perceptual_hash(pixels),
            blur_hash=seeing.blur_hash(pixels),
            alt_text=seeing.alt_text(classes=classes, labels=labels, faces=faces),
        )
