"""A like by the route of the API, followed through real processes to its feature by the spans that they store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import orjson
import pytest

from local_stack.service_catalog import SERVERS
from local_stack.stack import Stack
from local_stack.supervisor_client import request_services, stop, wait_until_up
from neighborconnect.settings import Settings
from neighborconnect.tracing.stored_traces import StoredSpan
from tests.e2e.people import API, Neighbour
from tests.tracing.stored_spans import children, only, wait_for_spans

SERVICES = ("api", "relay", "ingest-lake", "ingest-warehouse", "stream-features")
LIKE = "POST /posts/{post_id}/like"
TOPIC = "neighborconnect.public.post_likes"


@pytest.fixture(scope="module")
def folder(servers: Stack, settings: Settings, folder_exit: ExitStack) -> Iterator[Path]:
    """Folder of the spans of the API, the relay, the ingest and the stream, which run as processes."""
    folder_exit.callback(lambda: stop(servers, SERVICES))
    request_services(servers, [*SERVERS, *SERVICES])
    wait_until_up(servers, [*SERVERS, *SERVICES])
    assert settings.traces_folder is not None
    yield settings.traces_folder
    folder_exit.close()


class Liker(Neighbour):
    """Likes a post of their own, in a trace that their browser began."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.api_url)
        connector = self.post("/connectors", {"name": "Allotment", "category": "gardening"})["id"]
        self.liked = self.post("/posts", {"connector_id": connector, "content": "Tomatoes"})["id"]
        self.trace_id, self.span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
        self.post(
            f"/posts/{self.liked}/like",
            headers={"traceparent": f"00-{self.trace_id}-{self.span_id}-01"},
        )


@pytest.fixture(scope="module")
def liker(settings: Settings, folder: Path) -> Liker:
    return Liker(settings)


@pytest.fixture(scope="module")
def spans(folder: Path, liker: Liker) -> list[StoredSpan]:
    """The spans of the like, once each process has stored the last of its own."""
    last = {("relay", f"publish {TOPIC}"), *((f"ingest-{sink}", f"process {TOPIC}") for sink in ("lake", "warehouse"))}
    last |= {("api", LIKE), ("stream-features", f"process {TOPIC}")}
    return wait_for_spans(folder, liker.trace_id, last=last)


def test_like_is_one_trace_from_request_to_feature(spans: list[StoredSpan], liker: Liker) -> None:
    request = only(spans, "api", LIKE)
    assert (request.parent_id, request.kind, request.is_error) == (liker.span_id, "server", False)
    statements = [span for span in children(spans, request) if span.attributes.get("db.system.name") == "postgresql"]
    assert {"INSERT", "SELECT"} <= {span.name for span in statements}
    assert any("INSERT INTO post_likes" in span.attributes["db.query.text"] for span in statements)

    published = only(spans, "relay", f"publish {TOPIC}")
    assert (published.parent_id, published.kind) == (request.span_id, "producer")
    received = {span.service: span for span in children(spans, published)}
    assert set(received) == {"ingest-lake", "ingest-warehouse", "stream-features"}
    assert {span.kind for span in received.values()} == {"consumer"}
    assert [span.name for span in children(spans, received["ingest-lake"])] == ["write lake"]

    (push,) = children(spans, received["stream-features"])
    assert (push.name, push.attributes["neighborconnect.feature_view"]) == (
        "push features",
        "user_recent_activity_push",
    )
    writes = children(spans, push)
    assert any("HSET" in span.attributes["db.query.text"] for span in writes)


def test_spans_of_a_like_have_no_personal_data(spans: list[StoredSpan], liker: Liker) -> None:
    request = only(spans, "api", LIKE)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/posts/{post_id}/like",
        "http.response.status_code": 200,
    }
    exported = orjson.dumps([(span.name, dict(span.attributes)) for span in spans]).decode()
    assert not [part for part in (liker.id, liker.liked, "example.org", "Tomatoes", "Ada") if part in exported]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET"])
def test_methods_without_a_body_are_traced_and_answered(
    method: str, settings: Settings, folder: Path, liker: Liker
) -> None:
    trace_id = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{liker.span_id}-01"}
    response = httpx.request(method, f"{settings.api_url}{API}/posts/{liker.liked}?q=ada", headers=headers)
    assert response.status_code in {401, 405, 422}, response.text
    (span,) = wait_for_spans(folder, trace_id, last={("api", f"{method} /posts/{{post_id}}")})
    assert span.attributes["http.response.status_code"] == response.status_code
    assert liker.liked not in str(span)


def test_files_of_spans_are_for_their_owner_only(folder: Path, spans: list[StoredSpan]) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
