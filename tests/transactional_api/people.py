"""People of the tests, and what they do over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, text

from neighborconnect.settings import get_settings
from transactional_api.core.db.tables import Block, ConnectorMember, JoinRequest, User, UserSession
from transactional_api.core.jobs.worker import run_due
from transactional_api.core.security.tokens import Bearer, issue_access_token
from transactional_api.intelligence.recommendations import request_ids

API = "/api/v1"


def feed_id(person: Person) -> str:
    """Return the id of a feed that a person was given."""
    return str(request_ids.issue(person.id, settings=get_settings()))


def somewhere() -> dict[str, float]:
    """Return a point that no other test is near: rows of earlier tests stay."""
    spot = uuid4()
    return {"latitude": spot.time_low % 120_000 / 1_000 - 60, "longitude": spot.node % 340_000 / 1_000 - 170}


@dataclass(frozen=True, slots=True)
class Person:
    """A neighbour and the client that speaks for them; an empty token is nobody's."""

    id: UUID
    http: httpx.AsyncClient
    token: str
    session_id: UUID | None = None

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **options.pop("headers", {})}
        return await self.http.request(method, API + path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.request("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: Any = None) -> httpx.Response:
        return await self.request("PUT", path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.request("DELETE", path)

    async def make_connector(self, **body: Any) -> dict[str, Any]:
        answer = await self.post("/connectors", {"name": "Dean Street Gardeners", "category": "gardening", **body})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def upload(self, data: bytes) -> httpx.Response:
        return await self.request("POST", "/media/upload", files={"file": ("holiday.jpg", data)})

    async def make_post(self, connector: dict[str, Any], **body: Any) -> dict[str, Any]:
        answer = await self.post(
            "/posts", {"connector_id": connector["id"], "content": "The seedlings are ready.", **body}
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@dataclass(frozen=True, slots=True)
class Town:
    """Where people come from: rows made directly, so that no test waits for Argon2."""

    app: FastAPI
    http: httpx.AsyncClient

    async def create_user(self, **columns: Any) -> Person:
        user_id = uuid4()
        values = {
            "id": user_id,
            "email_hash": f"{user_id}@example.org",
            "username": user_id.hex,
            "password_hash": "!",
            "first_name": "Ada",
            "last_name": "Okafor",
            "verified": True,
            # Popularity does not count new accounts.
            "created_at": datetime.now(UTC) - timedelta(days=60),
            **columns,
        }
        async with self.app.state.engine.begin() as connection:
            await connection.execute(insert(User).values(values))
            opened = insert(UserSession).values(user_id=user_id, expires_at=datetime.now(UTC) + timedelta(days=1))
            session_id = (await connection.execute(opened.returning(UserSession.id))).scalar_one()
        bearer = Bearer(user_id, session_id)
        return Person(user_id, self.http, issue_access_token(bearer, settings=self.app.state.settings), session_id)

    @property
    def nobody(self) -> Person:
        return Person(uuid4(), self.http, "")

    def at(self, address: str, **headers: str) -> Person:
        """Return nobody in particular, at another address; the client has nothing to close."""
        transport = httpx.ASGITransport(self.app, client=(address, 40_000))
        return Person(uuid4(), httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers), "")

    async def add_member(self, person: Person, connector: dict[str, Any], *, role: str = "member") -> None:
        async with self.app.state.engine.begin() as connection:
            await connection.execute(
                insert(ConnectorMember).values(connector_id=UUID(connector["id"]), user_id=person.id, role=role)
            )

    async def ask_to_join(self, person: Person, connector: dict[str, Any]) -> None:
        async with self.app.state.engine.begin() as connection:
            await connection.execute(insert(JoinRequest).values(connector_id=UUID(connector["id"]), user_id=person.id))

    async def run_jobs(self) -> None:
        """Run what is queued, as the worker would."""
        await run_due(self.app.state.context)

    async def keep_upload(self, person: Person, data: bytes) -> dict[str, Any]:
        """Upload a file and process it."""
        answer = await person.upload(data)
        assert answer.status_code == 201, answer.text
        await self.run_jobs()
        return dict((await person.get(f"/media/{answer.json()['id']}")).json())

    async def block(self, blocker: Person, blocked: Person) -> None:
        async with self.app.state.engine.begin() as connection:
            await connection.execute(insert(Block).values(blocker_id=blocker.id, blocked_id=blocked.id))

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.app.state.engine.connect() as connection:
            return list((await connection.execute(text(statement), values)).all())

    async def write(self, statement: str, **values: Any) -> None:
        """Change rows past the API, as time or an operator would."""
        async with self.app.state.engine.begin() as connection:
            await connection.execute(text(statement), values)
