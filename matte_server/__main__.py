"""``python -m matte_server`` is the ``cleanplate`` command."""

import sys

from .cli import main

sys.exit(main())
