"""``python -m bentos.recommendation``: serve on the address of ``RECOMMENDATION_URL``, one process."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.recommendation.service:RecommendationService", name="bento", setting="recommendation_url")
