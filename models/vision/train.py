"""Registration of the vision models: networks from pip packages, checked, and registered if they are new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from models.data_sets import packaged_data_set
from models.tracking import FINGERPRINT, ModelTracker, RunResult
from models.vision.data import PORTRAIT, ordinary_images
from models.vision.evaluate import run_quality_check
from models.vision.networks import MANIFEST
from models.vision.policy import policy_text, read_policy
from models.vision.report import model_card, plot_anonymization, plot_crops
from models.vision.weights import assemble, fingerprint
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "vision"
_CROPPED = "chelsea.png"
_HEADLINE = ("faces_recall", "residual_face_rate", "nsfw_false_alarm_rate", "false_cut_rate")

Progress = Callable[[str], None]


def train(settings: Settings, *, seed: int, progress: Progress) -> RunResult:
    """Check and register a version; nothing is registered when the inputs are the champion's.

    Args:
        settings: URL and token of MLflow.
        seed: seed of the synthetic clips.
        progress: callback for progress messages.
    """
    progress("loading the networks from their packages")
    networks, policy = assemble(), policy_text()
    inputs_hash = fingerprint(networks) + hashlib.sha256(policy.encode()).hexdigest()[:8]
    tracker = ModelTracker(settings, name=VISION_MODEL, experiment=EXPERIMENT)
    if (unchanged := tracker.unchanged_champion(inputs_hash)) is not None:
        return unchanged
    run_id = tracker.start(run_name=inputs_hash)
    try:
        return _register(
            tracker, run_id, networks, policy=policy, inputs_hash=inputs_hash, seed=seed, progress=progress
        )
    except BaseException:
        tracker.fail(run_id)
        raise


def promote(settings: Settings, result: RunResult) -> bool:
    """Make a version the champion if it passed the quality check; return whether it did."""
    return ModelTracker(settings, name=VISION_MODEL, experiment=EXPERIMENT).promote_if_passed(result)


def _register(
    tracker: ModelTracker,
    run_id: str,
    networks: dict[str, bytes],
    *,
    policy: str,
    inputs_hash: str,
    seed: int,
    progress: Progress,
) -> RunResult:
    progress("running the quality check")
    thresholds = read_policy(policy)
    check = run_quality_check(networks, review_from=thresholds.review, seed=seed)
    passed = not check.failures
    metrics = {**check.as_metrics(), "megabytes": sum(map(len, networks.values())) / 1e6}
    card = model_card(check, policy=policy, fingerprint=inputs_hash)
    tracker.log(
        run_id,
        params={"review": thresholds.review, "block": thresholds.block, "seed": seed},
        metrics=metrics,
        tags={FINGERPRINT: inputs_hash, "gate": "passed" if passed else "refused"},
        headline=_HEADLINE,
        data_sets=[packaged_data_set("pretrained networks and policy", digest=inputs_hash, package="models.vision")],
    )
    pictures = ordinary_images()
    figures = {
        "anonymized.png": plot_anonymization(networks, pictures[PORTRAIT]),
        "crops.png": plot_crops(networks, pictures[_CROPPED]),
    }
    tracker.log_report(run_id, card=card, figures=figures)
    progress("registering the version")
    manifest = json.dumps({"policy": policy}, indent=1).encode()
    registered = tracker.register(run_id, files={**networks, MANIFEST: manifest}, card=card, trained_on=())
    return RunResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=passed,
        reasons=check.failures or ("the quality check was passed",),
        metrics=metrics,
    )
