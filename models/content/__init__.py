"""What texts say: how they sound, what moderation would do, spam, topics, entities; one encoder, small adapters."""
