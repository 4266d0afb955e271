"""The deduplication index and the table contain the same event ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest import dedup_index
from pipelines.ingest.dedup_index import DedupIndex, Ids

ids = st.lists(st.integers(1, 200), max_size=30)


@given(initial=ids, batches=st.lists(ids, max_size=12))
def test_contains_exactly_the_stored_and_added_ids(initial: list[int], batches: list[list[int]]) -> None:
    stored = set(initial)

    def lookup(lowest: int, highest: int) -> Ids:
        return np.array([event_id for event_id in stored if lowest <= event_id <= highest], np.int64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedup_index, "WINDOW", 20)
        index = DedupIndex(highest=max(stored, default=0), lookup=lookup)
        for batch in batches:
            queried = np.array(batch, np.int64)
            assert index.contains(queried).tolist() == [event_id in stored for event_id in batch]
            stored |= set(batch)
            index.add(queried)
