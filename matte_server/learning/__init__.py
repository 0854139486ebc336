"""Trains the network on one shot: examples, composites made from them, losses, the steps, and the learned file.

May import core, pixels, models and frame; the shots' room reads the pictures and hands them in, and the training of
the packaged weights imports the losses. It opens no file but that of the learned weights, and no socket.
"""
