"""Image service: re-encoding, thumbnails, face detection and anonymization, and image analysis."""
