"""The packaged shot with known alpha, and how far a result is from it.

May import shots, review, io, core; cli imports it. What renders the shot lives in training.
"""
