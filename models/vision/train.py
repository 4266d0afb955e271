"""One run of the vision models: the networks of the packages, examined, and registered where they are new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from models.tracking import FINGERPRINT, ModelTracker, RunResult
from models.vision.data import PORTRAIT, ordinary_pictures
from models.vision.evaluate import examine
from models.vision.networks import MANIFEST
from models.vision.policy import policy_text, read_policy
from models.vision.report import draw_crops, draw_hidden, model_card
from models.vision.weights import assemble, fingerprint
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "vision"
_CROPPED = "chelsea.png"

Say = Callable[[str], None]


def train(settings: Settings, *, seed: int, say: Say) -> RunResult:
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
    if (known := tracker.champion_known_by(known_by)) is not None:
        return known
    run_id = tracker.start(run_name=known_by)
    try:
        return _register(tracker, run_id, networks, policy=policy, known_by=known_by, seed=seed, say=say)
    except BaseException:
        tracker.fail(run_id)
        raise


def release(settings: Settings, result: RunResult) -> bool:
    """Make a version the champion if its exam says so; return whether it did."""
    return ModelTracker(settings, name=VISION_MODEL, experiment=EXPERIMENT).release(result)


def _register(
    tracker: ModelTracker,
    run_id: str,
    networks: dict[str, bytes],
    *,
    policy: str,
    known_by: str,
    seed: int,
    say: Say,
) -> RunResult:
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
        tags={FINGERPRINT: known_by, "gate": "passed" if passed else "refused"},
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
    return RunResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=passed,
        reasons=exam.faults or ("the exam was passed",),
        metrics=metrics,
    )
