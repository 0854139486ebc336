"""Nodes: which classes and knobs there are, how they are wired, and what each does to a picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np

from . import _gsv, _tcl
from . import _knobs as k
from ._picture import Picture, black, read_exr, write_exr
from ._state import CancelledError, state

FORMAT = (0, 0, 128, 96)
PROJECT_FORMAT = "128 96 0 0 128 96 1 project"
_FOUNDRYS = [f"fn-nuke_{kind}-config-v1.0.0_aces-v1.3_ocio-v2.1" for kind in ("cg", "studio")]
_CONFIGS = ["nuke-default", *_FOUNDRYS, "aces_1.1", "aces_1.2", "custom"]
_COMPRESSIONS = ["none", "Zip (1 scanline)", "Zip (16 scanlines)", "PIZ Wavelet (32 scanlines)", "RLE"]
_EDGES = ["hold", "loop", "bounce", "black"]
_ON_ERROR = ["error", "black", "checkerboard", "nearest frame"]
_MERGES = ["over", "max", "stencil", "mask", "plus", "multiply"]
_BOXES = ["union", "intersection", "A", "B"]


@dataclass(frozen=True)
class FrameRange:
    """As nuke.FrameRange."""

    _first: int
    _last: int

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last


def _common() -> list[k.Knob]:
    return [
        k.String_Knob("name"),
        k.Array_Knob("xpos"),
        k.Array_Knob("ypos"),
        k.Boolean_Knob("selected"),
        k.Multiline_Eval_String_Knob("label"),
        k.Disable_Knob("disable"),
        k.Boolean_Knob("hide_input"),
    ]


def _file_knobs() -> list[k.Knob]:
    return [
        k.File_Knob("file"),
        k.Enumeration_Knob("file_type", "", ["exr", "dpx", "png"]),
        k.Enumeration_Knob("colorspace", "", ["default", "linear", "sRGB"]),
        k.Boolean_Knob("raw"),
        k.Int_Knob("first", "", 1),
        k.Int_Knob("last", "", 1),
        k.Boolean_Knob("premultiplied"),
        k.Enumeration_Knob("frame_mode", "", ["expression", "start at", "offset"]),
        k.String_Knob("frame"),
    ]


def _read_knobs() -> list[k.Knob]:
    return [
        *_file_knobs(),
        k.File_Knob("proxy"),
        k.Int_Knob("origfirst", "", 1),
        k.Int_Knob("origlast", "", 1),
        k.Boolean_Knob("origset"),
        k.Enumeration_Knob("before", "", _EDGES),
        k.Enumeration_Knob("after", "", _EDGES),
        k.Enumeration_Knob("on_error", "", _ON_ERROR),
        k.Boolean_Knob("auto_alpha"),
        k.Enumeration_Knob("localizationPolicy", "", ["fromAutoLocalizePath", "on", "onDemand", "off"]),
        k.Boolean_Knob("postage_stamp", "", True),
        # Saved with the script, and raised by every reload (NDK, DDImage/Read.h).
        *_reload_knobs(),
    ]


def _write_knobs() -> list[k.Knob]:
    limits = ("first", "last")
    return [
        *(knob for knob in _file_knobs() if knob._name not in limits),
        *(k.Array_Knob(name, "", 1.0) for name in limits),
        k.ChannelMask_Knob("channels", "", "rgb"),
        k.Enumeration_Knob("datatype", "", ["16 bit half", "32 bit float"]),
        k.Enumeration_Knob("compression", "", _COMPRESSIONS, "Zip (1 scanline)"),
        k.Enumeration_Knob(
            "metadata",
            "",
            ["no metadata", "default metadata", "all metadata except input/*", "all metadata"],
            "default metadata",
        ),
        k.MultiView_Knob("views"),
        k.Boolean_Knob("create_directories"),
        k.Boolean_Knob("use_limit"),
        k.Boolean_Knob("autocrop"),
        k.Boolean_Knob("write_ACES_compliant_EXR"),
        k.Boolean_Knob("reading"),
        k.Enumeration_Knob("interleave", "", ["channels, layers and views", "channels and layers", "channels"]),
        *(k.PythonKnob(f"{when}{what}Render") for when in ("before", "after") for what in ("", "Frame")),
        k.Array_Knob("version"),
        k.Script_Knob("reload"),
    ]


def _reload_knobs(count: str = "version") -> list[k.Knob]:
    return [k.Array_Knob(count), k.Script_Knob("reload")]


def _merge_knobs() -> list[k.Knob]:
    return [
        k.Enumeration_Knob("operation", "", _MERGES),
        *(k.Channel_Knob(name, "", "rgba") for name in ("Achannels", "Bchannels", "output")),
        k.Enumeration_Knob("bbox", "", _BOXES),
    ]


def _group_knobs() -> list[k.Knob]:
    return [k.EvalString_Knob("help"), k.ColorChip_Knob("tile_color", "", 0)]


def _script_knobs() -> list[k.Knob]:
    """Of a Group whose nodes are in a file. ``output`` names the Write that is shown in place of the Output, where
    ``useOutput`` is on (reference guide, Precomp)."""
    rendered = [
        k.Boolean_Knob("reading"),
        k.Boolean_Knob("useOutput"),
        k.EvalString_Knob("output"),
        k.Script_Knob("reload_write"),
    ]
    return [*_group_knobs(), k.File_Knob("file"), k.Array_Knob("version"), *rendered]


def _live_knobs() -> list[k.Knob]:
    variables = [_gsv.Gsv_Knob()] if state.major >= 16 else []
    return [*_script_knobs(), k.Boolean_Knob("published", "", True), *variables]


_KNOBS: dict[str, Callable[[], list[k.Knob]]] = {
    "Read": _read_knobs,
    "Write": _write_knobs,
    "Group": _group_knobs,
    "VariableGroup": lambda: [*_group_knobs(), _gsv.Gsv_Knob()],
    "Input": lambda: [k.Array_Knob("number")],
    "Output": list,
    "Dot": list,
    "Grade": lambda: [k.AColor_Knob("white", "", 1.0), k.AColor_Knob("black")],
    "Keymix": lambda: [
        k.ChannelMask_Knob("channels", "", "all"),
        k.Channel_Knob("maskChannel", "", "rgba.alpha"),
        k.Boolean_Knob("invertMask"),
        k.Enumeration_Knob("bbox", "", ["union", "B", "A"]),
    ],
    "Merge2": _merge_knobs,
    "Premult": list,
    "Copy": lambda: [k.Channel_Knob(f"{side}{slot}") for slot in range(4) for side in ("from", "to")],
    "Expression": lambda: [k.EvalString_Knob(f"expr{index}") for index in range(4)],
    "Switch": lambda: [k.Array_Knob("which")],
    "VariableSwitch": lambda: [_gsv.Variable_Knob(), k.EvalString_Knob("i0"), k.EvalString_Knob("i1")],
    "Assert": lambda: [k.Array_Knob("expression", "", 1.0), k.EvalString_Knob("message")],
    "FrameRange": lambda: [k.Array_Knob("first_frame"), k.Array_Knob("last_frame", "", -123.0)],
    "Remove": lambda: [
        k.Enumeration_Knob("operation", "", ["remove", "keep"]),
        k.ChannelMask_Knob("channels", "", "all"),
    ],
    "RotoPaint": lambda: [k.RotoKnob("curves"), k.RotoToolboxKnob("toolbox"), k.Array_Knob("toolbar_brush_size")],
    "Roto": lambda: [
        k.RotoKnob("curves"),
        k.RotoToolboxKnob("toolbox"),
        k.Format_Knob("format", "", PROJECT_FORMAT),
    ],
    "Viewer": lambda: [k.Boolean_Knob("input_process", "", True)],
    "NoOp": list,
    "TimeOffset": lambda: [k.Array_Knob("time_offset"), k.Boolean_Knob("reverse_input")],
    "FrameHold": lambda: [k.Array_Knob(_first_frame()), k.Array_Knob("increment")],
    "Retime": lambda: [
        k.Array_Knob("speed", "", 1.0),
        *(k.Boolean_Knob(f"input.{end}_lock") for end in ("first", "last")),
    ],
    "AppendClip": lambda: [k.Array_Knob("firstFrame", "", 1.0)],
    "TimeWarp": lambda: [k.Array_Knob("lookup")],
    "Transform": lambda: [
        k.XY_Knob("translate"),
        *(k.Array_Knob(name) for name in ("motionblur", "shuttercustomoffset")),
        k.Array_Knob("shutter", "", 0.5),
        k.Enumeration_Knob("shutteroffset", "", ["centred", "start", "end", "custom"], "start"),
    ],
    "UnrealReader": lambda: [k.File_Knob("file")],
    "ScanlineRender": list,
    "Dissolve": lambda: [k.Array_Knob("which")],
    "Constant": lambda: [k.AColor_Knob("color"), k.Format_Knob("format", "", PROJECT_FORMAT)],
    "Reformat": lambda: [k.Format_Knob("format", "", PROJECT_FORMAT)],
    "Tracker4": lambda: [k.Table_Knob("tracks"), k.XY_Knob("translate"), k.Double_Knob("rotate")],
    "ColorLookup": lambda: [k.LookupCurves_Knob("lut")],
    "Vectorfield": lambda: [k.File_Knob("vfield_file"), *_reload_knobs()],
    "ReadGeo2": lambda: [k.File_Knob("file"), *_reload_knobs()],
    "Camera3": lambda: [k.File_Knob("file"), k.Boolean_Knob("read_from_file"), *_reload_knobs()],
    "Camera4": lambda: [
        k.File_Knob("file"),
        k.Boolean_Knob("read_from_scene", "", True),
        *_reload_knobs("file_version"),
    ],
    "Text2": lambda: [k.Multiline_Eval_String_Knob("message")],
    "Precomp": _script_knobs,
    "LiveGroup": _live_knobs,
    "OneView": lambda: [k.Enumeration_Knob("view", "", ["\x07", *state.views])],
    "JoinViews": lambda: [k.Multiline_Eval_String_Knob("viewassoc")],
    "OCIOColorSpace": lambda: [k.Enumeration_Knob("in_colorspace", "", ["scene_linear", "color_picking"])],
    "House_Grade": _group_knobs,
    "House_Grade2": _group_knobs,
}
_GROUPS = ("Group", "VariableGroup", "Precomp", "LiveGroup", "House_Grade", "House_Grade2")
"""The House_Grades are gizmos of a studio."""
_MOST_INPUTS = {
    **dict.fromkeys(("Read", "Input", "Constant"), 0),
    **dict.fromkeys(("Grade", "Expression", "ColorLookup", "Text2", "Camera3"), 2),
    **dict.fromkeys(("Copy", "Keymix", "Camera4", "ScanlineRender"), 3),
    **dict.fromkeys(("Roto", "RotoPaint"), 5),
    "Merge2": 101,
    "Switch": 10000,
    "VariableSwitch": 10000,
    "AppendClip": 10000,
    "Viewer": 10000,
    "Dissolve": 10001,
}
"""Masks count."""


def _first_frame() -> str:
    """A FrameHold's knob got another name in 17, where scripts with the old one are read all the same."""
    return "firstFrame" if state.major >= 17 else "first_frame"


