"""Consents of people, and their immediate effects."""

from __future__ import annotations

from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town, feed_id
from tests.transactional_api.privacy.marked import done, soon


async def test_consents_have_defaults_and_a_history(town: Town, ada: Person) -> None:
    before = (await ada.get("/privacy/consents")).json()["consents"]
    granted = {one["purpose"]: one["granted"] for one in before}
    assert granted == {"personalization": True, "analytics": True, "marketing": False, "research": False}
    assert {one["decided_at"] for one in before} == {None}
    for word in (True, False, False):
        await done(await ada.put("/privacy/consents/research", {"granted": word}))
    first = (await ada.get("/privacy/consents/history", limit=1)).json()
    second = (await ada.get("/privacy/consents/history", limit=1, cursor=first["next_cursor"])).json()
    assert [first["items"][0]["granted"], second["items"][0]["granted"], second["next_cursor"]] == [False, True, None]
    assert (await ada.put("/privacy/consents/telepathy", {"granted": True})).status_code == 422


async def test_withdrawn_consent_bypasses_the_model_at_once(town: Town, ada: Person, ranker: Ranker) -> None:
    await ada.make_post(await ada.make_connector())
    assert (await ada.post("/recommendations/content", {})).json()["reason_code"] != "no_consent"
    assert len(ranker.asked) == 1
    await done(await ada.put("/privacy/consents/personalization", {"granted": False}))
    feed = (await ada.post("/recommendations/content", {})).json()
    assert (feed["path"], feed["reason_code"], len(ranker.asked)) == ("popular_nearby", "no_consent", 1)
    matches = (await ada.post("/matching/users", {})).json()
    assert (matches["source"], matches["reason_code"]) == ("rules", "no_consent")
    [(said,)] = await town.rows("SELECT personalised FROM users WHERE id = :id", id=ada.id)
    assert said is False


async def test_who_refuses_both_is_not_watched_and_may_still_hide(town: Town, ada: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    for purpose in ("personalization", "analytics"):
        await done(await ada.put(f"/privacy/consents/{purpose}", {"granted": False}))
    what = {"item_kind": "post", "item_id": post["id"], "request_id": feed_id(ada)}
    hide = {"kind": "hide", **what, "occurred_at": soon(-1)}
    receipt = (await ada.post("/interactions", {"interactions": [hide]})).json()
    assert (receipt["accepted_count"], receipt["rejected"]) == (0, [{"index": 0, "code": "no_consent", "field": None}])
    await done(await ada.post("/recommendations/content", {}))
    events = await town.rows("SELECT topic FROM cdc_outbox WHERE key = :id AND payload IS NOT NULL", id=str(ada.id))
    hidden = await town.rows("SELECT item_id FROM hidden_items WHERE user_id = :id", id=ada.id)
    assert (events, len(hidden)) == ([], 1)
