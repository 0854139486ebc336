"""Geometry and estimation on small copies: windows, images, alignment, exposure, motion, guides.

Pure: numpy and OpenCV in and out, no files, no sockets, no torch, no logging. Imports nothing of ours;
everybody may import it.
"""
