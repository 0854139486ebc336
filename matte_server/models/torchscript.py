"""The tensors of a TorchScript archive, read without executing anything that it holds.

``torch.jit.load`` runs a module's own ``__setstate__``, which can read and write files. So the listing ``data.pkl``
is read here opcode by opcode: plain values, lists, dicts and tensors are built, objects become bags of attributes,
and every other instruction is refused. The format is PyTorch's own (torch/csrc/jit/serialization/pickler.cpp): a
stack machine whose tensors name a storage, which lies beside it as the file ``data/KEY``.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_STORAGES = {
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
_REBUILD = "torch._utils _rebuild_tensor_v2"
_LISTS = tuple(f"torch.jit._pickle build_{kind}list" for kind in ("int", "double", "bool", "tensor"))
_TAGGED = "torch.jit._pickle restore_type_tag"
_ORDERED = "collections OrderedDict"
_MOST_LISTING = 64 << 20
"""Bytes of ``data.pkl``: the published networks have some hundred kilobytes."""
_MOST_DIMENSIONS = 8
_MOST_DEPTH = 64
_MOST_SHARING = 4
"""Tensors may share a storage, and each is copied: all together at most this many times the archive's size."""


class ForbiddenArchive(ValueError):
    """The archive asks for more than tensors, or is damaged."""


@dataclass(frozen=True)
class _Name:
    """A class or function that the archive names; it is never looked up."""

    text: str


@dataclass(eq=False)
class _Module:
    """An object of the archive: its attributes by name."""

    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Storage:
    """Where a tensor's numbers lie: ``count`` of ``dtype`` in ``data/KEY``."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class _TensorRecord:
    """A tensor that was not read yet: its storage, and in elements its first place, its shape and its strides."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        if any(not isinstance(each, int) or isinstance(each, bool) or each < 0 for each in numbers):
            raise ForbiddenArchive("a tensor's shape is not made of whole numbers.")
        if len(self.shape) != len(self.strides) or len(self.shape) > _MOST_DIMENSIONS:
            raise ForbiddenArchive("a tensor's shape and strides do not fit each other.")
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if 0 not in self.shape and self.offset + reach >= self.storage.count:
            raise ForbiddenArchive("a tensor reaches beyond its storage.")
        if prod(self.shape) > self.storage.count:
            raise ForbiddenArchive("a tensor has more elements than its storage.")

    @property
    def bytes(self) -> int:
        """What a copy of it takes."""
        return prod(self.shape) * self.storage.dtype.itemsize


_MARK = object()


def tensor_names(path: Path) -> set[str]:
    """Names of the tensors in an archive, as its module's ``state_dict`` would have them. Reads no tensor. Raises
    ``ForbiddenArchive`` and what opening a zip raises."""
    with zipfile.ZipFile(path) as archive:
        return set(_records(archive))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of an archive by name, on the CPU, in the types that they were saved in. Raises as
    :func:`tensor_names` does."""
    with zipfile.ZipFile(path) as archive:
        records = _records(archive)
        if sum(record.bytes for record in records.values()) > _MOST_SHARING * path.stat().st_size:
            raise ForbiddenArchive("its tensors would take many times its own size.")
        storages: dict[str, Tensor] = {}
        return {name: _tensor(archive, record, storages) for name, record in records.items()}


def _records(archive: zipfile.ZipFile) -> dict[str, _TensorRecord]:
    listing = archive.getinfo(f"{_folder(archive)}data.pkl")
    if listing.file_size > _MOST_LISTING:
        raise ForbiddenArchive(f"its listing has {listing.file_size} bytes.")
    root = _Machine().run(archive.read(listing))
    if not isinstance(root, _Module):
        raise ForbiddenArchive("it holds no module.")
    return dict(_named_tensors(root, "", 0))


def _folder(archive: zipfile.ZipFile) -> str:
    """The folder inside the archive that everything lies in, with its slash."""
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(names) != 1:
        raise ForbiddenArchive("it has no data.pkl, or several.")
    return names[0].removesuffix("data.pkl")


def _named_tensors(module: _Module, prefix: str, depth: int) -> Iterator[tuple[str, _TensorRecord]]:
    if depth > _MOST_DEPTH:
        raise ForbiddenArchive("its modules are nested too deeply.")
    for name, value in module.attributes.items():
        if isinstance(value, _TensorRecord):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _named_tensors(value, f"{prefix}{name}.", depth + 1)


def _tensor(archive: zipfile.ZipFile, record: _TensorRecord, storages: dict[str, Tensor]) -> Tensor:
    storage = record.storage
    if storage.key not in storages:
        storages[storage.key] = _read_storage(archive, storage)
    return storages[storage.key].as_strided(record.shape, record.strides, record.offset).clone()


def _read_storage(archive: zipfile.ZipFile, storage: _Storage) -> Tensor:
    """A storage's numbers. What it takes in the archive is compared before it is read."""
    entry = archive.getinfo(f"{_folder(archive)}data/{storage.key}")
    size = storage.count * storage.dtype.itemsize
    if entry.file_size < size or entry.compress_type != zipfile.ZIP_STORED:
        raise ForbiddenArchive(f"the storage {storage.key} has {entry.file_size} bytes, not the {size} it names.")
    if not size:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(archive.read(entry)[:size]), dtype=storage.dtype)


