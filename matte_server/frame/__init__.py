"""One frame's story: align, warp, ask the model, follow the neighbours in time, solve the foreground.

May import core, pixels and the models' protocols (the models themselves are handed in); the worker imports it.
It opens no file and no socket.
"""
