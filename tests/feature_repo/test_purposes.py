from __future__ import annotations

import pytest

from feature_repo.online import OnlineReader
from feature_repo.purposes import FeaturePurpose, PurposeError
from feature_repo.services import _build_service
from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts import features as names


def test_a_service_cannot_contain_a_view_for_another_purpose() -> None:
    with pytest.raises(PurposeError, match=r"user_negatives may be used for recommendation, and not for moderation\."):
        _build_service("blocked", (names.USER_NEGATIVES,), description="", purpose=FeaturePurpose.MODERATION)


def test_a_service_is_not_read_for_another_purpose(store: FeatureStore) -> None:
    reader = OnlineReader(store)
    keys = {"user_id": "ada", "model_version": "1"}
    with pytest.raises(PurposeError, match="may be used for recommendation, and not for matching"):
        reader.read(names.RECOMMENDATION_SERVING, keys, purpose=FeaturePurpose.MATCHING)
    rows = reader.read(names.RECOMMENDATION_SERVING, keys, purpose=FeaturePurpose.RECOMMENDATION)
    assert set(rows) == {names.USER_VECTORS, names.USER_RECENT_ACTIVITY, names.USER_AFFINITY}
