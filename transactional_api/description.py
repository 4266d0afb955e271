"""The API's own description: what FastAPI writes, our problems, and an example on every body."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from transactional_api.errors import BodyTooLargeError, BodyTooSlowError, MalformedBodyError, ProblemBody, declare

METADATA: dict[str, Any] = {
    "title": "NeighborConnect API",
    "version": "1",
    "summary": "Neighbours, the connectors they meet in, what they post, and a personal feed of it.",
    "description": "Errors are RFC 9457 problems with a stable `code`. Lists page with `next_cursor`. "
    "Writes take an `Idempotency-Key`. Times are UTC.\n\n"
    "The version is in the path. Within `/api/v1` nothing is taken away and nothing required is added: fields, "
    "routes and values of enumerations may come, so ignore what you do not know. What would break a client would come "
    "as `/api/v2`, beside this one.",
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "openapi_tags": [
        {"name": "users", "description": "Registering, logging in, profiles and search."},
        {"name": "account", "description": "Proofs of the mailbox, passwords, second factor and open sessions."},
        {
            "name": "oauth",
            "description": "Apps of third parties: OAuth 2.0, code flow with PKCE. A scope is the tag of a route with "
            "`read` or `write`; what none is offered for, no app reaches.",
        },
        {"name": "ties", "description": "Whom you follow, block and mute; no app reaches it."},
        {"name": "connectors", "description": "The groups, places and causes that neighbours meet in."},
        {"name": "posts", "description": "Posts, their likes and comments."},
        {"name": "notifications", "description": "What others did that concerns you, and how you want to hear of it."},
        {"name": "events", "description": "What connectors hold, and who comes."},
        {"name": "marketplace", "description": "What neighbours sell each other, and how they find the seller."},
        {"name": "reviews", "description": "What members think of their connectors."},
        {
            "name": "chat",
            "description": "Conversations between neighbours. Live at `/ws/chat/{conversationId}`; see `docs/chat.md`.",
        },
        {"name": "search", "description": "One search over people, connectors, posts, events and items."},
        {"name": "moderation", "description": "Reports, decisions by the platform's moderators, and appeals."},
        {
            "name": "privacy",
            "description": "What you allow, your copy of what is known of you, and being forgotten.",
        },
        {"name": "interactions", "description": "What people do with what they are shown."},
        {"name": "experiments", "description": "What is tried out on part of the people."},
        {"name": "recommendations", "description": "Personal feeds."},
        {"name": "analysis", "description": "What a text says, and whether it should be shown."},
        {"name": "matching", "description": "Who and what fits you."},
        {"name": "media", "description": "Uploads of images and videos."},
        {"name": "stories", "description": "Pictures and videos that are there for some hours."},
        {"name": "reels", "description": "Short videos."},
        {"name": "images", "description": "What is seen in your pictures."},
        {"name": "videos", "description": "What is seen in your videos."},
        {"name": "platform", "description": "Health of this process."},
    ],
}


# What a newcomer looks for; the rest stays as the routes are.
_FIRST = ("/users/register", "/users/login", "/users/refresh", "/users/logout", "/users/profile")

# Before a route is asked, its body is read: that is one thing for all of them.
_OF_ANY_BODY = {
    str(status): answer for status, answer in declare(MalformedBodyError, BodyTooSlowError, BodyTooLargeError).items()
}


def install(app: FastAPI) -> None:
    """Make ``app`` describe itself with examples."""

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
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape, which no answer has.
        schemas.pop(name, None)
    document["components"]["responses"] = _OF_ANY_BODY
    paths = document["paths"]
    document["paths"] = {path: paths[path] for path in sorted(paths, key=lambda path: not path.endswith(_FIRST))}
    for operations in paths.values():
        for operation in operations.values():
            if "requestBody" in operation:
                for status in _OF_ANY_BODY:
                    operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{status}"})
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                if (media := body.get("content", {}).get("application/json")) and "schema" in media:
                    media["example"] = example(media["schema"], schemas=schemas)
    return document


def example(schema: dict[str, Any], *, schemas: dict[str, Any]) -> Any:
    """Build an example of ``schema`` out of the examples of its fields."""
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
