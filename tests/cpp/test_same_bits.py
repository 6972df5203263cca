"""No source of the runtime calls what the C libraries round each in their own way.

`sqrt`, `floor`, `ceil`, `fabs`, `llround` and the like have one right result; a transcendental
function has none that all keep to, and `fma` is emulated where there is none. The runtime has its
own (cpp/src/arithmetic/).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
#: They define such names, or compute on a GPU, which promises no bits.
APART = ("cpp/src/arithmetic/", "cpp/src/kernels/", "cpp/src/sampler/tensorrt/")
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

#: Files that still call one, each with what it calls.
REMAINING = {"cpp/src/features/context.cpp": {"std::erf(", "std::exp("}}


def calls(text: str) -> set[str]:
    code = re.sub(r"//.*", "", text)
    return set(CALL.findall(OWN.sub("", code)))


@pytest.mark.parametrize("name", SOURCES)
def test_no_function_with_bits_of_its_own(name: str) -> None:
    assert calls((REPOSITORY / name).read_text("utf-8")) == REMAINING.get(name, set())


def test_calls_are_found() -> None:
    found = calls("y = std::exp(x) + logf(x) + a.log(b);  // std::sin(x)\nz = arithmetic::exp(x);")
    assert found == {"std::exp(", "logf("}
