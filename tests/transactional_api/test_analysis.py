"""Texts: the content model's answer where there is one, plain rules where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from transactional_api.core.inference.client import IDLE_SECONDS, InferenceClient
from transactional_api.intelligence.text_analysis import rules

ANSWERS = {
    "/sentiment": {"label": "negative", "score": -0.9, "model_version": "3"},
    "/moderate": {
        "verdict": "review",
        "categories": {"insult": 0.7},
        "highlights": [],
        "offers_help": False,
        "model_version": "3",
    },
    "/topics": {"language": "en", "topics": [{"topic": "bees", "score": 0.8}], "entities": [], "model_version": "3"},
    "/spam-detection": {"is_spam": True, "score": 0.9, "signals": ["model"], "model_version": "3"},
}


@pytest.fixture
async def model(town: Town, settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """A content service for this test; what it answers can be changed."""
    answers: dict[str, Any] = dict(ANSWERS)

    async def answer(request: Request) -> Response:
        return JSONResponse(answers[request.url.path])

    async with serving(Starlette(routes=[Route("/{what}", answer, methods=["POST"])])) as url:
        client = InferenceClient(settings.model_copy(update={"content_url": url, "inference_deadline_ms": 5_000}))
        before, town.app.state.inference = town.app.state.inference, client
        yield answers
        town.app.state.inference = before
        await client.aclose()


@pytest.mark.parametrize("what", ["sentiment", "moderate", "topics", "spam-detection"])
async def test_where_there_is_a_model_it_answers(ada: Person, model: dict[str, Any], what: str) -> None:
    answer = (await ada.post(f"/analysis/{what}", {"text": "A lovely day."})).json()
    assert answer == {"source": "model", "reason_code": None, "features_age_ms": None} | ANSWERS[f"/{what}"]


def test_a_connection_is_let_go_before_the_service_closes_it() -> None:
    assert uvicorn.Config("services").timeout_keep_alive > IDLE_SECONDS


async def test_an_answer_that_makes_no_sense_is_not_passed_on(ada: Person, model: dict[str, Any]) -> None:
    model["/sentiment"] = {"label": "furious", "score": 7}
    answer = (await ada.post("/analysis/sentiment", {"text": "A lovely day."})).json()
    assert (answer["source"], answer["reason_code"], answer["label"]) == ("rules", "invalid_answer", "positive")


async def test_without_a_model_the_rules_answer_and_say_so(ada: Person) -> None:
    for what in ("sentiment", "moderate", "topics", "spam-detection"):
        answer = (await ada.post(f"/analysis/{what}", {"text": "A lovely day."})).json()
        assert (answer["source"], answer["reason_code"], answer["model_version"]) == ("rules", "not_deployed", None)


async def test_topics_are_the_categories_of_public_connectors(ada: Person) -> None:
    await ada.make_connector(category="seed saving")
    await ada.make_connector(category="secret seeds", is_public=False)
    answer = (await ada.post("/analysis/topics", {"text": "We were saving some seeds, and gardening."})).json()
    found = {one["topic"]: one["score"] for one in answer["topics"]}
    assert found["seed saving"] == 1.0
    assert "secret seeds" not in found


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What a lovely, friendly crowd. Thank you!", "positive"),
        ("The stairs are dirty and broken, I am upset.", "negative"),
        ("It was not good.", "negative"),
        ("Never a bad evening here.", "positive"),
        ("The meeting is on Tuesday.", "neutral"),
        ("Good food, bad service.", "neutral"),
        ("日本語のテキスト 🌱", "neutral"),
    ],
)
def test_rules_hear_how_a_text_sounds(text: str, label: str) -> None:
    assert rules.sentiment(text)[0] == label


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Bring seeds on Sunday.", "allow"),
        ("You idiots.", "review"),
        ("I will hurt you.", "block"),
        ("Buy now! http://a.test http://b.test http://c.test", "review"),
        ("ACT NOW! GUARANTEED CASINO! http://a.test http://b.test http://c.test", "block"),
    ],
)
def test_rules_ask_a_person_before_they_keep_back(text: str, verdict: str) -> None:
    assert rules.moderation(text)[0] == verdict


SPAM = (
    "You won a prize! Claim it here: bit.ly/3xYz",
    "Congratulations, you've won an iPhone! Click https://tinyurl.com/abc",
    "Double your bitcoin in 24 hours, send 0.1 BTC and get 0.2 back.",
    "Need a loan? We offer loans from $5,000 at 2 % interest, call +44 7700 900123.",
    "Personal loans, bad credit welcome, phone 020 7946 0018",
    "Cheap loans, no credit check, apply at www.fast-loan.example today",
    "Earn $5,000 a week from home, no experience needed, act now!",
    "Hot singles near you, text 0906 555 0100",
    "Cheap viagra and weight loss pills, order now http://pills.example",
    "90% off designer watches, last chance http://deals.example",
    "Your account has been suspended, verify your password at www.bank-login.example",
    "Join my telegram for crypto signals, guaranteed profit",
    "URGENT! You have won a 1,000 pound prize, call 09061701461 now to claim.",
    "Free spins at the best online casino, welcome bonus inside",
    "Investment opportunity: invest $200, receive $2,000 in a week, WhatsApp +1 555 010 0199",
    "You have been selected to receive a gift card, visit www.gift-win.example",
    "Your number was awarded a \u00a31,500 bonus, reply now",
    "Love horoscope, text STARS to 80555, 150p/msg",
    "Call our chat line now, only $1.50 per minute",
    "To join send the word PLAY to 83355",
)
HARMLESS = (
    "Selling my bike for $120, call 020 7946 0018 after six.",
    "Could I get the loan of a ladder on Saturday?",
    "Toy library: loans for two weeks, free of charge.",
    "Raffle at the school fair: win a cake, tickets $2, don't miss it!",
    "Ana, you won the raffle, please pick up the hamper.",
    "Babysitter wanted, $15 an hour, text me on 07700 900123.",
    "Bitcoin and scams: a talk at the library, Tuesday at seven.",
    "Half price at the garden center, 50% off all bulbs, today only.",
    "Hurry, free sofa, must go today, call 07700 900456.",
    "Join our WhatsApp group for the street: ask Tom.",
    "Beware: someone sends texts that your parcel is on hold with a link.",
    "Casino night at the church hall for the roof fund, tickets $5.",
    "The council has chosen our street to receive new trees.",
    "See photos at https://photos.example and sign up at https://club.example",
    "Only 3 places left in the pottery class: 555 0142.",
    "Our team doubled the money for the food bank this year.",
    "Double buggy and double bed for sale, $40 each.",
    "If you are in despair, text HOME to 741741 at any hour.",
    "Found: a blue umbrella. To claim it, call Ana on 555 0142.",
    "Our street was chosen for free compost bins.",
    "See you at choir tonight, love, Kate xxx",
    "Please send checks to 1420 Dean Street",
    "Our tap water has 12 ppm of lead",
    "Library fines are 20p per day",
    "The charger at the station costs $1 per minute",
    "Mia was awarded first prize",
    "The library was awarded $5,000 by the council",
    "Hand-picked apples, $4 a bag",
    "Text LIBRARY to 22828",
)


@pytest.mark.parametrize("text", SPAM)
def test_rules_detect_offers_that_only_spam_has(text: str) -> None:
    score, signals = rules.spam(text)
    assert rules.is_spam(score), signals


@pytest.mark.parametrize("text", HARMLESS)
def test_rules_pass_harmless_listings(text: str) -> None:
    score, signals = rules.spam(text)
    assert not rules.is_spam(score), signals


@pytest.mark.parametrize(
    "part", ["double your ", "loan ", "claim your ", "$1 ", "whatsapp 1", "a.", "bitcoin ", "awarded ", "text a to "]
)
def test_a_long_text_is_scored_without_backtracking(part: str) -> None:
    # Such texts take minutes where a pattern backtracks.
    assert 0 <= rules.spam(part * (10_000 // len(part)))[0] <= 1


def test_rules_name_what_speaks_for_spam() -> None:
    assert rules.spam("Selling my bike, call me.") == (0.0, [])
    score, signals = rules.spam("CLICK HERE http://a.test http://b.test www.c.test")
    assert rules.is_spam(score)
    assert signals[:2] == ["many_links", "sales_talk"]


@pytest.mark.parametrize("text", ["a" * 10_000, "http://" * 1_400, "1" * 9_999, "kill " * 2_000, "\u0301" * 5_000])
def test_rules_are_quick_on_any_text(text: str) -> None:
    rules.moderation(text)
    rules.sentiment(text)
    rules.topics(text, known=["gardening"])
