"""Rows that a benchmark returns, and their output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, next to a peer's on the same machine in the same run where there is one.

    Attributes:
        measure: what was measured, in words.
        ours: our figure.
        peer: the peer's or the raw limit's figure.
        ratio: ours divided by the peer's.
        unit: of both figures.
        note: what the peer is, sizes, the protocol.
    """

    measure: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    unit: str = ""
    note: str = ""

    @classmethod
    def compare(cls, measure: str, *, ours: float, peer: float, unit: str, note: str = "") -> Self:
        """Make a row with the ratio of its two figures."""
        return cls(measure=measure, ours=ours, peer=peer, ratio=ours / peer if peer else None, unit=unit, note=note)


def percentiles(measure: str, seconds: Sequence[float], *, note: str = "") -> list[Row]:
    """Make rows of the median, the 95th and the 99th percentile of durations, in milliseconds."""
    return [
        Row(
            measure=f"{measure}, p{rank}",
            ours=float(np.percentile(seconds, rank)) * 1_000,
            unit="ms",
            note=note or f"{len(seconds)} samples",
        )
        for rank in (50, 95, 99)
    ]


def show(title: str, rows: Sequence[Row], *, console: Console | None = None) -> None:
    """Print one benchmark's rows as a table."""
    table = Table(title=title, title_justify="left")
    for name in ("measure", "ours", "peer", "ratio", "unit", "note"):
        table.add_column(name, justify="right" if name in {"ours", "peer", "ratio"} else "left", overflow="fold")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.measure, _figure(row.ours), _figure(row.peer), ratio, row.unit, row.note)
    (console or Console()).print(table)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
