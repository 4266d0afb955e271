"""Email addresses, phones and homes are encrypted, looked up by blind index, and rotated to a new key."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, register
from transactional_api.core.security.field_encryption import FieldCipher, UnknownKeyError
from transactional_api.identity.users.reencryption import BATCH, reencrypt_batch

OLD, NEW = "old" * 10, "new" * 10


def cipher(*keys: str) -> FieldCipher:
    return FieldCipher(SecretStr(",".join(keys)))


def test_a_cipher_decrypts_under_rotated_keys() -> None:
    encrypted = cipher(OLD).encrypt("ada@example.org")
    both = cipher(NEW, OLD)
    assert both.decrypt(encrypted) == "ada@example.org"
    assert both.encrypt("ada@example.org") != both.encrypt("ada@example.org")
    assert both.blind_indexes("ada@example.org") == [
        cipher(NEW).blind_index("ada@example.org"),
        cipher(OLD).blind_index("ada@example.org"),
    ]
    with pytest.raises(UnknownKeyError, match=cipher(OLD).key_id):
        cipher(NEW).decrypt(encrypted)
    with pytest.raises(InvalidToken):
        both.decrypt(encrypted[:-4] + "AAAA")
    with pytest.raises(ValueError, match="PERSONAL_DATA_KEYS"):
        cipher("")


async def test_the_database_has_neither_address_nor_phone_nor_home(town: Town) -> None:
    session = await register(town, phone="+1 718 555 0114")
    email, person = session["user"]["email"], Person(UUID(session["user"]["id"]), town.http, session["access_token"])
    home = {"latitude": 40.672213, "longitude": -73.977215}
    own = (await person.put("/users/profile/home", home)).json()
    assert (own["email"], own["phone"], own["home"]) == (email, "+1 718 555 0114", home)
    [(row,)] = await town.rows("SELECT users::text FROM users WHERE id = :id", id=person.id)
    assert not any(words in row for words in (email, "555 0114", "40.6722"))
    seen = (await (await town.create_user()).get(f"/users/{person.id}")).json()
    assert (seen["home_cell"], "home" in seen) == (own["home_cell"], False)
    assert seen["home_cell"].startswith("87")
    gone = (await person.delete("/users/profile/home")).json()
    assert (gone["home"], gone["home_cell"]) == (None, None)


async def test_queues_hold_no_address(town: Town) -> None:
    session = await register(town)
    email = session["user"]["email"]
    await town.nobody.post("/users/password/forgot", {"email": email})
    waiting = await town.rows("SELECT 1 FROM procrastinate_jobs WHERE args::text LIKE :email", email=f"%{email}%")
    assert waiting == []
    await town.run_jobs()


async def test_people_of_before_are_sealed_and_keep_their_login(town: Town) -> None:
    session = await register(town)
    user_id, email = session["user"]["id"], session["user"]["email"]
    await town.write(
        "UPDATE users SET email_hash = :email, email_encrypted = NULL, phone = '+1 555' WHERE id = :id",
        email=email,
        id=user_id,
    )
    credentials = {"email": email, "password": PASSWORD}
    assert (await town.nobody.post("/users/login", credentials)).status_code == 200
    taken = await town.nobody.post(
        "/users/register", {**credentials, "username": "x" * 8, "first_name": "A", "last_name": "B"}
    )
    assert taken.json()["user"]["id"] != user_id, "the address is known without a key, too"
    assert (await town.rows("SELECT count(*) FROM users WHERE username = 'xxxxxxxx'"))[0][0] == 0
    await reencrypt_all(town, town.app.state.context.cipher)
    [row] = await town.rows("SELECT email_hash, phone, email_encrypted FROM users WHERE id = :id", id=user_id)
    assert (email in row.email_hash, row.phone, row.email_encrypted is None) == (False, None, False)
    answer = await town.nobody.post("/users/login", credentials)
    assert (answer.status_code, answer.json()["user"]["phone"]) == (200, "+1 555")


async def test_a_new_key_takes_over(town: Town) -> None:
    session = await register(town)
    present = town.app.state.settings.personal_data_keys.get_secret_value()
    rotated = cipher(NEW, present)
    await reencrypt_all(town, rotated)
    [(hashed, encrypted)] = await town.rows(
        "SELECT email_hash, email_encrypted FROM users WHERE id = :id", id=session["user"]["id"]
    )
    assert (hashed, cipher(NEW).decrypt(encrypted)) == (
        rotated.blind_index(session["user"]["email"]),
        session["user"]["email"],
    )
    await reencrypt_all(town, cipher(present, NEW))  # And back, for the tests that follow.


async def reencrypt_all(town: Town, keys: FieldCipher) -> None:
    while True:
        async with town.app.state.context.transaction() as session:
            if await reencrypt_batch(session, cipher=keys) < BATCH:
                return
