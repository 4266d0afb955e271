"""The permission matrix: one module a slice, each with ``ROWS`` and, where its routes need things, ``create_data``."""
