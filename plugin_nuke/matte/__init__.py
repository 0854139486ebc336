"""The first name of ``cleanplate_node``: buttons of nodes of panel 1 call :mod:`matte.callbacks`."""
