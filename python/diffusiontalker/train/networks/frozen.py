"""Pretrained encoders as they are, heard through short sliding windows: Whisper and HuBERT.

They are what the paper reads (HuBERT, frozen) and what the context is measured against. A token
every 20 ms pays for a whole window, which is too dear for the C++ runtime: a talker behind a
frozen encoder is trained and evaluated in torch and never becomes a bundle. The context
(context.py) is the encoder that streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import _core
from .. import checkpoint
from ..clock import COLUMNS_A_TOKEN, token_count
from ..config import ConfigError, FrozenConfig
from .whisper_weights import load_whisper

TOKEN_S = 0.02
TOKEN_SAMPLES = 320
EDGE_SAMPLES = 200  # from a mel column's centre, or a HuBERT state's, to the last sample it hears
WINDOWS_AT_ONCE = 64

Windows = NDArray[np.float32]


@dataclass(frozen=True)
class FrozenEncoder:
    """Sound -> tokens (n, width) at 50 Hz, each from a window of its own.

    Token i hears sound up to mel column 2 i + 2, as the context's does, and nothing later; it is
    the encoder's state `ahead` tokens before that, in a window that begins `left` tokens before the
    state. So it needs no more look-ahead than the talker declares, and depicts an instant
    `lookahead_s` before the newest sound in it.
    """

    width: int
    left: int  # tokens of 20 ms
    ahead: int
    #: (sound, mel columns, tokens wanted, tokens a window but one) -> a window a token
    cut: Callable[[NDArray[np.float32], NDArray[np.float16], int, int], Windows]
    #: Windows (b, ...) -> states (b, left + ahead + 1, width)
    states: Callable[[Tensor], Tensor]
    digest: str  # tells one encoder from another, windows included

    @property
    def left_context_s(self) -> float:
        return self.left * TOKEN_S

    @property
    def lookahead_s(self) -> float:
        return self.ahead * TOKEN_S

    def tokens(self, audio: NDArray[np.float32], mel: NDArray[np.float16]) -> NDArray[np.float16]:
        """(n, width) of sound (16 kHz) and its mel columns; before the sound there is silence."""
        count = token_count(len(mel))
        heard = np.zeros((count, self.width), np.float16)
        if not count:
            return heard
        windows = self.cut(audio, mel, count, self.left + self.ahead)
        with torch.inference_mode():
            for start in range(0, count, WINDOWS_AT_ONCE):
                some = np.ascontiguousarray(windows[start : start + WINDOWS_AT_ONCE])
                states = self.states(torch.from_numpy(some))
                heard[start : start + len(some)] = states[:, self.left].numpy()
        return heard


def load(options: FrozenConfig, folder: Path) -> FrozenEncoder:
    """The encoder of a configuration that lies in `folder`.

    Raises FileNotFoundError for missing weights, ConfigError for an encoder that does not fit.
    """
    make = {"whisper": whisper, "hubert": hubert}[options.kind]
    encoder = make(options, folder)
    if encoder.width != options.width:
        raise ConfigError(
            f"encoder.frozen.width: the states of {options.weights} are {encoder.width} wide, "
            f"got {options.width}"
        )
    return encoder


def whisper(options: FrozenConfig, folder: Path) -> FrozenEncoder:
    """Whisper tiny's encoder, from the file that the context starts from."""
    model = load_whisper((folder / options.weights).resolve())
    return FrozenEncoder(
        width=model.position.shape[1],
        left=options.left_tokens,
        ahead=options.ahead_tokens,
        cut=_mel_windows,
        states=model,
        digest=_digest(model, options),
    )


def hubert(options: FrozenConfig, folder: Path) -> FrozenEncoder:
    """HuBERT by a folder (beside the configuration) or a name that transformers can find.

    Its waveform is taken as it is: normalising over an utterance would need the end of it.
    """
    try:
        from transformers import HubertModel
    except ImportError:
        raise ConfigError(
            "encoder.frozen.kind: hubert needs transformers; pip install 'diffusiontalker[hubert]'"
        ) from None
    local = (folder / options.weights).resolve()
    try:
        model: Any = HubertModel.from_pretrained(local if local.is_dir() else options.weights)
    except (OSError, ValueError) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(
            f"encoder.frozen.weights: no HuBERT folder {local} and no model of that name: {first}"
        ) from error
    model = model.eval().requires_grad_(False)
    stride, reach = 1, 1
    for kernel, step in zip(model.config.conv_kernel, model.config.conv_stride, strict=True):
        reach, stride = reach + (kernel - 1) * stride, stride * step
    if (stride, reach) != (TOKEN_SAMPLES, 2 * EDGE_SAMPLES):
        raise ConfigError(
            f"encoder.frozen.weights: expected a state every {TOKEN_SAMPLES} samples of "
            f"{2 * EDGE_SAMPLES}, as HuBERT base has, got {stride} of {reach}"
        )

    def states(windows: Tensor) -> Tensor:
        heard: Tensor = model(windows).last_hidden_state
        return heard

    return FrozenEncoder(
        width=model.config.hidden_size,
        left=options.left_tokens,
        ahead=options.ahead_tokens,
        cut=_sound_windows,
        states=states,
        digest=_digest(model, options),
    )


def _mel_windows(
    audio: NDArray[np.float32], mel: NDArray[np.float16], count: int, span: int
) -> Windows:
    """(count, 2 span + 1, 80): token i's window ends with column 2 i + 2."""
    silence = _core.log_mel(np.zeros(TOKEN_SAMPLES, np.float32), True)[0][:1]
    before = np.repeat(silence, COLUMNS_A_TOKEN * (span - 1), axis=0)
    whole = np.concatenate([before, mel.astype(np.float32)])
    every = sliding_window_view(whole, COLUMNS_A_TOKEN * span + 1, axis=0)
    windows: Windows = every[::COLUMNS_A_TOKEN][:count].transpose(0, 2, 1)
    return windows


def _sound_windows(
    audio: NDArray[np.float32], mel: NDArray[np.float16], count: int, span: int
) -> Windows:
    """(count, 320 span + 400): token i's window ends where mel column 2 i + 2 does."""
    before = np.zeros(TOKEN_SAMPLES * (span - 1) + EDGE_SAMPLES, np.float32)
    length = TOKEN_SAMPLES * span + 2 * EDGE_SAMPLES
    needed = TOKEN_SAMPLES * (count - 1) + length
    after = np.zeros(max(0, needed - len(before) - len(audio)), np.float32)
    whole = np.concatenate([before, audio, after])
    return sliding_window_view(whole, length)[::TOKEN_SAMPLES][:count]


def _digest(model: nn.Module, options: FrozenConfig) -> str:
    told = f"{options.kind} {options.left_tokens} {options.ahead_tokens}"
    return checkpoint.weights_digest(model.state_dict(), told)
