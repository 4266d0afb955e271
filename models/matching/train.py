"""One training run: from a snapshot of the town to a registered version, and what of it is served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.matching.clusters import draw_circles, find_circles
from models.matching.combination import Combination
from models.matching.evaluate import (
    CONNECTORS,
    PEOPLE,
    Judgement,
    Question,
    TooLittleError,
    hide,
    judge,
    learn,
    signs_of,
)
from models.matching.graph import Graph, with_vectors
from models.matching.predictor import CONNECTORS as CONNECTORS_NAME
from models.matching.predictor import MODEL_FILE
from models.matching.predictor import PEOPLE as PEOPLE_NAME
from models.matching.report import draw_judgement, model_card
from models.matching.town import Town
from models.tracking import MODEL_FOLDER, ModelTracker, RunResult
from neighborconnect.contracts.models import MATCHING_MODEL
from neighborconnect.settings import Settings

EXPERIMENT = "matching"
QUESTIONS = {PEOPLE_NAME: PEOPLE, CONNECTORS_NAME: CONNECTORS}
LEARNT, RULE = "learnt", "rule_of_thumb"

Say = Callable[[str], None]


@dataclass(frozen=True)
class MatchingResult(RunResult):
    """What a run came to, and for people and for connectors whether what was learnt or the rule of thumb is served."""

    served: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """What was found for people or for connectors."""

    combination: Combination
    judgement: Judgement | None
    served: str
    reason: str


def find(town: Town, name: str, question: Question, *, seed: int, before: Combination | None) -> _Found:
    """Learn, judge, and decide what is served: what was learnt only where it beats the rule of thumb for sure."""
    rule = question.rule_of_thumb
    try:
        left, hidden = hide(town, question, seed=seed)
        learnt = learn(left, question, seed=seed + 1)
    except TooLittleError as error:
        return _Found(rule, None, RULE, f"{name}: the rule of thumb is served, for {error}")
    methods = {LEARNT: learnt, RULE: rule} | ({} if before is None else {"champion": before})
    signs = signs_of(Graph(with_vectors(left)), hidden.pairs, ask=question.ask)
    judgement = judge(signs, hidden.labels, methods=methods, seed=seed)
    gain = judgement.gain
    told = f"AUC {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] over the rule of thumb"
    if gain.low <= 0:
        return _Found(rule, judgement, RULE, f"{name}: the rule of thumb is served, for what was learnt has {told}")
    # The judged weights were learnt without the hidden part; what is served has seen all.
    return _Found(learn(town, question, seed=seed + 1), judgement, LEARNT, f"{name}: what was learnt is served, {told}")


def train(settings: Settings, *, town: Town, data_version: str, seed: int, say: Say) -> MatchingResult:
    """Run one training and register a version.

    Args:
        settings: where MLflow is.
        town: what is known.
        data_version: names it.
        seed: of every draw.
        say: is told what is being done.
    """
    tracker = ModelTracker(settings, name=MATCHING_MODEL, experiment=EXPERIMENT)
    before = _champion(tracker)
    run_id = tracker.start(run_name=data_version)
    try:
        found: dict[str, _Found] = {}
        for name, question in QUESTIONS.items():
            say(f"learning what speaks for a match with {name}")
            found[name] = find(town, name, question, seed=seed, before=before.get(name))
        return _register(tracker, run_id, town, found, data_version=data_version, seed=seed, say=say)
    except BaseException:
        tracker.fail(run_id)
        raise


def release(settings: Settings, result: MatchingResult) -> bool:
    """Make a version the champion if its training says so; return whether it did."""
    return ModelTracker(settings, name=MATCHING_MODEL, experiment=EXPERIMENT).release(result)


def _champion(tracker: ModelTracker) -> Mapping[str, Combination]:
    champion = tracker.champion()
    path: Path | None = None if champion is None else tracker.fetch(champion.run_id, f"{MODEL_FOLDER}/{MODEL_FILE}")
    if path is None:
        return {}
    written = {name: Combination.of(one) for name, one in json.loads(path.read_text(encoding="utf-8")).items()}
    # A champion of other signs cannot be asked the same.
    return {name: one for name, one in written.items() if one.signs == QUESTIONS[name].signs}


def _register(
    tracker: ModelTracker,
    run_id: str,
    town: Town,
    found: Mapping[str, _Found],
    *,
    data_version: str,
    seed: int,
    say: Say,
) -> MatchingResult:
    say("finding the circles of the town")
    circles = find_circles(town, seed=seed)
    judgements = {name: one.judgement for name, one in found.items() if one.judgement is not None}
    combinations = {name: one.combination for name, one in found.items()}
    served = {name: one.served for name, one in found.items()}
    worse = [name for name, one in judgements.items() if _is_worse(one)]
    reasons = (*(one.reason for one in found.values()), *(f"{name}: the champion is better for sure" for name in worse))
    metrics = {f"{name}_{key}": value for name, one in judgements.items() for key, value in _metrics(one).items()}
    metrics |= {"circles": float(len(circles.members)), "modularity": circles.modularity}
    model = json.dumps({name: json.loads(one.as_json()) for name, one in combinations.items()}, indent=1).encode()
    card = model_card(town, judgements, served=served, reasons=reasons, data=data_version)
    tracker.log(
        run_id,
        params={"model": hashlib.sha256(model).hexdigest()[:12], **served},
        metrics=metrics,
        tags={"data_version": data_version, "gate": "refused" if worse else "passed"},
    )
    figures = {"circles.png": draw_circles(circles, seed=seed)} if circles.members else {}
    if judgements:
        figures["judgement.png"] = draw_judgement(judgements, combinations)
    tracker.log_report(run_id, card=card, figures=figures)
    registered = tracker.register(run_id, files={MODEL_FILE: model}, card=card)
    return MatchingResult(
        registered.model_version,
        registered.registry_version,
        run_id,
        promote=not worse,
        reasons=reasons,
        metrics=metrics,
        served=served,
    )


def _is_worse(judgement: Judgement) -> bool:
    champion = judgement.auc.get("champion")
    served = max(judgement.auc[LEARNT].high, judgement.auc[RULE].high)
    return champion is not None and champion.low > served


def _metrics(judgement: Judgement) -> dict[str, float]:
    aucs = {f"auc_{method}": auc.value for method, auc in judgement.auc.items()}
    return {**aucs, "gain": judgement.gain.value, "gain_low": judgement.gain.low, "brier": judgement.brier}
