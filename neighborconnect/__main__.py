"""``python -m neighborconnect``, the same as the ``neighborconnect`` program."""

from neighborconnect.cli import main

if __name__ == "__main__":
    main()
