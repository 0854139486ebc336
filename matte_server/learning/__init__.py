"""Trains the network on one shot: examples, composites made from them, losses, the steps, and the learned file.

May import core, pixels, models and frame. Worker and shots import it, read the pictures and hand them in; training
imports its losses. It opens no file but that of the learned weights, and no socket.
"""
