"""Query parameters: a name that the route does not declare is refused, for a misspelled filter would filter nothing."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

MAX_REPORTED = 10
MAX_NAME = 100


_MARK = "__ignores_unknown_parameters__"

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def ignores_unknown_parameters(endpoint: EndpointT) -> EndpointT:
    """Mark an endpoint that ignores query parameters which it does not declare.

    Those of OAuth must (RFC 6749, 3.1 and 3.2). Links in e-mails pass through click trackers, which append parameters
    such as ``utm_source``; the links of avatars stand in pages, which append cache busters such as ``?v=2``.
    """
    setattr(endpoint, _MARK, True)
    return endpoint


class StrictQueryRoute(APIRoute):
    """A route that refuses query parameters which it does not declare, unless its endpoint is marked."""

    @property
    def is_strict(self) -> bool:
        """Whether unknown query parameters are refused."""
        return not getattr(self.endpoint, _MARK, False)

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The query parameters of the route and of its dependencies."""
        return frozenset(_query_names(self.dependant))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()
        if not self.is_strict:
            return handle

        async def with_known_parameters(request: Request) -> Response:
            if request.scope["query_string"] and (errors := unknown(request.query_params, known=self.query_names)):
                raise RequestValidationError(errors)
            return await handle(request)

        return with_known_parameters


def unknown(names: Iterable[str], *, known: frozenset[str]) -> list[dict[str, Any]]:
    """Return an error, as Pydantic reports them, for each name that is not one of ``known``."""
    strangers = [name for name in dict.fromkeys(names) if name not in known]
    return [
        {"type": "unknown_parameter", "loc": ("query", name[:MAX_NAME]), "msg": _message(name, known), "input": None}
        for name in strangers[:MAX_REPORTED]
    ]


def _message(name: str, known: frozenset[str]) -> str:
    words = f"There is no query parameter {name[:MAX_NAME]!r} here"
    if not known:
        return f"{words}; this endpoint takes none"
    valid, asked = sorted(known), name[:MAX_NAME].lower()
    near = difflib.get_close_matches(asked, valid, n=1) or [one for one in valid if asked.startswith(one)]
    meant = f"; did you mean {near[0]!r}?" if near else "."
    return f"{words}{meant} Valid names: {', '.join(valid)}"


def _query_names(dependant: Dependant) -> Iterable[str]:
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (one.alias or name for name, one in kind.model_fields.items())
        else:
            yield field.alias
    for needed in dependant.dependencies:
        yield from _query_names(needed)
