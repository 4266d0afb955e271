"""Service-level objectives: one source of Prometheus rules, alerts, dashboards and ``neighborconnect slo``."""
