"""``python -m bentos.matching``: serve on the address of ``MATCHING_URL``, one process."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.matching.service:MatchingService", name="bento-matching", setting="matching_url")
