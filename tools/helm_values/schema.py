"""JSON Schema of the chart's values, by which Helm refuses wrong types and unknown keys."""

from __future__ import annotations

import json
from pathlib import Path

from tools.helm_values.models import Values

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "neighborconnect"
SCHEMA_FILE = CHART / "values.schema.json"


def schema_text() -> str:
    """Return the content of ``values.schema.json``."""
    schema = Values.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