_INVISIBLE = ("name", "xpos", "ypos", "selected", "label", "hide_input")
"""Knobs of every node that writeKnobs leaves out but for WRITE_ALL."""


class Node:
    """One node. Only what Nuke's own class has is here; anything else is an AttributeError."""

    def __init__(self, kind: str, group: Group | None) -> None:
        if kind not in _KNOBS and kind != "Root":
            raise RuntimeError(f"{kind}: Unknown command")
        self._kind = kind
        self._group = group
        self._inputs: list[Node | None] = []
        self._knobs: dict[str, k.Knob] = {}
        self._user: list[k.Knob] = []
        self._gone = False
        self._validated: tuple[int, int, bool] | None = None
        self._panel = False
        self._links: list[Node] = []
        self._alike: list[Node] = []
        """The clones, itself among them, where there are any."""
        self._copies: Path | None = None
        """Where the local copies of a Read's files are (Localization)."""
        for knob in [*_common(), *(_KNOBS[kind]() if kind in _KNOBS else ())]:
            self._own(knob)
        self._take_house_defaults()
        for name in ("reload", "reload_write"):
            reload = self._knobs.get(name)
            if isinstance(reload, k.Script_Knob):
                reload.action = self._reload

    def _take_house_defaults(self) -> None:
        """What a studio set with nuke.knobDefault, for knobs of a file type too, as in ``Write.exr.interleave``."""
        for path, text in state.knob_defaults.items():
            kind, _, name = path.partition(".")
            knob = self._knobs.get(name.rpartition(".")[2]) if kind == self._kind else None
            if knob is not None:
                knob._default = knob._value = knob._parsed(text)

    def _own(self, knob: k.Knob) -> None:
        knob._node = self
        self._knobs[knob._name] = knob

    def _alive(self) -> None:
        if self._gone:
            raise ValueError("A PythonObject is not attached to a node")

    def _here(self, what: str = "a node") -> None:
        # Every question to a node begins here: a million in a test.
        if get_ident() != state.thread:
            state.on_main_only(what)
        if self._gone:
            self._alive()

    # -- what Python sees

    def Class(self) -> str:
        self._here()
        return self._kind

    def name(self) -> str:
        self._here()
        return str(self._knobs["name"]._value)

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        self._here()
        self._knobs["name"].setValue(name)

    def fullName(self) -> str:
        self._here()
        above = f"{self._group.fullName()}." if self._group is not None and self._group is not state.root else ""
        return above + self.name()

    def parent(self) -> Group | None:
        self._here()
        return self._group

    def knob(self, p: str | int, follow_link: bool = True) -> k.Knob | None:
        """A link's target in its place (nuke.Node.knob)."""
        self._here()
        found = self._knobs.get(p) if isinstance(p, str) else list(self._knobs.values())[p]
        return found.getLinkedKnob() if follow_link and isinstance(found, k.Link_Knob) else found

    def knobs(self) -> dict[str, k.Knob]:
        self._here()
        return dict(self._knobs)

    def __getitem__(self, name: str) -> k.Knob:
        self._here()
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist")
        return self._knobs[name]

    def maxInputs(self) -> int:
        self._here()
        return len(state.views) if self._kind == "JoinViews" else _MOST_INPUTS.get(self._kind, 1)

    def inputs(self) -> int:
        self._here()
        return len(self._inputs)

    def optionalInput(self) -> int:
        """The first input that need not be connected."""
        self._here()
        return 2 if self._kind == "Dissolve" else self.maxInputs()

    def input(self, i: int) -> Node | None:
        self._here()
        return self._inputs[i] if 0 <= i < len(self._inputs) else None

    def dependencies(self, what: int) -> list[Node]:
        """Of the kinds of dependencies only those of link nodes."""
        self._here()
        return list(self._links) if what & 0x10 else []

    def setInput(self, i: int, node: Node | None) -> bool:
        self._here()
        if not 0 <= i < self.maxInputs() or (node is not None and node._is_fed_by(self)):
            return False
        self._inputs += [None] * (i + 1 - len(self._inputs))
        self._inputs[i] = node
        while self._inputs and self._inputs[-1] is None:
            self._inputs.pop()
        state.edited()
        state.fire_quietly("knobChanged", self, k.String_Knob("inputChange"))
        return True

    def _is_fed_by(self, other: Node) -> bool:
        """Nuke refuses a connection that would make a circle."""
        stack, seen = [self], set()
        while stack:
            node = stack.pop()
            if node is other:
                return True
            if id(node) not in seen:
                seen.add(id(node))
                stack += [one for one in node._inputs if one is not None]
        return False

    def xpos(self) -> int:
        self._here()
        return int(self._knobs["xpos"]._value)

    def ypos(self) -> int:
        self._here()
        return int(self._knobs["ypos"]._value)

    def clones(self) -> int:
        """The number of its clones."""
        self._here()
        return max(sum(not one._gone for one in self._alike) - 1, 0)

    def isLocalized(self) -> bool:
        self._here()
        return self._copies is not None

    def isLocalizationOutdated(self) -> bool:
        """Whether the file is newer than its copy."""
        self._here()
        source = Path(self._named(state.frame, state.views[0], "file"))
        copy = Path(self._file(state.frame, state.views[0]))
        return source != copy and source.stat().st_mtime_ns > copy.stat().st_mtime_ns

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self._here()
        self._panel = True
        state.fire_quietly("knobChanged", self, k.String_Knob("showPanel"))

    def hideControlPanel(self) -> None:
        self._here()
        self._panel = False

    def readKnobs(self, s: str) -> None:
        """Takes what writeKnobs writes, with the definitions of user knobs (WRITE_USER_KNOB_DEFS) too."""
        self._here()
        for words in _tcl.commands(s):
            self.take(words)
        state.edited()

    def take(self, words: Sequence[str]) -> None:
        """One line of a node in a .nk file: a user knob's definition, or a knob's value."""
        if words[0] == "addUserKnob":
            knob = user_knob(_tcl.raw_words(_tcl.value(words[1])))
            if knob._name in self._knobs:
                raise _tcl.TclError(f"addUserKnob: there is a knob {knob._name}")
            self._own(knob)
            self._user.append(knob)
        elif words[0] == "tile_color":
            self._knobs["tile_color"].read_script(str(int(words[1], 16)))
        elif words[0] in self._knobs and len(words) == 2:
            self._knobs[words[0]].read_script(words[1])
        else:
            raise _tcl.TclError(f"{self._kind} has no knob {words[0]!r}")

    def writeKnobs(self, i: int = 0) -> str:
        """Without flags names only; TO_SCRIPT adds values, WRITE_NON_DEFAULT_ONLY leaves defaults out. Invisible
        knobs only with WRITE_ALL (nuke.Node.writeKnobs)."""
        self._here()
        words = []
        for name, knob in self._knobs.items():
            if isinstance(knob, (k.Tab_Knob, k.Text_Knob, k.Script_Knob, k.Link_Knob)):
                continue
            if knob.getFlag(k.DO_NOT_WRITE) or (i & 0x10 and not knob.not_default()):
                continue
            if not i & 0x20 and (name in _INVISIBLE or knob.getFlag(k.INVISIBLE)):
                continue
            words.append(f"{name} {knob.script_value()}" if i & 0x1 else name)
        return " ".join(words)

    def width(self) -> int:
        self._here()
        return self._format()[2]

    def height(self) -> int:
        self._here()
        return self._format()[3]

    def _format(self) -> tuple[int, int, int, int]:
        picture = self._produce(state.frame, state.views[0], proxy=False)
        return picture.display

    def frameRange(self) -> FrameRange:
        self._here()
        first, last = self._range()
        return FrameRange(first, last)

    def _range(self) -> tuple[int, int]:
        if self._kind == "Read":
            first, last = self._knobs["first"].value(), self._knobs["last"].value()
            is_placed = self._knobs["frame_mode"].value() != "expression"
            shift = _frame_taken(self, 0) if is_placed else 0
            return first - shift, last - shift
        if self._kind == "FrameRange":
            return int(self._knobs["first_frame"].value()), int(self._knobs["last_frame"].value())
        found = [one._range() for one in self._feeding() if one is not None]
        if not found:
            return state.root.firstFrame(), state.root.lastFrame()
        return min(first for first, _ in found), max(last for _, last in found)

    def _feeding(self) -> list[Node | None]:
        if self._kind == "Input" and self._group is not None:
            fed, index = self._group._inputs, int(self._knobs["number"].value())
            return [fed[index] if index < len(fed) else None]
        return self._inputs

    def forceValidate(self) -> None:
        self._here()
        self._validated = self._moment()

    def _moment(self) -> tuple[int, int, bool]:
        return state.edits, state.frame, state.proxy

    def opHashes(self) -> list[int]:
        """Empty where nothing validated the node since the last change, and always for a Dot."""
        self._here()
        if self._kind == "Dot" or self._validated != self._moment():
            return []
        return [int(self._hash(state.frame, view)[:15], 16) for view in state.views]

    def _hash(self, frame: int, view: str) -> str:
        import nuke

        own: list[object] = [self._kind, state.proxy, nuke.NUKE_VERSION_STRING]
        for name, knob in sorted(self._knobs.items()):
            if name in ("name", "xpos", "ypos", "selected", "label", "hide_input", "file"):
                continue
            if not isinstance(knob, (k.Tab_Knob, k.Text_Knob, k.Script_Knob, k.Link_Knob)):
                runs = isinstance(knob, k.EvalString_Knob) and not isinstance(knob, k.File_Knob)
                own.append((name, str(knob.getValue() if runs else knob.value())))
        if self._kind == "Read" or self._reads_its_render():
            own.append(self._file(_frame_taken(self, frame), view))
        seen = _SHOWN_FRAME[self._kind](self, frame) if self._kind in _SHOWN_FRAME else frame
        with _gsv.inside(self):
            own += [one._hash(seen, view) if one is not None else None for one in self._feeding()]
        return hashlib.md5(repr(own).encode()).hexdigest()

    def metadata(self, key: str = "", time: float = 0, view: str = "") -> Any:
        self._here()
        found = self._produce(int(time or state.frame), view or state.views[0], False).metadata
        return found.get(key) if key else found

    # -- pictures

    def _reload(self) -> None:
        if self._is_published():
            return
        self._knobs["file_version" if "file_version" in self._knobs else "version"]._value += 1
        state.edited()
        self._forget_pictures()

    def _reads_its_render(self) -> bool:
        return self._kind == "Write" and bool(self._knobs["reading"].value())

    def _is_published(self) -> bool:
        """Whether it is in a published LiveGroup, in which nothing can be edited (user guide, Overriding LiveGroup
        Controls). No document says what a Reload does there, so it does nothing and says nothing."""
        holder = self._group
        while holder is not None and not (isinstance(holder, LiveGroup) and holder.published()):
            holder = holder._group
        return holder is not None

    def _forget_pictures(self) -> None:
        for key in [key for key in state.read_cache if key[0] == id(self)]:
            del state.read_cache[key]

    def _let_go(self) -> None:
        """A Read holds the files open that it has shown until it is given another name."""
        state.held_open.pop(id(self), None)

    def _file(self, frame: int, view: str, which: str = "file") -> str:
        """The file that is opened: the local copy, where there is one and the Read's policy allows it."""
        name = self._named(frame, view, which)
        is_copied = self._copies is not None and self._knobs["localizationPolicy"].value() != "off"
        return str(self._copies / Path(name).name) if self._copies and is_copied else name

    def _named(self, frame: int, view: str, which: str) -> str:
        knob = self._knobs[which]
        assert isinstance(knob, k.File_Knob)
        text = knob.opened_at(frame, view).replace("%V", view).replace("%v", view[:1])
        text = re.sub(r"%0?(\d*)d", lambda match: f"{frame:0{int(match.group(1) or 1)}d}", text)
        text = re.sub(r"#+", lambda match: f"{frame:0{len(match.group(0))}d}", text)
        # A relative name is one in the project directory (Foundry's article Q100154).
        project = state.root._knobs["project_directory"]
        assert isinstance(project, k.File_Knob)
        named = str(Path(project.opened_at(frame), text)) if text else ""
        return state.as_opened(named)

    def _produce(self, frame: int, view: str, proxy: bool) -> Picture:
        """The node's picture; raises ``RuntimeError`` with the host's words."""
        with _gsv.started_at(self):
            if self._knobs["disable"].value():
                return self._fed(0, frame, view, proxy)
            return _WORK[self._kind](self, frame, view, proxy)

    def _fed(self, index: int, frame: int, view: str, proxy: bool) -> Picture:
        source = self._inputs[index] if index < len(self._inputs) else None
        return source._produce(frame, view, proxy) if source is not None else black(FORMAT)


