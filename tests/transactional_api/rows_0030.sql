-- One row or more of every table of revision 0030 that the API fills. Ids: a... people, c... places, d... the rest.
INSERT INTO users (id, email, username, password_hash, first_name, last_name, city, reputation, interests, email_sealed, phone) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'ada@example.org', 'ada', 'x', 'Ada', 'Bell', 'Delft', 7, '["gardening"]', NULL, NULL),
  ('a0000000-0000-0000-0000-000000000002', 'ben-hash', 'ben', 'x', 'Ben', 'Cole', 'Delft', 3, '[]', NULL, '+31600000001'),
  ('a0000000-0000-0000-0000-000000000003', 'mod-hash', 'mod', 'x', 'Mia', 'Dorn', 'Delft', 0, '[]', NULL, NULL);
UPDATE users SET role = 'moderator' WHERE username = 'mod';
INSERT INTO connectors (id, name, category, created_by, member_count, post_count, is_public, join_policy) VALUES
  ('c0000000-0000-0000-0000-000000000001', 'Gardeners', 'Gardening', 'a0000000-0000-0000-0000-000000000001', 2, 1, true, 'open');
INSERT INTO connector_members (connector_id, user_id, role) VALUES
  ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'admin'),
  ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 'member');
INSERT INTO connector_bans (connector_id, user_id, banned_by, reason) VALUES
  ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000003', 'a0000000-0000-0000-0000-000000000001', 'test');
INSERT INTO connector_invitations (connector_id, user_id, invited_by) VALUES
  ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000003', 'a0000000-0000-0000-0000-000000000001');
INSERT INTO connector_join_requests (connector_id, user_id) VALUES
  ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000003');
INSERT INTO posts (id, connector_id, author_id, content, likes_count, comments_count) VALUES
  ('d0000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'A #ladder to lend', 1, 1);
INSERT INTO comments (id, post_id, author_id, content, likes_count) VALUES
  ('d0000000-0000-0000-0000-000000000002', 'd0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 'Yes please', 1);
INSERT INTO comment_likes (comment_id, user_id) VALUES
  ('d0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000001');
INSERT INTO post_likes (post_id, user_id) VALUES
  ('d0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002');
INSERT INTO post_reactions (post_id, user_id, kind) VALUES
  ('d0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 'love');
INSERT INTO post_tags (post_id, tag) VALUES ('d0000000-0000-0000-0000-000000000001', 'ladder');
INSERT INTO post_versions (post_id, editor_id, content) VALUES
  ('d0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'A ladder');
INSERT INTO pinned_posts (post_id, connector_id, pinned_by) VALUES
  ('d0000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001');
INSERT INTO events (id, connector_id, created_by, title, start_date, end_date, max_attendees, attendee_count) VALUES
  ('d0000000-0000-0000-0000-000000000003', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'Seed swap', '2090-05-02 14:00+00', '2090-05-02 16:00+00', 5, 2);
INSERT INTO event_attendees (event_id, user_id, status, guests) VALUES
  ('d0000000-0000-0000-0000-000000000003', 'a0000000-0000-0000-0000-000000000002', 'attending', 1);
INSERT INTO marketplace_items (id, connector_id, seller_id, title, price, category, status, views_count, currency) VALUES
  ('d0000000-0000-0000-0000-000000000004', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'Wheelbarrow', 25.00, 'garden', 'sold', 1, 'EUR');
INSERT INTO marketplace_item_views (item_id, user_id) VALUES
  ('d0000000-0000-0000-0000-000000000004', 'a0000000-0000-0000-0000-000000000002');
INSERT INTO marketplace_purchases (id, item_id, buyer_id, seller_id, price, currency, status) VALUES
  ('d0000000-0000-0000-0000-000000000005', 'd0000000-0000-0000-0000-000000000004', 'a0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000001', 25.00, 'EUR', 'completed');
INSERT INTO seller_reviews (purchase_id, seller_id, buyer_id, rating, content) VALUES
  ('d0000000-0000-0000-0000-000000000005', 'a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 5, 'Fine');
INSERT INTO reviews (id, connector_id, reviewer_id, title, content, rating, helpful_count) VALUES
  ('d0000000-0000-0000-0000-000000000006', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002', 'Good', 'Kind people', 4, 1);
INSERT INTO review_votes (review_id, user_id) VALUES
  ('d0000000-0000-0000-0000-000000000006', 'a0000000-0000-0000-0000-000000000001');
INSERT INTO conversations (id, kind, title, created_by, last_event_id) VALUES
  ('d0000000-0000-0000-0000-000000000007', 'group', 'Ladders', 'a0000000-0000-0000-0000-000000000001', 1);
INSERT INTO conversation_members (conversation_id, user_id, read_up_to) VALUES
  ('d0000000-0000-0000-0000-000000000007', 'a0000000-0000-0000-0000-000000000001', 1),
  ('d0000000-0000-0000-0000-000000000007', 'a0000000-0000-0000-0000-000000000002', 0);
INSERT INTO chat_messages (id, conversation_id, author_id, event_id, content) VALUES
  ('d0000000-0000-0000-0000-000000000008', 'd0000000-0000-0000-0000-000000000007', 'a0000000-0000-0000-0000-000000000001', 1, 'Hello');
INSERT INTO chat_events (conversation_id, event_id, kind, user_id, message_id) VALUES
  ('d0000000-0000-0000-0000-000000000007', 1, 'message.created', 'a0000000-0000-0000-0000-000000000001', 'd0000000-0000-0000-0000-000000000008');
INSERT INTO blocks (blocker_id, blocked_id) VALUES
  ('a0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000003');
INSERT INTO follows (follower_id, followee_id) VALUES
  ('a0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000001');
INSERT INTO mutes (muter_id, muted_id) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000003');
INSERT INTO hidden_items (user_id, item_kind, item_id) VALUES
  ('a0000000-0000-0000-0000-000000000003', 'post', 'd0000000-0000-0000-0000-000000000001');
INSERT INTO notifications (user_id, notice_id, kind, actor_id, subject_kind, subject_id, title, body) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'd0000000-0000-0000-0000-000000000009', 'comment', 'a0000000-0000-0000-0000-000000000002', 'post', 'd0000000-0000-0000-0000-000000000001', 'New comment', 'Yes please');
INSERT INTO notification_hours (user_id, timezone, quiet_from, quiet_until, digest_hour) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'Europe/Amsterdam', '22:00', '07:00', 7);
INSERT INTO notification_preferences (user_id, kind, channel, wanted) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'comment', 'email', false);
INSERT INTO user_sessions (id, user_id, expires_at) VALUES
  ('d0000000-0000-0000-0000-00000000000a', 'a0000000-0000-0000-0000-000000000001', '2090-01-01 00:00+00');
INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'd0000000-0000-0000-0000-00000000000a', 'token', '2090-01-01 00:00+00');
INSERT INTO push_devices (user_id, kind, address, session_id) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'expo', 'ExponentPushToken[x]', 'd0000000-0000-0000-0000-00000000000a');
INSERT INTO linked_accounts (user_id, provider, subject) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'example', 'subject');
INSERT INTO one_time_tokens (user_id, purpose, token_hash, expires_at) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'verify_email', 'once', '2090-01-01 00:00+00');
INSERT INTO second_factors (user_id, secret_sealed, confirmed_at, recovery_hashes) VALUES
  ('a0000000-0000-0000-0000-000000000002', 'sealed', now(), '["x"]');
