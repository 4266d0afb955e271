"""Content service: sentiment, moderation, topics, spam detection and embeddings of texts."""
