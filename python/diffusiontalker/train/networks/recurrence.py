"""nn.GRU whose training on CPUs costs less: the same gates, with the gradients by hand.

PyTorch has no fused recurrent cell for CPUs, so autograd replays every small operation of every
frame, and adds each frame's share of the weights' gradients by itself. Here a frame goes back with
four operations, and all frames' shares are one product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gru(nn.GRU):
    """nn.GRU in one direction, batch first, without dropout; its parameters and their names.

    Values and gradients are nn.GRU's up to rounding. Under autocast only the products are in the
    lower precision; gates and state stay in float32.
    """

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__(inputs, hidden, num_layers=layers, batch_first=True)

    def forward(  # type: ignore[override]
        self, u: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """u (B, F, inputs), state (layers, B, hidden) or None for zeros -> (B, F, hidden) and the
        state after the last frame."""
        if u.device.type != "cpu" or not torch.is_grad_enabled() or u.dtype == torch.float64:
            heard, after = super().forward(u, state)
            return heard, after
        h = u.transpose(0, 1)
        ends = []
        for layer in range(self.num_layers):
            w_ih, w_hh, b_ih, b_hh = (
                self.get_parameter(f"{name}_l{layer}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            given = functional.linear(h, w_ih, b_ih).float().contiguous()
            start = given.new_zeros(given.shape[1], self.hidden_size)
            if state is not None:
                start = state[layer].float()
            run: Callable[..., Any] = _Layer.apply  # PyTorch 2.14 types it, earlier ones do not
            h, end = run(given, start, w_hh, b_hh)
            ends.append(end)
        return h.transpose(0, 1), torch.stack(ends)


class _Layer(torch.autograd.Function):
    """given (F, B, 3 H), what the inputs say to the gates r, z, n; h0 (B, H) -> all states
    (F, B, H) and the last.

        r, z = sigmoid(given + W h + b)    n = tanh(given + r (W h + b))    h' = n + z (h - n)
    """

    @staticmethod
    def forward(ctx: Any, given: Tensor, h0: Tensor, weight: Tensor, bias: Tensor) -> Any:
        frames, batch, hidden = given.shape[0], given.shape[1], given.shape[2] // 3
        lower = torch.is_autocast_enabled("cpu")
        kind = torch.get_autocast_dtype("cpu") if lower else torch.float32
        w = weight.to(kind)
        across = w.t().contiguous()
        rz = given.new_empty(frames, batch, 2 * hidden)
        n, said = given.new_empty(2, frames, batch, hidden)
        states = given.new_empty(frames + 1, batch, hidden)
        states[0] = h0
        with torch.autocast("cpu", enabled=False):
            given_rz = given[..., : 2 * hidden] + bias[: 2 * hidden]
            given_n = given[..., 2 * hidden :]
            for t in range(frames):
                wh = torch.mm(states[t].to(kind), across).float()
                torch.sigmoid(given_rz[t] + wh[:, : 2 * hidden], out=rz[t])
                torch.add(wh[:, 2 * hidden :], bias[2 * hidden :], out=said[t])
                torch.tanh(torch.addcmul(given_n[t], rz[t, :, :hidden], said[t]), out=n[t])
                torch.lerp(n[t], states[t], rz[t, :, hidden:], out=states[t + 1])
        ctx.save_for_backward(rz, n, said, states, w)
        return states[1:].clone(), states[frames].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        of_states, of_last = gradients
        rz, n, said, states, w = ctx.saved_tensors
        frames, batch, hidden = n.shape
        r, z = rz.split(hidden, dim=-1)
        with torch.autocast("cpu", enabled=False):
            # Of one h' by what stands before the gates' squashing, all frames at once.
            by_n = (1 - z) * (1 - n * n)
            by_r = by_n * said * r * (1 - r)
            by_z = (states[:-1] - n) * z * (1 - z)
            by_wh = torch.stack([by_r, by_z, by_n * r], dim=2)
            of_h = torch.empty_like(n)
            of_wh = torch.empty_like(by_wh)
            carried = of_last.float()
            for t in range(frames - 1, -1, -1):
                torch.add(carried, of_states[t], out=of_h[t])
                torch.mul(by_wh[t], of_h[t, :, None], out=of_wh[t])
                back = torch.mm(of_wh[t].view(batch, -1).to(w.dtype), w).float()
                carried = torch.addcmul(back, of_h[t], z[t])
            flat = of_wh.view(frames * batch, -1)
            before = states[:-1].reshape(frames * batch, hidden)
            of_weight = (flat.to(w.dtype).t() @ before.to(w.dtype)).float()
            of_given = of_wh.clone()
            of_given[:, :, 2] = of_h * by_n
        return of_given.view(frames, batch, -1), carried, of_weight, flat.sum(dim=0)
