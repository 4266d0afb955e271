"""Training recipe: family, data window, parameters and seed of one training, read from a TOML or JSON file."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import MODELS, REGISTERED_MODEL

DEFAULT_SEED: Final = 20_261


class RecipeError(ValueError):
    """A recipe cannot be read or trained; the message names the file or field and the remedy."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataWindow(_Strict):
    """Times between which data is used: at or after ``since`` and before ``until``; None for no limit."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _check_order(self) -> DataWindow:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since must be before until")
        return self

    @property
    def limits(self) -> dict[str, datetime]:
        """The limits by name, in UTC; empty without limits."""
        limits = {"since": self.since, "until": self.until}
        return {name: time.astimezone(UTC) for name, time in limits.items() if time is not None}

    def applied_to(self, data_version: str) -> str:
        """Return the name of a data version within the window."""
        return " ".join([data_version, *(f"{name} {time:%Y-%m-%dT%H:%M:%SZ}" for name, time in self.limits.items())])


class FactorParameters(_Strict):
    """Fields of ``models.recommendation.als.Hyperparameters``; None for its default."""

    factors: int = Field(ge=1, le=1_024)
    alpha: float = Field(gt=0)
    regularization: float = Field(gt=0)
    damping: float | None = Field(default=None, ge=0, le=1)
    iterations: int | None = Field(default=None, ge=1, le=1_000)


class ContentParameters(_Strict):
    """Parameters of the adaptation of the moderation head; None for the default of ``models.content.train``."""

    penalty: float | None = Field(default=None, gt=0)


class MatchingParameters(_Strict):
    """Parameters of the link predictors; None for the default of ``models.matching.train``."""

    regularization: float | None = Field(default=None, gt=0)


class _Seeded(_Strict):
    seed: int = Field(default=DEFAULT_SEED, ge=0, lt=2**31)


class RecommenderRecipe(_Seeded):
    """Recommender of one kind of item; a grid of hyperparameters is searched without ``parameters``."""

    family: Literal["post_recommender", "connector_recommender", "event_recommender", "item_recommender"]
    data: DataWindow = DataWindow()
    parameters: FactorParameters | None = None

    @classmethod
    def of(cls, kind: ItemKind) -> RecommenderRecipe:
        """Return the recipe of a kind of item with all defaults."""
        return cls.model_validate({"family": REGISTERED_MODEL[kind]})

    @property
    def kind(self) -> ItemKind:
        """Kind of the recommended items."""
        return next(kind for kind, name in REGISTERED_MODEL.items() if name == self.family)


class ContentRecipe(_Seeded):
    """Content models; the window is of the times of moderators' decisions."""

    family: Literal["content"] = "content"
    data: DataWindow = DataWindow()
    parameters: ContentParameters = ContentParameters()


class MatchingRecipe(_Seeded):
    """Link predictors; the window is of the times of follows and memberships."""

    family: Literal["matching"] = "matching"
    data: DataWindow = DataWindow()
    parameters: MatchingParameters = MatchingParameters()


class VisionRecipe(_Seeded):
    """Pretrained vision networks: they are checked, not trained, so only the seed of the synthetic clips is given."""

    family: Literal["vision"] = "vision"


Recipe = RecommenderRecipe | ContentRecipe | MatchingRecipe | VisionRecipe


class _AnyRecipe(RootModel[Annotated[Recipe, Field(discriminator="family")]]):
    """Recipe of the family that it names."""


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: if the file is missing, no TOML or JSON, or has a field that is missing, unknown or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise RecipeError(f"{path} is not {kind}: {error}.") from None
    try:
        return _AnyRecipe.model_validate(values).root
    except ValidationError as error:
        raise RecipeError(f"{path}: {'; '.join(map(_sentence, error.errors()))}.") from None


def _sentence(error: Any) -> str:
    # The first place of a field is the family that selected the fields.
    field = ".".join(str(place) for place in error["loc"] if place not in MODELS) or "family"
    sentences = {
        "union_tag_not_found": f"family is missing: use one of {', '.join(MODELS)}",
        "union_tag_invalid": f"there is no family {error.get('ctx', {}).get('tag')!r}: use one of {', '.join(MODELS)}",
        "extra_forbidden": f"{field} is not a field of this family",
        "missing": f"{field} is missing",
        "timezone_aware": f"{field} has no time zone: write 2026-10-01T00:00:00Z",
        "value_error": f"{field}: {error.get('ctx', {}).get('error')}",
    }
    return sentences.get(error["type"]) or f"{field} {error['input']!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"
