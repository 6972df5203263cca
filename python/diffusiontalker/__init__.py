"""Speech in, a moving face out, live: 52 ARKit curves a frame from a streaming diffusion model."""

from importlib import import_module

TYPE_CHECKING = False  # typing's own takes milliseconds to load
if TYPE_CHECKING:
    from .bundle import BundleError
    from .curves import CURVES
    from .knobs import Settings
    from .runtime import Frame, Runtime, RuntimeStats
    from .tensorrt.engines import BackendError

    __version__: str

__all__ = [
    "CURVES",
    "BackendError",
    "BundleError",
    "Frame",
    "Runtime",
    "RuntimeStats",
    "Settings",
    "__version__",
]

# Loaded when first asked for: a command shows its help, or takes a Ctrl-C, before NumPy is there.
_HOMES = {
    "CURVES": "curves",
    "BackendError": "tensorrt.engines",
    "BundleError": "bundle",
    "Frame": "runtime",
    "Runtime": "runtime",
    "RuntimeStats": "runtime",
    "Settings": "knobs",
}
_ROOMS = (
    "bundle",
    "clock",
    "curves",
    "files",
    "frames",
    "knobs",
    "resample",
    "runtime",
    "tensorrt",
)


def __getattr__(name: str) -> object:
    value: object
    if name == "__version__":
        from importlib import metadata

        try:
            value = metadata.version("diffusiontalker")
        except metadata.PackageNotFoundError:
            value = "unknown (not installed)"
    elif name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _ROOMS:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
