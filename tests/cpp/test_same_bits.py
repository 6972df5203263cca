"""No source of the runtime calls what the C libraries round each in their own way.

`sqrt`, `floor`, `ceil`, `fabs`, `llround` and the like have one right result; a transcendental
function has none that all keep to, and `fma` is emulated where there is none. The runtime has its
own (cpp/src/arithmetic/, and for the kernels cpp/src/kernels/body/elementwise.h). The kernels'
registers fuse in the float32 product alone, which promises no bits.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
#: Defines such names, or computes on a GPU, which promises no bits.
APART = ("cpp/src/arithmetic/", "cpp/src/sampler/tensorrt/")
SOURCES = sorted(
    name
    for folder in ("cpp/include", "cpp/src")
    for path in (REPOSITORY / folder).rglob("*")
    if path.suffix in {".h", ".cpp"}
    and not (name := path.relative_to(REPOSITORY).as_posix()).startswith(APART)
)
NAMES = (
    "exp exp2 expm1 log log2 log10 log1p pow cbrt hypot sin cos tan asin acos atan atan2"
    " sinh cosh tanh asinh acosh atanh erf erfc tgamma lgamma fma polar accumulate reduce"
)
CALL = re.compile(rf"(?:\bstd::|(?<![\w:.]))(?:{'|'.join(NAMES.split())})[fl]?\(")
OWN = re.compile(r"\barithmetic::\w+\(")
#: A register's own operation in a kernel, which may have such a name.
DEFINED = re.compile(r"^inline Vec (\w+)\((?:const )?Vec\b", re.M)
FUSED = re.compile(r"_fn?m(?:add|sub)|\bvfm[as]|\bvml[as]\w*_f(?:16|32|64)")

#: The float32 product, for comparison; int8, the default, has no product of floats to add up.
FUSES = {"cpp/src/kernels/body/float32.h": {"fma("}}


def calls(text: str) -> set[str]:
    code = re.sub(r"//.*", "", text)
    own = {f"{name}(" for name in DEFINED.findall(code)}
    return set(CALL.findall(OWN.sub("", code))) - own


@pytest.mark.parametrize("name", SOURCES)
def test_no_function_with_bits_of_its_own(name: str) -> None:
    text = (REPOSITORY / name).read_text("utf-8")
    assert calls(text) == FUSES.get(name, set())
    fused = [line for line in text.splitlines() if FUSED.search(line)]
    assert all(line.startswith("inline Vec fma(") for line in fused), fused


def test_calls_are_found() -> None:
    found = calls("y = std::exp(x) + logf(x) + a.log(b);  // std::sin(x)\nz = arithmetic::exp(x);")
    assert found == {"std::exp(", "logf("}
    own = "inline Vec tanh(Vec x) {\n  return div(tanh(x), exp(x));\n}\n"
    assert calls(own) == {"exp("}
    assert calls(own + "y = std::tanh(x);") == {"exp(", "std::tanh("}
    intrinsics = ["_mm256_fmadd_ps(", "_mm512_fnmsub_ps(", "vfmaq_f32(", "vmlaq_n_f32("]
    assert all(FUSED.search(name) for name in intrinsics)
    assert not any(FUSED.search(name) for name in ["vmlal_s8(", "_mm256_madd_epi16("])
