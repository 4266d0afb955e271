"""Quality check of a version: face recall, residual faces after anonymization, false alarms, and cut detection."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from models.vision.data import PORTRAIT, crowds, ordinary_images, synthetic_clips
from models.vision.faces import ANONYMIZATION_THRESHOLD, FaceDetector, anonymize
from models.vision.image_analysis import NsfwScorer
from models.vision.images import Pixels
from models.vision.networks import FACES, NSFW, SHOTS
from models.vision.shots import ShotDetector
from neighborconnect.contracts.vision import AnonymizationMethod

_DETECTION_EDGES = (640, 1_280)
_FACES_OF_CROWDS = 100
MAX_FALSE_ALARM_RATE, MIN_FACE_RECALL, MAX_MISSED_CUT_RATE = 0.01, 0.75, 0.1


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """Results of the quality check of a version.

    Attributes:
        faces_recall: share of a hundred small faces and a portrait that is detected.
        residual_face_count: faces detected after anonymization of the portrait and a crowd; must be 0.
        residual_face_rate: ``residual_face_count`` per anonymized face.
        nsfw_false_alarm_rate: share of safe-for-work pictures that would be sent to a moderator.
        nsfw_highest: highest score of a safe-for-work picture.
        cuts: cuts of the synthetic clips.
        missed_cuts: cuts that are not detected at their exact frame.
        false_cuts: detections where there is no cut.
        false_cut_rate: ``false_cuts`` per cut.
    """

    faces_recall: float
    residual_face_count: int
    residual_face_rate: float
    nsfw_false_alarm_rate: float
    nsfw_highest: float
    cuts: int
    missed_cuts: int
    false_cuts: int
    false_cut_rate: float

    @property
    def failures(self) -> tuple[str, ...]:
        """Reasons against serving the version; empty when the check is passed."""
        conditions = {
            f"{self.faces_recall:.0%} of the faces were detected, {MIN_FACE_RECALL:.0%} are required": self.faces_recall
            < MIN_FACE_RECALL,
            f"{self.residual_face_count} faces were detected after anonymization": self.residual_face_count > 0,
            f"{self.nsfw_false_alarm_rate:.1%} of safe-for-work pictures need review": self.nsfw_false_alarm_rate
            > MAX_FALSE_ALARM_RATE,
            f"{self.missed_cuts} of {self.cuts} cuts were missed": self.missed_cuts > MAX_MISSED_CUT_RATE * self.cuts,
            f"{self.false_cuts} false cuts were detected": self.false_cuts > 0,
        }
        return tuple(reason for reason, holds in conditions.items() if holds)

    def as_metrics(self) -> dict[str, float]:
        """Return the results for MLflow."""
        return {name: float(value) for name, value in asdict(self).items()}


def count_residual_faces(detector: FaceDetector, anonymized: Pixels) -> int:
    """Return the number of faces that are still detected, at two sizes and the anonymization threshold."""
    return max(
        len(detector.find(anonymized, max_edge=edge, threshold=ANONYMIZATION_THRESHOLD)) for edge in _DETECTION_EDGES
    )


def run_quality_check(networks: dict[str, bytes], *, review_from: float, seed: int) -> QualityCheck:
    """Check the networks of a version.

    Args:
        networks: ONNX files by name.
        review_from: NSFW score from which a picture is sent to a moderator.
        seed: seed of the synthetic clips.
    """
    pictures, people = ordinary_images(), crowds()
    faces, nsfw, shots = FaceDetector(networks[FACES]), NsfwScorer(networks[NSFW]), ShotDetector(networks[SHOTS])
    with_faces = [pictures[PORTRAIT], *people]
    detected_faces = sum(len(faces.find(pixels, max_edge=max(pixels.shape))) for pixels in with_faces)
    residual = anonymized = 0
    # One crowd is enough: detection runs ten times on each picture.
    for pixels in with_faces[:2]:
        for method in AnonymizationMethod:
            copy, places = anonymize(faces, pixels, method=method)
            residual, anonymized = residual + count_residual_faces(faces, copy), anonymized + places
    scores = np.array([nsfw.score(pixels) for pixels in pictures.values()])
    cuts = missed = false = 0
    for clip in synthetic_clips(pictures, seed=seed):
        detected = set(shots.cuts(clip.frames))
        cuts, missed = cuts + len(clip.cuts), missed + len(set(clip.cuts) - detected)
        false += len(detected - set(clip.cuts))
    return QualityCheck(
        faces_recall=min(detected_faces, _FACES_OF_CROWDS + 1) / (_FACES_OF_CROWDS + 1),
        residual_face_count=residual,
        residual_face_rate=residual / max(anonymized, 1),
        nsfw_false_alarm_rate=float((scores >= review_from).mean()),
        nsfw_highest=float(scores.max()),
        cuts=cuts,
        missed_cuts=missed,
        false_cuts=false,
        false_cut_rate=false / max(cuts, 1),
    )
