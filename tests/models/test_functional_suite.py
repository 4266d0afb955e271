"""The functional suite: its parts share nothing, and its cases are what they are labeled as."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from models.benchmarks.moderation import paired_gains
from models.content.functional import PARTS, Part, build_cases
from models.content.functional.evaluation import Judgement, evaluate
from models.content.functional.spelling import SPELLINGS
from models.content.functional.suite import CONTRAST, build_contrasts, build_pairs, read_definition
from models.content.policy import GateLimits
from models.content.train import gate_reasons
from transactional_api.intelligence.text_analysis import rules

_WORDS = re.compile(r"[a-z']+")
_CLASSES = {"hate", "threat", "insult", "sexual", "self_harm", "neither"}


def test_the_parts_have_the_same_functions_and_labels() -> None:
    labels = [
        {name: function["label"] for name, function in read_definition(part)["functions"].items()} for part in PARTS
    ]
    assert labels[0] == labels[1]
    assert set(labels[0].values()) == _CLASSES


SECTIONS = ("groups", "slurs", "unprotected", "bad", "nouns", "vermin", "kill", "killed", "mean", "objects", "love")


@pytest.mark.parametrize("section", SECTIONS)
def test_the_parts_share_no_words(section: str) -> None:
    train, test = (_entries(read_definition(part)["lexicon"][section], section=section) for part in PARTS)
    assert not train & test


def _entries(text: str, *, section: str) -> set[str]:
    # The first column of these is the group that both parts report by; attributes may be shared.
    forms = {"groups": slice(1, 3), "slurs": slice(1, 3)}.get(section, slice(None))
    lines = [line.split("|")[forms] for line in text.strip().splitlines()]
    return {word.strip().lower() for line in lines for word in line if word.strip()}


def test_the_parts_share_no_templates() -> None:
    train, test = (
        {
            line.strip()
            for function in read_definition(part)["functions"].values()
            for line in function["templates"].splitlines()
            if line.strip()
        }
        for part in PARTS
    )
    assert not train & test


@pytest.mark.parametrize("part", PARTS)
def test_cases_are_complete_distinct_and_reproducible(part: Part) -> None:
    cases = build_cases(part, per_function=12, seed=3)
    assert cases == build_cases(part, per_function=12, seed=3)
    assert not [case.text for case in cases if re.search(r"[{}|\[\]]", case.text) and "spelling" not in case.function]
    counts = Counter(case.function for case in cases)
    assert set(counts) == {*read_definition(part)["functions"], *(f"spelling_{name}" for name in SPELLINGS)}
    assert min(counts.values()) >= 5
    plain = [(case.function, case.text) for case in cases if "spelling" not in case.function]
    assert len(set(plain)) == len(plain)


def test_no_case_of_the_test_part_is_one_of_training() -> None:
    train, test = ({case.text.lower() for case in build_cases(part, per_function=60, seed=3)} for part in PARTS)
    assert not train & test


@pytest.mark.parametrize("part", PARTS)
def test_rules_of_spam_pass_the_harmless_listings(part: Part) -> None:
    listings = [case.text for case in build_cases(part, per_function=60, seed=3) if case.function == "neighborhood"]
    flagged = [text for text in listings if rules.is_spam(rules.spam(text)[0])]
    assert len(listings) >= 50
    assert len(flagged) <= 0.01 * len(listings)


def test_contrasts_exchange_the_target_of_an_attack() -> None:
    cases = build_contrasts(per_function=12, seed=3)
    assert {case.label for case in cases} == {"neither"}
    assert {case.group for case in cases} == {None}
    assert not [case.text for case in cases if re.search(r"[{}|\[\]]", case.text)]


def test_pairs_have_opposite_verdicts_and_share_words() -> None:
    cases = build_pairs(per_template=3, seed=3)
    assert cases == build_pairs(per_template=3, seed=3)
    assert not [case.text for case in cases if re.search(r"[{}|\[\]]|=>", case.text)]
    for harmful, harmless in zip(cases[::2], cases[1::2], strict=True):
        assert harmful.label != "neither"
        assert harmless.label == "neither"
        assert harmless.function == f"{CONTRAST}{harmful.function}"
        assert harmful.group == harmless.group
        assert harmful.text.lower() != harmless.text.lower()
    shared = [
        bool({*_WORDS.findall(left.text.lower())} & {*_WORDS.findall(right.text.lower())})
        for left, right in zip(cases[::2], cases[1::2], strict=True)
    ]
    assert sum(shared) >= 0.97 * len(shared)


def test_no_case_of_the_test_part_is_one_of_a_pair() -> None:
    pairs = {case.text.lower() for case in build_pairs(per_template=8, seed=3)}
    assert not pairs & {case.text.lower() for case in build_cases(Part.TEST, per_function=100, seed=3)}


def test_validation_templates_of_pairs_are_not_trained_on() -> None:
    kept, left_out = (build_pairs(per_template=1, seed=3, validation=each) for each in (False, True))
    everything = build_pairs(per_template=1, seed=3)
    assert len(kept) + len(left_out) == len(everything)
    assert 0.05 * len(everything) <= len(left_out) <= 0.15 * len(everything)


def test_a_model_that_flags_all_or_nothing_is_refused() -> None:
    cases = build_cases(Part.TEST, per_function=3, seed=3)
    limits = GateLimits(0.75, 0.8, 0.85, 0.1)
    right = evaluate(lambda _texts: [Judgement(is_flagged=case.is_harmful) for case in cases], cases)
    assert gate_reasons(right, limits)[0]
    for is_flagged in (True, False):
        report = evaluate(lambda texts, verdict=is_flagged: [Judgement(verdict)] * len(texts), cases)
        passed, reasons = gate_reasons(report, limits)
        assert not passed
        assert len(reasons) == 4


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_change_words_and_no_more(name: str) -> None:
    random = np.random.default_rng(1)
    text = "The horrible neighbors should disappear, somebody wrote yesterday."
    spelled = [SPELLINGS[name](text, random) for _ in range(20)]
    assert spelled.count(text) <= 5  # Two equal letters may be swapped.
    assert all(len(one) <= 3 * len(text) and set(_WORDS.findall(one)) & set(_WORDS.findall(text)) for one in spelled)
    assert SPELLINGS[name]("I a.", random)


def test_paired_gains_compare_versions_on_the_same_cases() -> None:
    cases = build_cases(Part.TEST, per_function=3, seed=3)
    right = [Judgement(case.is_harmful, offers_help=case.label == "self_harm") for case in cases]
    flags_all = [Judgement(is_flagged=True) for _ in cases]
    gains = paired_gains(cases, right, flags_all)
    assert gains["harmful flagged"].mean == 0.0
    assert gains["harmless passed"].mean == gains["harmless passed"].low == 1.0
    assert gains["self-harm helped"].mean == 1.0
    assert paired_gains(cases, flags_all, right)["harmless passed"].mean == -1.0
