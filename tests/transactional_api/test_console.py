"""The console over HTTP: who may open what, cookies and forms, and a flow through each screen."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from tests.transactional_api.console_browser import FIELD, HOSTILE, Browser, actions_of, browser, text_of
from tests.transactional_api.people import Person, Town
from transactional_api.console.app import ROUTERS
from transactional_api.console.pages import NAVIGATION
from transactional_api.console.sessions import DEVICE_COOKIE, LOGIN_COOKIE, SESSION_COOKIE
from transactional_api.core.security import passwords

OPEN_PATHS = {"/console", "/console/login", "/console/static/{name}"}
PASSWORD = "a long pass phrase"


async def give_password(town: Town, person: Person) -> str:
    hashed = await passwords.hash_password(PASSWORD)
    await town.write("UPDATE users SET password_hash = :hashed WHERE id = :id", hashed=hashed, id=person.id)
    return f"{person.id}@example.org"


async def report(town: Town, owner: Person, reporter: Person, garden: dict[str, Any], content: str) -> str:
    post = await owner.make_post(garden, content=content)
    body = {"subject_kind": "post", "subject_id": post["id"], "reason": "spam", "details": HOSTILE}
    assert (await reporter.post("/moderation/reports", body)).status_code == 201
    [(case_id,)] = await town.rows("SELECT id FROM moderation_cases WHERE subject_id = :id", id=post["id"])
    return str(case_id)


def paths_of_routes() -> list[tuple[str, str]]:
    """Every route that needs a session, with ids that nothing has."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    filled = [(method, re.sub(r"{(job|message)_id}", "1", route.path)) for route in routes for method in route.methods]
    return [(method, re.sub(r"{\w+}", str(uuid4()), path)[8:]) for method, path in filled if path not in OPEN_PATHS]


async def test_each_role_opens_its_own_pages(town: Town, ada: Person, mod: Person) -> None:
    admin = await town.create_user(role="admin")
    for method, path in paths_of_routes():
        got = {}
        for person in (town.nobody, ada, mod, admin):
            own = browser(person)
            csrf = await own.token() if person in (mod, admin) and method == "POST" and path != "/logout" else ""
            got[person.id] = await (own.get(path) if method == "GET" else own.send(path, csrf=csrf))
        nobody, neighbor, moderator, operator = got.values()
        assert (nobody.status_code, neighbor.status_code) == (303, 403), path
        assert nobody.headers["location"].startswith("/console/login?next=%2Fconsole")
        admins_only = any(entry.admins_only and path.startswith(entry.path[8:]) for entry in NAVIGATION)
        is_refused = "Only admins of the platform" in moderator.text
        assert (is_refused, moderator.status_code == 403) == (admins_only, admins_only or path == "/logout"), path
        assert operator.status_code in {200, 303, 404, 422} or path == "/logout", path
        assert all(one.headers["content-type"].startswith("text/html") for one in (neighbor, moderator) if one.text)


async def test_the_navigation_leads_to_pages_of_the_role(town: Town, mod: Person) -> None:
    for person in (mod, await town.create_user(role="admin")):
        page = await browser(person).get("/moderation")
        links = set(re.findall(r'<li><a href="/console(/\w+)"', page.text))
        for entry in NAVIGATION:
            path = entry.path.removeprefix("/console")
            assert (path in links) == ((await browser(person).get(path)).status_code == 200)


async def test_a_login_opens_a_session_that_a_logout_ends(town: Town, mod: Person) -> None:
    email = await give_password(town, mod)
    login = await browser(town.nobody).get("/login", next="/console/moderation/appeals")
    nonce = login.cookies[LOGIN_COOKIE]
    csrf = FIELD.search(login.text)
    assert csrf is not None
    form = {"email": email, "next": "/console/moderation/appeals", "csrf": csrf[1]}
    at_login = Browser(town.http, {LOGIN_COOKIE: nonce})
    wrong = await at_login.send("/login", password="not the pass phrase", **form)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    opened = await at_login.send("/login", password=PASSWORD, **form)
    assert (opened.status_code, opened.headers["location"]) == (303, "/console/moderation/appeals")
    for cookie in opened.headers.get_list("set-cookie"):
        assert {"HttpOnly", "Path=/console", "SameSite=strict", "Secure"} <= set(cookie.split("; ")) or '=""' in cookie
    inside = Browser(town.http, {name: opened.cookies[name] for name in (SESSION_COOKIE, DEVICE_COOKIE)})
    assert (await inside.get("/moderation")).status_code == 200
    left = await inside.send("/logout", csrf=await inside.token())
    assert left.headers["location"] == "/console/login"
    assert (await inside.get("/moderation")).status_code == 303
    assert await actions_of(town, mod) == ["POST /console/login", "POST /console/logout"]


async def test_a_neighbor_cannot_log_in_to_the_console(town: Town, ada: Person) -> None:
    email = await give_password(town, ada)
    login = await browser(town.nobody).get("/login")
    csrf = FIELD.search(login.text)
    assert csrf is not None
    at_login = Browser(town.http, {LOGIN_COOKIE: login.cookies[LOGIN_COOKIE]})
    refused = await at_login.send("/login", email=email, password=PASSWORD, csrf=csrf[1])
    assert (refused.status_code, SESSION_COOKIE in refused.cookies) == (403, False)
    [(count,)] = await town.rows("SELECT count(*) FROM user_sessions WHERE user_id = :id", id=ada.id)
    assert count == 1


async def test_a_console_session_ends_after_twelve_hours(town: Town, mod: Person) -> None:
    await town.write("UPDATE user_sessions SET created_at = now() - interval '13 hours' WHERE user_id = :id", id=mod.id)
    assert (await browser(mod).get("/moderation")).status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/console\\evil", "/consoles", "/"])
