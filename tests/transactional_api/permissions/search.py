"""``/search`` is everybody's who is logged in; what each finds, ``test_search.py`` says."""

from __future__ import annotations

from tests.transactional_api.permissions.rows import ANYONE, Row

ROWS = [Row("GET", "/search", ANYONE, query="?q=seedlings")]
