"""The page "Settings": environment name, type, default and meaning of each setting."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from tools.reference.page import Page, table


def attribute_docstrings(tree: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield name, annotation and docstring of each annotated field of a class, in order."""
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = str(following.value.value)
        yield node.target.id, ast.unparse(node.annotation), text


def settings_page() -> Page:
    """Return the page of settings: environment name, type, default and meaning."""
    settings = importlib.import_module("neighborconnect.settings")
    page = Page(
        "settings",
        "Settings",
        "Each setting is an environment variable. An embedded stack writes its own to `stack.env` in the data folder; "
        "a variable of the environment takes precedence. In the external profile a process needs only the settings "
        "that it reads.",
    )
    (tree,) = ast.parse(inspect.getsource(settings.Settings)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 (the source of a class)
    rows = []
    for name, annotation, text in attribute_docstrings(tree):
        info = settings.Settings.model_fields.get(name)
        if info is None:
            continue
        if not text:
            page.problems.append(f"setting {name.upper()} has no docstring under its field")
        rows.append((f"`{name.upper()}`", f"`{annotation}`", _default(info), text))
    page.sections.append(("", table(("Setting", "Type", "Default", "Meaning"), rows)))
    return page


def _default(info: Any) -> str:
    if info.default_factory is not None:
        return "computed"
    if info.default is PydanticUndefined:
        return "**required**"
    value = getattr(info.default, "get_secret_value", lambda: info.default)()
    return "none" if value is None else f"`{value}`" if value != "" else "empty"
