"""The page "Error codes": status, title, meaning and remedy of each error that the API declares."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from tools.reference.page import Page, first_sentence, table
from tools.reference.repository import ROOT

REMEDIES = ROOT / "tools" / "remedies.toml"


def import_all(package: str) -> None:
    """Import every module of a package, ``__main__`` and migrations apart."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)


def _subclasses(base: type) -> Iterator[Any]:
    kind: type
    for kind in base.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def problem_classes() -> list[Any]:
    """Return the classes of errors that the API declares, by code; classes made at run time are left out."""
    import_all("transactional_api")
    bases = [
        value
        for name, module in list(sys.modules.items())
        if name.startswith("transactional_api") and inspect.isclass(value := getattr(module, "Problem", None))
    ]
    base = bases[0]
    declared = {kind for kind in _subclasses(base) if kind.__module__.startswith("transactional_api")}
    static = (kind for kind in declared if hasattr(sys.modules[kind.__module__], kind.__name__))
    return [base, *sorted(static, key=lambda kind: (kind.code, kind.__qualname__))]


def read_remedies() -> dict[str, str]:
    """Return what a client does about each error, by code."""
    remedies: dict[str, str] = tomllib.loads(REMEDIES.read_text(encoding="utf-8"))["remedies"]
    return remedies


def errors_page() -> Page:
    """Return the page of error codes: status, title, meaning and remedy."""
    page = Page(
        "errors",
        "Error codes",
        "Every error is a problem of RFC 9457 (`application/problem+json`) with `type`, `title`, `status`, `detail`, "
        "`code` and `request_id`. Branch on `code`: titles and details are texts for people and may change. A 422 with "
        "code `invalid_request` lists the fields in `errors`.",
    )
    remedies, known = read_remedies(), set[str]()
    rows = []
    for kind in problem_classes():
        known.add(kind.code)
        if not (meaning := first_sentence(kind.__doc__)):
            page.problems.append(f"error {kind.code} ({kind.__qualname__}) has no docstring")
        if not (remedy := remedies.get(kind.code, "")):
            page.problems.append(f"error {kind.code} has no remedy in tools/{REMEDIES.name}")
        rows.append((f"`{kind.code}`", kind.status, kind.title, meaning, remedy))
    page.problems += [
        f"tools/{REMEDIES.name} names {code}, which no error has" for code in sorted(remedies.keys() - known)
    ]
    page.sections.append(("", table(("Code", "Status", "Title", "Meaning", "What a client does"), rows)))
    return page
