"""The matting server: transport, service, dispatcher, admission, spool, worker pool, keys.

May import errors and the worker's messages, settings, machine and loop; shots, farm and cli import it. It never
imports torch and never decodes a picture: both belong to the worker.
"""
