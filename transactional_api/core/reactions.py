"""Kinds of reactions to posts and messages."""

from __future__ import annotations

from enum import StrEnum


class ReactionKind(StrEnum):
    """Kind of a reaction."""

    LOVE = "love"
    HELPFUL = "helpful"
    FUNNY = "funny"
    CARE = "care"
    CELEBRATE = "celebrate"
