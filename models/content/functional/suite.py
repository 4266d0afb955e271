"""Cases of the functional suite, generated from its templates."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np

from models.content.functional.spelling import SPELLINGS

Option = TypeVar("Option")

HARMLESS = "neither"
SELF_HARM = "self_harm"
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_ATTEMPTS_PER_CASE = 12
_VALIDATION_STEP, _VALIDATION_PLACE = 10, 4
_AGAINST, _MAX_CHOICES = " => ", 8
CONTRAST = "contrast_"
"""Prefix of the function of a harmless counterpart of an attack."""
# Slots of a lexicon entry with several forms.
_GROUP_SLOTS, _SLUR_SLOTS = ("group", "one", "adjective"), ("slurs", "slur", "bare_slur")
# Slot: section of the lexicon, where their names differ.
_SECTIONS = {"insult": "insults", "name": "names", "job": "jobs", "object": "objects"}
_QUOTED = ("derogation_attribute", "derogation_emotion", "threat_normative", "dehumanization", "slur_hateful")
_CONTRASTED = {
    "derogation_emotion": ("unprotected", "object"),
    "derogation_attribute": ("unprotected",),
    "dehumanization": ("unprotected",),
    "implicit_derogation": ("unprotected",),
    "profanity_hateful": ("unprotected", "object"),
    "negated_positive": ("unprotected",),
    "hateful_question": ("unprotected",),
    "hateful_opinion": ("unprotected",),
}
_VIOLENT = {"kill", "killed"}
_SPELLED = ("derogation_attribute", "derogation_emotion", "threat_normative", "dehumanization", "slur_hateful")


class Part(StrEnum):
    """Part of the suite; the parts share neither templates nor words."""

    TRAIN = "train"
    TEST = "test"


PARTS = tuple(Part)


@dataclass(frozen=True, slots=True)
class Case:
    """A text with its function, the class of the moderation task, and the group that it is about, if any."""

    text: str
    function: str
    label: str
    group: str | None = None

    @property
    def is_harmful(self) -> bool:
        """Whether a moderator should see the text; self-harm needs help instead."""
        return self.label not in {HARMLESS, SELF_HARM}


def build_cases(part: Part, *, per_function: int, seed: int, validation: bool | None = None) -> list[Case]:
    """Return up to ``per_function`` different cases of each function, deterministic for the same seed.

    Args:
        part: part of the suite.
        per_function: maximum number of cases of a function.
        seed: random seed.
        validation: True for every tenth template only, False for the others; None for all.
    """
    return list(_Generator(part, seed=seed, validation=validation).cases(per_function))


def build_contrasts(*, per_function: int, seed: int, validation: bool | None = None) -> list[Case]:
    """Return cases of the training part that say of things and of other people what attacks say of groups: harmless.

    The predicate stays and its target is exchanged, so that a model does not learn the predicate alone.
    """
    return list(_Generator(Part.TRAIN, seed=seed, validation=validation).contrasts(per_function))


def build_pairs(*, per_template: int, seed: int, validation: bool | None = None) -> list[Case]:
    """Return contrast pairs of the training part, each an attack followed by its harmless counterpart.

    The two have nearly the same words and the same group, so that only the statement is different. A harmless
    counterpart has the function of its attack with the prefix ``contrast_``.
    """
    return list(_Generator(Part.TRAIN, seed=seed, validation=validation).pairs(per_template))


@cache
def read_definition(part: Part) -> dict[str, Any]:
    """Return the lexicon and the functions of a part."""
    return tomllib.loads((files(__package__) / f"{part}.toml").read_text(encoding="utf-8"))


def _left_out(lines: list[str], *, validation: bool | None) -> list[str]:
    """Return the templates of one part of the selection: every tenth is left out of training, for validation."""
    return [
        line
        for place, line in enumerate(lines)
        if validation is None or validation == (place % _VALIDATION_STEP == _VALIDATION_PLACE)
    ]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


class _Generator:
    def __init__(self, part: Part, *, seed: int, validation: bool | None) -> None:
        definition = read_definition(part)
        self._random = np.random.default_rng(seed)
        self._functions: dict[str, dict[str, Any]] = {
            name: {
                "label": each["label"],
                "templates": _left_out(_lines(each["templates"]), validation=validation),
            }
            for name, each in definition["functions"].items()
        }
        self._pairs = {
            name: _left_out(_lines(each["templates"]), validation=validation)
            for name, each in definition.get("pairs", {}).items()
        }
        lexicon: dict[str, str] = definition["lexicon"]
        self._groups, self._slurs = (
            [tuple(form.strip() for form in line.split("|")) for line in _lines(lexicon[name])]
            for name in ("groups", "slurs")
        )
        self._words = {
            name: [word.strip() for line in _lines(text) for word in line.split("|")]
            for name, text in lexicon.items()
            if name not in {"groups", "slurs"}
        }

    def cases(self, per_function: int) -> Iterator[Case]:
        for name, function in self._functions.items():
            seen = set[str]()
            for attempt in range(_ATTEMPTS_PER_CASE * per_function):
                # Each template in turn, so that the cases of a function cover all of them.
                template = function["templates"][attempt % len(function["templates"])]
                text, group = self._render(template)
                if text not in seen:
                    seen.add(text)
                    yield Case(text, name, function["label"], group)
                if len(seen) == per_function:
                    break
        for name, spell in SPELLINGS.items():
            for _ in range(per_function):
                plain = self._draw(_SPELLED)
                yield Case(spell(plain.text, self._random), f"spelling_{name}", plain.label, plain.group)

    def contrasts(self, per_function: int) -> Iterator[Case]:
        for name, slots in _CONTRASTED.items():
            templates = [
                template
                for template in self._functions[name]["templates"]
                if "{group}" in template and _VIOLENT.isdisjoint(_SLOT.findall(template)) and "die" not in template
            ]
            for slot in slots:
                for attempt in range(per_function):
                    template = templates[attempt % len(templates)].replace("{group}", f"{{{slot}}}")
                    if not {"one", "adjective"} & set(_SLOT.findall(template)):
                        text, _ = self._render(template)
                        yield Case(text, f"{CONTRAST}{name}", HARMLESS)

    def pairs(self, per_template: int) -> Iterator[Case]:
        for name, templates in self._pairs.items():
            label, seen = self._functions[name]["label"], set[str]()
            for template in templates * per_template:
                harmful, harmless, group = self._pair(template)
                if harmful + harmless not in seen:
                    seen.add(harmful + harmless)
                    yield Case(harmful, name, label, group)
                    yield Case(harmless, f"{CONTRAST}{name}", HARMLESS, group)

    def _pair(self, template: str) -> tuple[str, str, str | None]:
        """Return both sides of a pair; the n-th choice of both sides has the same place, and a slot the same word."""
        places = self._random.random(_MAX_CHOICES)
        values, group = self._values(set(_SLOT.findall(template)))
        for slot in dict.fromkeys(_SLOT.findall(template)):
            if slot not in values:
                values[slot] = self._word(slot)
        sides = []
        for side in template.split(_AGAINST):
            chosen = iter(places.tolist())

            def choice(match: re.Match[str], chosen: Iterator[float] = chosen) -> str:
                options = match[1].split("|")
                return options[int(next(chosen) * len(options))]

            text = _SLOT.sub(lambda match: values[match[1]], _CHOICE.sub(choice, side))
            sides.append(self._as_written(" ".join(text.split())))
        harmful, harmless = sides
        return harmful, harmless, group

    def _draw(self, functions: tuple[str, ...]) -> Case:
        name = self._choice(functions)
        function = self._functions[name]
        text, group = self._render(self._choice(function["templates"]))
        return Case(text, name, function["label"], group)

    def _render(self, template: str) -> tuple[str, str | None]:
        text = _CHOICE.sub(lambda match: self._choice(match[1].split("|")), template)
        # A choice may have choices.
        text = _CHOICE.sub(lambda match: self._choice(match[1].split("|")), text)
        values, group = self._values(set(_SLOT.findall(text)))

        def word(match: re.Match[str]) -> str:
            return values[match[1]] if match[1] in values else self._word(match[1])

        text = _SLOT.sub(word, text)
        text = _SLOT.sub(word, text)
        return self._as_written(" ".join(text.split())), group

    def _values(self, slots: set[str]) -> tuple[dict[str, str], str | None]:
        """Return the forms of a group and of a slur that the slots name, and the group."""
        values: dict[str, str] = {}
        group = None
        if not slots.isdisjoint(_GROUP_SLOTS):
            group, *forms = self._choice(self._groups)
            values |= dict(zip(_GROUP_SLOTS, forms, strict=True))
        if not slots.isdisjoint(_SLUR_SLOTS):
            group, plural, singular = self._choice(self._slurs)
            values |= {"slurs": plural, "slur": singular, "bare_slur": _without_article(singular)}
        return values, group

    def _word(self, slot: str) -> str:
        if slot == "hateful":
            return self._draw(_QUOTED).text.rstrip(".")
        if slot == "bare_queer":
            return _without_article(self._word("queer"))
        if slot == "number":
            return str(self._random.integers(100, 1_000))
        if slot == "small":
            return str(self._random.integers(2, 40))
        return self._choice(self._words[_SECTIONS.get(slot, slot)])

    def _as_written(self, text: str) -> str:
        """Return a text with a capital first letter; sometimes without capitals or the last full stop."""
        text = text[0].upper() + text[1:]
        chance = self._random.random()
        if chance < 0.15:  # noqa: PLR2004
            return text.lower().rstrip(".")
        return text.rstrip(".") if chance < 0.3 else text  # noqa: PLR2004

    def _choice(self, options: Sequence[Option]) -> Option:
        return options[int(self._random.integers(len(options)))]


def _without_article(singular: str) -> str:
    return singular.split(" ", 1)[1] if singular.split(" ", 1)[0] in {"a", "an"} else singular
