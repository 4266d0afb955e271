"""The page "API routes", from the OpenAPI document."""

from __future__ import annotations

import json

from tools.reference.page import Page, cell, table
from tools.reference.repository import ROOT


def routes_page() -> Page:
    """Return the page of the API's routes, by tag, from its OpenAPI document."""
    (path,) = ROOT.glob("transactional_api/**/openapi.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    page = Page(
        "routes",
        "API routes",
        "The routes of the OpenAPI document. [Access and guarantees](api.md) states who may call them; `/docs` of a "
        "running API has schemas and examples and sends requests.",
    )
    descriptions = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    by_tag: dict[str, list[tuple[str, str, str]]] = {}
    for route, operations in document["paths"].items():
        for method, operation in operations.items():
            if not (summary := operation.get("summary", "")):
                page.problems.append(f"{method.upper()} {route} has no summary")
            for tag in operation.get("tags", ["other"])[:1]:
                by_tag.setdefault(tag, []).append((method.upper(), f"`{route}`", summary))
    for tag, rows in sorted(by_tag.items()):
        body = table(("Method", "Path", "Summary"), rows)
        page.sections.append((tag, f"{cell(descriptions.get(tag, ''))}\n\n{body}"))
    return page
