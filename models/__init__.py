"""Models, one package per family: data, training, offline evaluation and prediction."""

import os

# MLflow reads these at import, and every import of it passes through this package first.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
