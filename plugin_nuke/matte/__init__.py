"""The Cleanplate Matte node inside Nuke. Only :mod:`matte.host` imports ``nuke``."""
