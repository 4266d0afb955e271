"""``python -m transactional_api.openapi`` writes the API's description to ``openapi.json`` next to this module."""

from __future__ import annotations

import json
from pathlib import Path

from transactional_api.app import assemble

PATH = Path(__file__).parent / "openapi.json"


def render() -> str:
    """Return the description as it is committed."""
    return json.dumps(assemble().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
