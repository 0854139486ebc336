"""The Cleanplate Matte node inside Nuke. Only :mod:`cleanplate_node.host` imports ``nuke``."""
