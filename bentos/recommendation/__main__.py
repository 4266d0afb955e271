"""``python -m bentos.recommendation``: serve on the address of ``RECOMMENDATION_LISTEN``, one process."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.recommendation.service:RecommendationService", name="bento", listen="recommendation_listen")
