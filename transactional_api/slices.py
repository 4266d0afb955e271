"""Modules that register jobs, moderation subjects or withdrawal steps: importing this one registers all of them."""

from __future__ import annotations

from transactional_api.community.chat import moderation_subjects as chat_moderation_subjects
from transactional_api.community.connectors import moderation_subjects as connectors_moderation_subjects
from transactional_api.community.connectors import withdrawal as connectors_withdrawal
from transactional_api.community.events import moderation_subjects as events_moderation_subjects
from transactional_api.community.events import reminders
from transactional_api.community.events import withdrawal as events_withdrawal
from transactional_api.community.link_previews import jobs as link_preview_jobs
from transactional_api.community.marketplace import moderation_subjects as marketplace_moderation_subjects
from transactional_api.community.marketplace import withdrawal as marketplace_withdrawal
from transactional_api.community.media import analysis, jobs, link_replacement, renditions
from transactional_api.community.media import moderation_subjects as media_moderation_subjects
from transactional_api.community.moderation import reversal, screening
from transactional_api.community.notifications import digest, emails, fan_out, push
from transactional_api.community.posts import moderation_subjects as posts_moderation_subjects
from transactional_api.community.reviews import moderation_subjects as reviews_moderation_subjects
from transactional_api.community.search import embeddings, vocabulary
from transactional_api.community.stories import captions, capture
from transactional_api.community.stories import moderation_subjects as stories_moderation_subjects
from transactional_api.community.stories import withdrawal as stories_withdrawal
from transactional_api.community.webhooks import delivery as webhook_delivery
from transactional_api.core import mailer
from transactional_api.core.audit import trail
from transactional_api.governance import withdrawal_sweep
from transactional_api.governance.privacy import erasure_job, exports, retention
from transactional_api.identity.oauth import moderation_subjects as oauth_moderation_subjects
from transactional_api.identity.relationships import withdrawal as relationships_withdrawal
from transactional_api.identity.users import email_address, recovery, reencryption, reputation_history
from transactional_api.identity.users import moderation_subjects as users_moderation_subjects
from transactional_api.intelligence.text_analysis import triage

REGISTERED = (
    chat_moderation_subjects,
    connectors_moderation_subjects,
    connectors_withdrawal,
    events_moderation_subjects,
    reminders,
    events_withdrawal,
    marketplace_moderation_subjects,
    marketplace_withdrawal,
    analysis,
    jobs,
    link_preview_jobs,
    link_replacement,
    media_moderation_subjects,
    renditions,
    reversal,
    screening,
    digest,
    emails,
    fan_out,
    push,
    posts_moderation_subjects,
    reviews_moderation_subjects,
    embeddings,
    vocabulary,
    captions,
    capture,
    stories_moderation_subjects,
    stories_withdrawal,
    webhook_delivery,
    trail,
    mailer,
    erasure_job,
    exports,
    retention,
    withdrawal_sweep,
    oauth_moderation_subjects,
    relationships_withdrawal,
    email_address,
    users_moderation_subjects,
    recovery,
    reencryption,
    reputation_history,
    triage,
)