async def test_a_login_leads_to_pages_of_the_console_only(town: Town, target: str) -> None:
    page = await browser(town.nobody).get("/login", next=target)
    assert 'name="next" value=""' in page.text


async def test_forms_of_other_sites_and_sessions_are_refused(town: Town, mod: Person) -> None:
    other = await town.create_user(role="moderator")
    own, foreign = await browser(mod).token(), await browser(other).token()
    tries: list[dict[str, Any]] = [
        {},
        {"csrf": foreign},
        {"csrf": own, "headers": {"Sec-Fetch-Site": "cross-site"}},
        {"csrf": own, "headers": {"Sec-Fetch-Site": "same-site"}},
    ]
    for given in tries:
        answer = await browser(mod).send("/logout", **given)
        assert (answer.status_code, "cross_site_request" in answer.text) == (403, True)
    assert (await browser(mod).get("/moderation")).status_code == 200


async def test_scripts_of_other_origins_read_no_page(mod: Person) -> None:
    script, link = {"Sec-Fetch-Mode": "cors"}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    tries = [
        ({"Origin": "http://localhost:5173"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site", **script}, 403),
        ({"Sec-Fetch-Site": "same-origin", **script}, 200),
        ({"Sec-Fetch-Site": "same-site", **link}, 200),
    ]
    for headers, status in tries:
        cookie = {"Cookie": f"{SESSION_COOKIE}={mod.token}"}
        answer = await mod.http.get("/console/moderation", headers=cookie | headers)
        assert answer.status_code == status, headers


async def test_pages_allow_no_inline_code_and_no_frame(town: Town, mod: Person) -> None:
    page = await browser(mod).get("/moderation")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
    for link in re.findall(r'(?:src|href)="/console(/static/[^"]+)"', page.text):
        file = await browser(town.nobody).get(link)
        assert (file.status_code, "immutable" in file.headers["cache-control"]) == (200, True)


async def test_a_case_is_assigned_and_decided_by_forms(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    case = await report(town, ada, ben, garden, f"Buy cheap pills {HOSTILE}")
    await town.write(
        "UPDATE moderation_cases SET triage = CAST(:triage AS jsonb) WHERE id = :id",
        id=case,
        triage='{"verdict": "review", "source": "model", "model_version": "7", "categories": {"insult": 0.7}, '
        '"highlights": [{"begin": 4, "end": 15, "weight": 0.4}, {"begin": 9000, "end": 9004, "weight": 0.1}]}',
    )
    page = await browser(mod).get(f"/moderation/cases/{case}")
    assert HOSTILE not in page.text
    assert text_of(page).count(HOSTILE) == 2
    assert ">cheap pills</mark>" in page.text
    csrf = await browser(mod).token()
    assert (await browser(mod).send(f"/moderation/cases/{case}/assignee", csrf=csrf)).status_code == 303
    mine = await browser(mod).get("/moderation", mine=True)
    assert (case in mine.text, HOSTILE in mine.text) == (True, False)
    form = {"csrf": csrf, "outcome": "hide", "rule": "No spam", "period": "7"}
    wrong = await browser(mod).send(f"/moderation/cases/{case}/decision", **form | {"label": "Spam"})
    assert (wrong.status_code, 'value="No spam"' in wrong.text) == (422, True)
    assert (await browser(mod).send(f"/moderation/cases/{case}/decision", **form)).status_code == 303
    again = await browser(mod).send(f"/moderation/cases/{case}/decision", **form)
    assert (again.status_code, "already decided" in again.text) == (409, True)
    [row] = await town.rows(
        "SELECT outcome, until - created_at AS held FROM moderation_decisions WHERE case_id = :id", id=case
    )
    assert (row.outcome, row.held.days) in {("hide", 6), ("hide", 7)}
    assert "hide" in (await browser(mod).get(f"/moderation/cases/{case}")).text
    assert await actions_of(town, mod) == [
        "POST /console/moderation/cases/{case_id}/assignee",
        "POST /console/moderation/cases/{case_id}/decision",
    ]


async def test_an_appeal_is_decided_by_a_second_moderator(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    case = await report(town, ada, ben, garden, "Leeks for sale")
    decided = await mod.post(f"/moderation/cases/{case}/decision", {"outcome": "remove", "rule": "No sales"})
    appeal = await ada.post(f"/moderation/decisions/{decided.json()['id']}/appeal", {"statement": f"Why? {HOSTILE}"})
    other = browser(await town.create_user(role="moderator"))
    path = f"/moderation/appeals/{appeal.json()['id']}/decision"
    assert path not in (await browser(mod).get("/moderation/appeals", limit=100)).text
    listed = await other.get("/moderation/appeals", limit=100)
    assert (path in listed.text, "Leeks for sale" in listed.text, HOSTILE in listed.text) == (True, True, False)
    own = await browser(mod).send(path, csrf=await browser(mod).token(), verdict="overturn")
    assert (own.status_code, "same_moderator" in own.text) == (403, True)
    assert (await other.send(path, csrf=await other.token(), verdict="overturn")).status_code == 303
    [row] = await town.rows("SELECT state FROM moderation_appeals WHERE id = :id", id=appeal.json()["id"])
    assert row.state == "overturned"
    assert "Reversed by the second reviewer" in (await other.get("/moderation/statistics", days=7)).text


async def test_unknown_pages_and_parameters_are_pages_too(mod: Person) -> None:
    for path, status in (
        ("/nothing", 404),
        ("/moderation?no_such=1", 422),
        ("/moderation/cases/1", 422),
        ("/logout", 405),
    ):
        answer = await browser(mod).get(path)
        assert (answer.status_code, "<main" in answer.text) == (status, True), path
