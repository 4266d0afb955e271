"""Request bodies are parsed as the OpenAPI document describes them, and in no other way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from transactional_api.app import ROUTERS
from transactional_api.community.search.schemas import SearchQuery
from transactional_api.core.geography import Point
from transactional_api.core.text import RequestBody

# By kind of field what is not of it, though Python or Pydantic would make it so.
NOT_OF_IT: dict[str, list[object]] = {
    "integer": [True, False, "3", 2.0],
    "number": [True, False, "nan"],
    "boolean": [0, 1, "true", "yes"],
    "date-time": [0, 3.5, True, "0", "1767225600"],
    "time": [0, 3.5, True, "0", "25200"],
}


def bodies(base: type[BaseModel] = RequestBody) -> Iterator[type[BaseModel]]:
    for body in base.__subclasses__():
        yield body
        yield from bodies(body)


def kinds(schema: dict[str, Any]) -> set[str]:
    alternatives = [schema, *schema.get("anyOf", [])]
    return {one.get("format", one.get("type")) for one in alternatives} & set(NOT_OF_IT)


BODIES: list[type[BaseModel]] = [*bodies(), Point]
FIELDS = [
    (body, name, value)
    # Words of a query are text, whatever they mean.
    for body in BODIES
    if body is not SearchQuery and not body.__module__.startswith("tests.")
    for name, schema in body.model_json_schema()["properties"].items()
    for kind in kinds(schema)
    for value in NOT_OF_IT[kind]
]


@pytest.mark.parametrize(("body", "name", "value"), FIELDS, ids=lambda of: getattr(of, "__name__", repr(of)))
def test_what_is_not_of_a_kind_is_not_made_so(body: type[BaseModel], name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        body.model_validate({name: value})
    assert name in {str(error["loc"][0]) for error in refused.value.errors() if error["loc"]}


def test_there_are_fields_of_every_kind() -> None:
    found = {kind for body, name, _ in FIELDS for kind in kinds(body.model_json_schema()["properties"][name])}
    assert found == set(NOT_OF_IT)


def test_every_json_body_is_one_of_them() -> None:
    fields = [
        route.body_field.field_info
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and route.body_field is not None
    ]
    json = [field.annotation for field in fields if not isinstance(field, Form)]
    assert len(json) > 50
    # A body that may be left out is a union with None.
    models = {model for kind in json for model in get_args(kind) or (kind,)} - {type(None)}
    assert models <= {*BODIES}
