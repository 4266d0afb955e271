"""``python -m bentos.matching``: serve on the address of ``MATCHING_LISTEN``, one process."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.matching.service:MatchingService", name="bento-matching", listen="matching_listen")
