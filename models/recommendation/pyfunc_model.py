"""Registered model as MLflow loads it: ``predict`` over an item index. No pickles: this file is the model's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import numpy as np
import pandas as pd

from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.serving_artifact import from_bytes
from neighborconnect.contracts.serving import RankRequest

ITEM_INDEX_ARTIFACT = "item_index"
DEFAULT_LIMIT = 20


class ItemIndexModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """Ranks items for users that are given by their vectors."""

    def load_context(self, context: Any) -> None:
        """Read the item index; MLflow calls this method by its name."""
        self._predictor = Predictor(from_bytes(Path(context.artifacts[ITEM_INDEX_ARTIFACT]).read_bytes()))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 (MLflow's signature)
        """Return one row per user: item ids and scores, best first.

        Args:
            context: not used.
            model_input: columns ``factors`` and ``content``, lists of numbers or null.
            params: ``limit``, how many items to return.
        """
        limit = int((params or {}).get("limit", DEFAULT_LIMIT))
        kind = self._predictor.index.kind
        request = RankRequest(request_id="", user_id="", item_kind=kind, limit=limit)
        rankings = [
            self._predictor.rank(request, user=UserProfile(vector=_vector(factors), content=_vector(content)))
            for factors, content in model_input[["factors", "content"]].itertuples(index=False)
        ]
        return pd.DataFrame(
            {
                "item_ids": [[item.item_id for item in ranking.items] for ranking in rankings],
                "scores": [[item.score for item in ranking.items] for ranking in rankings],
            }
        )


def _vector(values: Any) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    return None if values is None else np.asarray(values, dtype=np.float32)


mlflow.models.set_model(ItemIndexModel())
