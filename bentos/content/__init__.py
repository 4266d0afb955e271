"""The content service: what a text says, and whether it should be shown."""
