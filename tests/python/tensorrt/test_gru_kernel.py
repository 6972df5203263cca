"""The Triton kernel of the GPU's report, by Triton's interpreter: right in what it computes. Where
Triton is not installed it is skipped; on a GPU the report itself checks it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import random_bundle
from paths import ROOT

SCRIPT = """
import sys
import torch
import gru
from diffusiontalker.bundle import read
torch.set_grad_enabled(False)
print(gru.parity(read(sys.argv[1]), "cpu", 2, 2))
"""


def test_the_kernel_is_the_runtimes_sampler(tmp_path: Path) -> None:
    for package in ("torch", "triton", "onnx"):
        pytest.importorskip(package)
    decoder = {"hidden": 64, "layers": 2, "step_dim": 16, "identity_hidden": 24}
    bundle = random_bundle.write(tmp_path, decoder=decoder)
    paths = [str(ROOT / "cpp/bench/gpu"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(bundle.path)], env=environment,
                          check=True, capture_output=True, text=True)  # fmt: skip
    assert 0 < float(done.stdout) < 2e-3
