"""Repair of a partition in quarantine: rows are computed from the lake and replace the served ones if valid."""

from __future__ import annotations

from datetime import date

from neighborconnect.settings import Settings
from pipelines.features.compute import compute_days, compute_latest
from pipelines.quality.quarantine import QuarantinedPartition, list_quarantined


class UnknownPartitionError(LookupError):
    """The quarantine has no such partition; the message lists those that it has."""


def require_quarantined(settings: Settings, name: str) -> QuarantinedPartition:
    """Return the partition with a name such as ``user_affinity/2026-11-16``.

    Raises:
        UnknownPartitionError: if it is not in quarantine.
    """
    found = {one.name: one for one in list_quarantined(settings)}
    if name not in found:
        listed = f"It has {', '.join(found)}." if found else "It is empty."
        raise UnknownPartitionError(f"The quarantine has no partition {name!r}. {listed}")
    return found[name]


def repair(settings: Settings, partition: QuarantinedPartition) -> int:
    """Compute the rows of a partition again and return their number; it then leaves the quarantine.

    Raises:
        EmptyInputError: if the lake has no rows for it; the served rows are unchanged.
        QuarantinedError: if the rows fail the check again; the served rows are unchanged.
    """
    if "T" in partition.partition:
        return compute_latest(settings, at=partition.as_of, views=[partition.view])[partition.view]
    day = date.fromisoformat(partition.partition)
    return compute_days(settings, view=partition.view, first=day, last=day)
