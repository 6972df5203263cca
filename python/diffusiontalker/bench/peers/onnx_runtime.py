"""The exported graphs in ONNX Runtime, on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bundle import Bundle
from .course import FloatArray


class _Graph:
    """A graph with its state carried from call to call."""

    def __init__(self, model: Any, ports: tuple[Any, Any]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [port.name for port in ports[1]]
        shapes = {port.name: port.shape for port in ports[0]}
        self._shapes = {
            name.removeprefix("next_"): [
                1 if size == "streams" else size for size in shapes[name.removeprefix("next_")]
            ]
            for name in self._outputs
            if name.startswith("next_")
        }
        self.reset()

    def reset(self) -> None:
        self._state = {name: np.zeros(s, np.float32) for name, s in self._shapes.items()}

    def __call__(self, **inputs: FloatArray) -> FloatArray:
        out = self._session.run(self._outputs, {**inputs, **self._state})
        for name, value in zip(self._outputs[1:], out[1:], strict=True):
            self._state[name.removeprefix("next_")] = value
        first: FloatArray = out[0]
        return first


class OnnxRuntime:
    """A voice in ONNX Runtime. Raises ImportError where it or onnx is not installed."""

    def __init__(self, bundle: Bundle) -> None:
        from ...tensorrt import graphs

        self._encoder = _Graph(graphs.encoder_graph(bundle), graphs.encoder_ports(bundle))
        self._sampler = _Graph(graphs.sampler_graph(bundle, 1), graphs.sampler_ports(bundle, 1))
        self._table = graphs.step_table(bundle)

    def encode(self, mel: FloatArray) -> FloatArray:
        features: FloatArray = self._encoder(mel=mel[None])[0]
        return features

    def sample(self, audio: FloatArray, identity: FloatArray, noise: FloatArray) -> FloatArray:
        x0: FloatArray = self._sampler(
            audio=audio[None, None],
            identity=identity[None, None],
            noise=noise[None, None],
            step_table=self._table,
        )[0, 0]
        return x0

    def reset(self) -> None:
        self._encoder.reset()
        self._sampler.reset()
