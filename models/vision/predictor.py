"""Networks of a version as the image and video services use them. Imports no training code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from models.vision import image_analysis
from models.vision.cropping import Window, crop
from models.vision.faces import Boxes, FaceDetector, anonymize
from models.vision.image_analysis import ImageLabeler, NsfwScorer, Quality
from models.vision.images import Pixels
from models.vision.networks import FACES, LABELS, MANIFEST, NSFW
from models.vision.policy import read_policy
from neighborconnect.contracts.vision import AnonymizationMethod


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """Analysis of a picture."""

    labels: list[tuple[str, float]]
    classes: list[tuple[str, float]]
    nsfw: float
    face_count: int
    quality: Quality
    colors: list[tuple[str, float]]
    perceptual_hash: str
    blur_hash: str
    alt_text: str


class VisionModels:
    """Networks of one version; not thread-safe."""

    def __init__(self, folder: Path, *, model_version: str) -> None:
        """Open the networks in a directory."""
        self.model_version = model_version
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        self.policy = read_policy(manifest["policy"])
        self._faces = FaceDetector(folder / FACES)
        self._labeler = ImageLabeler(folder / LABELS)
        self._nsfw = NsfwScorer(folder / NSFW)

    def faces(self, pixels: Pixels) -> Boxes:
        """Return the bounding boxes of the faces."""
        return self._faces.find(pixels)

    def anonymize_faces(self, pixels: Pixels, *, method: AnonymizationMethod) -> tuple[Pixels, int]:
        """Return an anonymized copy, and the number of anonymized faces."""
        return anonymize(self._faces, pixels, method=method)

    def crop(self, pixels: Pixels, *, width: int, height: int) -> Window:
        """Return the window of a thumbnail of this aspect ratio."""
        return crop(pixels, self.faces(pixels), width=width, height=height)

    def labels(self, pixels: Pixels) -> list[tuple[str, float]]:
        """Return labels with their scores, by descending score."""
        return self._labeler.classify(pixels)[0]

    def nsfw(self, pixels: Pixels) -> float:
        """Return the probability that a picture is not safe for work."""
        return self._nsfw.score(pixels)

    def analyze(self, pixels: Pixels) -> ImageAnalysis:
        """Return the analysis of a picture."""
        labels, classes = self._labeler.classify(pixels)
        faces = len(self.faces(pixels))
        return ImageAnalysis(
            labels=labels,
            classes=classes,
            nsfw=self.nsfw(pixels),
            face_count=faces,
            quality=image_analysis.quality(pixels),
            colors=image_analysis.dominant_colors(pixels),
            perceptual_hash=image_analysis.perceptual_hash(pixels),
            blur_hash=image_analysis.blur_hash(pixels),
            alt_text=image_analysis.alt_text(classes=classes, labels=labels, faces=faces),
        )
