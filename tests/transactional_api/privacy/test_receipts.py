"""Receipts of erasures are signed once complete, stand in the audit chain, and are verified offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.privacy.marked import erase, soon
from tests.transactional_api.test_accounts import register
from transactional_api.governance.privacy import receipt_signing, receipts_cli
from transactional_api.governance.privacy.receipt_signing import ReceiptError

SMALL = {"id": "3f0e8a52", "keep_words": False, "lines": [{"location": "lake:posts", "row_count": 3}]}


def command(*arguments: object) -> Any:
    return CliRunner().invoke(receipts_cli.app, list(map(str, arguments)))


@pytest.fixture
def rotated(settings: Settings) -> Settings:
    former = settings.receipt_keys.get_secret_value()
    return settings.model_copy(update={"receipt_keys": SecretStr(f"a newer key of receipts,{former}")})


async def test_a_complete_receipt_is_signed_and_in_the_audit_chain(
    town: Town, settings: Settings, tmp_path: Path
) -> None:
    session = await register(town)
    person = Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    erasure = await erase(town, person)
    path, token = f"/privacy/receipts/{erasure['code']}", settings.platform_token.get_secret_value()
    line = {"location": "lake:interactions.user_id", "action": "deleted", "row_count": 7, "completed_at": soon(0)}
    influenced = {"name": "post_recommender", "model_version": "post-0f3a5c9d1e2b", "is_champion": True}
    body = {"lines": [line], "influenced_models": [influenced]}
    report = f"/privacy/erasures/{erasure['id']}/platform"
    assert (await town.nobody.post(report, body, **{"X-Platform-Token": token})).status_code == 204
    assert (await town.nobody.get(path)).json()["signature"] is None, "the product's part is not done"
    await town.run_jobs()
    answer = await town.nobody.get(path)
    signed = answer.json()
    assert (signed["influenced_models"], signed["id"]) == ([influenced], erasure["id"])
    for _ in range(2):
        await town.nobody.post(report, {"lines": [line, line]}, **{"X-Platform-Token": token})
    assert (await town.nobody.get(path)).json() == signed
    entries = await town.rows(
        "SELECT subject FROM audit_log WHERE request_id LIKE 'erasure-%' AND actor_id = :id", id=person.id
    )
    assert [entry.subject for entry in entries] == [
        {"erasure_id": erasure["id"], "sha256": signed["signature"]["digest"]}
    ]

    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_bytes(answer.content)
    keys.write_bytes((await town.nobody.get("/privacy/receipt-keys")).content)
    valid = command("verify", receipt, "--keys", keys)
    assert valid.exit_code == 0, valid.stderr
    assert f"SHA-256 {signed['signature']['digest']}" in valid.stdout
    for part in ("lines", "influenced_models"):
        receipt.write_text(json.dumps({**signed, part: []}))
        changed = command("verify", receipt, "--keys", keys)
        assert (changed.exit_code, changed.stderr.count("\n")) == (1, 1)
        assert "changed after it was signed" in changed.stderr


def test_a_change_of_any_byte_is_reported(settings: Settings) -> None:
    keys, text = (
        receipt_signing.public_keys(settings),
        json.dumps(receipt_signing.sign(SMALL, settings=settings), separators=(",", ":")),
    )
    assert receipt_signing.verify(receipt_signing.parse(text), keys=keys)
    for index in range(len(text)):
        for other in (chr(ord(text[index]) ^ 1), text[index].swapcase()):
            if other != text[index]:
                with pytest.raises(ReceiptError):
                    receipt_signing.verify(receipt_signing.parse(text[:index] + other + text[index + 1 :]), keys=keys)


def test_receipts_of_former_keys_stay_valid(settings: Settings, rotated: Settings) -> None:
    before, after = (receipt_signing.sign(SMALL, settings=one) for one in (settings, rotated))
    assert before["signature"]["key_id"] != after["signature"]["key_id"]
    for receipt in (before, after):
        assert receipt_signing.verify(receipt, keys=receipt_signing.public_keys(rotated))
    with pytest.raises(ReceiptError, match="none of the public keys"):
        receipt_signing.verify(after, keys=receipt_signing.public_keys(settings))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("not JSON", "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ('{"id": 1, "id": 2}', "a member is repeated"),
        ('{"id": 1}', "the receipt has no signature"),
        ('{"id": 1, "signature": {"key_id": "x"}}', "none of the public keys is the signing key x"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "receipt.json"
    if content is not None:
        file.write_text(content)
    answer = command("verify", file)
    assert (answer.exit_code, answer.stdout, answer.stderr.count("\n")) == (1, "", 1)
    assert f"{file} is not a valid receipt: " in answer.stderr
    assert reason in answer.stderr


@pytest.mark.parametrize("keys", ["{}", '{"keys": [1]}', '{"keys": [{"kty": "RSA"}]}', '{"keys": []}'])
def test_bad_key_sets_are_refused(settings: Settings, tmp_path: Path, keys: str) -> None:
    receipt, file = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_text(json.dumps(receipt_signing.sign(SMALL, settings=settings)))
    file.write_text(keys)
    answer = command("verify", receipt, "--keys", file)
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