class Group(Node):
    """A node made of nodes; inputs and outputs are nodes inside it."""

    def __init__(self, group: Group | None, kind: str = "Group") -> None:
        super().__init__(kind, group)
        self._nodes: list[Node] = []

    def nodes(self) -> list[Node]:
        self._here()
        return list(self._nodes)

    def node(self, s: str) -> Node | None:
        self._here()
        first, _, rest = s.partition(".")
        found = next((one for one in self._nodes if one.name() == first), None)
        return found.node(rest) if rest and isinstance(found, Group) else (None if rest else found)

    def begin(self) -> Group:
        self._here()
        state.groups.append(self)
        return self

    def end(self) -> None:
        self._here()
        if not state.groups or state.groups[-1] is not self:
            raise RuntimeError("end() of a group that was not begun")
        state.groups.pop()

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, *error: object) -> None:
        self.end()

    def maxInputs(self) -> int:
        self._here()
        return sum(one._kind == "Input" for one in self._nodes)

    def _outputs(self) -> list[Node]:
        return [one for one in self._nodes if one._kind == "Output"]

    def _feeding(self) -> list[Node | None]:
        outputs: list[Node | None] = [*self._outputs()]
        return outputs


class Precomp(Group):
    """A Group whose nodes are those of another script."""

    def _outputs(self) -> list[Node]:
        named = self.node(str(self._knobs["output"]._value)) if self._knobs["useOutput"].value() else None
        return [named] if named is not None else super()._outputs()

    def _write(self) -> Node:
        """What it reads the render of: the Write that it shows, or the one before its Output."""
        (shown,) = self._outputs()
        found: Node | None = shown
        while found is not None and found._kind != "Write":
            found = found.input(0)
        if found is None:
            raise RuntimeError(f"{self.fullName()}: there is no Write")
        return found


