"""Vision models: re-encoding, face detection and anonymization, image analysis, and shot boundary detection."""
