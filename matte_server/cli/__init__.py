"""The ``cleanplate`` command: one file a subcommand, what they print with, and nothing else.

The composition root: it may import every room, and no room may import it. A subcommand's parser, its checks and
its work are apart; work that somebody else needs too belongs in the room below that owns it.
"""
