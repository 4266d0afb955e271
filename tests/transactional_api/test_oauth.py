"""Apps of third parties, with Authlib as the app: consent, scopes, proofs, and what a copied code ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from tests.transactional_api.people import API, Person, Town
from tests.transactional_api.test_accounts import PASSWORD, confirmed
from tests.transactional_api.test_second_factor import with_phone
from transactional_api.app import ROUTERS
from transactional_api.core.http.scopes import SCOPES

BACK = "https://calendar.example.org/callback"
AT = f"http://api.test{API}/oauth"


@dataclass(slots=True)
class App:
    """Somebody's app, which Authlib speaks for."""

    client: AsyncOAuth2Client
    town: Town
    verifier: str

    def url(self, *, state: str = "xyz", **changes: Any) -> str:
        url, _ = self.client.create_authorization_url(
            f"{AT}/authorize", state=state, code_verifier=self.verifier, **changes
        )
        return str(url)

    async def answer(self, email: str, *, decision: str = "allow", url: str = "", **more: str) -> httpx.Response:
        """Fill in the page and send it."""
        page = await self.town.http.get(url or self.url())
        assert page.status_code == 200, page.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        form = {**hidden, "email": email, "password": PASSWORD, "decision": decision, **more}
        return await self.town.http.post(f"{AT}/authorize", data=form)

    async def trade(self, answer: httpx.Response, *, verifier: str | None = None) -> dict[str, Any]:
        token = await self.client.fetch_token(
            f"{AT}/token", authorization_response=answer.headers["location"], code_verifier=verifier or self.verifier
        )
        return dict(token)


async def make_app(town: Town, *, scope: str = "posts:read events:read", confidential: bool = True) -> App:
    maker = await town.create_user()
    body = {"name": "Street <Calendar>", "redirect_uris": [BACK], "confidential": confidential}
    made = (await maker.post("/oauth/apps", body)).json()
    client = AsyncOAuth2Client(
        client_id=made["id"],
        client_secret=made["client_secret"],
        token_endpoint_auth_method="client_secret_post" if confidential else "none",
        redirect_uri=BACK,
        scope=scope,
        code_challenge_method="S256",
        transport=httpx2.ASGITransport(town.app),
    )
    return App(client, town, generate_token(48))


def sent_back(answer: httpx.Response) -> dict[str, list[str]]:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(BACK)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def speaks(town: Town, token: dict[str, Any]) -> Person:
    return Person(town.nobody.id, town.http, token["access_token"])


@pytest.mark.parametrize("confidential", [True, False])
async def test_an_app_may_do_what_it_was_let_and_nothing_else(town: Town, confidential: bool) -> None:
    app, session = await make_app(town, confidential=confidential), await confirmed(town)
    answer = await app.answer(session["user"]["email"])
    assert sent_back(answer)["state"] == ["xyz"]
    token = await app.trade(answer)
    assert token["scope"] == "posts:read events:read"
    acting = speaks(town, token)
    assert (await acting.get("/events")).status_code == 200
    for refused in (
        await acting.get("/users/profile"),
        await acting.post("/posts", {"connector_id": str(town.nobody.id), "content": "x"}),
        await acting.get("/chat/conversations"),
        await acting.get("/privacy/consents"),
        await acting.get("/users/sessions"),
        await acting.get("/users/blocks"),
        await acting.get("/media/" + str(town.nobody.id)),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


async def test_scopes_of_chat_media_and_relationships(town: Town, ada: Person) -> None:
    app, session = await make_app(town), await confirmed(town)
    path = f"/users/{ada.id}/follow"
    conversation = {"kind": "direct", "user_id": str(ada.id)}

    async def allowed(scope: str) -> list[int]:
        answer = await app.answer(session["user"]["email"], url=app.url(scope=scope))
        acting = speaks(town, await app.trade(answer))
        answers = [
            await acting.get("/chat/conversations"),
            await acting.post("/chat/conversations", conversation),
            await acting.get(f"/media/{ada.id}"),
            await acting.post("/media/uploads", {"size": 5}),
            await acting.get("/users/blocks"),
            await acting.post(path),
        ]
        return [index for index, answer in enumerate(answers) if answer.status_code != 403]

    names = ("chat", "media", "relationships")
    scopes = [f"{name}:{access}" for name in names for access in ("read", "write")]
    assert [await allowed(scope) for scope in scopes] == [[index] for index in range(6)]


async def test_the_page_shows_what_is_asked_and_runs_nothing(town: Town) -> None:
    app = await make_app(town)
    page = await town.http.get(app.url(state='"><script>alert(1)</script>'))
    assert SCOPES["posts:read"] in page.text
    assert "calendar.example.org" in page.text
    assert "<script" not in page.text
    assert "Street &lt;Calendar&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://calendar.example.org" in policy


async def test_nobody_is_sent_where_the_app_does_not_live(town: Town) -> None:
    app = await make_app(town)
    for host in ("evil.example.org", "%C3%A9.example"):
        elsewhere = app.url().replace("calendar.example.org", host)
        assert (await town.http.get(elsewhere)).status_code == 404
    assert (await town.http.get(re.sub(r"client_id=[^&]+", "client_id=nobody", app.url()))).status_code == 404


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("S256", "plain"), "invalid_request"),
        (("posts%3Aread", "everything"), "invalid_scope"),
        (("response_type=code", "response_type=token"), "unsupported_response_type"),
        (("response_type=code", "response_type=%C3%A9"), "unsupported_response_type"),
    ],
)
async def test_what_an_app_may_not_ask_for_sends_it_back(town: Town, change: tuple[str, str], error: str) -> None:
    app = await make_app(town)
    url = app.url()
    assert change[0] in url
    assert sent_back(await town.http.get(url.replace(*change)))["error"] == [error]


