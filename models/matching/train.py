"""Training of the matching model: from a social graph to a registered version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.data_sets import lake_data_set
from models.matching.communities import detect_communities, plot_communities
from models.matching.evaluate import (
    CONNECTORS,
    HEURISTIC,
    TRAINED,
    USERS,
    EvaluationReport,
    MatchingTask,
    NotEnoughDataError,
    evaluate_scorers,
    features_of,
    hold_out,
    train_scorer,
)
from models.matching.pair_features import PairFeatures, with_vectors
from models.matching.predictor import CONNECTORS as CONNECTORS_NAME
from models.matching.predictor import MODEL_FILE
from models.matching.predictor import USERS as USERS_NAME
from models.matching.report import model_card, plot_reports
from models.matching.scorer import DEFAULT_REGULARIZATION, LogisticScorer
from models.matching.social_graph import SocialGraph
from models.tracking import MODEL_FOLDER, ModelTracker, RunResult
from neighborconnect.contracts.models import MATCHING_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "matching"
_HEADLINE = tuple(
    f"{name}_{metric}" for name in (USERS_NAME, CONNECTORS_NAME) for metric in ("auc_trained", "auc_gain")
)
TASKS = {USERS_NAME: USERS, CONNECTORS_NAME: CONNECTORS}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class MatchingResult(RunResult):
    """Result of a training run; ``served`` has the served method (``trained`` or ``heuristic``) of each task."""

    served: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Outcome:
    """Served scorer of one task, and its evaluation where there was enough data."""

    scorer: LogisticScorer
    report: EvaluationReport | None
    served: str
    reason: str


def fit_task(
    graph: SocialGraph,
    name: str,
    task: MatchingTask,
    *,
    seed: int,
    before: LogisticScorer | None,
    regularization: float = DEFAULT_REGULARIZATION,
) -> _Outcome:
    """Train and evaluate a scorer; it is served if the 95 % interval of its gain over the heuristic is above 0."""
    heuristic = task.heuristic
    try:
        remaining, held_out = hold_out(graph, task, seed=seed)
        trained = train_scorer(remaining, task, seed=seed + 1, regularization=regularization)
    except NotEnoughDataError as error:
        return _Outcome(heuristic, None, HEURISTIC, f"{name}: the heuristic is served: {error}")
    methods = {TRAINED: trained, HEURISTIC: heuristic} | ({} if before is None else {"champion": before})
    features = features_of(PairFeatures(with_vectors(remaining)), held_out.pairs, compute=task.compute)
    report = evaluate_scorers(features, held_out.labels, methods=methods, seed=seed)
    gain = report.gain
    difference = f"AUC difference to the heuristic {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    if gain.low <= 0:
        return _Outcome(heuristic, report, HEURISTIC, f"{name}: the heuristic is served, {difference}")
    # The evaluated weights were trained without the held-out pairs; the served ones are trained on all.
    served = train_scorer(graph, task, seed=seed + 1, regularization=regularization)
    return _Outcome(served, report, TRAINED, f"{name}: the trained scorer is served, {difference}")


def train(
    settings: Settings,
    *,
    graph: SocialGraph,
    data_version: str,
    seed: int,
    progress: Progress,
    regularization: float = DEFAULT_REGULARIZATION,
) -> MatchingResult:
    """Run one training and register a version.

    Args:
        settings: URL and token of MLflow.
        graph: the social graph.
        data_version: name of the graph in the log.
        seed: random seed.
        progress: callback for progress messages.
        regularization: strength of the L2 penalty on the scorers' weights.
    """
    tracker = ModelTracker(settings, name=MATCHING_MODEL, experiment=EXPERIMENT)
    before = _champion(tracker)
    run_id = tracker.start(run_name=data_version)
    try:
        outcomes: dict[str, _Outcome] = {}
        for name, task in TASKS.items():
            progress(f"training the scorer of {name} matches")
            outcomes[name] = fit_task(
                graph, name, task, seed=seed, before=before.get(name), regularization=regularization
            )
        counts = {"users": len(graph.users), "follows": len(graph.follows), "memberships": len(graph.members)}
        tracker.log(
            run_id,
            params={"seed": seed, "regularization": regularization},
            metrics={},
            tags={},
            data_sets=[lake_data_set(settings, data_version, counts=counts)],
        )
        return _register(tracker, run_id, graph, outcomes, data_version=data_version, seed=seed, progress=progress)
    except BaseException:
        tracker.fail(run_id)
        raise


def promote(settings: Settings, result: MatchingResult) -> bool:
    """Make a version the champion if it passed its gate; return whether it did."""
    return ModelTracker(settings, name=MATCHING_MODEL, experiment=EXPERIMENT).promote_if_passed(result)


def _champion(tracker: ModelTracker) -> Mapping[str, LogisticScorer]:
    champion = tracker.champion()
    path: Path | None = None if champion is None else tracker.fetch(champion.run_id, f"{MODEL_FOLDER}/{MODEL_FILE}")
    if path is None:
        return {}
    try:
        stored = {name: LogisticScorer.from_dict(one) for name, one in json.loads(path.read_text("utf-8")).items()}
    except ValueError:
        return {}
    # A champion over other features cannot be evaluated on this sample.
    return {
        name: scorer for name, scorer in stored.items() if name in TASKS and scorer.features == TASKS[name].features
    }


def _register(
    tracker: ModelTracker,
    run_id: str,
    graph: SocialGraph,
    outcomes: Mapping[str, _Outcome],
    *,
    data_version: str,
    seed: int,
    progress: Progress,
) -> MatchingResult:
    progress("detecting communities")
    communities = detect_communities(graph, seed=seed)
    reports = {name: outcome.report for name, outcome in outcomes.items() if outcome.report is not None}
    scorers = {name: outcome.scorer for name, outcome in outcomes.items()}
    served = {name: outcome.served for name, outcome in outcomes.items()}
    worse = [name for name, report in reports.items() if _is_worse(report)]
    reasons = (
        *(outcome.reason for outcome in outcomes.values()),
        *(f"{name}: the champion is significantly better" for name in worse),
    )
    metrics = {f"{name}_{key}": value for name, report in reports.items() for key, value in _metrics(report).items()}
    metrics |= {"communities": float(len(communities.members)), "modularity": communities.modularity}
    model = json.dumps({name: json.loads(scorer.as_json()) for name, scorer in scorers.items()}, indent=1).encode()
    card = model_card(graph, reports, served=served, reasons=reasons, data=data_version)
    tracker.log(
        run_id,
        params={"model": hashlib.sha256(model).hexdigest()[:12], **served},
        metrics=metrics,
        tags={"data_version": data_version, "gate": "refused" if worse else "passed"},
        headline=_HEADLINE,
    )
    figures = {"communities.png": plot_communities(communities, seed=seed)} if communities.members else {}
    if reports:
        figures["evaluation.png"] = plot_reports(reports, scorers)
    tracker.log_report(run_id, card=card, figures=figures)
    registered = tracker.register(run_id, files={MODEL_FILE: model}, card=card, trained_on=graph.users)
    return MatchingResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=not worse,
        reasons=reasons,
        metrics=metrics,
        served=served,
    )


def _is_worse(report: EvaluationReport) -> bool:
    champion = report.auc.get("champion")
    served_high = max(report.auc[TRAINED].high, report.auc[HEURISTIC].high)
    return champion is not None and champion.low > served_high


def _metrics(report: EvaluationReport) -> dict[str, float]:
    aucs = {f"auc_{method}": auc.value for method, auc in report.auc.items()}
    return {**aucs, "auc_gain": report.gain.value, "auc_gain_ci_low": report.gain.low, "brier": report.brier}
