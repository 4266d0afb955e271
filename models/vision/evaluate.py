"""The exam of a version: does it see faces, are hidden ones gone, does it cry wolf, does it find every cut."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from models.vision.data import PORTRAIT, crowds, joined_clips, ordinary_pictures
from models.vision.faces import HIDING_THRESHOLD, FaceDetector, hide
from models.vision.networks import FACES, NSFW, SHOTS
from models.vision.pictures import Pixels
from models.vision.seeing import NsfwScorer
from models.vision.shots import ShotDetector
from neighborconnect.contracts.vision import Hiding

_SIZES = (640, 1_280)
_FACES_OF_CROWDS = 100
MOST_ALARMS, LEAST_RECALL, MOST_MISSED = 0.01, 0.75, 0.1


@dataclass(frozen=True, slots=True)
class Exam:
    """What a version came to.

    Attributes:
        faces_recall: of a hundred small faces and a portrait, the share that is found.
        faces_found_again: in the portrait and a crowd after hiding, by either way; must be none.
        nsfw_false_alarms: share of ordinary pictures that would be shown to a moderator.
        nsfw_highest: score of an ordinary picture.
        cuts: of the joined clips.
        cuts_missed: of these, not found at the very picture.
        cuts_invented: found where there is none.
    """

    faces_recall: float
    faces_found_again: int
    nsfw_false_alarms: float
    nsfw_highest: float
    cuts: int
    cuts_missed: int
    cuts_invented: int

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it must not be served; empty when it may."""
        told = {
            f"{self.faces_recall:.0%} of the faces were found, {LEAST_RECALL:.0%} are wanted": self.faces_recall
            < LEAST_RECALL,
            f"{self.faces_found_again} hidden faces were found again": self.faces_found_again > 0,
            f"{self.nsfw_false_alarms:.1%} of ordinary pictures raise an alarm": self.nsfw_false_alarms > MOST_ALARMS,
            f"{self.cuts_missed} of {self.cuts} cuts were missed": self.cuts_missed > MOST_MISSED * self.cuts,
            f"{self.cuts_invented} cuts were found where there is none": self.cuts_invented > 0,
        }
        return tuple(fault for fault, is_so in told.items() if is_so)

    def as_metrics(self) -> dict[str, float]:
        """Return the figures for MLflow."""
        return {name: float(value) for name, value in asdict(self).items()}


def found_again(detector: FaceDetector, hidden: Pixels) -> int:
    """Return how many faces a second look finds, at two sizes and the threshold that hiding goes by."""
    return max(len(detector.find(hidden, longest=size, threshold=HIDING_THRESHOLD)) for size in _SIZES)


def examine(networks: dict[str, bytes], *, review_from: float, seed: int) -> Exam:
    """Examine the networks of a version.

    Args:
        networks: by file name.
        review_from: score from which a picture would be shown to a moderator.
        seed: of the clips.
    """
    pictures, people = ordinary_pictures(), crowds()
    faces, nsfw, shots = FaceDetector(networks[FACES]), NsfwScorer(networks[NSFW]), ShotDetector(networks[SHOTS])
    with_faces = [pictures[PORTRAIT], *people]
    found = sum(len(faces.find(pixels, longest=max(pixels.shape))) for pixels in with_faces)
    # Of the crowds one will do: each is looked at ten times.
    again = sum(found_again(faces, hide(faces, pixels, how=how)[0]) for pixels in with_faces[:2] for how in Hiding)
    scores = np.array([nsfw.score(pixels) for pixels in pictures.values()])
    cuts = missed = invented = 0
    for clip in joined_clips(pictures, seed=seed):
        said = set(shots.cuts(clip.pictures))
        cuts, missed = cuts + len(clip.cuts), missed + len(set(clip.cuts) - said)
        invented += len(said - set(clip.cuts))
    return Exam(
        faces_recall=min(found, _FACES_OF_CROWDS + 1) / (_FACES_OF_CROWDS + 1),
        faces_found_again=again,
        nsfw_false_alarms=float((scores >= review_from).mean()),
        nsfw_highest=float(scores.max()),
        cuts=cuts,
        cuts_missed=missed,
        cuts_invented=invented,
    )
