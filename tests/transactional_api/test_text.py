"""Text as it is taken in: what shows, what reorders, and forms of passwords, user names and tags."""

# ruff: noqa: RUF001 (letters that look alike are what is tried here)

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import literal, select

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import registration
from transactional_api.community.posts.hashtags import extract_hashtags, normalize_hashtag
from transactional_api.core.db.tables.users import username_skeleton
from transactional_api.core.text import Line, Moment, Text, has_visible, normalize_password
from transactional_api.identity.users import usernames
from transactional_api.identity.users.schemas import PersonName, Username

LINE, TEXT, MOMENT = TypeAdapter(Line), TypeAdapter(Text), TypeAdapter(Moment)
USERNAME: TypeAdapter[str] = TypeAdapter(Username)
PERSON_NAME: TypeAdapter[str] = TypeAdapter(PersonName)

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")

KEPT = (
    *("👩‍👩‍👧‍👦", "❤️", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "1️⃣", "👍🏽", "🇩🇪"),
    *("می‌خواهم", "क्‍ष", "ක්‍රීඩා", "ഞാന്‍", "ﷺ", "…", "。", "٣"),
)
"""Characters that show only together stay as they are."""


@pytest.mark.parametrize("text", KEPT)
def test_joiners_and_selectors_stay_where_they_belong(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert LINE.validate_python(f" {text} ") == TEXT.validate_python(text) == composed


@given(st.text(st.characters(categories=["Cf", "Mn", "Me", "Zs", "Zl", "Zp"]), max_size=30))
def test_text_that_shows_nothing_is_empty(text: str) -> None:
    assert TEXT.validate_python(text) == ""


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=5))
def test_text_that_shows_is_the_same_the_second_time(text: str) -> None:
    once = TEXT.validate_python(text)
    assert TEXT.validate_python(once) == once
    assert has_visible(once) == bool(once)


@pytest.mark.parametrize("control", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\n")
def test_one_line_holds_neither_breaks_nor_overrides(control: str) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(f"ada{control}okafor")
    assert LINE.validate_python("דנה\u200f כהן") == "דנה כהן"


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2200-01-01T00:00:00Z"],
)
def test_times_outside_of_the_bounds_are_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(written)
    assert MOMENT.validate_python("2199-12-31T23:59:59-00:00") == datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)


async def test_a_password_is_the_same_in_any_form(town: Town) -> None:
    typed = "Ünder the ｂridge ﬁsh"
    body = registration(password=typed)
    assert (await town.nobody.post("/users/register", body)).status_code == 201
    for form in FORMS:
        for space in (" ", "\u00a0", "\u3000"):
            again = unicodedata.normalize(form, typed).replace(" ", space)
            answer = await town.nobody.post("/users/login", {"email": body["email"], "password": again})
            assert answer.status_code == 200, (form, space)
    wrong = {"email": body["email"], "password": typed.lower()}
    assert (await town.nobody.post("/users/login", wrong)).status_code == 401


async def test_a_hash_of_an_unnormalized_password_still_verifies(town: Town) -> None:
    body = registration()
    user = (await town.nobody.post("/users/register", body)).json()["user"]
    typed = unicodedata.normalize("NFD", "Ünder the brïdge")
    assert normalize_password(typed) != typed
    old = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(typed)
    await town.write("UPDATE users SET password_hash = :hash WHERE id = :id", hash=old, id=user["id"])
    answer = await town.nobody.post("/users/login", {"email": body["email"], "password": typed})
    assert answer.status_code == 200


@pytest.mark.parametrize("password", ["\u200b" * 12, "e\u0301" * 5, "with a NUL \x00 in it"])
async def test_a_new_password_is_long_enough_in_its_normal_form(town: Town, password: str) -> None:
    answer = await town.nobody.post("/users/register", registration(password=password))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


NAMES = st.from_regex(rf"\A{usernames.PATTERN}\Z").filter(lambda name: 3 <= len(name) <= 50)
BEFORE = ("", " ", "(", "\n", "«", "hello, ", "ありがとう", "สวัสดี", "“", "…", "x.", "see:", "/", "—", "#", "@ ", "*")
AFTER = (
    "",
    " ",
    ".",
    "...",
    ",",
    "!",
    "?",
    ")",
    "\n",
    ":",
    ";",
    "-",
    "--",
    "_",
    "'s",
    "’s",
    "さん",
    "。",
    "！",
    "/x",
    "…",
    "*",
    "&",
    "#1",
)


@given(name=NAMES, before=st.sampled_from(BEFORE), after=st.sampled_from(AFTER))
def test_every_username_is_read_whole_wherever_it_is_mentioned(name: str, before: str, after: str) -> None:
    assert USERNAME.validate_python(name) == name.lower()
    assert usernames.mentions_in(f"{before}@{name}{after}") == [name.lower()]


@given(st.text(st.sampled_from("aZ09._-@ é/"), max_size=60))
def test_whatever_is_read_as_a_mention_could_be_registered(text: str) -> None:
    for name in usernames.mentions_in(text):
        assert USERNAME.validate_python(name) == name


