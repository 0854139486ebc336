"""The matting process: its messages, its loop, its reader and solver, its memory and its machine.

May import frame, io, models and below; the server starts it and imports only its messages, settings and machine.
It knows no client, no queue and no network address.
"""
