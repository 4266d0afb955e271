"""Analysis of texts by the tasks of one registered version."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from models.content.encoder import ENCODER, WINDOW_TOKENS, FloatArray, windows
from models.content.identity_terms import PLURAL, SINGULAR, with_common_terms
from models.content.languages import language_of
from models.content.normalization import lexicon, normalize
from models.content.policy import Policy, read_policy
from models.content.predictor import Task
from models.content.topics import Taxonomy, taxonomy
from neighborconnect.contracts.content import (
    Entity,
    Highlight,
    ModerationResponse,
    SentimentLabel,
    SentimentResponse,
    SpamResponse,
    TopicScore,
    Verdict,
)
from neighborconnect.text_cues import (
    has_words,
    insults_reader,
    is_untargeted_profanity,
    threatens,
    without_phone_numbers,
)

MANIFEST = "manifest.json"
EMBED, SENTIMENT, MODERATION, SPAM, ENTITIES = "embed", "sentiment", "moderation", "spam", "entities"
TASKS = (SENTIMENT, MODERATION, SPAM, ENTITIES)
# Vectors are comparable within one name.
ENCODER_VERSION = f"{ENCODER}-int8"
MAX_TOPICS = 5
MAX_HIGHLIGHTS = 5
# Number of words that are occluded in turn to find those that caused the verdict.
_OCCLUDED_WORDS = WINDOW_TOKENS
_MIN_WEIGHT = 0.05
_MIN_PROBABILITY, _MAX_PROBABILITY = 1e-4, 1 - 1e-4
# Categories that the lexical cues correct; versions before the labels of 2026 have the last one.
_CUED = ("toxicity", "insult", "offensive")
_INSULTS = frozenset({"slurs", "insults"})
_PEOPLE_WORDS = _INSULTS | {"groups"}
# Least share of the evidence of a listed word in a flagged text.
_LISTED_WEIGHT = 0.2
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
_LETTERS = re.compile(r"[^\W\d_]+")
_MANY_LINKS = 3


@dataclass(frozen=True)
class TextAnalyzer:
    """Tasks of one version; thread-safe."""

    tasks: Mapping[str, Task]
    taxonomy: Taxonomy
    policy: Policy
    model_version: str
    has_common_terms: bool = False
    """Whether the moderation task was trained on texts as of ``identity_terms``."""

    @classmethod
    def load(cls, files: Mapping[str, bytes], *, model_version: str) -> TextAnalyzer:
        """Open the files of a version: the ONNX graphs of all tasks, and the manifest."""
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
            has_common_terms=manifest.get("common_terms", False),
        )

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return (n, 384) unit vectors."""
        return self.tasks[EMBED].run(texts)

    def sentiment(self, text: str) -> SentimentResponse:
        """Return the sentiment of a text."""
        probabilities = self._probabilities(SENTIMENT, text)
        score = probabilities["positive"] - probabilities["negative"]
        polarity = SentimentLabel.POSITIVE if score > 0 else SentimentLabel.NEGATIVE
        label = SentimentLabel.NEUTRAL if abs(score) < self.policy.neutral_below else polarity
        return SentimentResponse(model_version=self.model_version, label=label, score=score)

    def categories(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each category of the policy for each text, corrected by lexical cues.

        A normalized text that exceeds the encoder's window is scored in parts. The model is not run on texts without
        words.
        """
        return [corrected for _, corrected in self._scores(texts)]

    def _scores(self, texts: Sequence[str]) -> list[tuple[dict[str, float], dict[str, float]]]:
        """Return the probabilities of the model for each text, and those corrected by lexical cues."""
        task = self.tasks[MODERATION]
        columns = [(column, name) for column, name in enumerate(task.classes) if name in self.policy.labels]
        pieces = [
            (row, reading[begin:end])
            for row, reading in enumerate(map(self._reading, texts))
            if has_words(reading)
            for begin, end in windows(reading)
        ]
        nothing = {name: 0.0 for _, name in columns}
        scores = [(nothing, nothing)] * len(texts)
        probabilities = task.run([piece for _, piece in pieces]) if pieces else ()
        for (row, piece), values in zip(pieces, probabilities, strict=True):
            found = {name: float(values[column]) for column, name in columns}
            corrected = self._with_cues(piece, found)
            model, cued = scores[row]
            scores[row] = _maxima(model, found), _maxima(cued, corrected)
        return scores

    def _reading(self, text: str) -> str:
        normalized = normalize(text)
        return with_common_terms(normalized) if self.has_common_terms else normalized

    def _with_cues(self, text: str, scores: dict[str, float]) -> dict[str, float]:
        """Correct the scores of the classifier by what a rule knows for certain.

        | condition | action |
        |---|---|
        | profanity without people, groups or slurs | toxicity and insult are at most half their review thresholds |
        | second-person insult, threat | toxicity is at least its review threshold |
        """
        limits = {name: self.policy.categories[name] for name in _CUED if name in scores}
        if not limits:
            return scores
        if insults_reader(text) or threatens(text):
            name = next(name for name in limits if name != "insult")
            return scores | {name: max(scores[name], limits[name].review)}
        if is_untargeted_profanity(text) and not _names_people(text):
            return scores | {name: min(scores[name], limits[name].review / 2) for name in limits}
        return scores

    def moderate(self, text: str) -> ModerationResponse:
        """Return the verdict of a text, with the words that caused it unless the verdict is ``allow``.

        A text longer than the encoder's window is scored in overlapping parts; each category has its highest score.
        """
        parts = windows(text)
        scores = self.categories([text[begin:end] for begin, end in parts])
        categories = {name: max(score[name] for score in scores) for name in scores[0]}
        verdict = self.policy.verdict(categories)
        highlights: list[Highlight] = []
        if verdict is not Verdict.ALLOW:
            (begin, end), worst = max(zip(parts, scores, strict=True), key=lambda part: max(part[1].values()))
            highlights = [
                highlight.model_copy(update={"begin": begin + highlight.begin, "end": begin + highlight.end})
                for highlight in self._highlights(text[begin:end], worst)
            ]
        return ModerationResponse(
            model_version=self.model_version,
            verdict=verdict,
            categories=categories,
            highlights=highlights,
            offers_help=self.policy.offers_help(categories),
        )

    def spam(self, text: str, *, texts_last_hour: int | None = None, account_days: float | None = None) -> SpamResponse:
        """Return the spam probability of a text, and whether it exceeds the threshold.

        | condition | threshold of ``policy.toml`` |
        |---|---|
        | account younger than ``new_account_days`` | ``suspicious_threshold`` |
        | ``burst_threshold_per_hour`` texts or more in the last hour | ``suspicious_threshold`` |
        | otherwise | ``threshold`` |

        Args:
            text: the text.
            texts_last_hour: number of texts by the author in the last hour; None when unknown.
            account_days: age of the author's account in days; None when unknown.
        """
        limits, score = self.policy.spam, self._spam_score(text)
        suspicious = {
            "new_account": account_days is not None and account_days < limits.new_account_days,
            "posting_burst": texts_last_hour is not None and texts_last_hour >= limits.burst_threshold_per_hour,
        }
        is_spam = score >= (limits.suspicious_threshold if any(suspicious.values()) else limits.threshold)
        signals = {
            "words": is_spam,
            "many_links": len(_LINK.findall(text)) >= _MANY_LINKS,
            "phone_number": _PHONE.search(text) is not None,
            **suspicious,
        }
        return SpamResponse(
            model_version=self.model_version,
            is_spam=is_spam,
            score=score,
            signals=[name for name, holds in signals.items() if holds],
        )

    def _spam_score(self, text: str) -> float:
        """Return the highest score of any part; a phone number alone does not make a text spam."""
        text = normalize(text)
        if not has_words(text):
            return 0.0
        task = self.tasks[SPAM]
        return min(
            float(task.run([words[begin:end] for begin, end in windows(words)])[:, task.classes.index("spam")].max())
            for words in (text, without_phone_numbers(text))
            if words is not None
        )

    def topics(self, text: str) -> tuple[list[TopicScore], str | None]:
        """Return the topics of a text, and its language."""
        nearest = self.taxonomy.of_vector(self.embed([text])[0], limit=MAX_TOPICS)
        return [TopicScore(topic=name, score=score) for name, score in nearest], language_of(text)

    def entities(self, text: str) -> list[Entity]:
        """Return the people, places, organizations, dates and prices that a text names, in order."""
        results = [
            Entity(kind=kind, text=text[begin:end], begin=begin, end=end)
            for begin, end, kind in self.tasks[ENTITIES].spans(text)
        ]
        for kind, pattern in (("price", _PRICE), ("date", _DATE)):
            results += [
                Entity(kind=kind, text=match[0], begin=match.start(), end=match.end())
                for match in pattern.finditer(text)
            ]
        return sorted(results, key=lambda entity: (entity.begin, entity.end))

    def _probabilities(self, name: str, text: str) -> dict[str, float]:
        task = self.tasks[name]
        return {kind: float(value) for kind, value in zip(task.classes, task.run([text])[0], strict=True)}

    def _highlights(self, text: str, categories: Mapping[str, float]) -> list[Highlight]:
        """Return the words whose occlusion lowers the most probable category, by descending weight.

        Log-odds are compared, since one of two insults hardly lowers a probability near 1. Where a cue decided, and
        holds without any single word, the probabilities of the model are compared. Slurs and insults of the lexicon are
        always among the words: each of two may be enough for the verdict.

        Occlusion: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
        """
        worst = max(self.policy.categories.keys() & categories.keys(), key=lambda name: categories[name])
        words = list(_WORD.finditer(text))[:_OCCLUDED_WORDS]
        scores = self._scores([text, *(text[: word.start()] + text[word.end() :] for word in words)])
        drops = [0.0]
        for found in ([each[1][worst] for each in scores], [each[0][worst] for each in scores]):
            drops = [max(0.0, _log_odds(found[0]) - _log_odds(value)) for value in found[1:]]
            if any(drops):
                break
        total = sum(drops) or 1.0
        drops = [
            max(drop, _LISTED_WEIGHT * total) if _is_listed(word[0]) else drop
            for word, drop in zip(words, drops, strict=True)
        ]
        results = [
            Highlight(begin=word.start(), end=word.end(), weight=min(1.0, drop / total))
            for word, drop in zip(words, drops, strict=True)
            if drop >= _MIN_WEIGHT * total
        ]
        return sorted(results, key=lambda highlight: -highlight.weight)[:MAX_HIGHLIGHTS]


def _maxima(left: Mapping[str, float], right: Mapping[str, float]) -> dict[str, float]:
    return {name: max(value, right[name]) for name, value in left.items()}


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _MIN_PROBABILITY), _MAX_PROBABILITY)
    return log(bounded / (1 - bounded))


def _is_listed(word: str) -> bool:
    """Return whether a word is a slur or an insult of the lexicon, however it is spelled."""
    return any(lexicon().get(part) in _INSULTS for part in _LETTERS.findall(normalize(word).lower()))


def _names_people(text: str) -> bool:
    """Return whether a text has a name of a group, a slur or an insult."""
    words = set(_LETTERS.findall(text.lower()))
    return not words.isdisjoint({PLURAL, SINGULAR}) or any(lexicon().get(word) in _PEOPLE_WORDS for word in words)
