"""A shot, seen from the client: its plan, inputs, plate solve, requests, batch run, outputs, built clean plates.

May import io, core, errors, and learning to learn a shot in this process; it talks to a server through
``matte_link`` alone. Review, farm, demo, cli and the Python interface import it. It starts no server and prints
nothing.
"""
