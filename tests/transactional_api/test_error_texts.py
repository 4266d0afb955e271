"""Texts of field errors name what the field's type has: characters of a text, items of a list."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BeforeValidator, Field, StrictInt, TypeAdapter, ValidationError

from transactional_api.core.error_texts import text_of
from transactional_api.core.text import Line, Moment, RequestBody


class Body(RequestBody):
    """Fields of the kinds that bodies have."""

    name: Line = ""
    number: int = 1


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Annotated[Line, Field(min_length=1)], "", "This must not be empty"),
        (Annotated[Line, Field(min_length=1)], "  ", "This must not be empty"),
        (Annotated[str, Field(min_length=1)], "", "This must not be empty"),
        (Annotated[list[int], Field(min_length=1)], [], "This must not be empty"),
        (Annotated[Line, Field(min_length=3)], "a", "This must have at least 3 characters"),
        (Annotated[Line, Field(max_length=1)], "ab", "This must have at most 1 character"),
        (Annotated[str, BeforeValidator(str.strip), Field(max_length=2)], "abc", "This must have at most 2 characters"),
        (Annotated[list[int], Field(min_length=2)], [1], "This must have at least 2 items"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "This must have at most 1 item"),
        (StrictInt, "1", "This must be a whole number"),
        (int, "x", "This must be a whole number"),
        (Annotated[int, Field(ge=1)], 0, "This must be greater than or equal to 1"),
        (UUID, "x", "This must be a UUID"),
        (bool, "x", "This must be true or false"),
        (Body, [], "This must be an object"),
        (Body, {"other": 1}, "There is no such field"),
        (Moment, "2026-03-01T00:00:00", "A time must have a time zone, as in 2026-03-03T08:00:00Z"),
        (Moment, 5, "A time must be written with its date, as in 2026-03-03T08:00:00Z"),
    ],
)
def test_texts(kind: Any, value: Any, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert text_of(caught.value.errors()[0]) == text
