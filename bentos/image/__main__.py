"""``python -m bentos.image``: serve on the address of ``IMAGE_LISTEN``, one process and its workers."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.image.service:ImageService", name="bento-image", listen="image_listen")
