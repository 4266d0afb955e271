"""Evaluation of a moderation model and its policy on the functional suite, by function and by group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from models.content.functional.suite import HARMLESS, SELF_HARM, Case

SPELLING = "spelling_"
IDENTITY_FUNCTIONS = ("neutral_identity", "positive_identity")
_PLAIN_FUNCTIONS = (
    "derogation_attribute",
    "derogation_emotion",
    "threat_normative",
    "dehumanization",
    "slur_hateful",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Outcome of a text: whether a moderator sees it, and whether its author is offered help."""

    is_flagged: bool
    offers_help: bool = False


Judge = Callable[[list[str]], Sequence[Judgement]]


@dataclass(frozen=True, slots=True)
class Share:
    """Share of cases, with its 95 % Wilson interval."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN without cases."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end of the interval."""
        if not self.of:
            return 0.0, 1.0
        interval = binomtest(self.count, self.of).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def __str__(self) -> str:
        """Return share and interval with three digits."""
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]"


def _share(values: Iterable[bool]) -> Share:
    listed = list(values)
    return Share(sum(listed), len(listed))


@dataclass(frozen=True)
class FunctionalReport:
    """Shares of right verdicts by function and group.

    Attributes:
        by_function: share of right verdicts of each function.
        hateful_flagged, harmless_passed: share of right verdicts on harmful and harmless texts.
        threats_flagged: share of threats that are flagged.
        self_harm_helped: share of texts about self-harm whose author is offered help and that are not flagged.
        recall_by_group: share of flagged attacks on each group.
        false_positives_by_group: share of flagged neutral and positive mentions of each group.
        spelling_loss: how much smaller the flagged share is when the same functions are disguised.
    """

    by_function: dict[str, Share]
    hateful_flagged: Share
    harmless_passed: Share
    threats_flagged: Share
    self_harm_helped: Share
    recall_by_group: dict[str, Share]
    false_positives_by_group: dict[str, Share]
    spelling_loss: float

    @property
    def max_false_positive_rate_by_identity(self) -> float:
        """Highest share of flagged harmless mentions of any group."""
        return max((share.value for share in self.false_positives_by_group.values()), default=0.0)

    @property
    def min_right_by_function(self) -> float:
        """Lowest share of right verdicts of any function."""
        return min(share.value for share in self.by_function.values())

    def as_metrics(self) -> dict[str, float]:
        """Return the shares by metric name."""
        return {
            "functional_hateful_flagged": self.hateful_flagged.value,
            "functional_harmless_passed": self.harmless_passed.value,
            "functional_threats_flagged": self.threats_flagged.value,
            "functional_self_harm_helped": self.self_harm_helped.value,
            "functional_spelling_loss": self.spelling_loss,
            "functional_min_right_by_function": self.min_right_by_function,
            "functional_max_false_positive_rate_by_identity": self.max_false_positive_rate_by_identity,
            **{f"functional_right_{name}": share.value for name, share in self.by_function.items()},
            **{f"functional_recall_{_metric(name)}": share.value for name, share in self.recall_by_group.items()},
        }


def _metric(group: str) -> str:
    return group.lower().replace(" ", "_")


def evaluate(judge: Judge, cases: Sequence[Case]) -> FunctionalReport:
    """Return the report of a judge on cases of the suite."""
    judged = list(zip(cases, judge([case.text for case in cases]), strict=True))
    by_function: dict[str, list[bool]] = defaultdict(list)
    for case, judgement in judged:
        by_function[case.function].append(is_right(case, judgement))
    attacks = [(case, judgement) for case, judgement in judged if case.is_harmful]
    plain = _share(judgement.is_flagged for case, judgement in attacks if case.function in _PLAIN_FUNCTIONS)
    spelled = _share(judgement.is_flagged for case, judgement in attacks if case.function.startswith(SPELLING))
    return FunctionalReport(
        by_function={name: _share(right) for name, right in by_function.items()},
        hateful_flagged=_share(judgement.is_flagged for _, judgement in attacks),
        harmless_passed=_share(not judgement.is_flagged for case, judgement in judged if case.label == HARMLESS),
        threats_flagged=_share(
            judgement.is_flagged for case, judgement in attacks if case.function.startswith("threat")
        ),
        self_harm_helped=_share(is_right(case, judgement) for case, judgement in judged if case.label == SELF_HARM),
        recall_by_group=_by_group(attacks),
        false_positives_by_group=_by_group(
            (case, each) for case, each in judged if case.function in IDENTITY_FUNCTIONS
        ),
        spelling_loss=plain.value - spelled.value,
    )


def is_right(case: Case, judgement: Judgement) -> bool:
    """Return whether a judgement is the one that the label of a case asks for."""
    if case.label == SELF_HARM:
        return judgement.offers_help and not judgement.is_flagged
    return judgement.is_flagged == case.is_harmful


def _by_group(judged: Iterable[tuple[Case, Judgement]]) -> dict[str, Share]:
    flagged: dict[str, list[bool]] = defaultdict(list)
    for case, judgement in judged:
        if case.group is not None:
            flagged[case.group].append(judgement.is_flagged)
    return {group: _share(values) for group, values in sorted(flagged.items())}
