"""Previews of links in posts and messages: public pages, fetched once, without cookies, within limits."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from neighborconnect.settings import LinkPreviews
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from transactional_api.community.link_previews.jobs import MAX_PAGE_BYTES
from transactional_api.community.link_previews.pages import PageSummary, summarize
from transactional_api.core.media.link_previews import first_link, hash_of

PAGE = b"""<!doctype html><html><head><title>Old title</title>
<meta property="og:title" content="Seed swap &amp; more"><meta name="description" content=" Bring
seeds. "><meta property="og:site_name" content="Dean Street"><meta property="og:image" content="http://10.0.0.1/a.png">
</head><body><meta name="og:description" content="Not of the head"></body></html>"""
HTML = "text/html; charset=utf-8"


class Site:
    """A site with a page, other kinds of responses, and a record of the requests."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.cookies: list[bytes] = []
        self.is_down = False

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.requests[scope["path"]] += 1
        self.cookies += [value for name, value in scope["headers"] if name == b"cookie"]
        status, headers, body = 503 if self.is_down else 200, [(b"content-type", HTML.encode())], PAGE
        match scope["path"]:
            case "/to":
                status, body = 302, b""
                headers += [(b"location", scope["query_string"]), (b"set-cookie", b"seen=1")]
            case "/file":
                headers = [(b"content-type", b"application/pdf")]
            case "/missing":
                status = 404
            case "/large":
                body = b" " * MAX_PAGE_BYTES + PAGE
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, str]]:
    site = Site()
    async with serving(site) as url:
        yield site, url


@asynccontextmanager
async def fetching(town: Town, previews: LinkPreviews, *, in_messages: bool = False) -> AsyncIterator[None]:
    """Run jobs and requests with another setting."""
    state = town.app.state
    context, media = state.context, state.media
    settings = context.settings.model_copy(update={"link_previews": previews})
    state.context = replace(context, settings=settings)
    state.media = state.psycopg_pool.info["neighborconnect.media"] = replace(
        media, link_previews=previews is not LinkPreviews.OFF, previews_in_messages=in_messages
    )
    try:
        yield
    finally:
        state.context = context
        state.media = state.psycopg_pool.info["neighborconnect.media"] = media


async def preview_of(town: Town, person: Person, link: str) -> dict[str, Any] | None:
    post = await person.make_post(await person.make_connector(), content=f"Look: {link}")
    await town.run_jobs()
    preview: dict[str, Any] | None = (await person.get(f"/posts/{post['id']}")).json()["link_preview"]
    return preview


class TestPreviews:
    async def test_of_posts_and_messages(self, town: Town, ada: Person, ben: Person, site: tuple[Site, str]) -> None:
        link = f"{site[1]}/page?{uuid4()}"
        expected = {
            "url": link, "title": "Seed swap & more", "description": "Bring seeds.", "site_name": "Dean Street",
        }  # fmt: skip
        async with fetching(town, LinkPreviews.LOCAL, in_messages=True):
            assert await preview_of(town, ada, link) == expected
            talk = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})).json()
            path, other = f"/chat/conversations/{talk['id']}", f"{site[1]}/other?{uuid4()}"
            said = (await ada.post(f"{path}/messages", {"content": f"See {other}."})).json()
            assert said["link_preview"] is None
            await town.run_jobs()
            (listed,) = (await ben.get(f"{path}/messages")).json()["items"]
            assert listed["link_preview"] == expected | {"url": other}
            await ada.put(f"{path}/messages/{said['id']}", {"content": f"I mean {link}"})
            *_, edited = (await ben.get(f"{path}/events")).json()["items"]
            assert edited["message"]["link_preview"] == expected
        assert site[0].requests["/page"] == 1, "one fetch for all texts with the link"

    async def test_of_messages_need_a_setting(
        self, town: Town, ada: Person, ben: Person, site: tuple[Site, str]
    ) -> None:
        async with fetching(town, LinkPreviews.LOCAL):
            talk = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})).json()
            path = f"/chat/conversations/{talk['id']}/messages"
            said = (await ada.post(path, {"content": f"See {site[1]}/page?{uuid4()}"})).json()
            await ada.put(f"{path}/{said['id']}", {"content": f"See {site[1]}/other?{uuid4()}"})
            await town.run_jobs()
        assert not site[0].requests

    async def test_can_be_switched_off(self, town: Town, ada: Person, site: tuple[Site, str]) -> None:
        link = f"{site[1]}/page?{uuid4()}"
        async with fetching(town, LinkPreviews.LOCAL):
            assert await preview_of(town, ada, link)
        async with fetching(town, LinkPreviews.OFF):
            assert await preview_of(town, ada, link) is None
            assert await preview_of(town, ada, f"{site[1]}/page?{uuid4()}") is None
        assert site[0].requests["/page"] == 1

    @pytest.mark.parametrize("path", ["file", "missing", "large"])
    async def test_of_other_responses_are_left_out(
        self, town: Town, ada: Person, site: tuple[Site, str], path: str
    ) -> None:
        link = f"{site[1]}/{path}?{uuid4()}"
        async with fetching(town, LinkPreviews.LOCAL):
            assert await preview_of(town, ada, link) is None
            assert await preview_of(town, ada, link) is None
        assert site[0].requests[f"/{path}"] == 1, "failures are cached, too"

    async def test_outlive_a_failure_of_the_site(self, town: Town, ada: Person, site: tuple[Site, str]) -> None:
        link = f"{site[1]}/page?{uuid4()}"
        async with fetching(town, LinkPreviews.LOCAL):
            before = await preview_of(town, ada, link)
            async with town.app.state.context.transaction() as session:
                expire = text("UPDATE link_previews SET fetched_at = now() - interval '2 days' WHERE url_hash = :key")
                await session.execute(expire, {"key": hash_of(link)})
            site[0].is_down = True
            assert await preview_of(town, ada, link) == before is not None
        assert site[0].requests["/page"] == 2