class LiveGroup(Precomp):
    def published(self) -> bool:
        """Whether its nodes are those of the file; not where it was made editable."""
        self._here()
        return bool(self._knobs["published"].value())


class Gizmo(Group):
    """A Group whose nodes are those of a file beside Nuke; a script keeps its name and knobs."""


class Root(Group):
    """The script itself."""

    def __init__(self) -> None:
        super().__init__(None, "Root")
        for knob in (
            k.Int_Knob("first_frame", "", 1),
            k.Int_Knob("last_frame", "", 100),
            k.Int_Knob("fps", "", 24),
            k.Format_Knob("format", "", PROJECT_FORMAT),
            *(k.Enumeration_Knob(f"{one}Lut", "", ["sRGB", "linear"]) for one in ("int8", "int16", "log", "float")),
            k.LookupCurves_Knob("luts", "", "linear {} sRGB {}"),
            k.Enumeration_Knob("colorManagement", "", ["Nuke", "OCIO"]),
            k.Enumeration_Knob("workingSpaceLUT", "", ["linear", "scene_linear", "ACES - ACEScg", "sRGB"]),
            k.Enumeration_Knob("OCIO_config", "", _CONFIGS),
            k.File_Knob("customOCIOConfigPath"),
            k.File_Knob("project_directory"),
            k.Boolean_Knob("proxy"),
            *((_gsv.Gsv_Knob(),) if state.major >= 16 else ()),
        ):
            self._own(knob)

    def modified(self) -> bool:
        self._here()
        return state.modified

    def setModified(self, b: bool) -> None:
        self._here()
        state.modified = bool(b)

    def fullName(self) -> str:
        return "root"

    def setFrame(self, n: int) -> None:
        self._here()
        if state.busy:
            raise RuntimeError(f"setFrame() inside {state.busy[-1]}")
        state.frame = int(n)

    def firstFrame(self) -> int:
        self._here()
        return int(self._knobs["first_frame"].value())

    def lastFrame(self) -> int:
        self._here()
        return int(self._knobs["last_frame"].value())

    def proxy(self) -> bool:
        self._here()
        return state.proxy

    def setProxy(self, b: bool) -> None:
        self._here()
        state.proxy = bool(b)
        state.edited()


