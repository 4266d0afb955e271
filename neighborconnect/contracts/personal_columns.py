"""Personal columns outside of the product database, derived from the privacy classes of the streams."""

from __future__ import annotations

from functools import cache

from neighborconnect.contracts.tables import Privacy
from neighborconnect.contracts.topics import STREAMS, Stream


def personal_columns(stream: Stream) -> frozenset[str]:
    """Return the personal columns of a stream's table in the lake and in ``raw``."""
    return frozenset(column.name for column in stream.columns if column.privacy is Privacy.PERSONAL)


@cache
def personal_names() -> frozenset[str]:
    """Return the column names that are personal in every stream that has them.

    Tables derived from several streams (marts) keep the names of the columns. A name that is public elsewhere, such as
    ``user_id``, is not one of them.
    """
    public = {column.name for stream in STREAMS for column in stream.columns if column.privacy is Privacy.PUBLIC}
    return frozenset(name for stream in STREAMS for name in personal_columns(stream)) - public
