"""Registrations of the slices: importing them registers every kind of moderation subject, once."""

from __future__ import annotations

import pytest

from transactional_api import slices
from transactional_api.core.moderation import SUBJECTS, SubjectKind, register


def test_every_kind_of_subject_is_registered() -> None:
    assert slices.REGISTERED
    assert set(SUBJECTS) == set(SubjectKind)


def test_a_second_registration_of_a_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        register(SubjectKind.POST, SUBJECTS[SubjectKind.POST])
