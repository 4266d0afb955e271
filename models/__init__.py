"""The models, a package a family: each loads, trains, is judged, and predicts in modules of these names."""

import os

# Read by MLflow when it is imported, which every path to it goes through here.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
