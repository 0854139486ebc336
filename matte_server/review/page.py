"""A shot's review as one self-contained HTML page: pictures, figures, and the frames to look at.

The page needs no server and no network: it opens from a file. Its style and its script are in ``assets``; this file
adds the shot, as JSON.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from .columns import COLUMNS
from .figures import FrameFigures

ROLES = ("plate", "clean", "foreground", "alpha", "background")
_KINDS = {b"\xff\xd8": "jpeg", b"\x89P": "png"}


@dataclass(frozen=True)
class PageFrame:
    """One frame: its figures, and its pictures by role (one of ``ROLES``) as JPEG or PNG files. The pictures are
    small and made for the screen: colour as :func:`contact_sheet.as_display` makes it, the foreground multiplied by
    alpha, alpha as grey. A frame without a result has none; in a long shot, neither has every frame with one.
    ``crops``: for each reason to look at the frame, a JPEG of the place."""

    figures: FrameFigures
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    crops: Sequence[bytes] = ()


@dataclass(frozen=True)
class Page:
    """``note`` is a sentence for the head of the page; ``rate`` is the frames per second that it plays."""

    title: str
    frames: Sequence[PageFrame]
    note: str = ""
    rate: float = 24.0


def page_html(page: Page) -> str:
    """The page's text."""
    assets = files(__package__) / "assets"
    parts = {
        "STYLE": (assets / "page.css").read_text("utf-8"),
        "SHOT": _shot_json(page),
        "SCRIPT": (assets / "page.js").read_text("utf-8"),
        "TITLE": html.escape(page.title),
    }
    return re.sub("@([A-Z]+)@", lambda mark: parts[mark[1]], (assets / "page.html").read_text("utf-8"))


def _shot_json(page: Page) -> str:
    """What the script reads. A picture that several frames share is stored once and named by its index."""
    indices: dict[bytes, int] = {}
    frames = []
    for frame in page.frames:
        pictures = {
            role: indices.setdefault(frame.pictures[role], len(indices)) for role in ROLES if role in frame.pictures
        }
        figures = frame.figures
        frames.append(
            {
                "frame": figures.frame,
                "reasons": [reason.sentence for reason in figures.reasons],
                "severity": figures.severity,
                "crops": [indices.setdefault(picture, len(indices)) for picture in frame.crops],
                "values": [column.values(figures) for column in COLUMNS],
                "pictures": pictures,
            }
        )
    facts = {
        "columns": [column.facts([frame.figures for frame in page.frames]) for column in COLUMNS],
        "frames": frames,
        "pictures": [_data_uri(picture) for picture in indices],
        "note": page.note,
        "rate": page.rate,
    }
    # Inside a script element only "<" can end or nest anything.
    return json.dumps(facts, allow_nan=False).replace("<", "\\u003c")


def _data_uri(picture: bytes) -> str:
    kind = _KINDS[picture[:2]]
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
