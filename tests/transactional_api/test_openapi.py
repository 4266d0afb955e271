"""The committed description is the API's, and is complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from transactional_api.openapi import PATH, render

DOCUMENT = json.loads(PATH.read_text(encoding="utf-8"))
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
# They change nothing, so that asking twice needs no key.
NOT_REPEATABLE = {
    "forgotPassword",
    "resetPassword",
    "undoChange",
    "verifyEmail",
    "register",
    "login",
    "refresh",
    "createStreamTicket",
    "createWebSession",
    "exchangeForWebSession",
    "renewWebSession",
    "endWebSession",
    "logout",
    # There is one appeal a decision, whoever asks.
    "appealSuspension",
    # An upload is sent once and read once; a duplicate can be deleted.
    "uploadMedia",
    # Their answer is shown once, and stored nowhere.
    "registerApp",
    "createWebhook",
    "rotateWebhookSecret",
    "authorizeApp",
    "createToken",
    "beginProviderLogin",
    "finishProviderLogin",
    # A claim without an answer fails after a while; the pipelines make each change once.
    "claimModelChange",
    # Doing it twice is doing it once.
    "finishModelChange",
    "storeExperimentReadout",
    "linkProvider",
    "unlinkProvider",
    "deleteApp",
    # As above.
    "beginSecondFactor",
    "confirmSecondFactor",
    "disableSecondFactor",
    # The person who asked has no account any more to ask again with.
    "requestErasure",
    # The platform's own; an entry of the receipt is not added twice.
    "reportErasure",
    "completeExport",
    # These change nothing, so that asking twice needs no key.
    "recommendHome",
    "recommendContent",
    "recommendConnectors",
    "recommendEvents",
    "recommendItems",
    "previewRecommendationPreferences",
    "analyzeSentiment",
    "moderateText",
    "extractTopics",
    "detectSpam",
    "matchUsers",
    "matchConnectors",
    "matchInterests",
    "matchNearby",
    "assignMatches",
    "optimizeImage",
    "createImageThumbnail",
    "detectFaces",
    "classifyImage",
    "createVideoThumbnail",
    "analyzeVideo",
    "moderateVideo",
    "unsubscribe",
}


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
        if media := body.get("content", {}).get("application/json"):
            yield media


def test_the_committed_description_equals_the_generated_one() -> None:
    assert PATH.read_text(encoding="utf-8") == render(), "run `python -m transactional_api.openapi`"


def test_every_operation_has_a_name_of_its_own_a_tag_and_words() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
    assert all(operation["tags"] and operation["description"] for _, _, operation in OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_body_has_an_example_that_its_schema_accepts(method: str, path: str, operation: dict[str, Any]) -> None:
    for media in bodies(operation):
        schema = media["schema"] | {"components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(media["example"])


def test_every_reference_leads_somewhere() -> None:
    names = set(DOCUMENT["components"]["schemas"])
    found = {part.split('"')[0] for part in json.dumps(DOCUMENT).split("#/components/schemas/")[1:]}
    assert found <= names


def test_every_write_takes_an_idempotency_key() -> None:
    without = {
        operation["operationId"]
        for method, _, operation in OPERATIONS
        if method != "GET" and "Idempotency-Key" not in {one["name"] for one in operation.get("parameters", [])}
    }
    assert without == NOT_REPEATABLE


def test_every_operation_that_needs_a_person_says_so() -> None:
    for _, path, operation in OPERATIONS:
        refusals = operation["responses"].get("401", {}).get("content", {}).get("application/problem+json", {})
        assert ("security" in operation) == ("unauthenticated" in refusals.get("examples", {})), path


class TestExamples:
    def test_exist_for_every_body(self) -> None:
        missing = [
            (operation["operationId"], media_type)
            for _, _, operation in OPERATIONS
            for body in (operation.get("requestBody", {}), *operation["responses"].values())
            for media_type, media in body.get("content", {}).items()
            if not {"example", "examples"} & media.keys()
        ]
        assert missing == []

    def test_the_description_has_a_server_and_the_login(self) -> None:
        assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
        assert "POST /users/login" in DOCUMENT["info"]["description"]
