"""Everything that is said of a text, by the tasks of one released version."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.content.encoder import ENCODER, WINDOW_TOKENS, FloatArray, windows
from models.content.languages import language_of
from models.content.policy import Policy, read_policy
from models.content.predictor import Task
from models.content.topics import Taxonomy, taxonomy
from neighborconnect.contracts.content import (
    Entity,
    Feeling,
    Highlight,
    ModerationAnswer,
    SentimentAnswer,
    SpamAnswer,
    TopicScore,
    Verdict,
)

MANIFEST = "manifest.json"
EMBED, SENTIMENT, MODERATION, SPAM, ENTITIES = "embed", "sentiment", "moderation", "spam", "entities"
TASKS = (SENTIMENT, MODERATION, SPAM, ENTITIES)
# Vectors of one name may be compared with each other.
ENCODER_VERSION = f"{ENCODER}-int8"
MAX_TOPICS = 5
MAX_HIGHLIGHTS = 5
# The words of a text that are left out in turn, to find those that it is flagged for.
_OCCLUDED_WORDS = WINDOW_TOKENS
_LEAST_WEIGHT = 0.05
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+?\d[\s().-]?){9,}")
_PRICE = re.compile(
    r"(?:[$€£]\s?\d[\d.,]*\d|[$€£]\s?\d|\d[\d.,]*\s?(?:dollars?|euros?|pounds?|USD|EUR|GBP)\b)", re.IGNORECASE
)
_DATE = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|today|tonight|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+")
_MANY_LINKS = 3


@dataclass(frozen=True)
class Analyst:
    """The tasks of one version; safe to use from several threads."""

    tasks: Mapping[str, Task]
    topics_known: Taxonomy
    policy: Policy
    model_version: str

    @classmethod
    def load(cls, files: Mapping[str, bytes], *, model_version: str) -> Analyst:
        """Open what ``models.content.train`` registered: the graphs of all tasks, and the manifest."""
        manifest: dict[str, Any] = json.loads(files[MANIFEST])
        tasks = {
            name: Task.load(files[f"{name}.onnx"], classes=manifest["classes"].get(name, ()))
            for name in (EMBED, *TASKS)
        }
        return cls(
            tasks,
            Taxonomy.of(taxonomy(), embed=tasks[EMBED].run),
            read_policy(manifest["policy"]),
            model_version,
        )

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return (n, 384) vectors of length one."""
        return self.tasks[EMBED].run(texts)

    def sentiment(self, text: str) -> SentimentAnswer:
        """Say how a text sounds."""
        said = self._probabilities(SENTIMENT, text)
        score = said["positive"] - said["negative"]
        sounds = Feeling.POSITIVE if score > 0 else Feeling.NEGATIVE
        label = Feeling.NEUTRAL if abs(score) < self.policy.neutral_below else sounds
        return SentimentAnswer(model_version=self.model_version, label=label, score=score)

    def categories(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return how likely each text is of each category of the policy."""
        task = self.tasks[MODERATION]
        known = [(place, name) for place, name in enumerate(task.classes) if name in self.policy.categories]
        return [{name: float(row[place]) for place, name in known} for row in task.run(texts)]

    def moderate(self, text: str) -> ModerationAnswer:
        """Say what moderation would do with a text; of one that is not simply shown, also which words it is for.

        A text that is longer than the encoder is read in parts, and counts as its worst part of each category.
        """
        parts = windows(text)
        scores = self.categories([text[begin:end] for begin, end in parts])
        categories = {name: max(one[name] for one in scores) for name in scores[0]}
        verdict = self.policy.verdict(categories)
        highlights: list[Highlight] = []
        if verdict is not Verdict.ALLOW:
            (begin, end), worst = max(zip(parts, scores, strict=True), key=lambda one: max(one[1].values()))
            highlights = [
                one.model_copy(update={"begin": begin + one.begin, "end": begin + one.end})
                for one in self._highlights(text[begin:end], worst)
            ]
        return ModerationAnswer(
            model_version=self.model_version, verdict=verdict, categories=categories, highlights=highlights
        )

    def spam(self, text: str, *, written: int | None = None, account_days: float | None = None) -> SpamAnswer:
        """Say how likely a text is spam. How much somebody writes, or how new they are, is never enough alone.

        Args:
            text: the text.
            written: how much its writer wrote within the hour, where that is known.
            account_days: how long they have had an account, where that is known.
        """
        task, parts = self.tasks[SPAM], [text[begin:end] for begin, end in windows(text)]
        limits, score = self.policy.spam, float(task.run(parts)[:, task.classes.index("spam")].max())
        suspicious = {
            "new_account": account_days is not None and account_days < limits.new_days,
            "writes_much": written is not None and written >= limits.much_an_hour,
        }
        is_spam = score >= (limits.suspect_flag if any(suspicious.values()) else limits.flag)
        signals = {
            "words": is_spam,
            "many_links": len(_LINK.findall(text)) >= _MANY_LINKS,
            "phone_number": _PHONE.search(text) is not None,
            **suspicious,
        }
        return SpamAnswer(
            model_version=self.model_version,
            is_spam=is_spam,
            score=score,
            signals=[name for name, holds in signals.items() if holds],
        )

    def topics(self, text: str) -> tuple[list[TopicScore], str | None]:
        """Say what a text is about, and which language it is in."""
        found = self.topics_known.of_vector(self.embed([text])[0], limit=MAX_TOPICS)
        return [TopicScore(topic=name, score=score) for name, score in found], language_of(text)

    def entities(self, text: str) -> list[Entity]:
        """Return the people, places, organisations, dates and prices that a text names, in order."""
        found = [
            Entity(kind=kind, text=text[begin:end], begin=begin, end=end)
            for begin, end, kind in self.tasks[ENTITIES].spans(text)
        ]
        for kind, pattern in (("price", _PRICE), ("date", _DATE)):
            found += [
                Entity(kind=kind, text=match[0], begin=match.start(), end=match.end())
                for match in pattern.finditer(text)
            ]
        return sorted(found, key=lambda one: (one.begin, one.end))

    def _probabilities(self, name: str, text: str) -> dict[str, float]:
        task = self.tasks[name]
        return {kind: float(value) for kind, value in zip(task.classes, task.run([text])[0], strict=True)}

    def _highlights(self, text: str, categories: Mapping[str, float]) -> list[Highlight]:
        """Return the words without which the likeliest category is less likely, those first that count for most."""
        worst = max(categories, key=lambda name: categories[name])
        words = list(_WORD.finditer(text))[:_OCCLUDED_WORDS]
        without = [text[: word.start()] + text[word.end() :] for word in words]
        weights = [categories[worst] - one[worst] for one in self.categories(without)]
        found = [
            Highlight(begin=word.start(), end=word.end(), weight=min(1.0, weight))
            for word, weight in zip(words, weights, strict=True)
            if weight >= _LEAST_WEIGHT
        ]
        return sorted(found, key=lambda one: -one.weight)[:MAX_HIGHLIGHTS]