class TestJobs:
    async def test_name_the_author_for_an_erasure(self, town: Town, ada: Person, site: tuple[Site, str]) -> None:
        async with fetching(town, LinkPreviews.LOCAL):
            await ada.make_post(await ada.make_connector(), content=f"Look: {site[1]}/page?{uuid4()}")
            async with town.app.state.context.transaction() as session:
                queued = await session.scalars(
                    text("SELECT args->>'user_id' FROM procrastinate_jobs WHERE task_name = 'link_previews.fetch'")
                )
                assert str(ada.id) in queued.all()
            await town.run_jobs()


class TestAddresses:
    async def test_of_this_machine_need_a_setting(self, town: Town, ada: Person, site: tuple[Site, str]) -> None:
        async with fetching(town, LinkPreviews.PUBLIC):
            assert await preview_of(town, ada, f"{site[1]}/page?{uuid4()}") is None
        assert not site[0].requests

    async def test_after_redirects_are_checked(self, town: Town, ada: Person, site: tuple[Site, str]) -> None:
        async with fetching(town, LinkPreviews.LOCAL):
            for target in ("http://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd"):
                assert await preview_of(town, ada, f"{site[1]}/to?{target}") is None
            assert await preview_of(town, ada, f"{site[1]}/to?/to?/to?/to?/page") is None, "too many redirects"
            followed = await preview_of(town, ada, f"{site[1]}/to?/page")
        assert followed is not None
        assert followed["url"] == f"{site[1]}/to?/page"
        assert site[0].cookies == []

    async def test_of_names_are_checked(
        self, town: Town, ada: Person, site: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve, asked = socket.getaddrinfo, Counter[str]()

        def answer(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
            """Answer for names of sites: one with an address inside, one that changes to it after the check."""
            if not str(host).endswith(".example"):
                return resolve(host, port, *rest, **named)
            asked[host] += 1
            address = "10.0.0.1" if host == "inside.example" or asked[host] > 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        async with fetching(town, LinkPreviews.LOCAL):
            for name, is_fetched in (("inside.example", False), ("rebinding.example", True)):
                link = f"{site[1].replace('127.0.0.1', name)}/page?{uuid4()}"
                assert (await preview_of(town, ada, link) is not None) == is_fetched
        assert asked["rebinding.example"] == 1


class TestLinks:
    @pytest.mark.parametrize(
        ("content", "link"),
        [
            ("No link here, nor www.example.org", None),
            ("(see https://example.org/a_(b).)", "https://example.org/a_(b)"),
            ("HTTPS://Example.org/x, and http://other.example", "HTTPS://Example.org/x"),
            ('<a href="https://example.org/y">', "https://example.org/y"),
            ("ftp://example.org javascript:alert(1)", None),
            (f"https://example.org/{'x' * 2_000}", None),
            ("https://...", None),
            (f"https://example.org/a_(b){')' * 9_000}.", "https://example.org/a_(b)"),
            (f"https://example.org/((a){')!' * 3}", "https://example.org/((a))"),
        ],
    )
    def test_are_found_in_texts(self, content: str, link: str | None) -> None:
        assert first_link(content) == link

    def test_have_keys_without_the_address(self) -> None:
        assert "example" not in hash_of("https://example.org/secret")


class TestPages:
    def test_have_a_title_of_visible_characters(self) -> None:
        page = "<title>\u202eevil\x00 \u200b caf\u00e9</title>".encode("latin-1", "ignore")
        assert summarize(page, "text/html; charset=iso-8859-1") == PageSummary("evil caf\u00e9", None, None)

    def test_have_limits(self) -> None:
        title = summarize(f"<title>{'word ' * 1_000}</title>".encode(), HTML).title
        assert title is not None
        assert (len(title), title[-1]) == (200, "…")

    @pytest.mark.parametrize("name", ["hex", "no-such", "utf-8", "idna", "undefined"])
    def test_may_name_a_charset_that_does_not_exist(self, name: str) -> None:
        page = f'<meta charset="{name}"><title>Grüße</title>'.encode()
        assert summarize(page, "text/html").title == "Grüße"
        assert summarize(page, f"text/html; charset={name}").title == "Grüße"

    @pytest.mark.parametrize("charset", ["charset*=utf-8''a%00b", "charset*=x''%ff", "charset=\x00", "charset=\u00fc"])
    def test_may_come_with_a_charset_that_is_no_name(self, charset: str) -> None:
        assert summarize("<title>Grüße</title>".encode(), f"text/html; {charset}").title == "Grüße"

    @pytest.mark.parametrize("declaration", ["<![foo[x]]>", "<![x", "<!DOCTYPE [<!x"])
    def test_with_a_strange_declaration_have_a_summary(self, declaration: str) -> None:
        page = f"<title>Seeds</title>{declaration}".encode()
        assert summarize(page, HTML) == PageSummary("Seeds", None, None)

    @pytest.mark.parametrize("page", [b"", b"\xff\xfe\x00", b"<title>", b"<meta property", b"<!--" * 50_000])
    def test_without_a_title_have_no_summary(self, page: bytes) -> None:
        assert summarize(page, HTML) == PageSummary(None, None, None)
