"""Things on a table, rendered with and without them in the same light.

A composite has no shadow, mirror image, caustic or light thrown back that was not put into it; here light makes
them all. Ten kinds of things (:mod:`things`) are for measuring only. Training sees other shapes, and subjects, in
other panoramas (:mod:`shapes`, :mod:`subjects`); ``training/lit.py`` makes composites of them. The modules run in a
Python with the bpy wheel, and nobody but ``__main__`` imports them. Metres, z up, the camera looks along +y.
"""
