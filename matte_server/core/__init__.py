"""Geometry and estimation on numpy arrays. Pure: no files, sockets, torch or logging."""
