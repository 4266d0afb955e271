"""Captured tables of events and of the marketplace."""

from __future__ import annotations

from neighborconnect.contracts.columns import (
    MARTS,
    RECOMMENDATION,
    CapturedTable,
    ColumnType,
    personal,
    public,
    row_id,
    time,
    withheld,
)

_UUID, _TEXT, _INT, _BOOL, _TIME, _JSON, _FLOAT, _DECIMAL = (
    ColumnType.UUID,
    ColumnType.TEXT,
    ColumnType.INTEGER,
    ColumnType.BOOLEAN,
    ColumnType.TIMESTAMP,
    ColumnType.JSON,
    ColumnType.FLOAT,
    ColumnType.DECIMAL,
)
_READERS = (MARTS, RECOMMENDATION)

EVENTS = CapturedTable(
    "events",
    (
        row_id("event"),
        public("connector_id", _UUID, "Id of the connector.", references="connectors"),
        public("created_by", _UUID, "Id of the organizer.", references="users"),
        public("title", _TEXT, "Title.", is_text=True),
        public("description", _TEXT, "Description.", is_text=True),
        public("location", _TEXT, "Address or name of the place.", is_text=True),
        time("start_date", "Start"),
        time("end_date", "End; null if it is open"),
        public("max_attendees", _INT, "Capacity with guests; null without a limit."),
        public("attendee_count", _INT, "Number of attending people with their guests."),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last edit"),
        public("is_active", _BOOL, "False once it is canceled."),
        public("latitude", _FLOAT, "Latitude in degrees (WGS 84)."),
        public("longitude", _FLOAT, "Longitude in degrees (WGS 84)."),
        public("time_zone", _TEXT, "Time zone of the place (IANA)."),
        public("hides_attendees", _BOOL, "Whether only the organizer sees who attends."),
        public("revision", _INT, "iCalendar sequence number."),
        withheld("media_ids", _JSON),
    ),
    description="An event of a connector.",
)
EVENT_ATTENDEES = CapturedTable(
    "event_attendees",
    (
        row_id("response"),
        public("event_id", _UUID, "Id of the event.", references="events"),
        personal("user_id", _UUID, "Id of the invited user.", consumers=_READERS, references="users"),
        public("status", _TEXT, "Response.", values=("attending", "maybe", "declined", "waiting")),
        time("joined_at", "Time of the response"),
        public("guests", _INT, "Number of guests."),
    ),
    description="A user's response to an event (RSVP); `waiting` is a place on the wait list.",
    event_time="joined_at",
)
MARKETPLACE_ITEMS = CapturedTable(
    "marketplace_items",
    (
        row_id("item"),
        public("connector_id", _UUID, "Id of the connector.", references="connectors"),
        public("seller_id", _UUID, "Id of the seller.", references="users"),
        public("title", _TEXT, "Title.", is_text=True),
        public("description", _TEXT, "Description.", is_text=True),
        public("price", _DECIMAL, "Price in `currency`."),
        public("category", _TEXT, "Category."),
        public("condition", _TEXT, "Condition."),
        withheld("images", _JSON),
        public("status", _TEXT, "State of the sale.", values=("available", "reserved", "sold")),
        public("views_count", _INT, "Number of people who viewed it."),
        time("created_at", "Creation time"),
        time("updated_at", "Time of the last edit"),
        public("is_active", _BOOL, "False once it is withdrawn."),
        public("currency", _TEXT, "Currency (ISO 4217)."),
        public("latitude", _FLOAT, "Latitude in degrees (WGS 84)."),
        public("longitude", _FLOAT, "Longitude in degrees (WGS 84)."),
        withheld("reserved_by", _UUID, references="users"),
        withheld("reserved_until", _TIME),
        public("media_ids", _JSON, "Ids of the attached uploads: a JSON array."),
    ),
    description="An item for sale.",
)
MARKETPLACE_ITEM_VIEWS = CapturedTable(
    "marketplace_item_views",
    (
        row_id("view"),
        public("item_id", _UUID, "Id of the item.", references="marketplace_items"),
        personal("user_id", _UUID, "Id of the viewer.", consumers=_READERS, references="users"),
        time("created_at", "Time of the first view"),
    ),
    description="A view of an item, once per user.",
)
MARKETPLACE_PURCHASES = CapturedTable(
    "marketplace_purchases",
    (
        row_id("purchase"),
        public("item_id", _UUID, "Id of the item.", references="marketplace_items"),
        personal("buyer_id", _UUID, "Id of the buyer.", consumers=_READERS, references="users"),
        personal("seller_id", _UUID, "Id of the seller.", consumers=_READERS, references="users"),
        public("price", _DECIMAL, "Agreed price in `currency`."),
        public("currency", _TEXT, "Currency (ISO 4217)."),
        public("status", _TEXT, "State of the purchase.", values=("agreed", "completed", "cancelled")),
        time("created_at", "Time of the agreement"),
        time("updated_at", "Time of the last change of the state"),
    ),
    description="A purchase of an item.",
)
SELLER_REVIEWS = CapturedTable(
    "seller_reviews",
    (
        row_id("review"),
        public("purchase_id", _UUID, "Id of the purchase.", references="marketplace_purchases"),
        personal("seller_id", _UUID, "Id of the reviewed seller.", consumers=_READERS, references="users"),
        personal("buyer_id", _UUID, "Id of the buyer.", consumers=_READERS, references="users"),
        public("rating", _INT, "Rating in stars, 1 to 5."),
        withheld("content", _TEXT),
        public("is_active", _BOOL, "False after its removal."),
        time("created_at", "Creation time"),
        withheld("media_ids", _JSON),
    ),
    description="A buyer's review of the seller, without its text.",
)
