"""``cleanplate doctor``: says what would fail on this machine, and what to do."""

from __future__ import annotations

import argparse

from .examination import examine
from .server_flags import add_endpoint, endpoint_from

EPILOG = """\
example:
  cleanplate doctor

exit codes: 0 nothing would fail, 1 something would, 2 the input cannot work
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``doctor``."""
    parser.epilog = EPILOG
    add_endpoint(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints one line a finding; 1 where something would fail."""
    findings = examine(endpoint_from(arguments))
    for finding in findings:
        print(finding)
    return int(any(finding.fails for finding in findings))
