"""The contract's cases of what was read in Nuke's documents and in scans of its nodes. They ask no server."""

from __future__ import annotations

from collections.abc import Iterator

from . import graph, host, nk_text
from .bench import Case, ContractBench, Wait, expect, listed_in
from .graph import Expression

CASES: list[Case] = []
_case = listed_in(CASES)


@_case
def names_are_there(bench: ContractBench) -> Iterator[Wait]:
    """This Nuke has every name that the plugin calls."""
    expect(not host.missing_names(), f"this Nuke lacks {host.missing_names()}")
    yield lambda: True


@_case
def inner_nodes_are_as_written(bench: ContractBench) -> Iterator[Wait]:
    """Each inner node is there, with each knob at the value that it was written with."""
    node = host.paste(nk_text.node_text())
    assert node is not None
    yield lambda: True
    wrong = []
    for spec in graph.nodes_of_group():
        expect(host.has_inner(node, spec.name), f"{spec.name} is missing")
        inner = host.inner(node, spec.name)
        for name, value in spec.knobs.items():
            if not host.has_knob(inner, name):
                wrong.append(f"{spec.name} has no {name}")
            elif isinstance(value, Expression):
                wrong += [] if host.is_animated(inner, name) else [f"{spec.name}.{name} has no expression"]
            elif host.value(inner, name) != value:
                wrong.append(f"{spec.name}.{name} is {host.value(inner, name)!r}, not {value!r}")
    expect(not wrong, "; ".join(wrong))


@_case
def texts_stay_as_typed(bench: ContractBench) -> Iterator[Wait]:
    """Brackets and backslashes in a plain text are no TCL, before and after saving."""
    text = "/shot [v2]/w\\eights.safetensors"
    node = bench.node_on(None, None, weights=text)
    expect(host.value(node, "weights") == text, f"it is {host.value(node, 'weights')!r}")
    name, script = host.full_name(node), bench.save()
    yield lambda: True
    host.open_script(script.as_posix())
    again = host.find(name)
    assert again is not None
    expect(host.value(again, "weights") == text, f"after saving it is {host.value(again, 'weights')!r}")
