"""Which methods a path has.

FastAPI answers by the first route that fits a path: it names that route's method alone in ``Allow``, which has to name
all of them (RFC 9110, section 10.2.1), and takes the ``uploads`` of ``/media/uploads`` for the id of another route's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fastapi.routing import APIRoute, APIRouter
from starlette.routing import compile_path


class Methods:
    """The methods of every path of some routers."""

    def __init__(self, routers: Iterable[APIRouter], *, prefix: str) -> None:
        """Read the routes of ``routers``, all of which are under ``prefix``."""
        self._of: dict[str, set[str]] = defaultdict(set)
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    self._of[prefix + route.path].update(route.methods or ())
        self._shapes = {template: compile_path(template)[0] for template in self._of}

    def of(self, path: str) -> list[str]:
        """Return what may be asked of ``path``, in the order of the alphabet; a path without ids is no other's."""
        if path in self._of:
            return sorted(self._of[path])
        fitting = (self._of[template] for template, shape in self._shapes.items() if shape.match(path))
        return sorted(set().union(*fitting))
