"""All outputs in one stream: rgba, the layers of the result, and the plate's own."""

from __future__ import annotations

from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest
from cleanplate_node import host, manifest, plain_exr, range_plan
from cleanplate_node.bench import LAYER_OPTIONS, SIZE, ContractBench
from cleanplate_node.plain_exr import PlainImage
from nuke._picture import read_exr
from nuke._state import State

from tests.plugin_nuke.pressing import press

ALL = {
    *(f"clean.{one}" for one in ("red", "green", "blue", "alpha")),
    "cleanplate.confidence",
    "cleanplate.difference",
}


def with_layers(path: Path, *names: str) -> None:
    """Adds layers to a file; each is 0.25 everywhere."""
    image = oiio.ImageBuf(str(path))
    extra = oiio.ImageBuf(oiio.ImageSpec(image.spec().width, image.spec().height, len(names), oiio.FLOAT))
    extra.specmod().channelnames = names
    oiio.ImageBufAlgo.fill(extra, (0.25,) * len(names))
    oiio.ImageBufAlgo.channel_append(image, extra).write(str(path))


def stream(bench: ContractBench, node: nuke.Node) -> dict[str, np.ndarray]:
    """Every channel that the node puts out, by its name in Nuke."""
    write = nuke.createNode("Write")
    write.setInput(0, node)
    path = bench.folder / "stream.0001.exr"
    for name, value in {"file": str(path), "raw": True, "channels": "all", "datatype": "32 bit float"}.items():
        write[name].setValue(value)
    nuke.execute(write, 1, 1)
    nuke.delete(write)
    picture = read_exr(path)
    return {
        **picture.layers,
        **{name: picture.channel_on(f"rgba.{name}", picture.data) for name in ("red", "alpha")},
    }


def test_everything_comes_in_one_stream(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1,))
    with_layers(shot / "plate.0001.exr", "roto.R", "roto.A", "depth.V")
    node = bench.node(shot, 1, 1, layer_clean=True, layer_confidence=True, layer_difference=True)
    press(window, bench, node)
    found = stream(bench, node)
    assert set(found) - {"red", "alpha"} == ALL | {"roto.red", "roto.alpha", "depth.V"}
    assert found["roto.red"].min() == found["depth.V"].max() == 0.25, "the plate's own layers are untouched"
    x, y, radius = (round(value) for value in bench.truth[1])
    clean = bench.clean()
    assert abs(found["clean.green"][y, x] - clean.at(x, y, "G")) < 1e-3, "behind the subject stands the wall"
    assert found["cleanplate.difference"][y, x] > 10 * found["cleanplate.difference"][y, x + 2 * radius]
    assert 0 <= found["cleanplate.confidence"].min() <= found["cleanplate.confidence"].max() <= 1
    for choice in ("premultiplied", "unpremultiplied", "source+alpha", "alpha"):
        host.set_value(node, "output", choice)
        again = stream(bench, node)
        assert set(again) == set(found), choice
        assert np.array_equal(again["clean.red"], found["clean.red"]), "layers do not follow the choice of rgba"


@pytest.mark.parametrize("off", ["layer_clean", "layer_confidence", "layer_difference"])
def test_a_layer_that_is_off_is_not_in_the_stream(off: str, bench: ContractBench, window: State) -> None:
    node = bench.node(
        bench.shot((1,)), 1, 1, **{name: name != off for name in LAYER_OPTIONS if name != "layer_shadow"}
    )
    press(window, bench, node)
    gone = {
        "layer_clean": {name for name in ALL if name.startswith("clean.")},
        "layer_confidence": {"cleanplate.confidence"},
        "layer_difference": {"cleanplate.difference"},
    }[off]
    assert set(stream(bench, node)) - {"red", "alpha"} == ALL - gone


def test_the_shadow_comes_along(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, layer_shadow=True)
    press(window, bench, node)
    assert set(stream(bench, node)) - {"red", "alpha"} == {f"shadow.{one}" for one in ("red", "green", "blue")}


def test_a_new_node_makes_all_of_them(window: State) -> None:
    from cleanplate_node import callbacks

    node = callbacks.create()
    assert node is not None
    assert [host.value(node, name) for name in LAYER_OPTIONS] == [True, True, True, False]


def test_an_old_result_without_layers_still_shows(bench: ContractBench, window: State) -> None:
    """Switched on afterwards, layers are black until the frame is made again, and rgba is what it was."""
    node = bench.node(bench.shot((1,)), 1, 1, guard=False)
    press(window, bench, node)
    before = stream(bench, node)
    host.set_value(node, "layer_clean", True)
    after = stream(bench, node)
    assert np.array_equal(after["alpha"], before["alpha"]) and not after["clean.red"].any()
    assert press(window, bench, node) == "up to date, 1 done"
    assert stream(bench, node)["clean.red"].any()
    assert len(manifest.folders_of(str(Path(range_plan.shown_folder(bench.shown(node))).parent))) == 2


def test_overscan_and_pixel_aspect_stay(bench: ContractBench, window: State) -> None:
    wall = bench.clean()
    for name, picture in (("plate.0001", bench.plate(1, wall)), ("clean", wall)):
        over = PlainImage(picture.channels, picture.rows, (-8, -6, *SIZE), (0, 0, 80, 60), 2.0)
        plain_exr.write(bench.folder / "over" / f"{name}.exr", over)
    node = bench.node(bench.folder / "over", 1, 1, layer_clean=True, layer_confidence=True, layer_difference=True)
    press(window, bench, node)
    output = bench.output(node, 1, channels="all")
    assert output.data == (-8, -6, *SIZE) and output.aspect == 2.0 and set(output.channels) >= ALL


def test_a_disabled_node_passes_the_plate(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, layer_clean=True)
    press(window, bench, node)
    host.set_value(node, "disable", True)
    assert set(stream(bench, node)) == {"red", "alpha"}
