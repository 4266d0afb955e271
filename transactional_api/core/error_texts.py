"""Texts of field errors: in plain words, for the type that the field has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neighborconnect.localization import DEFAULT_LANGUAGE, Language, load_texts

texts = load_texts("transactional_api.core", "errors.toml")
"""Translations of titles and details of problems and of errors of fields, by the English text of the code."""
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


def text_of(error: Mapping[str, Any], *, language: Language = DEFAULT_LANGUAGE) -> str:
    """Return the text for an error as Pydantic reports it, translated where the catalog has it."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in {"too_short", "string_too_short"}:
        return _length(error, "least", int(context["min_length"]), language=language)
    if kind in {"too_long", "string_too_long"}:
        return _length(error, "most", int(context["max_length"]), language=language)
    text = _TEXTS.get(kind, str(error["msg"]))
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return texts.translate(text.replace("Input should be", "This must be"), language)


def _length(error: Mapping[str, Any], limit: str, count: int, *, language: Language) -> str:
    """Return what is wrong with a length: text has characters, a list has items."""
    if limit == "least" and count == 1:
        return texts.translate("This must not be empty", language)
    is_text = str(error["type"]).startswith("string") or isinstance(error.get("input"), str)
    return texts.render(f"length.{limit}_{'characters' if is_text else 'items'}", language, count=count)
