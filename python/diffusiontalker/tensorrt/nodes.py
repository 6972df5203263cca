"""What graphs are written with: ports, and a collector of ONNX nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from ml_dtypes import float8_e4m3fn
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ..bundle import Bundle
from . import engines

#: The newest that TensorRT 8.6 reads: of later ones it would read axes wrongly, without a word.
OPSET = 17
PRECISIONS = ("float32", "float16")
#: Of the whole path alone: they want ranges, which calibration.py measures.
EIGHT_BITS = ("int8", "fp8")
#: The greatest number of each, int8's without -128, and the first opset that has it.
_GREATEST = {"int8": 127.0, "fp8": 448.0}
_OPSETS = {"fp8": 19}

Array = NDArray[Any]
#: Sizes of a tensor; a name stands for a free dimension.
Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Port:
    """An input or output of a graph; float32 but for those that say otherwise."""

    name: str
    shape: Shape
    half: bool = False  #: float16

    def next(self) -> Port:
        """The output of a state that is this input."""
        return replace(self, name=f"next_{self.name}")


class Graph:
    """Collects nodes; every method adds one and returns the name of its output.

    In eight bits, `ranges` are the greatest absolute values that the products with weights read,
    a product each, in the order of `matmul`'s calls.
    """

    def __init__(self, precision: str, ranges: Sequence[float] | None = None) -> None:
        known = PRECISIONS if ranges is None else (*PRECISIONS, *EIGHT_BITS)
        if precision not in known:
            raise ValueError(f"precision: expected {' or '.join(known)}, got {precision!r}")
        self._precision, self._ranges = precision, ranges
        self._opset = _OPSETS.get(precision, OPSET)
        self.products: list[str] = []  #: what `matmul` was given
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, bytes], onnx.TensorProto] = {}

    def constant(self, value: Array) -> str:
        """A constant; equal ones are stored once."""
        value = np.asarray(value, order="C")
        key = (f"{value.dtype} {value.shape}", value.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(value, name)
        return str(self._constants[key].name)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.nodes(kind, inputs, 1, **attributes)[0]

    def nodes(self, kind: str, inputs: Iterable[str], outputs: int, **attributes: Any) -> list[str]:
        name = f"{kind.lower()}_{len(self._nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)] if outputs > 1 else [name]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names

    def matmul(self, x: str, matrix: Array) -> str:
        """x @ matrix, in the graph's precision; float32 in and out."""
        self.products.append(x)
        if self._precision == "float32":
            return self.node("MatMul", x, self.constant(matrix.astype(np.float32)))
        if self._precision == "float16":
            half = self.node("Cast", x, to=TensorProto.FLOAT16)
            product = self.node("MatMul", half, self.constant(matrix.astype(np.float16)))
            return self.node("Cast", product, to=TensorProto.FLOAT)
        return self._rounded_matmul(x, matrix)

    def _rounded_matmul(self, x: str, matrix: Array) -> str:
        """In eight bits: a scale for x, and one for each column of an int8 matrix, as one for all
        of an fp8 one. Where the two are dequantised, TensorRT multiplies them as they are."""
        assert self._ranges is not None
        greatest, place = _GREATEST[self._precision], len(self.products) - 1
        scale = self.constant(np.float32(max(self._ranges[place], 1e-6) / greatest))
        kind = np.dtype(np.int8 if self._precision == "int8" else float8_e4m3fn)
        zero = self.constant(np.zeros((), kind))
        rounded = self.node("QuantizeLinear", x, scale, zero)
        given = self.node("DequantizeLinear", rounded, scale, zero)
        each = self._precision == "int8"
        most = np.abs(matrix).max(axis=0 if each else None)
        scales = (np.maximum(most, 1e-12) / greatest).astype(np.float32)
        values = matrix / scales
        weights = (np.rint(values) if each else values).astype(kind)
        kept = self.node(
            "DequantizeLinear",
            self.constant(weights),
            self.constant(scales),
            self.constant(np.zeros(scales.shape, kind)),
            **({"axis": 1} if each else {}),
        )
        return self.node("MatMul", given, kept)

    def linear(self, x: str, matrix: Array, bias: Array) -> str:
        return self.node("Add", self.matmul(x, matrix), self.constant(bias))

    def slice(self, x: str, axis: int, begin: int, end: int | None = None, step: int = 1) -> str:
        stop = np.iinfo(np.int64).max if end is None else end
        bounds = [self.constant(np.array([v], np.int64)) for v in (begin, stop, axis, step)]
        return self.node("Slice", x, *bounds)

    def binary(self, kind: str, x: str, number: float) -> str:
        """A node of a float32 tensor and a number."""
        return self.node(kind, x, self.constant(np.float32(number)))

    def split(self, x: str, axis: int, sizes: Sequence[int]) -> list[str]:
        if len(sizes) == 1:
            return [x]
        parts = self.constant(np.array(sizes, np.int64))
        return self.nodes("Split", [x, parts], len(sizes), axis=axis)

    def join(self, parts: Sequence[str], axis: int = 0) -> str:
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def unsqueeze(self, x: str, axis: int) -> str:
        return self.node("Unsqueeze", x, self.constant(np.array([axis], np.int64)))

    def reduce(self, kind: str, x: str, axis: int) -> str:
        """ReduceSum, ReduceMax or ReduceMin over an axis, which stays with size 1."""
        # The axes became an input with opset 13 for sums, with 18 for the others.
        if kind != "ReduceSum" and self._opset < 18:
            return self.node(kind, x, axes=[axis], keepdims=1)
        return self.node(kind, x, self.constant(np.array([axis], np.int64)), keepdims=1)

    def cast(self, x: str, kind: int) -> str:
        return self.node("Cast", x, to=kind)

    def transpose(self, x: str, order: Sequence[int]) -> str:
        return self.node("Transpose", x, perm=list(order))

    def output(self, value: str, name: str) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))

    def finish(
        self, name: str, inputs: Sequence[Port], outputs: Sequence[Port], notes: dict[str, str]
    ) -> ModelProto:
        ports = [
            [
                helper.make_tensor_value_info(
                    p.name, TensorProto.FLOAT16 if p.half else TensorProto.FLOAT, p.shape
                )
                for p in side
            ]
            for side in (inputs, outputs)
        ]
        read = {name for node in self._nodes for name in node.input}
        constants = [c for c in self._constants.values() if c.name in read]
        graph = helper.make_graph(self._nodes, name, ports[0], ports[1], constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self._opset)],
            producer_name="diffusiontalker",
            ir_version=9 if self._precision == "fp8" else 8,
        )
        helper.set_model_props(model, notes)
        onnx.checker.check_model(model, full_check=True)
        return model


def notes(bundle: Bundle, precision: str) -> dict[str, str]:
    """What a graph says of itself in its metadata."""
    return {
        "model": bundle.name,
        "model_hash": engines.model_hash(bundle),
        "precision": precision,
        "frame_rate": str(bundle.frame_rate),
    }
