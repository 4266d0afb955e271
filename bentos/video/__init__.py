"""Video service: transcoding, poster frames, video analysis and moderation."""
