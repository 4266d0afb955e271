"""``python -m bentos.content``: serve on the address of ``CONTENT_LISTEN``, one process."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.content.service:ContentService", name="bento-content", listen="content_listen")
