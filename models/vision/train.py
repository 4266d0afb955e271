"""One run of the vision models: the networks of the packages, examined, and registered where they are new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from models.tracking import ModelTracker, RegisteredVersion
from models.vision.data import PORTRAIT, ordinary_pictures
from models.vision.evaluate import examine
from models.vision.networks import MANIFEST
from models.vision.policy import policy_text, read_policy
from models.vision.report import draw_crops, draw_hidden, model_card
from models.vision.weights import assemble, fingerprint
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "vision"
_FINGERPRINT = "fingerprint"
_CROPPED = "chelsea.png"

Say = Callable[[str], None]


@dataclass(frozen=True)
class VisionResult:
    """What a run came to.

    Attributes:
        model_version: of what was registered, or of the champion where nothing was new.
        registry_version: its number in MLflow.
        run_id: its run.
        promote: whether it is new and may be served.
        reasons: why, in words.
        metrics: what was measured.
    """

    model_version: str
    registry_version: str
    run_id: str
    promote: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def train(settings: Settings, *, seed: int, say: Say) -> VisionResult:
    """Run once; registers a version unless it would be the very champion.

    Args:
        settings: where MLflow is.
        seed: of the exam's clips.
        say: is told what is being done.
    """
    say("taking the networks from their packages")
    networks, policy = assemble(), policy_text()
    known_by = fingerprint(networks) + hashlib.sha256(policy.encode()).hexdigest()[:8]
    tracker = ModelTracker(settings, name=VISION_MODEL, experiment=EXPERIMENT)
    champion = tracker.champion()
    if champion is not None and _fingerprint_of(tracker, champion) == known_by:
        return VisionResult(
            champion.model_version,
            champion.registry_version,
            champion.run_id,
            promote=False,
            reasons=("nothing is new since the champion",),
        )
    run_id = tracker.start(run_name=known_by)
    try:
        return _register(tracker, run_id, networks, policy=policy, known_by=known_by, seed=seed, say=say)
    except BaseException:
        tracker.fail(run_id)
        raise


def release(settings: Settings, result: VisionResult) -> bool:
    """Make a version the champion if its exam says so; return whether it did."""
    if result.promote:
        ModelTracker(settings, name=VISION_MODEL, experiment=EXPERIMENT).promote(result.registry_version)
    return result.promote


def _fingerprint_of(tracker: ModelTracker, version: RegisteredVersion) -> str | None:
    found: str | None = tracker.client.get_run(version.run_id).data.tags.get(_FINGERPRINT)
    return found


def _register(
    tracker: ModelTracker,
    run_id: str,
    networks: dict[str, bytes],
    *,
    policy: str,
    known_by: str,
    seed: int,
    say: Say,
) -> VisionResult:
    say("examining them")
    thresholds = read_policy(policy)
    exam = examine(networks, review_from=thresholds.review, seed=seed)
    passed = not exam.faults
    metrics = {**exam.as_metrics(), "megabytes": sum(map(len, networks.values())) / 1e6}
    card = model_card(exam, policy=policy, fingerprint=known_by)
    tracker.log(
        run_id,
        params={"review": thresholds.review, "block": thresholds.block, "seed": seed},
        metrics=metrics,
        tags={_FINGERPRINT: known_by, "gate": "passed" if passed else "refused"},
    )
    pictures = ordinary_pictures()
    figures = {
        "hidden.png": draw_hidden(networks, pictures[PORTRAIT]),
        "crops.png": draw_crops(networks, pictures[_CROPPED]),
    }
    tracker.log_report(run_id, card=card, figures=figures)
    say("registering")
    manifest = json.dumps({"policy": policy}, indent=1).encode()
    registered = tracker.register(run_id, files={**networks, MANIFEST: manifest}, card=card)
    return VisionResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=passed,
        reasons=exam.faults or ("the exam was passed",),
        metrics=metrics,
    )
