"""Every string, number and time that any operation takes, with values that break what trusts them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.people import Person, Town
from transactional_api.openapi import PATH

API = json.loads(PATH.read_text(encoding="utf-8"))
SCHEMAS = API["components"]["schemas"]
METHODS = ("get", "post", "put", "patch", "delete")
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"

LONE = "a\ud800b"
NUL = "a\x00b"
UNSTORABLE = (LONE, NUL)
"""Strings that no store can hold: refused wherever they are."""
INVISIBLE = (
    "\u200b\u2060",
    "\u2800",
    "\u3164\uffa0",
    "\u115f\u1160",
    "\u0301\u0308",
    "\U000e0041\U000e0042",
    "\ufe0f\ufe0e",
    "\u00ad\u034f\u180e",
    " \u200b \u3000",
)
ODD = ("\u202eabc", "\u2066abc", "x" * 50_000, "\U0010ffff\ufffe", "-1", "''--", "%00%", "\u0130\u00df\ufdfa" * 20)
NUMBERS = (-1, 0, 10**30, -(10**30), 2**63, 2**31, 1e308, -0.0, 1e-320)
TIMES = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"),
    *("9999-12-31T23:59:59-14:00", "1582-10-10T00:00:00Z", "2026-02-29T00:00:00Z", "2026-03-29T02:30:00+23:59"),
)


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def variants(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas that a value may have instead of each other."""
    schema = resolve(schema)
    nested = [one for key in ("anyOf", "oneOf") for one in schema.get(key, ())]
    if nested:
        for one in nested:
            yield from variants(one)
    else:
        yield schema


def example(schema: dict[str, Any]) -> Any:
    """Return a value that fits a schema, out of its examples where it has any."""
    outer = resolve(schema)
    inner = next(iter(variants(outer)))
    for one in (outer, inner):
        if one.get("examples"):
            return copy.deepcopy(one["examples"][0])
        if "default" in one:
            return one["default"]
    if inner.get("type") == "object":
        required = inner.get("required", ())
        return {name: example(field) for name, field in inner.get("properties", {}).items() if name in required}
    if inner.get("type") == "array":
        return [example(inner["items"])] if inner.get("minItems") else []
    return scalar(inner)


def scalar(schema: dict[str, Any]) -> Any:
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if schema.get("format") == "uuid":
        return str(uuid4())
    plain = {"string": "x" * schema.get("minLength", 3), "integer": schema.get("minimum", 1), "boolean": False}
    return plain.get(schema.get("type", ""))


