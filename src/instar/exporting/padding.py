"""The rule of `instar.inference.padding` as parts of an ONNX graph: padded before the networks, cropped after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instar.inference.padding import SMALLEST

if TYPE_CHECKING:
    import onnx

_PAD = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
pad (float[n, {channels}, height, width] image) => (float[n, {channels}, padded_height, padded_width] planes)
<int64 zero = {{0}}, int64 one = {{1}}, int64 smallest = {{{smallest}}}, int64 divisor = {{{divisor}}}>
{{
    shape = Shape (image)
    axis_h = Constant <value_int: int = 2> ()
    axis_w = Constant <value_int: int = 3> ()
    h = Gather <axis: int = 0> (shape, axis_h)
    w = Gather <axis: int = 0> (shape, axis_w)
    last_divisor = Sub (divisor, one)
    least_h = Max (h, smallest)
    least_w = Max (w, smallest)
    above_h = Add (least_h, last_divisor)
    above_w = Add (least_w, last_divisor)
    times_h = Div (above_h, divisor)
    times_w = Div (above_w, divisor)
    full_h = Mul (times_h, divisor)
    full_w = Mul (times_w, divisor)
    down = Sub (full_h, h)
    right = Sub (full_w, w)
    fits_h = Less (down, h)
    fits_w = Less (right, w)
    mirrors = And (fits_h, fits_w)
    rows = Range (zero, full_h, one)
    columns = Range (zero, full_w, one)
    last_row = Sub (h, one)
    last_column = Sub (w, one)
    rows_held = Min (rows, last_row)
    columns_held = Min (columns, last_column)
    rows_twice = Add (rows_held, rows_held)
    columns_twice = Add (columns_held, columns_held)
    rows_back = Sub (rows_twice, rows)
    columns_back = Sub (columns_twice, columns)
    rows_taken = Where (mirrors, rows_back, rows_held)
    columns_taken = Where (mirrors, columns_back, columns_held)
    tall = Gather <axis: int = 2> (image, rows_taken)
    planes = Gather <axis: int = 3> (tall, columns_taken)
}}
"""
"""A row below the image is held at the last one; mirrored, it is as far above the last one as it would be below."""

_CROP = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
crop (float[n, {out}, padded_height, padded_width] drawn, float[n, {channels}, height, width] image)
    => (float[n, {out}, height, width] translation)
<int64[2] starts = {{0, 0}}, int64[2] axes = {{2, 3}}>
{{
    size = Shape <start: int = 2> (image)
    whole = Slice (drawn, starts, size, axes)
    translation = Identity (whole)
}}
"""


def with_padding(
    networks: onnx.ModelProto, channels: int, divisor: int, opset: int, *, out: int | None = None
) -> onnx.ModelProto:
    """Return a graph that takes images of any size.

    Args:
        networks: from an input `planes` (N, C, H, W), H and W multiples of `divisor`, to an output `drawn` like it.
        channels: C.
        divisor: of the sides.
        opset: of the operators of `networks`.
        out: channels of `drawn`, if others.

    Returns:
        A graph from `image`, and what other inputs `networks` has, to `translation`.
    """
    from onnx import helper, parser  # noqa: PLC0415  (an extra)

    words = {"ir": networks.ir_version, "opset": opset, "channels": channels, "out": out or channels}
    words |= {"divisor": divisor, "smallest": SMALLEST}
    before, after = parser.parse_model(_PAD.format(**words)).graph, parser.parse_model(_CROP.format(**words)).graph
    own_names(before, "pad", kept=("image", "planes"))
    own_names(after, "crop", kept=("drawn", "image", "translation"))
    inner = networks.graph
    whole = helper.make_graph(
        [*before.node, *inner.node, *after.node],
        inner.name,
        [*before.input, *(one for one in inner.input if one.name != "planes")],
        list(after.output),
        [*before.initializer, *inner.initializer, *after.initializer],
    )
    made = helper.make_model(whole, opset_imports=networks.opset_import, functions=networks.functions)
    made.ir_version = networks.ir_version
    return made


def own_names(graph: onnx.GraphProto, prefix: str, kept: tuple[str, ...]) -> None:
    """Put a prefix before the names of a graph's values, so that they are no other graph's; those of `kept` stay."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if name in kept else f"{prefix}_{name}" for name in names]
    for value in graph.initializer:
        value.name = f"{prefix}_{value.name}"
