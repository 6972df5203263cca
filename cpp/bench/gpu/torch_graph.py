"""An exported ONNX graph run with PyTorch's operators, node by node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

Values = dict[str, torch.Tensor]

_TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.INT64: torch.int64,
}


def _whole(value: Any) -> list[int]:
    """Sizes and places: a list, or while constants are computed a tensor."""
    return value if isinstance(value, list) else value.reshape(-1).tolist()


def _slice(x: torch.Tensor, begin: Any, end: Any, axis: Any, step: Any) -> torch.Tensor:
    (first,), (last,), (along,), (every,) = (_whole(v) for v in (begin, end, axis, step))
    parts = [slice(None)] * x.dim()
    parts[along] = slice(first, min(last, 2**31), every)
    return x[tuple(parts)]


def _shape(x: torch.Tensor, sizes: Any) -> torch.Tensor:
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(_whole(sizes))])


def _norm(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, scale.shape, scale, shift, 1e-5)


def _quotient(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="floor")


_SIMPLE: dict[str, Callable[..., torch.Tensor]] = {
    "MatMul": torch.matmul, "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul,
    "Div": _quotient, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Relu": torch.relu,
    "Erf": torch.erf, "Sqrt": torch.sqrt, "Floor": torch.floor, "Abs": torch.abs,
    "Identity": lambda v: v, "Where": torch.where, "And": torch.logical_and,
    "Not": torch.logical_not, "Equal": torch.eq, "Greater": torch.gt, "Less": torch.lt,
    "GreaterOrEqual": torch.ge, "Max": torch.maximum, "Min": torch.minimum,
    "Reshape": _shape, "Slice": _slice, "LayerNormalization": _norm,
    "Unsqueeze": lambda v, axis: v.unsqueeze(*_whole(axis)),
}  # fmt: skip
_REDUCTIONS = {"ReduceSum": torch.sum, "ReduceMax": torch.amax, "ReduceMin": torch.amin}


class GraphInTorch(torch.nn.Module):
    """The graph as a function of its inputs by name, to its outputs by name.

    What depends on constants alone is computed once. Whole numbers among those are sizes and
    places, and become Python's, but for the indices of a Gather.
    """

    def __init__(self, model: ModelProto, device: str) -> None:
        super().__init__()
        constants = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy())
                     for i in model.graph.initializer}  # fmt: skip
        gathered = {n.input[1] for n in model.graph.node if n.op_type == "Gather"}
        self._outputs = [o.name for o in model.graph.output]
        self._nodes = []
        for n in model.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in n.attribute}
            if all(name in constants for name in n.input):
                results = self._apply(n.op_type, [constants[i] for i in n.input], attributes)
                constants.update(zip(n.output, results, strict=True))
            else:
                self._nodes.append((n.op_type, list(n.input), list(n.output), attributes))
        read = {name for _, names, _, _ in self._nodes for name in names} | set(self._outputs)
        self._constants: dict[str, Any] = {
            name: value.tolist()
            if value.dtype == torch.int64 and name not in gathered
            else value.to(device)
            for name, value in constants.items()
            if name in read
        }

    def forward(self, inputs: Values) -> Values:
        values = {**self._constants, **inputs}
        for kind, names, outputs, attributes in self._nodes:
            results = self._apply(kind, [values[name] for name in names], attributes)
            for name, result in zip(outputs, results, strict=True):
                values[name] = result
        return {name: values[name] for name in self._outputs}

    def _apply(self, kind: str, x: list[Any], attributes: dict[str, Any]) -> Any:
        if kind in _SIMPLE:
            return [_SIMPLE[kind](*x)]
        if kind in _REDUCTIONS:  # the axes are an attribute or an input, by kind and opset
            axes = attributes.get("axes") or _whole(x[1])
            return [_REDUCTIONS[kind](x[0], dim=axes, keepdim=True)]
        if kind == "Cast":
            return [x[0].to(_TYPES[attributes["to"]])]
        if kind == "Transpose":
            return [x[0].permute(*attributes["perm"])]
        if kind == "Concat":
            return [torch.cat(x, dim=attributes["axis"])]
        if kind == "Split":
            return torch.split(x[0], _whole(x[1]), dim=attributes["axis"])
        if kind == "Softmax":
            return [torch.softmax(x[0], dim=attributes["axis"])]
        if kind == "Gather":
            axis, index = attributes["axis"], x[1]
            picked = x[0].index_select(axis, index.reshape(-1))
            shape = [*x[0].shape[:axis], *index.shape, *x[0].shape[axis + 1 :]]
            return [picked.reshape(shape)]
        raise NotImplementedError(f"the graph has a {kind} node")
