"""A shot, seen from the client: its plan, inputs, plate solve, requests, batch run, outputs, built clean plates.

May import io, core and errors, and talks to a server through ``matte_link`` alone; review, farm, demo and cli
import it. It starts no server and prints nothing.
"""
