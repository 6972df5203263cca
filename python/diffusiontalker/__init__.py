"""Speech in, a moving face out, live: 52 ARKit curves a frame from a streaming diffusion model."""

from .bundle import BundleError
from .curves import CURVES
from .knobs import Settings
from .runtime import Frame, Runtime, RuntimeStats
from .tensorrt.engines import BackendError

__all__ = ["CURVES", "BackendError", "BundleError", "Frame", "Runtime", "RuntimeStats", "Settings"]