@pytest.mark.parametrize(
    "name", ["...", "_ada", "ada.", "a--b", "a._b", "___", "аda", "ada\u200b1", "ａda", "ad", "-", "a b"]
)
def test_what_a_mention_could_not_read_is_no_username(name: str) -> None:
    with pytest.raises(ValidationError):
        USERNAME.validate_python(name)


RESERVED = (
    *("moderators", "Admins", "admin", "neighborconnect.support", "NeighbourConnect", "security", "4dmin", "supp0rt"),
    *("official", "system", "root", "ada.admin", "support-team", "the_admin", "helpdesk24", "moderator7", "null"),
    *(
        "neighb0rconnect",
        "my-neighbor-connect",
        "everyone",
        "erased-12",
        "staff",
        "adminhelp",
        "postmaster",
        "no-reply",
        "trust.safety",
        "ada.verified",
    ),
)
FREE = (
    "ada.okafor",
    "modern.art",
    "rooter",
    "sam.adams",
    "n.0a1b2c3d",
    "evelio.hiller.0",
    "officially",
    "bea5",
    "helper",
)


@pytest.mark.parametrize("name", RESERVED)
async def test_a_misleading_username_is_refused(town: Town, name: str) -> None:
    answer = await town.nobody.post("/users/register", registration(username=name))
    assert (answer.status_code, answer.json()["code"]) == (422, "username_reserved")


@pytest.mark.parametrize("name", FREE)
def test_ordinary_usernames_are_free(name: str) -> None:
    assert not usernames.is_reserved(name)


async def test_a_username_that_looks_like_anothers_is_taken(town: Town) -> None:
    name = f"ro.lin1{uuid4().hex[:8]}"
    assert (await town.nobody.post("/users/register", registration(username=name))).status_code == 201
    for alike in (name.replace("1", "l"), name.replace("o", "0"), name.replace(".", "_"), name.upper()):
        answer = await town.nobody.post("/users/register", registration(username=alike))
        assert (answer.status_code, answer.json()["code"]) == (409, "username_taken"), alike


async def test_python_and_postgresql_see_the_same_likeness(town: Town) -> None:
    names = ["rn.rn", "r.n", "vvv", "0l1o", "ada-okafor", "a_b.c-d", "vernon01", "rrnn", "v.v", "n" * 50]
    async with town.app.state.engine.connect() as connection:
        seen = [await connection.scalar(select(username_skeleton(literal(name)))) for name in names]
    assert seen == [usernames.skeleton(name) for name in names]


@pytest.mark.parametrize(
    "name", ["NeighborConnect", "Nеighbor Соnnect Team", "N e i g h b o r connect", "ＮeighborConnect"]
)
async def test_neither_a_person_nor_an_app_is_called_like_the_product(ada: Person, name: str) -> None:
    app = {"name": name, "redirect_uris": ["https://app.example.org/back"]}
    assert (await ada.post("/oauth/apps", app)).status_code == 422
    with pytest.raises(ValidationError):
        PERSON_NAME.validate_python(name)
    assert PERSON_NAME.validate_python("Connie Neighbor") == "Connie Neighbor"


TAGS = (
    *("हिन्दी", "กรุงเทพ", "می‌خواهم", "café", "ภาษาไทย", "தமிழ்", "বাংলা", "မြန်မာ", "ខ្មែរ", "עִבְרִית", "العَرَبِيَّة"),
    *(
        "한국어",
        "日本語",
        "ラーメン",
        "Việt",
        "Straße",
        "ΟΔΟΣ",
        "İstanbul",
        "ISPARTA",
        "ქართული",
        "አማርኛ",
        "ක්‍රීඩා",
        "a_b",
        "Ǆ",
    ),
)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("form", FORMS[:2])
async def test_a_tag_is_found_whole_in_any_case_and_form(
    ada: Person, garden: dict[str, Any], tag: str, form: Form
) -> None:
    unique = tag + uuid4().hex[:8]
    post = await ada.make_post(garden, content=f"look #{unicodedata.normalize(form, unique)}, here")
    for asked in (
        unique,
        unique.upper(),
        unicodedata.normalize("NFD", unique),
        unique.replace("\u200c", ""),
        f"#{unique}",
    ):
        answer = await ada.get(f"/posts/tag/{asked.replace('#', '%23')}")
        assert [one["id"] for one in answer.json()["items"]] == [post["id"]], ascii(asked)


def test_where_a_tag_begins_and_ends() -> None:
    text = "＃全角 (#paren) #a#b x#no &#39; http://x/#top #1 #2nd #end. #zw\u200c #日本。#語 #ok'"
    assert extract_hashtags(text) == ["全角", "paren", "a", "end", "zw", "日本", "語", "ok"]


@given(st.text(max_size=60))
def test_the_key_of_a_tag_is_the_key_of_itself(tag: str) -> None:
    key = normalize_hashtag(tag)
    assert normalize_hashtag(key) == key
    assert len(key) <= 50
