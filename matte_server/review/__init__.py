"""The review of a finished shot: figures by frame, a page for the browser, a contact sheet, a preview video.

May import shots, io, core; cli and demo import it. It changes no result.
"""
