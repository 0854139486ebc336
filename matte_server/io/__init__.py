"""Files <-> ``Image``: EXR, stills, video, colourspaces, timecode and metadata.

May import core and errors; frame, worker, shots and everything above may import it. Only this room imports
OpenImageIO, OpenEXR and PyAV. No torch, no sockets, no shots.
"""
