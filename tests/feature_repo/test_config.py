from __future__ import annotations

import pytest

from feature_repo.config import postgres_options, redis_connection_string


def test_a_password_of_digits_stays_text_and_escapes_are_read() -> None:
    found = redis_connection_string("redis://:12%2F34@cache:6380/1").split(",")
    assert found[0] == "cache:6380"
    assert 'password="12/34"' in found
    assert "db=1" in found
    assert 'password="1234"' in redis_connection_string("redis://:1234@cache").split(",")


def test_rediss_means_ssl() -> None:
    assert "ssl=true" in redis_connection_string("rediss://cache/1").split(",")


def test_a_comma_that_feast_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="comma"):
        redis_connection_string("redis://:a%2Cb@cache/1")


def test_postgres_url_keeps_its_ssl_mode() -> None:
    found = postgres_options("postgresql://feast:s%40fe@db.example:6432/feast?sslmode=verify-full")
    assert found == {
        "host": "db.example",
        "port": 6432,
        "database": "feast",
        "user": "feast",
        "password": "s@fe",
        "sslmode": "verify-full",
    }
