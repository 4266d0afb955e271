"""Reference pages of the documentation site, generated from the code.

``python -m tools.reference`` writes the pages to a folder; ``--check`` writes nothing, lists every entry without a
description or a remedy, and exits with 1 if there is any. The pages are not in the repository: ``make docs`` generates
them each time.
"""

from __future__ import annotations

import sys

from tools.reference.build import main

if __name__ == "__main__":
    sys.exit(main())
