"""The Cleanplate Matte node inside Nuke. Only :mod:`cleanplate_node.host` imports ``nuke``."""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - Nuke 13 finds this folder too, and must say what is wrong
    raise ImportError(
        "Cleanplate needs Nuke 14 or later, whose Python is 3.9 or later; this one has Python "
        + ".".join(map(str, sys.version_info[:2]))
        + "."
    )
