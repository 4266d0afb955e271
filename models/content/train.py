"""Training of the content models: from shipped adapters and moderators' decisions to a registered version.

The repository ships adapters that were trained on data sets whose licenses allow it (``models/content/weights``). A run
merges them into the encoder, adapts the moderation head to moderators' decisions if there are enough, evaluates the
bias and the functional suite, and registers it. A version with too high a false positive rate of any group, or beyond
a limit of the policy on the functional suite, is not promoted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from models.content.adapter import Adapter, from_bytes, to_bytes
from models.content.analyzer import EMBED, ENCODER_VERSION, MANIFEST, MODERATION, TASKS, TextAnalyzer
from models.content.evaluate import BiasReport, bias_report
from models.content.export import export
from models.content.feedback import DEFAULT_PENALTY, Feedback, FeedbackResult, adapt
from models.content.functional.evaluation import IDENTITY_FUNCTIONS, FunctionalReport, Judge, Judgement, evaluate
from models.content.functional.suite import Part, build_cases
from models.content.labels import ANNOTATIONS
from models.content.policy import GateLimits
from models.content.report import model_card, plot_bias, plot_confusion, plot_functions
from models.data_sets import lake_data_set
from models.tracking import FINGERPRINT, ModelTracker, RunResult
from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.models import CONTENT_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "content"
_HEADLINE = (
    "moderation_accuracy",
    "moderation_macro_f1",
    "max_false_positive_rate_by_group",
    "false_positive_rate",
    "agreement_after",
    "functional_hateful_flagged",
    "functional_harmless_passed",
    "functional_threats_flagged",
    "functional_max_false_positive_rate_by_identity",
)
# Mentions of identity are more, because they are evaluated by group.
_CASES_PER_FUNCTION, _MENTIONS, _CASES_SEED = 24, 100, 1

Progress = Callable[[str], None]


def shipped_adapters() -> dict[str, Adapter]:
    """Return the adapters of the repository, by task."""
    folder = files(__package__) / "weights"
    return {task: from_bytes((folder / f"{task}.safetensors").read_bytes()) for task in TASKS}


def build(adapters: dict[str, Adapter], *, policy: str, progress: Progress) -> dict[str, bytes]:
    """Return the files of a version: the ONNX graphs of the tasks and of the encoder, and the manifest."""
    graphs = {}
    for task, adapter in {EMBED: None, **adapters}.items():
        progress(f"exporting {task}")
        graphs[f"{task}.onnx"] = export(adapter, quantize=True)
    classes = {task: adapter.classes for task, adapter in adapters.items()}
    manifest = {
        "encoder": ENCODER_VERSION,
        "classes": classes,
        "policy": policy,
        "common_terms": bool(adapters[MODERATION].card.get("common_terms")),
    }
    return {**graphs, MANIFEST: json.dumps(manifest, indent=1).encode()}


def read_shipped_policy() -> str:
    """Return the policy of the repository."""
    return (files(__package__) / "policy.toml").read_text(encoding="utf-8")


def judge_with(analyzer: TextAnalyzer) -> Judge:
    """Return the judge of the functional suite that decides as the service does."""

    def judge(texts: list[str]) -> list[Judgement]:
        return [
            Judgement(
                is_flagged=analyzer.policy.verdict(categories) is not Verdict.ALLOW,
                offers_help=analyzer.policy.offers_help(categories),
            )
            for categories in analyzer.categories(texts)
        ]

    return judge


def evaluate_bias(analyzer: TextAnalyzer) -> BiasReport:
    """Return the false positive rates of a version: benign texts with a verdict other than ``allow``."""

    def flagged(texts: list[str]) -> Sequence[bool]:
        return [analyzer.policy.verdict(categories) is not Verdict.ALLOW for categories in analyzer.categories(texts)]

    return bias_report(flagged)


def evaluate_functions(analyzer: TextAnalyzer) -> FunctionalReport:
    """Return the report of a version on a sample of the test part of the functional suite."""
    numbers = Counter[str]()
    cases = []
    for case in build_cases(Part.TEST, per_function=_MENTIONS, seed=_CASES_SEED):
        numbers[case.function] += 1
        if case.function in IDENTITY_FUNCTIONS or numbers[case.function] <= _CASES_PER_FUNCTION:
            cases.append(case)
    return evaluate(judge_with(analyzer), cases)


def gate_reasons(report: FunctionalReport, limits: GateLimits) -> tuple[bool, tuple[str, ...]]:
    """Return whether a version keeps the limits of the policy on the functional suite, and each figure and limit."""
    figures = (
        ("harmful texts flagged", report.hateful_flagged.value, limits.min_hateful_flagged, 1),
        ("harmless texts passed", report.harmless_passed.value, limits.min_harmless_passed, 1),
        ("threats flagged", report.threats_flagged.value, limits.min_threats_flagged, 1),
        (
            "harmless mentions of the most affected group flagged",
            report.max_false_positive_rate_by_identity,
            limits.max_identity_flagged,
            -1,
        ),
    )
    passed = all(sign * value >= sign * limit for _, value, limit, sign in figures)
    reasons = tuple(
        f"functional suite, {name}: {value:.1%} ({'at least' if sign > 0 else 'at most'} {limit:.0%} is required)"
        for name, value, limit, sign in figures
    )
    return passed, reasons


@dataclass(frozen=True)
class _Candidate:
    """Inputs of a version; ``trained_on`` has the authors of its decisions if it is adapted to them."""

    adapters: dict[str, Adapter]
    policy: str
    adapted: FeedbackResult
    trained_on: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.policy.encode())
        for task in sorted(self.adapters):
            digest.update(to_bytes(replace(self.adapters[task], card={})))
        return digest.hexdigest()


def train(
    settings: Settings,
    *,
    feedback: Feedback,
    data_version: str,
    seed: int,
    progress: Progress,
    penalty: float = DEFAULT_PENALTY,
) -> RunResult:
    """Run one training; nothing is registered when the inputs are the champion's.

    Args:
        settings: URL and token of MLflow.
        feedback: moderators' decisions.
        data_version: name of the decisions in the log.
        seed: random seed.
        progress: callback for progress messages.
        penalty: strength of the prior around the shipped moderation head.
    """
    adapters = shipped_adapters()
    progress(f"adapting the moderation head to {len(feedback.texts)} decisions")
    adapted = adapt(adapters[MODERATION], feedback, seed=seed, penalty=penalty)
    if adapted.passed:
        adapters[MODERATION] = adapted.adapter
    policy = read_shipped_policy()
    candidate = _Candidate(adapters, policy, adapted, feedback.authors if adapted.passed else ())
    tracker = _tracker(settings)
    if (unchanged := tracker.unchanged_champion(candidate.fingerprint, reasons=adapted.reasons)) is not None:
        return unchanged
    run_id = tracker.start(run_name=data_version)
    try:
        tracker.log(
            run_id,
            params={"seed": seed, "penalty": penalty},
            metrics={},
            tags={},
            data_sets=[lake_data_set(settings, data_version, counts={"decisions": len(feedback.texts)})],
        )
        return _register(tracker, run_id, candidate, data_version=data_version, progress=progress)
    except BaseException:
        tracker.fail(run_id)
        raise


def promote(settings: Settings, result: RunResult) -> bool:
    """Make a version the champion if it passed its gate; return whether it did."""
    return _tracker(settings).promote_if_passed(result)


def _tracker(settings: Settings) -> ModelTracker:
    return ModelTracker(settings, name=CONTENT_MODEL, experiment=EXPERIMENT)


def _register(
    tracker: ModelTracker, run_id: str, candidate: _Candidate, *, data_version: str, progress: Progress
) -> RunResult:
    built = build(candidate.adapters, policy=candidate.policy, progress=progress)
    progress("evaluating the bias")
    analyzer = TextAnalyzer.load(built, model_version="candidate")
    bias, max_rate = evaluate_bias(analyzer), analyzer.policy.max_false_positive_rate
    report = evaluate_functions(analyzer)
    is_functional, functional_reasons = gate_reasons(report, analyzer.policy.gate)
    fair = bias.max_false_positive_rate_by_group <= max_rate
    verdict = "at most" if fair else "more than"
    promoted = fair and is_functional
    reasons = (
        (
            f"the highest false positive rate of a group is {bias.max_false_positive_rate_by_group:.1%}, "
            f"{verdict} the allowed {max_rate:.0%}"
        ),
        *functional_reasons,
        *candidate.adapted.reasons,
    )
    metrics = {
        **bias.as_metrics(),
        **report.as_metrics(),
        **candidate.adapted.metrics,
        "megabytes": sum(map(len, built.values())) / 1e6,
    }
    card = model_card(
        candidate.adapters, bias=bias, report=report, reasons=reasons, promoted=promoted, data_version=data_version
    )
    tracker.log(
        run_id,
        params={"policy": hashlib.sha256(candidate.policy.encode()).hexdigest()[:12]},
        metrics=metrics,
        tags={
            FINGERPRINT: candidate.fingerprint,
            "data_version": data_version,
            "gate": "passed" if promoted else "refused",
        },
        headline=_HEADLINE,
    )
    figures = {"bias.png": plot_bias(bias, max_rate=max_rate), "functions.png": plot_functions(report)}
    if candidate.adapted.confusion is not None:
        figures["moderation.png"] = plot_confusion(candidate.adapted.confusion, classes=ANNOTATIONS)
    tracker.log_report(run_id, card=card, figures=figures)
    progress("registering the version")
    weights = {f"{task}.safetensors": to_bytes(adapter) for task, adapter in candidate.adapters.items()}
    registered = tracker.register(run_id, files={**built, **weights}, card=card, trained_on=candidate.trained_on)
    return RunResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=promoted,
        reasons=reasons,
        metrics=metrics,
    )
