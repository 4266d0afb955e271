"""Text models: sentiment, moderation, spam, topics and entities by one encoder with an adapter per task."""
