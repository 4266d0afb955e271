"""Functional test suite of moderation: templates and lexicons by function, as in CheckList and HateCheck.

Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020; Röttger et al.,
"HateCheck: Functional Tests for Hate Speech Detection Models", ACL 2021. Templates and lexicons are our own.

The training part augments the training data. The test part has other templates and other words, and trains nothing.
"""

from models.content.functional.suite import PARTS, Case, Part, build_cases

__all__ = ["PARTS", "Case", "Part", "build_cases"]