def leaves(
    schema: dict[str, Any], at: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Yield the path and schema of every string and number in a body."""
    for one in variants(schema):
        match one.get("type"):
            case "object":
                for name, field in one.get("properties", {}).items():
                    yield from leaves(field, (*at, name))
            case "array":
                yield from leaves(one["items"], (*at, 0))
            case "string" | "integer" | "number":
                yield at, one


def put(body: Any, at: tuple[str | int, ...], value: object, schema: dict[str, Any]) -> Any:
    """Return a copy of a body with another value in one place, which is made where it is missing."""
    if not at:
        return value
    here, *rest = at
    outer = next((one for one in variants(schema) if one.get("type") in {"object", "array"}), {})
    if isinstance(here, int):
        inner = outer.get("items", {})
        old = body[0] if isinstance(body, list) and body else example(inner)
        return [put(old, tuple(rest), value, inner)]
    holder: dict[str, Any] = next(
        (one for one in variants(schema) if here in one.get("properties", {})), {"properties": {here: {}}}
    )
    whole = dict(body) if isinstance(body, dict) and set(body) <= set(holder["properties"]) else example(holder)
    inner = holder["properties"][here]
    whole[here] = put(whole.get(here, example(inner)), tuple(rest), value, inner)
    return whole


Field = tuple[tuple[str | int, ...], dict[str, Any]]


class Operation:
    """One operation of the description, and how to send it."""

    def __init__(self, method: str, path: str, operation: dict[str, Any]) -> None:
        self.method, self.path, self.id = method.upper(), path, operation["operationId"]
        self.parameters = [resolve(one) for one in operation.get("parameters", ())]
        content = resolve(operation.get("requestBody", {})).get("content", {})
        self.media = next((media for media in (JSON, FORM, MULTIPART) if media in content), None)
        self.schema: dict[str, Any] = content[self.media]["schema"] if self.media else {}

    def fields(self, *types: str) -> Iterator[Field]:
        seen = set()
        for at, schema in leaves(self.schema) if self.media else ():
            if schema["type"] in types and schema.get("format") != "binary" and at not in seen:
                seen.add(at)
                yield at, schema

    def named(self, place: str, *types: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for one in self.parameters:
            if one["in"] == place:
                found = [schema for schema in variants(one["schema"]) if schema.get("type") in (*types, "array")]
                if found:
                    yield one["name"], found[0]

    async def send(
        self,
        person: Person,
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        path: dict[str, str] | None = None,
    ) -> Any:
        """Send it with examples for all that is not given."""
        values = {one["name"]: example(one["schema"]) or str(uuid4()) for one in self.parameters if one["in"] == "path"}
        at = self.path.removeprefix("/api/v1")
        for name, value in (values | (path or {})).items():
            at = at.replace("{" + name + "}", str(value))
        needed = {
            one["name"]: example(one["schema"])
            for one in self.parameters
            if one["in"] == "query" and one.get("required")
        }
        request: dict[str, Any] = {"params": needed | (query or {})}
        if self.media == JSON:
            content = json.dumps(example(self.schema) if body is None else body)
            request |= {"content": content.encode(), "headers": {"Content-Type": JSON}}
        elif self.media:
            form = example(self.schema) if body is None else body
            fields = {name: value for name, value in form.items() if value is not None}
            if self.media == MULTIPART:
                fields.pop("file", None)
                request["files"] = {"file": ("\u202efile\x00\ud800".encode("utf-8", "replace").decode(), b"x")}
                request["data"] = {name: str(value) for name, value in fields.items()}
            else:
                request["content"] = "&".join(f"{name}={quoted(value)}" for name, value in fields.items()).encode()
                request["headers"] = {"Content-Type": FORM}
        return await person.request(self.method, at, **request)


def quoted(value: object) -> str:
    """Write a form value, half a pair as the bytes that a careless client would send."""
    return "".join(f"%{byte:02X}" for byte in str(value).encode("utf-8", "surrogatepass"))


PATH_TEXTS = ("%ED%A0%80", "a%00b", "%E2%80%8B", "%FF%FE", "%2F..%2F", "9" * 40, "%E2%80%AEabc", "a" * 3_000)
OPERATIONS = [
    Operation(method, path, operation)
    for path, item in API["paths"].items()
    for method, operation in item.items()
    if method in METHODS and operation["operationId"] != "streamNotifications"
]
BODIES = [one for one in OPERATIONS if any(one.fields("string", "integer", "number"))]


def named(operation: Operation) -> str:
    return str(operation.id)


def some(values: Sequence[str], number: int) -> list[str]:
    return [values[(number + step) % len(values)] for step in range(3)]


def query_values(schema: dict[str, Any], number: int) -> list[str]:
    """Return all values that may break what parses a parameter of this kind, and some of the others."""
    numbers, timed = list(map(str, NUMBERS)), schema.get("format") == "date-time"
    free = schema.get("type") in {"string", "array"} and not timed and schema.get("format") != "uuid"
    return [
        NUL,
        *(some(INVISIBLE, number) if free else INVISIBLE[:1]),
        *(some(ODD, number) if free else ODD[:1]),
        *(numbers if schema.get("type") in {"integer", "number"} else some(numbers, number)),
        *(TIMES if timed else some(TIMES, number)),
    ]


def takes_nothing_invisible(schema: dict[str, Any]) -> bool:
    if schema.get("format") == "password":  # One that is compared is wrong, whatever it shows.
        return False
    return schema.get("minLength", 0) >= 1 or "pattern" in schema or "format" in schema or "enum" in schema


@pytest.mark.parametrize("operation", BODIES, ids=named)
async def test_no_string_of_a_body_breaks_a_route(town: Town, operation: Operation) -> None:
    person = await town.create_user()
    whole = example(operation.schema)
    wrong = []
    for number, (at, schema) in enumerate(operation.fields("string")):
        timed = schema.get("format") in {"date-time", "time", "date"}
        # Each field has some of them, and each of them comes to many fields.
        invisible, odd = (some(values, len(operation.id) + number) for values in (INVISIBLE, ODD))
        for value in (*UNSTORABLE, *invisible, *odd, *(TIMES if timed else ())):
            answer = await operation.send(person, body=put(whole, at, value, operation.schema))
            if answer.status_code == 429:
                person = await town.create_user()
                answer = await operation.send(person, body=put(whole, at, value, operation.schema))
            refused = (value in UNSTORABLE and operation.media == JSON) or (
                value in INVISIBLE and takes_nothing_invisible(schema)
            )
            # A route forbidden to people without a role refuses before the body is read.
            fits = {400, 401, 403, 422, 429} if refused else set(range(200, 500))
            if answer.status_code not in fits:
                wrong.append((at, ascii(value)[:40], answer.status_code, answer.text[:100]))
    assert wrong == []


@pytest.mark.parametrize("operation", [one for one in BODIES if any(one.fields("integer", "number"))], ids=named)
async def test_no_number_of_a_body_breaks_a_route(town: Town, operation: Operation) -> None:
    person = await town.create_user()
    whole = example(operation.schema)
    wrong = []
    for at, _ in operation.fields("integer", "number"):
        for value in NUMBERS:
            answer = await operation.send(person, body=put(whole, at, value, operation.schema))
            if answer.status_code >= 500:
                wrong.append((at, value, answer.status_code, answer.text[:100]))
    assert wrong == []


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.parameters], ids=named)
async def test_no_parameter_breaks_a_route(town: Town, operation: Operation) -> None:
    person = await town.create_user()
    wrong = []
    for number, (name, schema) in enumerate(operation.named("query", "string", "integer", "number", "boolean")):
        for value in query_values(schema, len(operation.id) + number):
            answer = await operation.send(person, query={name: value})
            if answer.status_code >= 500:
                wrong.append((name, ascii(value)[:40], answer.status_code, answer.text[:100]))
    for number, (name, schema) in enumerate(operation.named("path", "string", "integer")):
        # Ids are parsed in one way everywhere, so that each has some of the texts.
        is_id = schema.get("format") == "uuid"
        for value in some(PATH_TEXTS, len(operation.id) + number) if is_id else PATH_TEXTS:
            answer = await operation.send(person, path={name: value})
            if answer.status_code >= 500:
                wrong.append((name, value[:40], answer.status_code, answer.text[:100]))
    assert wrong == []


@pytest.mark.parametrize("value", [b"a\x00b", b"\xff\xfe", "a\u202eb\u200b".encode(), b"9" * 8_000, b'W/"', b""])
@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "If-Match", "Idempotency-Key", "X-Device-Token", "X-Platform-Token", "X-Request-Id"),
        *("User-Agent", "traceparent", "X-Forwarded-For", "Last-Event-ID", "Content-Type", "Range", "Accept-Language"),
    ],
)
async def test_no_header_breaks_a_route(town: Town, ada: Person, name: str, value: bytes) -> None:
    for header in (value, b"Bearer " + value) if name == "Authorization" else (value,):
        login = {"email": "nobody@example.org", "password": "a long pass phrase"}
        for method, path, body in (
            ("GET", "/users/profile", None),
            ("PUT", "/users/profile", {"first_name": "Ada", "last_name": "Okafor"}),
            ("POST", "/users/login", login),
            ("POST", "/users/register", login | {"username": f"a{uuid4().hex[:20]}"}),
            ("POST", "/posts", {"connector_id": str(uuid4()), "content": "Hello."}),
        ):
            answer = await ada.request(method, path, json=body, headers={name: header})
            assert answer.status_code < 500, (method, path, answer.text)
