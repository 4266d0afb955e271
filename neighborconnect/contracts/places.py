"""How finely others may know where somebody lives."""

from __future__ import annotations

HOME_CELL_RESOLUTION = 7
"""Of the H3 cell that a home is in: five square kilometres."""