async def test_who_says_no_or_proves_nothing_lets_nobody_in(town: Town) -> None:
    app, session = await make_app(town), await confirmed(town)
    email = session["user"]["email"]
    assert sent_back(await app.answer(email, decision="deny"))["error"] == ["access_denied"]
    wrong = await app.answer(email, password="not this one")
    assert (wrong.status_code, "password is wrong" in wrong.text) == (200, True)
    assert "not this one" not in wrong.text
    odd = await app.answer("nobody")
    assert "Enter an email address" in odd.text


async def test_a_second_factor_is_asked_for_here_too(town: Town) -> None:
    app, phone = await make_app(town), await with_phone(town)
    assert "authenticator" in (await app.answer(phone.email)).text
    assert "code" in sent_back(await app.answer(phone.email, one_time_code=phone.code()))


async def test_a_code_is_good_once_with_its_proof_for_its_app(town: Town) -> None:
    app, other, session = await make_app(town), await make_app(town), await confirmed(town)
    email = session["user"]["email"]
    answer = await app.answer(email)
    with pytest.raises(OAuthError, match="invalid_grant"):
        await other.trade(answer)
    with pytest.raises(OAuthError, match="invalid_grant"):
        await app.trade(answer, verifier=generate_token(48))
    acting = speaks(town, await app.trade(answer))
    assert (await acting.get("/events")).status_code == 200
    with pytest.raises(OAuthError, match="invalid_grant"):
        await app.trade(answer)
    assert (await acting.get("/events")).status_code == 401, "a copied code ends what it brought"


