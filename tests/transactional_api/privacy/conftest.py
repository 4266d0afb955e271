"""A marked person."""

from __future__ import annotations

import pytest

from tests.transactional_api.people import Town
from tests.transactional_api.privacy.marked import Marked, plant


@pytest.fixture
async def marked(town: Town) -> Marked:
    return await plant(town)
