"""Options of every Kafka client, from the settings of its process."""

from __future__ import annotations

import logging
from typing import Any

from neighborconnect.settings import Settings, get_settings


def client_options(bootstrap_servers: str, *, settings: Settings | None = None) -> dict[str, Any]:
    """Return the connection and authentication options of kafka-python's clients.

    Args:
        bootstrap_servers: ``host:port`` of brokers, separated by commas.
        settings: protocol and credentials; the settings of the process if None.
    """
    chosen = settings or get_settings()
    options: dict[str, Any] = {
        "bootstrap_servers": bootstrap_servers.split(","),
        "security_protocol": chosen.kafka_security_protocol,
    }
    if chosen.kafka_security_protocol.startswith("SASL_"):
        # kafka-python warns at every connection that SASL/PLAIN without TLS is not encrypted.
        logging.getLogger("kafka.net.sasl.plain").setLevel(logging.ERROR)
        options |= {
            "sasl_mechanism": chosen.kafka_sasl_mechanism,
            "sasl_plain_username": chosen.kafka_username,
            "sasl_plain_password": chosen.kafka_password.get_secret_value(),
        }
    return options
