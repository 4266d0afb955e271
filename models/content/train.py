"""One training run of the content models: from adapters, and what moderators decided, to a registered version.

The repository ships adapters that were trained on sets whose licences allow it (``models/content/weights``). A run
puts them into the encoder, adapts the moderation head to this town's moderators where there are enough decisions,
judges the result, and registers it. What would flag too many harmless texts is never served.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from models.content.adapter import Adapter, from_bytes, to_bytes
from models.content.analyst import EMBED, ENCODER_VERSION, MANIFEST, MODERATION, TASKS, Analyst
from models.content.evaluate import BiasReport, bias_report
from models.content.export import export
from models.content.feedback import Feedback, FeedbackResult, adapt
from models.content.report import draw_bias, model_card
from models.tracking import FINGERPRINT, ModelTracker, RunResult
from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "content"

Say = Callable[[str], None]


def shipped() -> dict[str, Adapter]:
    """Return the adapters that the repository ships, by task."""
    folder = files(__package__) / "weights"
    return {task: from_bytes((folder / f"{task}.safetensors").read_bytes()) for task in TASKS}


def build(adapters: dict[str, Adapter], *, policy: str, say: Say) -> dict[str, bytes]:
    """Return the files of a version: a graph a task, that of the encoder alone, and the manifest."""
    graphs = {}
    for task, adapter in {EMBED: None, **adapters}.items():
        say(f"exporting {task}")
        graphs[f"{task}.onnx"] = export(adapter, small=True)
    classes = {task: adapter.classes for task, adapter in adapters.items()}
    manifest = {"encoder": ENCODER_VERSION, "classes": classes, "policy": policy}
    return {**graphs, MANIFEST: json.dumps(manifest, indent=1).encode()}


def judge(analyst: Analyst) -> BiasReport:
    """Ask a version which harmless texts it would not simply show."""

    def flagged(texts: list[str]) -> Sequence[bool]:
        return [analyst.policy.verdict(categories) is not Verdict.ALLOW for categories in analyst.categories(texts)]

    return bias_report(flagged)


@dataclass(frozen=True)
class _Candidate:
    """What a version would be made of."""

    adapters: dict[str, Adapter]
    policy: str
    adapted: FeedbackResult

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.policy.encode())
        for task in sorted(self.adapters):
            digest.update(to_bytes(replace(self.adapters[task], card={})))
        return digest.hexdigest()


def train(settings: Settings, *, feedback: Feedback, data_version: str, seed: int, say: Say) -> RunResult:
    """Run one training; registers a version unless it would be the very champion.

    Args:
        settings: where MLflow is.
        feedback: texts that moderators decided on.
        data_version: names them.
        seed: of every draw.
        say: is told what is being done.
    """
    adapters = shipped()
    adapted = adapt(adapters[MODERATION], feedback, seed=seed)
    if adapted.passed:
        adapters[MODERATION] = adapted.adapter
    candidate = _Candidate(adapters, (files(__package__) / "policy.toml").read_text(encoding="utf-8"), adapted)
    tracker = _tracker(settings)
    if (known := tracker.champion_known_by(candidate.fingerprint, reasons=adapted.reasons)) is not None:
        return known
    run_id = tracker.start(run_name=data_version)
    try:
        return _register(tracker, run_id, candidate, data_version=data_version, say=say)
    except BaseException:
        tracker.fail(run_id)
        raise


def release(settings: Settings, result: RunResult) -> bool:
    """Make a version the champion if its training says so; return whether it did."""
    return _tracker(settings).release(result)


def _tracker(settings: Settings) -> ModelTracker:
    return ModelTracker(settings, name=CONTENT_MODEL, experiment=EXPERIMENT)


def _register(tracker: ModelTracker, run_id: str, candidate: _Candidate, *, data_version: str, say: Say) -> RunResult:
    built = build(candidate.adapters, policy=candidate.policy, say=say)
    say("asking who would be flagged for nothing")
    analyst = Analyst.load(built, model_version="candidate")
    bias, most = judge(analyst), analyst.policy.most_flagged
    fair = bias.worst <= most
    verdict = "at most" if fair else "more than"
    reasons = (
        f"{bias.worst:.1%} of harmless texts of the worst group would be flagged, {verdict} the allowed {most:.0%}",
        *candidate.adapted.reasons,
    )
    metrics = {**bias.as_metrics(), **candidate.adapted.metrics, "megabytes": sum(map(len, built.values())) / 1e6}
    card = model_card(candidate.adapters, bias=bias, reasons=reasons, promoted=fair, data_version=data_version)
    tracker.log(
        run_id,
        params={"policy": hashlib.sha256(candidate.policy.encode()).hexdigest()[:12]},
        metrics=metrics,
        tags={
            FINGERPRINT: candidate.fingerprint,
            "data_version": data_version,
            "gate": "passed" if fair else "refused",
        },
    )
    tracker.log_report(run_id, card=card, figures={"bias.png": draw_bias(bias, most=most)})
    say("registering")
    weights = {f"{task}.safetensors": to_bytes(adapter) for task, adapter in candidate.adapters.items()}
    registered = tracker.register(run_id, files={**built, **weights}, card=card)
    return RunResult(
        registered.model_version, registered.registry_version, run_id, promote=fair, reasons=reasons, metrics=metrics
    )
