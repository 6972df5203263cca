"""A Triton kernel for the sampler: all steps of a frame in one launch, a block of voices a program.

**Never run on a GPU**: it was run by Triton's interpreter alone. It needs no TensorRT. Weights are
float16 and come from the L2 cache again for each step, 1.3 MB for the embedded model; a cluster of
multiprocessors that keeps them in shared memory is what Triton cannot say.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Curves and their room in a product: a power of two.
WIDTH = 64


@triton.jit
def sample_frame(
    of_frame,  # (voices, 3 hidden): the first layer's part of audio, identity and its bias
    of_steps,  # (steps, 3 hidden)
    noise,  # (voices, WIDTH)
    x_weight,  # (WIDTH, 3 hidden) float16
    in_weight,  # (hidden, 3 hidden) float16, of the second layer
    in_bias,  # (3 hidden)
    re_weight,  # (2, hidden, 3 hidden) float16
    re_bias,  # (2, 3 hidden)
    head_weight,  # (hidden, WIDTH) float16
    head_bias,  # (WIDTH)
    scales,  # (steps, 2): x <- x scale + x0 scale
    state,  # (voices, steps, 2, hidden)
    after,  # likewise
    x0,  # (voices, WIDTH)
    voices,
    steps,
    H: tl.constexpr,  # hidden
    V: tl.constexpr,  # voices a program
    C: tl.constexpr,  # columns at once
    K: tl.constexpr,  # depth at once
    W: tl.constexpr,  # WIDTH
):
    voice = tl.program_id(0) * V + tl.arange(0, V)
    alive = (voice < voices)[:, None]
    rows = voice[:, None]
    wide = tl.arange(0, W)
    x = tl.load(noise + rows * W + wide[None, :], mask=alive, other=0.0)
    for step in range(steps):
        for layer in tl.static_range(2):
            own = (rows * steps + step) * (2 * H) + layer * H
            for first in range(0, H, C):
                column = first + tl.arange(0, C)
                at = column[None, :]
                if layer == 0:
                    given = x.to(tl.float16)
                    from_x = x_weight + wide[:, None] * (3 * H) + at
                    in_r = tl.dot(given, tl.load(from_x))
                    in_z = tl.dot(given, tl.load(from_x + H))
                    in_n = tl.dot(given, tl.load(from_x + 2 * H))
                    fixed = of_frame + rows * (3 * H) + at
                    of_step = of_steps + step * (3 * H) + column
                    in_r += tl.load(fixed, mask=alive, other=0.0)
                    in_z += tl.load(fixed + H, mask=alive, other=0.0)
                    in_n += tl.load(fixed + 2 * H, mask=alive, other=0.0)
                    in_r += tl.load(of_step)[None, :]
                    in_z += tl.load(of_step + H)[None, :]
                    in_n += tl.load(of_step + 2 * H)[None, :]
                else:
                    in_r = tl.zeros((V, C), tl.float32) + tl.load(in_bias + column)[None, :]
                    in_z = tl.zeros((V, C), tl.float32) + tl.load(in_bias + H + column)[None, :]
                    in_n = tl.zeros((V, C), tl.float32) + tl.load(in_bias + 2 * H + column)[None, :]
                    for begin in range(0, H, K):
                        depth = begin + tl.arange(0, K)
                        below = tl.load(after + own - H + depth[None, :], mask=alive, other=0.0)
                        below = below.to(tl.float16)
                        from_below = in_weight + depth[:, None] * (3 * H) + at
                        in_r += tl.dot(below, tl.load(from_below))
                        in_z += tl.dot(below, tl.load(from_below + H))
                        in_n += tl.dot(below, tl.load(from_below + 2 * H))
                bias = re_bias + layer * (3 * H) + column
                re_r = tl.zeros((V, C), tl.float32) + tl.load(bias)[None, :]
                re_z = tl.zeros((V, C), tl.float32) + tl.load(bias + H)[None, :]
                re_n = tl.zeros((V, C), tl.float32) + tl.load(bias + 2 * H)[None, :]
                for begin in range(0, H, K):
                    depth = begin + tl.arange(0, K)
                    before = tl.load(state + own + depth[None, :], mask=alive, other=0.0)
                    before = before.to(tl.float16)
                    from_before = re_weight + layer * (3 * H * H) + depth[:, None] * (3 * H) + at
                    re_r += tl.dot(before, tl.load(from_before))
                    re_z += tl.dot(before, tl.load(from_before + H))
                    re_n += tl.dot(before, tl.load(from_before + 2 * H))
                reset = tl.sigmoid(in_r + re_r)
                update = tl.sigmoid(in_z + re_z)
                new = 2.0 * tl.sigmoid(2.0 * (in_n + reset * re_n)) - 1.0  # tanh
                old = tl.load(state + own + at, mask=alive, other=0.0)
                tl.store(after + own + at, new + update * (old - new), mask=alive)
            tl.debug_barrier()  # the next layer reads what other threads of the program wrote
        said = tl.zeros((V, W), tl.float32) + tl.load(head_bias + wide)[None, :]
        last = (rows * steps + step) * (2 * H) + H
        for begin in range(0, H, K):
            depth = begin + tl.arange(0, K)
            hidden = tl.load(after + last + depth[None, :], mask=alive, other=0.0).to(tl.float16)
            said += tl.dot(hidden, tl.load(head_weight + depth[:, None] * W + wide[None, :]))
        x = x * tl.load(scales + 2 * step) + said * tl.load(scales + 2 * step + 1)
    tl.store(x0 + rows * W + wide[None, :], x, mask=alive)
