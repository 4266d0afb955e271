"""``python -m bentos.video``: serve on the address of ``VIDEO_LISTEN``, one process and its workers."""

from bentos.serving import serve

if __name__ == "__main__":
    serve("bentos.video.service:VideoService", name="bento-video", listen="video_listen")
