"""The GRU and the attention that train faster than PyTorch's own, against PyTorch's own."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from diffusiontalker.train.networks.context import attend_back  # noqa: E402
from diffusiontalker.train.networks.recurrence import Gru  # noqa: E402


def test_gru_has_values_and_gradients_of_torchs() -> None:
    torch.manual_seed(0)
    ours = Gru(13, 8, 2)
    theirs = torch.nn.GRU(13, 8, num_layers=2, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    u, state = torch.randn(3, 17, 13), torch.randn(2, 3, 8)
    shares = torch.randn(3, 17, 8), torch.randn(2, 3, 8)

    def all_of(gru: torch.nn.GRU, start: torch.Tensor | None) -> list[torch.Tensor]:
        inputs = [u.clone().requires_grad_(), *([] if start is None else [start.clone()])]
        for tensor in inputs:
            tensor.requires_grad_()
        heard, after = gru(*inputs)
        loss = (heard * shares[0]).sum() + (after * shares[1]).sum()
        wanted = [*inputs, *gru.parameters()]
        return [heard.detach(), after.detach(), *torch.autograd.grad(loss, wanted)]

    for start in (state, None):
        for mine, its in zip(all_of(ours, start), all_of(theirs, start), strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(ours(u, state)[0], theirs(u, state)[0])


def test_gru_keeps_its_state_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    gru = Gru(13, 8, 2)
    u = torch.randn(3, 40, 13)
    exact, _ = gru(u)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, _ = gru(u)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.0, atol=0.03)
    assert not torch.equal(rough, exact)
    rough.square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in gru.parameters())


@pytest.mark.parametrize("tokens", [1, 7, 8, 9, 31])
def test_attention_in_blocks_is_attention_with_a_mask(tokens: int) -> None:
    torch.manual_seed(0)
    heads, window, d = 2, 8, 4
    q, k, v = (torch.randn(3, heads, tokens, d, requires_grad=True) for _ in range(3))
    distance = torch.randn(heads, window, requires_grad=True)
    at = torch.arange(tokens)
    back = at[:, None] - at[None, :]
    bias = distance[:, back.clamp(0, window - 1)]
    mask = bias.masked_fill((back < 0) | (back >= window), -math.inf)
    whole = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    blocks = attend_back(q, k, v, distance)
    torch.testing.assert_close(blocks, whole)
    share = torch.randn_like(whole)
    wanted = (q, k, v, distance)
    for mine, its in zip(
        torch.autograd.grad(blocks, wanted, share),
        torch.autograd.grad(whole, wanted, share),
        strict=True,
    ):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)
