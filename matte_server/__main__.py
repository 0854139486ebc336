"""``python -m matte_server`` is the ``cleanplate`` command."""

import sys

from .cli.main import main

sys.exit(main())
