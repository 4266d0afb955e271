"""Feature views by how often their rows are computed."""

from __future__ import annotations

from typing import Final

from neighborconnect.contracts import features as views

DAILY_VIEWS: Final = (
    views.USER_ACTIVITY,
    views.USER_AFFINITY,
    views.USER_NEGATIVES,
    views.USER_AUTHOR,
    views.USER_CONNECTOR,
    views.CONNECTOR_STATS,
    views.POST_STATS,
    views.AUTHOR_STATS,
    views.PLACE_STATS,
    views.EVENT_STATS,
    views.MARKETPLACE_ITEM_STATS,
)
"""Views with a row a day. The last hour before midnight carries no information, so its view has hourly rows only."""
LATEST_VIEWS: Final = (*DAILY_VIEWS, views.USER_RECENT_ACTIVITY)
"""Views whose latest rows are computed every hour: all of them."""
