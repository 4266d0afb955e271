"""Write the schema of the chart's values: ``python -m tools.helm_values``."""

from __future__ import annotations

from tools.helm_values.schema import SCHEMA_FILE, schema_text

if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
