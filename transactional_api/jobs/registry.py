"""Every slice's jobs; importing this module registers them with the queue."""

from __future__ import annotations

from transactional_api import housekeeping
from transactional_api.audit import trail
from transactional_api.events import reminders
from transactional_api.mail import letters
from transactional_api.media import jobs as media
from transactional_api.media import renditions, seeing
from transactional_api.moderation import jobs as moderation
from transactional_api.moderation import screening
from transactional_api.moments import captions
from transactional_api.notifications import hours, notice, push
from transactional_api.privacy import exports, forgetting
from transactional_api.search import meanings, vocabulary
from transactional_api.users import mailbox, reputation, sealing

JOBS = (
    housekeeping,
    trail,
    letters,
    notice,
    hours,
    push,
    mailbox,
    sealing,
    reputation,
    media,
    seeing,
    renditions,
    moderation,
    screening,
    captions,
    exports,
    forgetting,
    reminders,
    meanings,
    vocabulary,
)
"""The modules that declare jobs."""
