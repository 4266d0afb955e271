"""People who use a whole running platform through its API."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

import httpx

API = "/api/v1"
FEED_LIMIT = 20
RELOAD_SECONDS = 60.0
UPLOAD_SECONDS = 300.0


class Login(httpx.Auth):
    """Logs in when a request is refused: a test may come long after its fixtures, when the token has expired."""

    requires_response_body = True

    def __init__(self, url: str, credentials: dict[str, str]) -> None:
        self._login = httpx.Request("POST", f"{url}/users/login", json=credentials)
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is not None:
            request.headers["authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return
        answer = yield self._login
        answer.raise_for_status()
        self._token = answer.json()["access_token"]
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


class Neighbour:
    """A person with a browser."""

    def __init__(self, url: str, *, interests: list[str] | None = None) -> None:
        self._http = httpx.Client(base_url=url + API, timeout=30.0)
        name = f"e2e{uuid.uuid4().hex[:12]}"
        credentials = {"email": f"{name}@example.org", "password": "a long pass phrase"}
        person = {"username": name, "first_name": "Ada", "last_name": "Okafor", "interests": interests or []}
        self.id = self.post("/users/register", credentials | person)["user"]["id"]
        self._http.auth = Login(url + API, credentials)

    def get(self, path: str, **parameters: Any) -> Any:
        return self._http.get(path, params=parameters).raise_for_status().json()

    def post(self, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        answer = self._http.post(path, json=body, headers=headers).raise_for_status()
        return answer.json() if answer.content else None

    def upload(self, data: bytes, *, until: Callable[[Any], bool]) -> Any:
        answer = self._http.post("/media/upload", files={"file": ("file", data)}).raise_for_status()
        return self.wait(answer.json()["id"], until=until)

    def wait(self, media_id: str, *, until: Callable[[Any], bool]) -> Any:
        deadline = time.monotonic() + UPLOAD_SECONDS
        while not until(upload := self.get(f"/media/{media_id}")):
            assert time.monotonic() < deadline, upload
            time.sleep(0.2)
        return upload

    def ask_the_model(self, path: str, body: Any) -> Any:
        """Ask until the model answers: on a busy machine one answer may come too late, but not every one."""
        deadline = time.monotonic() + RELOAD_SECONDS
        while (answer := self.post(path, body))["source"] != "model":
            assert time.monotonic() < deadline, answer
            time.sleep(1.0)
        return answer

    def feed(self) -> Any:
        return self.post("/recommendations/content", {"limit": FEED_LIMIT})

    def posts_about(self, category: str, *, most: int) -> list[str]:
        connectors = self.get("/connectors", category=category, limit=20)["items"]
        posts = [
            post["id"]
            for connector in connectors
            for post in self.get(f"/posts/connector/{connector['id']}", limit=5)["items"]
        ]
        assert posts, f"the town has no posts about {category}"
        return posts[:most]

    def categories_of(self, feed: Any) -> Counter[str]:
        ids = {item["post"]["connector_id"] for item in feed["items"]}
        category = {connector: self.get(f"/connectors/{connector}")["category"] for connector in ids}
        return Counter(category[item["post"]["connector_id"]] for item in feed["items"])