INSERT INTO oauth_apps (id, owner_id, name, redirect_uris) VALUES
  ('d0000000-0000-0000-0000-00000000000b', 'a0000000-0000-0000-0000-000000000001', 'Clock', '["https://example.org/"]');
INSERT INTO oauth_codes (code_hash, app_id, user_id, redirect_uri, challenge, scopes, expires_at) VALUES
  ('code', 'd0000000-0000-0000-0000-00000000000b', 'a0000000-0000-0000-0000-000000000001', 'https://example.org/', 'x', '["read"]', '2090-01-01 00:00+00');
INSERT INTO idempotency_keys (user_id, route, key, request_hash, status, body, expires_at) VALUES
  ('a0000000-0000-0000-0000-000000000001', '/posts', 'key', 'x', 201, '{}', '2090-01-01 00:00+00');
INSERT INTO consents (user_id, purpose, granted) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'analytics', true);
INSERT INTO data_exports (user_id, state, expires_at) VALUES
  ('a0000000-0000-0000-0000-000000000001', 'waiting', '2090-01-01 00:00+00');
INSERT INTO erasures (user_id, keeps_words, code_hash) VALUES
  ('a0000000-0000-0000-0000-000000000003', true, 'x');
INSERT INTO reputation_changes (user_id, reputation, parts) VALUES
  ('a0000000-0000-0000-0000-000000000001', 7, '{}');
INSERT INTO experiments (key, variants) VALUES ('order', '[{"name": "a", "weight": 1}]');
INSERT INTO moderation_cases (id, subject_kind, subject_id, owner_id, words, state, reports) VALUES
  ('d0000000-0000-0000-0000-00000000000c', 'post', 'd0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'A #ladder to lend', 'decided', 1);
INSERT INTO moderation_reports (case_id, reporter_id, reason, words) VALUES
  ('d0000000-0000-0000-0000-00000000000c', 'a0000000-0000-0000-0000-000000000002', 'spam', 'Looks like spam');
INSERT INTO moderation_decisions (id, case_id, moderator_id, outcome, rule, took_effect, subject_kind, subject_id) VALUES
  ('d0000000-0000-0000-0000-00000000000d', 'd0000000-0000-0000-0000-00000000000c', 'a0000000-0000-0000-0000-000000000003', 'keep', 'spam', true, 'post', 'd0000000-0000-0000-0000-000000000001');
INSERT INTO moderation_appeals (decision_id, appellant_id, words) VALUES
  ('d0000000-0000-0000-0000-00000000000d', 'a0000000-0000-0000-0000-000000000001', 'Why?');
INSERT INTO audit_log (actor_id, action, subject, request_id) VALUES
  ('a0000000-0000-0000-0000-000000000003', 'moderation.decide', '{"kind": "post"}', 'request');
INSERT INTO uploads (id, owner_id, words) VALUES
  ('d0000000-0000-0000-0000-00000000000e', 'a0000000-0000-0000-0000-000000000001', 'a ladder');
INSERT INTO media_usage (user_id, bytes) VALUES ('a0000000-0000-0000-0000-000000000001', 1000);
INSERT INTO media_documents (id, collection, document) VALUES
  ('d0000000-0000-0000-0000-00000000000e', 'media', '{"ownerId": "a0000000-0000-0000-0000-000000000001", "type": "image/png"}'),
  ('d0000000-0000-0000-0000-00000000000f', 'reels', '{"authorId": "a0000000-0000-0000-0000-000000000001", "connectorId": "c0000000-0000-0000-0000-000000000001", "duration": "0:05", "views": 1, "likes": 0}');
INSERT INTO media_captions (id, kind, connector_id, author_id, words) VALUES
  ('d0000000-0000-0000-0000-00000000000f', 'reel', 'c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'A ladder in use');
INSERT INTO media_marks (document_id, user_id, kind) VALUES
  ('d0000000-0000-0000-0000-00000000000f', 'a0000000-0000-0000-0000-000000000002', 'view');
