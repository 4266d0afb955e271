"""Granularity of home locations that other users may see."""

from __future__ import annotations

HOME_CELL_RESOLUTION = 7
"""H3 resolution of home cells: about five square kilometers."""
