"""The memory of event ids says the same as the table would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest import seen
from pipelines.ingest.seen import Ids, SeenIds

ids = st.lists(st.integers(1, 200), max_size=30)


@given(before=ids, batches=st.lists(ids, max_size=12))
def test_known_ids_are_those_that_were_there_or_were_added(before: list[int], batches: list[list[int]]) -> None:
    there = set(before)

    def lookup(lowest: int, highest: int) -> Ids:
        return np.array([each for each in there if lowest <= each <= highest], np.int64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "WINDOW", 20)
        memory = SeenIds(highest=max(there, default=0), lookup=lookup)
        for batch in batches:
            asked = np.array(batch, np.int64)
            assert memory.known(asked).tolist() == [each in there for each in batch]
            there |= set(batch)
            memory.add(asked)
