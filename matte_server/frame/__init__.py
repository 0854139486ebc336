"""Solves one frame: align, warp, run the model, smooth over the neighbours in time, solve the foreground.

May import core, pixels and the models' protocols and registry; the worker imports it and hands in the pictures.
It opens no file and no socket.
"""
