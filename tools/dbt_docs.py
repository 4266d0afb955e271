"""dbt's documentation of the warehouse, with the lineage of its models, as one HTML file.

``python -m tools.dbt_docs`` writes ``build/site/dbt/index.html``, as ``make docs`` does. No warehouse is needed: types
come from the contracts of the marts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pipelines.warehouse import dbt

OUTPUT = dbt.PROJECT_DIR.parent / "build" / "site" / "dbt" / "index.html"
UNUSED_URL = "postgresql://nobody@127.0.0.1/warehouse"
STEPS = (["parse"], ["docs", "generate", "--static", "--empty-catalog", "--no-compile"])


def write(output: Path = OUTPUT) -> None:
    """Write the documentation.

    Raises:
        DbtError: if dbt fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target"
        environment = os.environ | dbt.environment_of(UNUSED_URL, target=target)
        for arguments in STEPS:
            done = subprocess.run(
                dbt.command([*arguments, "--quiet"]), env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise dbt.DbtError(f"dbt {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(target / "static_index.html", output)


def main() -> None:
    """Write the documentation and print its path."""
    write()
    sys.stdout.write(f"{OUTPUT}\n")


if __name__ == "__main__":
    main()
