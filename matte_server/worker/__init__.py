"""The worker process: its messages, its loop, its reader and solver, its memory, and what the machine has.

May import frame, io, models and below. The server starts it and imports only its messages, settings, machine and
loop. It knows no client, no queue and no network address.
"""
