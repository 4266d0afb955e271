"""Texts of field errors: in plain words, for the type that the field has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIXES = ("Value error, ", "Assertion failed, ")
_TEXTS = {
    "missing": "This field is required",
    "extra_forbidden": "There is no such field",
    "string_type": "This must be text",
    "list_type": "This must be a list",
    "dict_type": "This must be an object",
    "model_type": "This must be an object",
    "model_attributes_type": "This must be an object",
    "bool_type": "This must be true or false",
    "bool_parsing": "This must be true or false",
    "int_type": "This must be a whole number",
    "int_parsing": "This must be a whole number",
    "int_parsing_size": "This number is too large",
    "int_from_float": "This must be a whole number",
    "float_type": "This must be a number",
    "float_parsing": "This must be a number",
    "finite_number": "This must be a finite number",
    "uuid_type": "This must be a UUID",
    "uuid_parsing": "This must be a UUID",
    "timezone_aware": "A time must have a time zone, as in 2026-03-03T08:00:00Z",
}


def text_of(error: Mapping[str, Any]) -> str:
    """Return the text for an error as Pydantic reports it."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in {"too_short", "string_too_short"}:
        return _length(error, least=int(context["min_length"]))
    if kind in {"too_long", "string_too_long"}:
        return _length(error, most=int(context["max_length"]))
    if kind in _TEXTS:
        return _TEXTS[kind]
    text = str(error["msg"])
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text.replace("Input should be", "This must be")


def _length(error: Mapping[str, Any], *, least: int | None = None, most: int | None = None) -> str:
    """Return what is wrong with a length: text has characters, a list has items."""
    is_text = str(error["type"]).startswith("string") or isinstance(error.get("input"), str)
    if least == 1:
        return "This must not be empty"
    count = least if least is not None else most
    noun = ("character" if is_text else "item") + ("" if count == 1 else "s")
    return f"This must have at {'least' if least is not None else 'most'} {count} {noun}"