async def test_an_old_code_and_a_wrong_secret_bring_nothing(town: Town) -> None:
    app, session = await make_app(town), await confirmed(town)
    answer = await app.answer(session["user"]["email"])
    await town.write("UPDATE oauth_codes SET expires_at = now() WHERE user_id = :id", id=session["user"]["id"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        await app.trade(answer)
    app.client.client_secret = "wrong"
    with pytest.raises(OAuthError, match="invalid_client"):
        await app.trade(await app.answer(session["user"]["email"]))


async def test_refreshing_keeps_the_scopes_and_is_the_apps_alone(town: Town) -> None:
    app, other, session = await make_app(town), await make_app(town), await confirmed(town)
    token = await app.trade(await app.answer(session["user"]["email"]))
    with pytest.raises(OAuthError, match="invalid_grant"):
        await other.client.refresh_token(f"{AT}/token", refresh_token=token["refresh_token"])
    fresh = dict(await app.client.refresh_token(f"{AT}/token", refresh_token=token["refresh_token"]))
    assert fresh["scope"] == token["scope"]
    assert (await speaks(town, fresh).get("/users/profile")).status_code == 403
    repeated = dict(await app.client.refresh_token(f"{AT}/token", refresh_token=token["refresh_token"]))
    assert repeated["refresh_token"] == fresh["refresh_token"]
    await town.write("UPDATE refresh_tokens SET used_at = used_at - interval '1 hour' WHERE used_at IS NOT NULL")
    with pytest.raises(OAuthError, match="invalid_grant"):
        await app.client.refresh_token(f"{AT}/token", refresh_token=token["refresh_token"])


@pytest.mark.parametrize("confidential", [True, False])
async def test_an_apps_refresh_token_opens_no_session_of_the_person(town: Town, confidential: bool) -> None:
    app, session = await make_app(town, confidential=confidential), await confirmed(town)
    token = await app.trade(await app.answer(session["user"]["email"]))
    bypass = await town.nobody.post("/users/refresh", {"refresh_token": token["refresh_token"]})
    assert (bypass.status_code, bypass.json()["code"]) == (401, "refresh_token_invalid")
    with pytest.raises(OAuthError, match="invalid_grant"):
        await app.client.refresh_token(f"{AT}/token", refresh_token=token["refresh_token"])
    own = await town.nobody.post("/users/refresh", {"refresh_token": session["refresh_token"]})
    assert own.status_code == 200


async def test_an_app_gets_no_home_phone_or_last_login(town: Town) -> None:
    app, session = await make_app(town, scope="users:read"), await confirmed(town)
    own = Person(session["user"]["id"], town.http, session["access_token"])
    names = {"first_name": "Ada", "last_name": "Okafor", "city": "New York"}
    await own.put("/users/profile", names | {"phone": "+1 718 555 0114", "postal_code": "11215"})
    await own.put("/users/profile/home", {"latitude": 40.67, "longitude": -73.97})
    await town.nobody.post("/users/login", {"email": session["user"]["email"], "password": PASSWORD})
    acting = speaks(town, await app.trade(await app.answer(session["user"]["email"])))
    mine, theirs = (await own.get("/users/profile")).json(), (await acting.get("/users/profile")).json()
    differing = {name: value for name, value in mine.items() if theirs[name] != value}
    assert set(differing) == {"home", "phone", "postal_code", "last_login"}
    assert None not in differing.values()
    assert [theirs[name] for name in differing] == [None] * 4


async def test_the_page_of_an_app_with_a_misleading_url_is_refused(town: Town) -> None:
    app = await make_app(town)
    misleading = "https://good.example@evil.example/cb"
    await town.write(
        "UPDATE oauth_apps SET redirect_uris = jsonb_build_array(CAST(:uri AS text)) WHERE id = :id",
        uri=misleading,
        id=app.client.client_id,
    )
    app.client.redirect_uri = misleading
    assert (await town.http.get(app.url())).status_code == 404


async def test_its_person_sees_it_among_their_sessions_and_ends_it(town: Town) -> None:
    app, session = await make_app(town), await confirmed(town)
    own = Person(session["user"]["id"], town.http, session["access_token"])
    acting = speaks(town, await app.trade(await app.answer(session["user"]["email"])))
    [one] = [row for row in (await own.get("/users/sessions")).json()["items"] if row["scopes"]]
    assert (one["user_agent"], one["scopes"]) == ("Street <Calendar>", ["posts:read", "events:read"])
    await own.delete(f"/users/sessions/{one['id']}")
    assert (await acting.get("/events")).status_code == 401


async def test_deleting_an_app_ends_what_it_was_let(town: Town, ada: Person) -> None:
    made = (await ada.post("/oauth/apps", {"name": "Mine", "redirect_uris": [BACK]})).json()
    assert (await (await town.create_user()).delete(f"/oauth/apps/{made['id']}")).status_code == 404
    assert [one["id"] for one in (await ada.get("/oauth/apps")).json()["items"]] == [made["id"]]
    assert (await ada.delete(f"/oauth/apps/{made['id']}")).status_code == 204


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.org/cb",
        "javascript:alert(1)",
        "https:///cb",
        "https://example.org/#here",
        "data:text/html,x",
        "https://good.example@evil.example/cb",
        "https://good.example:x@evil.example/cb",
        "https://evil.example;script-src/cb",
        "https://evil.example,good.example/cb",
        "https://evil.example:99999/cb",
        "https://gооd.example/cb",  # noqa: RUF001 (two letters of another script)
        "org.example.app://x;script-src/cb",
    ],
)
async def test_an_app_lives_at_a_safe_address(ada: Person, uri: str) -> None:
    assert (await ada.post("/oauth/apps", {"name": "Mine", "redirect_uris": [uri]})).status_code == 422


def test_every_scope_is_of_routes_that_there_are() -> None:
    tags = {tag for router in ROUTERS for tag in router.tags}
    assert {scope.partition(":")[0] for scope in SCOPES} <= tags