_SHOWN_FRAME: dict[str, Callable[[Node, int], int]] = {
    "TimeOffset": lambda node, frame: frame - int(node["time_offset"].value()),
    "FrameHold": lambda node, frame: int(node[_first_frame()].value()),
    "Retime": lambda node, frame: round(frame * node["speed"].value()),
    "TimeWarp": lambda node, frame: int(node["lookup"].getValueAt(frame)),
}


# -- what each class does


def _read(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    frame = _frame_taken(node, frame)
    first, last = node._knobs["first"].value(), node._knobs["last"].value()
    for outside, edge in ((frame < first, "before"), (frame > last, "after")):
        if outside:
            mode = node._knobs[edge].value()
            if mode == "black":
                return black(FORMAT)
            frame = _EDGE_FRAMES[mode](frame, first, last)
            break
    has_proxy = proxy and bool(node._knobs["proxy"].value())
    path = node._file(frame, view, "proxy" if has_proxy else "file")
    key = (id(node), path)
    if key not in state.read_cache:
        state.read_cache[key] = _load(node, path)
        state.held_open.setdefault(id(node), set()).add(path)
    picture: Picture = state.read_cache[key]
    if node._knobs["auto_alpha"].value() and not picture.pixels[..., 3].any():
        picture = picture.opaque()
    if not node._knobs["raw"].value() and node._knobs["colorspace"].value() == "sRGB":
        picture = picture.encoded(2.2)
    return picture.half_size() if proxy and not has_proxy else picture


def _frame_taken(node: Node, frame: int) -> int:
    """The number of the file that a Read or Write takes (user guide, Changing the Relation Between the Current
    Frame and the Frame Read In)."""
    text, mode = str(node._knobs["frame"]._value).replace(" ", ""), node._knobs["frame_mode"].value()
    if not text:
        return frame
    if mode == "offset":
        return frame + int(text)
    if mode == "start at":
        return frame - int(text) + int(node._knobs["first"].value())
    if not re.fullmatch(r"(frame|[-+*/()\d])+", text):
        raise RuntimeError(f"{node.fullName()}: syntax error in {text}")
    return int(eval(text, {"frame": frame}))


def _looped(frame: int, first: int, last: int) -> int:
    return first + (frame - first) % (last - first + 1)


def _bounced(frame: int, first: int, last: int) -> int:
    """There and back, the ends once."""
    order = [*range(first, last + 1), *range(last - 1, first, -1)]
    return int(order[(frame - first) % len(order)])


_EDGE_FRAMES: dict[str, Callable[[int, int, int], int]] = {
    "hold": lambda frame, first, last: first if frame < first else last,
    "loop": _looped,
    "bounce": _bounced,
}


def _load(node: Node, path: str) -> Picture:
    if Path(path).is_file():
        return read_exr(Path(path))
    instead = node._knobs["on_error"].value()
    if instead == "nearest frame":
        near = _nearest(Path(path))
        if near is not None:
            return read_exr(near)
    if instead in ("error", "nearest frame"):
        raise RuntimeError(f"{node.fullName()}: {path}: No such file or directory")
    picture = black(FORMAT)
    return picture.with_pixels(picture.pixels + 0.5) if instead == "checkerboard" else picture


def _nearest(missing: Path) -> Path | None:
    """Of two that are as near the one after it."""
    number = re.search(r"\d+(?=\D*$)", missing.name)
    if number is None:
        return None
    stem, end = missing.name[: number.start()], missing.name[number.end() :]
    found = {
        int(match[1]): one
        for one in missing.parent.glob(f"{stem}*{end}")
        if (match := re.fullmatch(rf"{re.escape(stem)}(\d+){re.escape(end)}", one.name))
    }
    return found[min(found, key=lambda one: (abs(one - int(number[0])), -one))] if found else None


def _passes(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(0, frame, view, proxy)


def _assert(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    """If the expression is false there is an error (reference guide, Assert)."""
    if not node._knobs["expression"].value():
        raise RuntimeError(f"{node.fullName()}: {node._knobs['message'].value()}")
    return node._fed(0, frame, view, proxy)


def _grade(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    source = node._fed(0, frame, view, proxy)
    pixels = source.pixels.copy()
    pixels[..., :3] = pixels[..., :3] * node._knobs["white"].value() + node._knobs["black"].value()
    return source.with_pixels(pixels)


def _input(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    assert node._group is not None
    return node._group._fed(int(node._knobs["number"].value()), frame, view, proxy)


def _group(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    assert isinstance(node, Group)
    outputs = node._outputs()
    if len(outputs) != 1:
        raise RuntimeError(f"{node.fullName()} has {len(outputs)} Outputs")
    with _gsv.inside(node):
        return outputs[0]._produce(frame, view, proxy)


def _write(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return _rendered(node, node, frame, view) if node._reads_its_render() else node._fed(0, frame, view, proxy)


def _precomp(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    assert isinstance(node, Precomp)
    if node._knobs["reading"].value():
        return _rendered(node, node._write(), frame, view)
    return _group(node, frame, view, proxy)


def _rendered(node: Node, write: Node, frame: int, view: str) -> Picture:
    """What was rendered of it, as it was when it was first wanted."""
    path = write._file(_frame_taken(write, frame), view)
    key = (id(node), path)
    if key not in state.read_cache:
        if not Path(path).is_file():
            raise RuntimeError(f"{node.fullName()}: {path}: No such file or directory")
        state.read_cache[key] = read_exr(Path(path))
    picture: Picture = state.read_cache[key]
    return picture


def _keymix(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    b, a, mask = (node._fed(index, frame, view, proxy) for index in range(3))
    pixels = b.pixels.copy()
    amount = mask.on(b.data)[..., 3:]
    wanted = slice(0, 3) if node._knobs["channels"].value() == "rgb" else slice(0, 4)
    pixels[..., wanted] = pixels[..., wanted] * (1 - amount) + a.on(b.data)[..., wanted] * amount
    return b.with_pixels(pixels)


def _merge(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    b, a = node._fed(0, frame, view, proxy), node._fed(1, frame, view, proxy)
    if node._knobs["output"].value() != "alpha" or node._knobs["bbox"].value() != "B":
        raise NotImplementedError("the fake merges alpha in B's window only")
    pixels, other = b.pixels.copy(), a.on(b.data)[..., 3]
    operation = node._knobs["operation"].value()
    if operation == "max":
        pixels[..., 3] = np.maximum(pixels[..., 3], other)
    elif operation == "stencil":
        pixels[..., 3] *= 1 - other
    else:
        raise NotImplementedError(operation)
    return b.with_pixels(pixels)


def _premult(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    source = node._fed(0, frame, view, proxy)
    pixels = source.pixels.copy()
    pixels[..., :3] *= pixels[..., 3:]
    return source.with_pixels(pixels)


def _copy(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    b, a = node._fed(0, frame, view, proxy), node._fed(1, frame, view, proxy)
    result = b
    for slot in range(4):
        source, target = node._knobs[f"from{slot}"].value(), node._knobs[f"to{slot}"].value()
        if "none" not in (source, target):
            result = result.with_channel(target, a.channel_on(source, b.data))
    return result


def _remove(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    if (node._knobs["operation"].value(), node._knobs["channels"].value()) != ("keep", "rgba"):
        raise NotImplementedError("the fake's Remove keeps rgba only")
    return node._fed(0, frame, view, proxy).without_layers()


def _expression(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    source = node._fed(0, frame, view, proxy)
    pixels = source.pixels.copy()
    letters = dict(zip("rgba", range(4), strict=True))
    for index in range(4):
        text = node._knobs[f"expr{index}"].value()
        if text:
            pixels[..., index] = source.pixels[..., letters[text]]
    return source.with_pixels(pixels)


def _switch(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(int(node._knobs["which"].value()), frame, view, proxy)


def _variable_switch(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(_gsv.chosen_input(node), frame, view, proxy)


def _other_frame(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(0, _SHOWN_FRAME[node._kind](node, frame), view, proxy)


def _append_clip(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    """One input after the other, each as long as its range (NDK, examples/AppendClip.cpp)."""
    begin = int(node._knobs["firstFrame"].value())
    ranges = [one._range() for one in node._inputs if one is not None]
    for index, (first, last) in enumerate(ranges):
        if frame <= begin + last - first or index == len(ranges) - 1:
            return node._fed(index, min(max(frame - begin, 0) + first, last), view, proxy)
        begin += last - first + 1
    return black(FORMAT)


def _one_view(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(0, frame, node._knobs["view"].value(), proxy)


def _join_views(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    return node._fed(node._knobs["viewassoc"].value().split().index(view), frame, view, proxy)


def _dissolve(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    """The weighted mean of two of the inputs, of which number 2 is the mask."""
    which = max(float(node._knobs["which"].getValueAt(frame)), 0.0)
    pictures = [node._fed(index + (index >= 2), frame, view, proxy) for index in (int(which), int(which) + 1)]
    part = which - int(which)
    mixed = (
        pictures[0].pixels * (1 - part) + pictures[1].on(pictures[0].data) * part if part else pictures[0].pixels
    )
    return pictures[0].with_pixels(mixed)


def _constant(node: Node, frame: int, view: str, proxy: bool) -> Picture:
    picture = black(FORMAT)
    return picture.with_pixels(picture.pixels + node._knobs["color"].value())


_WORK: dict[str, Callable[[Node, int, str, bool], Picture]] = {
    "Read": _read,
    "Write": _write,
    "Dot": _passes,
    "RotoPaint": _passes,
    "Output": _passes,
    "Remove": _remove,
    "FrameRange": _passes,
    "Assert": _assert,
    "Grade": _grade,
    "Input": _input,
    "Group": _group,
    "VariableGroup": _group,
    "Keymix": _keymix,
    "Merge2": _merge,
    "Premult": _premult,
    "Copy": _copy,
    "Expression": _expression,
    "Switch": _switch,
    "VariableSwitch": _variable_switch,
    **dict.fromkeys(_SHOWN_FRAME, _other_frame),
    "Dissolve": _dissolve,
    "AppendClip": _append_clip,
    "OneView": _one_view,
    "JoinViews": _join_views,
    "Constant": _constant,
    **dict.fromkeys(("NoOp", "Roto", "Text2", "Transform", "Tracker4", "Reformat", "OCIOColorSpace"), _passes),
    **dict.fromkeys(("ColorLookup", "Vectorfield", "UnrealReader"), _passes),
    # What is seen of a scene is no picture here: they stand where one would be rendered.
    **dict.fromkeys(("ReadGeo2", "Camera3", "Camera4", "ScanlineRender"), _passes),
    **dict.fromkeys(_GROUPS, _group),
    **dict.fromkeys(("Precomp", "LiveGroup"), _precomp),
}


# -- rendering


def execute_multiple(nodes: Sequence[Node], ranges: Sequence[tuple[int, int, int]], views: Sequence[str]) -> None:
    """Renders Writes for frames and views: the files are real."""
    state.on_main_only("execute")
    if state.busy:
        raise RuntimeError("I'm already executing something else")
    writes = [node for node in nodes if node.Class() == "Write" and not node["disable"].value()]
    if len(writes) != len(nodes) or not writes:
        raise RuntimeError("no active Write operators")
    unknown = [view for view in views if view not in state.views]
    if unknown:
        raise RuntimeError(f"no view {unknown[0]}")
    state.cancel_asked = False
    state.busy.append("execute")
    before = state.frame
    try:
        for write in writes:
            state.fire("beforeRender", write)
        for first, last, step in ranges:
            for frame in range(first, last + 1, step):
                state.frame = frame
                _execute_frame(writes, frame, views)
                state.run_queued()
        for write in writes:
            # As Nuke counts: a Write's hash is another one after every render.
            write._knobs["version"]._value += 1
            state.edited()
        for write in writes:
            state.fire("afterRender", write)
    finally:
        state.frame = before
        state.busy.remove("execute")


def _execute_frame(writes: Sequence[Node], frame: int, views: Sequence[str]) -> None:
    for view in views:
        for write in writes:
            chosen = write._knobs["views"]
            if isinstance(chosen, k.MultiView_Knob) and view not in chosen.chosen():
                continue
            limits = write["first"].value(), write["last"].value()
            if write["use_limit"].value() and not limits[0] <= frame <= limits[1]:
                continue
            state.fire("beforeFrameRender", write)
            if state.cancel_asked:
                raise CancelledError("Cancelled")
            if state.cancel_at is not None and frame >= state.cancel_at:
                raise RuntimeError("Cancelled")
            _write_frame(write, frame, view)
            state.rendered.append((write.name(), frame, view))


def _run_hook(write: Node, name: str) -> None:
    """The Python of a Write's own knob, which a studio's default may have filled."""
    script = write[name]._value
    if script:
        exec(compile(script, name, "exec"), {})


def _write_frame(write: Node, frame: int, view: str) -> None:
    path = Path(write._file(frame, view))
    if not write._file(frame, view):
        raise RuntimeError(f"{write.fullName()}: there is no output file name")
    if write["create_directories"].value():
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.parent.is_dir():
        raise RuntimeError(f"{path}: No such file or directory")
    if write["reading"].value():
        raise RuntimeError(f"{path}: No such file or directory")
    _run_hook(write, "beforeFrameRender")
    picture = write._fed(0, frame, view, state.proxy)
    if write["autocrop"].value():
        picture = picture.cropped()
    if not write["raw"].value():
        picture = picture.encoded(1 / 2.2)
    aces = write["write_ACES_compliant_EXR"].value()
    write_exr(
        path,
        picture,
        "rgba" if aces else write["channels"].value(),
        aces or write["datatype"].value() == "16 bit half",
        "none" if write["compression"].value() == "none" else "zip",
        write["metadata"].value() == "all metadata",
    )


def make(kind: str, group: Group) -> Node:
    """A new node in a group, without a name yet."""
    kinds = {"Precomp": Precomp, "LiveGroup": LiveGroup, "House_Grade": Gizmo, "House_Grade2": Gizmo}
    node: Node = kinds.get(kind, Group)(group, kind) if kind in _GROUPS else Node(kind, group)
    group._nodes.append(node)
    state.edited()
    return node


def unique_name(wanted: str, group: Group) -> str:
    """As Nuke uncollides: the trailing number counts up."""
    taken = {one.name() for one in group._nodes}
    stem = re.sub(r"\d+$", "", wanted)
    name, number = wanted, 1
    while name in taken:
        name, number = f"{stem}{number}", number + 1
    return name


def user_knob(words: Sequence[str]) -> k.Knob:
    """The knob of an ``addUserKnob`` line; raises ``TclError`` on what Nuke would not take."""
    kind, name, options = int(words[0]), _tcl.value(words[1]) if len(words) > 1 else "", list(words[2:])
    facts: dict[str, str] = {}
    flags: list[str] = []
    while options:
        word = options.pop(0)
        if word[:1] in "+-" and word[1:].isupper():
            flags.append(word)
        elif word == "R":
            facts[word] = f"{options.pop(0)} {options.pop(0)}"
        elif word in ("l", "t", "T", "M", "n"):
            facts[word] = options.pop(0)
        else:
            raise _tcl.TclError(f"addUserKnob: {word!r} of {name} is not understood")
    label, text = (_tcl.value(facts.get(key, "")) for key in ("l", "T"))
    choices = [_tcl.value(word) for word in _tcl.raw_words(_tcl.value(facts.get("M", "")))]
    made: dict[int, Callable[[], k.Knob]] = {
        1: lambda: k.String_Knob(name, label),
        2: lambda: k.File_Knob(name, label),
        3: lambda: k.Int_Knob(name, label),
        4: lambda: k.Enumeration_Knob(name, label, choices),
        6: lambda: k.Boolean_Knob(name, label),
        7: lambda: k.Double_Knob(name, label),
        20: lambda: k.Tab_Knob(name, label),
        22: lambda: k.PyScript_Knob(name, label, text),
        26: lambda: k.Text_Knob(name, label, text),
        41: lambda: k.Link_Knob(name, label, text),
        43: lambda: k.EvalString_Knob(name, label),
    }
    if kind not in made:
        raise _tcl.TclError(f"addUserKnob: there is no knob type {kind}")
    knob = made[kind]()
    knob.tip = _tcl.value(facts.get("t", ""))
    knob.definition = " ".join(words)
    for flag in flags:
        if flag[1:] not in k.FLAG_NAMES:
            raise _tcl.TclError(f"addUserKnob: flag {flag} is not understood")
        if flag.startswith("+"):
            knob._flags |= k.FLAG_NAMES[flag[1:]]
    return knob
