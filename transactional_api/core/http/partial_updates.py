"""Partial updates (PATCH): the fields that a body has replace those of the resource, as in RFC 7396.

A field that is absent keeps its value and null clears a nullable one. A list or an object is replaced as a whole. The
result is validated like the body of a PUT, and the same function of the slice stores it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Annotated, Any, TypeVar, cast

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from transactional_api.core.text import RequestBody

Body = TypeVar("Body", bound=RequestBody)
PatchT = TypeVar("PatchT", bound="Patch")


class Patch(RequestBody):
    """Body of a partial update; its fields are those of ``patch_of``."""

    def applied_to(self, resource: BaseModel, *, body: type[Body]) -> Body:
        """Return the body of a PUT that has the fields of the patch, and those of the present resource otherwise.

        Raises:
            RequestValidationError: when the fields do not fit together, as an end before the start.
        """
        names = type(self).model_fields.keys()
        changes = {name: getattr(self, name) for name in self.model_fields_set}
        try:
            return body.model_validate({**resource.model_dump(include=set(names)), **changes})
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise RequestValidationError([{**detail, "loc": ("body", *detail["loc"])} for detail in details]) from error


def patch_of(body: type[RequestBody]) -> Callable[[type[PatchT]], type[PatchT]]:
    """Return the decorator that gives a ``Patch`` the fields of a body, all optional; deprecated ones are left out."""

    def decorate(patch: type[PatchT]) -> type[PatchT]:
        fields = {name: _optional(field) for name, field in body.model_fields.items() if not _is_deprecated(field)}
        created = create_model(patch.__name__, __base__=patch, __module__=patch.__module__, **cast("Any", fields))
        created.__doc__ = patch.__doc__
        return created

    return decorate


def _optional(field: FieldInfo) -> tuple[Any, Any]:
    annotation = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    # A factory, so that no default is described: an absent field keeps its value.
    described = Field(default_factory=lambda: None, description=field.description, examples=copy(field.examples))
    return annotation, described


def _is_deprecated(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("deprecated"))
