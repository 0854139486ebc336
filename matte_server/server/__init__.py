"""The broker: transport (the loop), service (the decisions), dispatcher, caches, spool, worker pool, keys, metrics.

May import the worker's messages, settings and machine, and errors; farm and cli import it. It never imports torch
or decodes a picture: both belong to the worker.
"""
