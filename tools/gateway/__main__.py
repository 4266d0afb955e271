"""Write the configuration of Envoy to ``deploy/gateway``: ``python -m tools.gateway``."""

from __future__ import annotations

from tools.gateway.envoy import generated_files

if __name__ == "__main__":
    for path, text in generated_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
