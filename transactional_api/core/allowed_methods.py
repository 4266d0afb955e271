"""Allowed methods of a path.

FastAPI uses the first route that matches a path: ``Allow`` then has only the method of that route, although it must
list all of them (RFC 9110, section 10.2.1), and ``uploads`` in ``/media/uploads`` matches the id of another route.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fastapi.routing import APIRoute, APIRouter
from starlette.routing import compile_path


class Methods:
    """Methods of the paths of routers."""

    def __init__(self, routers: Iterable[APIRouter], *, prefix: str) -> None:
        """Collect the routes of ``routers``, which are mounted under ``prefix``."""
        self._methods: dict[str, set[str]] = defaultdict(set)
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    self._methods[prefix + route.path].update(route.methods or ())
        self._patterns = {template: compile_path(template)[0] for template in self._methods}

    def of(self, path: str) -> list[str]:
        """Return the sorted methods of ``path``; a path without parameters takes precedence over patterns."""
        if path in self._methods:
            return sorted(self._methods[path])
        matching = (self._methods[template] for template, pattern in self._patterns.items() if pattern.match(path))
        return sorted(set().union(*matching))
