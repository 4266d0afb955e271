"""OpenAPI document: that of FastAPI, with problem details and an example of every body."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from transactional_api.core.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    CsrfTokenError,
    MalformedBodyError,
    OriginNotAllowedError,
    ProblemBody,
    problem_responses,
)

METADATA: dict[str, Any] = {
    "title": "NeighborConnect API",
    "version": "1",
    "summary": "Neighbors, connectors, posts, events and a marketplace, with personal feeds.",
    "description": "Errors are RFC 9457 problems with a stable `code`. Lists page with `next_cursor`. "
    "Writes take an `Idempotency-Key`. Times are UTC.\n\n"
    "**Log in**: `POST /users/login` (or `/users/register`) returns an `access_token`, which requests send as "
    "`Authorization: Bearer …`, and a `refresh_token`. Before it expires, `POST /users/refresh` exchanges "
    "the refresh token for new ones; each is good once. Web pages may use a session by cookie instead "
    "(`POST /users/web-session`, and `X-CSRF-Token` with writes). Third-party apps use OAuth 2.0.\n\n"
    "The version is in the path. Within `/api/v1` nothing is removed and nothing required is added: new fields, "
    "routes and enumeration values may appear, so ignore unknown ones. Breaking changes would be published as "
    "`/api/v2`, in addition to this version.",
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "openapi_tags": [
        {"name": "users", "description": "Registration, login and profiles."},
        {"name": "account", "description": "Email verification, passwords, second factor and sessions."},
        {
            "name": "oauth",
            "description": "Third-party apps: OAuth 2.0, code flow with PKCE. A scope is the tag of a route with "
            "`read` or `write`; apps cannot call routes without a scope.",
        },
        {"name": "relationships", "description": "Follows, blocks and mutes."},
        {"name": "connectors", "description": "Groups, places and causes with their members."},
        {"name": "posts", "description": "Posts, comments, likes and reactions."},
        {"name": "notifications", "description": "Notifications, preferences and push devices."},
        {"name": "events", "description": "Events of connectors, and attendance."},
        {"name": "marketplace", "description": "Items for sale, purchases and reviews of sellers."},
        {"name": "reviews", "description": "Reviews of connectors by their members."},
        {
            "name": "chat",
            "description": "Conversations, live at `/ws/chat/{conversationId}`; protocol in `docs/reference/chat.md`.",
        },
        {"name": "search", "description": "Search over users, connectors, posts, events and items."},
        {"name": "moderation", "description": "Reports, decisions by the platform's moderators, and appeals."},
        {
            "name": "privacy",
            "description": "Consents, data exports and erasure.",
        },
        {"name": "interactions", "description": "Interactions of users with content."},
        {"name": "experiments", "description": "Experiments (A/B tests) and assignments."},
        {"name": "models", "description": "Promotions and rollbacks of models, for the platform's pipelines."},
        {"name": "recommendations", "description": "Personal feeds."},
        {"name": "analysis", "description": "Sentiment, topics, spam and moderation of texts."},
        {"name": "matching", "description": "Matching of users, connectors and interests."},
        {"name": "media", "description": "Uploads of images and videos."},
        {"name": "stories", "description": "Pictures and videos that expire after some hours."},
        {"name": "reels", "description": "Short videos."},
        {"name": "images", "description": "Analysis and processing of pictures."},
        {"name": "videos", "description": "Analysis and processing of videos."},
        {"name": "platform", "description": "Health of this process."},
    ],
}


ETAG = {"description": "Version of the body, for `If-Match` of the next write.", "schema": {"type": "string"}}

# Routes that new developers need first; the others stay in the order of the routers.
_FIRST = ("/users/register", "/users/login", "/users/refresh", "/users/logout", "/users/profile")
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_PLAYLIST = "#EXTM3U\n#EXTINF:6.0,\nhttps://cdn.example.org/3c1f-0.ts?expires=1&signature=ab\n#EXT-X-ENDLIST\n"
_TEXTS = {
    "text/calendar": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Seed swap\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    "text/html": "<!doctype html><title>NeighborConnect</title><main>…</main>",
    "text/event-stream": 'id: 1772526900000-0\nevent: notification\ndata: {"kind": "post.liked"}\n\n',
    "application/vnd.apple.mpegurl": _PLAYLIST,
    "text/plain": _PLAYLIST,
}

# Every route with a body may return these, before its handler runs.
_OF_ANY_BODY = {
    str(status): response
    for status, response in problem_responses(MalformedBodyError, BodyTooSlowError, BodyTooLargeError).items()
}


def install(app: FastAPI) -> None:
    """Make ``app`` return this document as its OpenAPI schema."""

    def describe_once() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = describe_once  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document: FastAPI's, our problem schema, and an example on every JSON body."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=app.license_info,
    )
    schemas = document["components"]["schemas"]
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own error schemas, which no response uses.
        schemas.pop(name, None)
    document["components"]["responses"] = _OF_ANY_BODY
    document["servers"] = [{"url": "/", "description": "The API that serves this description."}]
    paths = document["paths"]
    document["paths"] = {path: paths[path] for path in sorted(paths, key=lambda path: not path.endswith(_FIRST))}
    for operations in paths.values():
        for method, operation in operations.items():
            if "requestBody" in operation:
                for status in _OF_ANY_BODY:
                    operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{status}"})
            _declare_etag(operation)
            if method != "get" and "security" in operation:
                _declare_csrf(operation)
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                _add_text_examples(body.get("content", {}), schemas=schemas)
                if (media := body.get("content", {}).get("application/json")) and "schema" in media:
                    media["example"] = example(media["schema"], schemas=schemas)
    return document


def _add_text_examples(content: dict[str, Any], *, schemas: dict[str, Any]) -> None:
    """Add examples to forms, pages, calendars, playlists and streams, which are not JSON."""
    for media_type, media in content.items():
        if media_type in _TEXTS:
            media.setdefault("example", _TEXTS[media_type])
        elif media_type in _FORMS:
            fields = schemas[media["schema"]["$ref"].rpartition("/")[2]]["properties"]
            media["example"] = {name: _form_example(field) for name, field in fields.items()}


def _form_example(field: dict[str, Any]) -> Any:
    """Return the example of a field of a form; a file has its name, and an optional field may be empty."""
    if "contentMediaType" in field or field.get("format") == "binary":
        return "picture.jpg"
    return field["examples"][0] if "examples" in field else field.get("default", "")


def _declare_etag(operation: dict[str, Any]) -> None:
    """Add the ``ETag`` header to the success of a write that takes ``If-Match`` and returns what it wrote."""
    if any(parameter["name"] == "if-match" for parameter in operation.get("parameters", ())):
        for status, response in operation["responses"].items():
            if status.startswith("2") and "content" in response:
                response["headers"] = {"ETag": ETAG}


def _declare_csrf(operation: dict[str, Any]) -> None:
    """Add the errors of a cookie session to a write: a page of another origin, and a missing CSRF token."""
    for status, response in problem_responses(CsrfTokenError, OriginNotAllowedError).items():
        declared = operation["responses"].setdefault(str(status), response)
        for media_type, media in response["content"].items():
            declared["content"][media_type]["examples"] |= media["examples"]


def example(schema: dict[str, Any], *, schemas: dict[str, Any]) -> Any:
    """Return an example of ``schema``, composed of the examples of its fields."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas=schemas)
    if alternatives := schema.get("oneOf") or schema.get("anyOf"):
        return example(alternatives[0], schemas=schemas)
    if "properties" in schema:
        return {name: example(field, schemas=schemas) for name, field in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example(schema["items"], schemas=schemas)]
    raise ValueError(f"{schema} has no example; give its field one")