class _Machine:
    """The stack machine of the format, with the instructions that tensors and modules need and no others."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, listing: bytes) -> Any:
        """What the listing describes. Raises ``ForbiddenArchive``."""
        try:
            for opcode, argument, _ in pickletools.genops(listing):
                if opcode.name == "STOP":
                    return self._stack.pop()
                self._step(opcode.name, argument)
        except ForbiddenArchive:
            raise
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, UnicodeDecodeError) as error:
            raise ForbiddenArchive(f"its listing is damaged: {error}") from None
        raise ForbiddenArchive("its listing has no end.")

    def _step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name == "GLOBAL":
            self._stack.append(_Name(argument))
        elif name != "PROTO":
            raise ForbiddenArchive(f"it has the instruction {name}, which no tensor needs.")

    def _since_mark(self) -> list[Any]:
        """Takes what lies on the stack above the last mark, and the mark."""
        at = max(index for index, item in enumerate(self._stack) if item is _MARK)
        taken = self._stack[at + 1 :]
        del self._stack[at:]
        return taken

    def _tuple(self) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _short_tuple(self, count: int) -> None:
        taken = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(taken)

    def _append(self) -> None:
        item = self._stack.pop()
        self._list().append(item)

    def _appends(self) -> None:
        items = self._since_mark()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        found: list[Any] = _of_kind(self._stack[-1], list)
        return found

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _of_kind(self._stack[-1], dict)[key] = value

    def _set_items(self) -> None:
        items = self._since_mark()
        _of_kind(self._stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))

    def _new_object(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or not name.text.startswith("__torch__") or arguments != ():
            raise ForbiddenArchive(f"it makes a {_shown(name)}.")
        self._stack.append(_Module())

    def _build(self) -> None:
        """Attributes of an object. A module with a ``__setstate__`` of its own has something else there."""
        state, made = self._stack.pop(), self._stack[-1]
        if not isinstance(made, _Module) or not isinstance(state, dict):
            raise ForbiddenArchive("it has a module that restores itself by code.")
        made.attributes.update((str(name), value) for name, value in state.items())

    def _reduce(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise ForbiddenArchive(f"it calls a {_shown(name)}.")
        self._stack.append(_called(name.text, arguments))

    def _persistent(self) -> None:
        kind, storage, key, _, count = self._stack.pop()
        dtype = _STORAGES.get(storage.text) if isinstance(storage, _Name) else None
        is_named = kind == "storage" and isinstance(key, str) and key.isdecimal()
        if not is_named or dtype is None or not isinstance(count, int) or count < 0:
            raise ForbiddenArchive(f"it has a storage of {_shown(storage)}.")
        self._stack.append(_Storage(key=key, dtype=dtype, count=count))


def _called(name: str, arguments: tuple[Any, ...]) -> Any:
    """The few calls that are known: what they would make is made here."""
    if name == _REBUILD:
        storage, offset, shape, strides = arguments[:4]
        return _TensorRecord(
            storage=_of_kind(storage, _Storage), offset=offset, shape=tuple(shape), strides=tuple(strides)
        )
    if name in _LISTS or name == _TAGGED:
        return arguments[0]
    if name == _ORDERED and not arguments:
        return {}
    raise ForbiddenArchive(f"it calls {name.replace(' ', '.')}.")


def _of_kind(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise ForbiddenArchive(f"it uses a {type(value).__name__} as a {kind.__name__}.")
    return value


def _shown(name: Any) -> str:
    return name.text.replace(" ", ".") if isinstance(name, _Name) else type(name).__name__


_VALUES = frozenset(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"))
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_ACTIONS: Mapping[str, Callable[[_Machine], None]] = {
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine: machine._short_tuple(1),
    "TUPLE2": lambda machine: machine._short_tuple(2),
    "TUPLE3": lambda machine: machine._short_tuple(3),
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "NEWOBJ": _Machine._new_object,
    "BUILD": _Machine._build,
    "REDUCE": _Machine._reduce,
    "BINPERSID": _Machine._persistent,
}
