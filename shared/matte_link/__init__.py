"""What hosts and the matting server share: options, messages, wire format, client and job.

Standard library only, except :mod:`matte_link.client`, which needs pyzmq. Python 3.9 syntax, because
Nuke 14 runs it: no keyword-only dataclasses, no ``slots``, no ``match`` and no run-time ``X | Y``.
"""
