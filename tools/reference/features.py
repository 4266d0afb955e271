"""The page "Feature views and services"."""

from __future__ import annotations

import importlib
from typing import Any

from tools.reference.page import Page, table


def features_page() -> Page:
    """Return the page of feature views and feature services."""
    views = importlib.import_module("feature_repo.views").VIEWS
    services = importlib.import_module("feature_repo.services").SERVICES
    page = Page(
        "features",
        "Feature views and services",
        "Feature views are declared in `feature_repo/`. The TTL is the age after which a value does not count; the "
        "freshness target is the age that the newest row stays below while the platform runs.",
    )
    for view in views.values():
        if not view.description:
            page.problems.append(f"feature view {view.name} has no description")
        facts = table(
            ("Property", "Value"),
            (
                ("Entities", ", ".join(f"`{name}`" for name in view.entities)),
                ("TTL", view.ttl or "none"),
                ("Freshness target", f"{view.tags['freshness_target_seconds']} s"),
                ("Purposes", view.tags["purposes"].replace(",", ", ")),
                ("Services", ", ".join(f"`{name}`" for name in _services_of(view.name, services)) or "none"),
                ("Owner", view.owner),
            ),
        )
        columns = table(
            ("Feature", "Type", "Unit", "Meaning"),
            ((f"`{f.name}`", str(f.dtype), f.tags.get("unit", "none"), f.description) for f in view.features),
        )
        page.sections.append((f"View {view.name}", f"{view.description}\n\n{facts}\n\n{columns}"))
    rows = []
    for service in services.values():
        if not service.description:
            page.problems.append(f"feature service {service.name} has no description")
        used = ", ".join(f"`{projection.name}`" for projection in service.feature_view_projections)
        rows.append((f"`{service.name}`", used, service.description))
    page.sections.append(("Services", table(("Service", "Views", "Used for"), rows)))
    return page


def _services_of(view: str, services: dict[str, Any]) -> list[str]:
    return [
        name
        for name, service in services.items()
        if view in {projection.name for projection in service.feature_view_projections}
    ]
