"""examples/unity without Unity or mono: what it says of packets and of the C library is so.

`poe mono`, outside CI, compiles and runs it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from paths import ROOT

from diffusiontalker import CURVES
from diffusiontalker.stream.outputs import livelink

UNITY = ROOT / "examples" / "unity"
PLAIN = UNITY / "Runtime" / "Plain"
HEADER = (ROOT / "cpp" / "capi" / "dt.h").read_text("utf-8")
#: C's words for an argument or a field, and C#'s.
TYPES = {
    "void": "void", "dt_code": "int", "int32_t": "int", "uint32_t": "uint", "uint64_t": "ulong",
    "double": "double", "size_t": "UIntPtr", "size_t*": "out UIntPtr", "const char*": "IntPtr",
    "const uint64_t*": "IntPtr", "const char* const*": "IntPtr", "const dt_entry*": "IntPtr",
    "dt_error*": "ref Error", "const dt_bundle*": "BundleHandle", "dt_runtime*": "RuntimeHandle",
    "const dt_runtime*": "RuntimeHandle", "const void*": "byte[]", "const float*": "[In] float[]",
    "float*": "[Out] float[]", "dt_options*": "ref Options", "dt_bundle_info*": "ref BundleInfo",
    "dt_runtime_info*": "ref RuntimeInfo", "dt_settings*": "ref Settings",
    "const dt_options*": "ref Options", "const dt_settings*": "ref Settings",
}  # fmt: skip


def text(name: str) -> str:
    return (PLAIN / name).read_text("utf-8")


def typed(declaration: str) -> tuple[str, str]:
    """`const char* path` -> (`const char*`, `path`)."""
    type_, name = re.fullmatch(r"(.*?[\s*])(\w+)", declaration.strip()).groups()  # type: ignore[union-attr]
    return type_.replace(" *", "*").strip(), name


def functions_of_c() -> dict[str, tuple[str, list[str]]]:
    header = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
    found = {}
    for result, name, arguments in re.findall(
        r"DT_API\s+([\w\s*]+?)\s*(dt_\w+)\(([^)]*)\)", header
    ):
        split = [] if arguments == "void" else [typed(a)[0] for a in arguments.split(",")]
        found[name] = (result.strip(), split)
    return found


def functions_of_csharp() -> dict[str, tuple[str, list[str]]]:
    found = {}
    for result, name, arguments in re.findall(
        r"\[DllImport\(Library\)\] public static extern (\w+) (dt_\w+)\(([^)]*)\)",
        text("Native.cs"),
    ):
        split = [a.strip().rsplit(" ", 1)[0] for a in arguments.split(",")] if arguments else []
        found[name] = (result, split)
    return found


def matches(c: str, csharp: str) -> bool:
    if c in ("dt_bundle**", "dt_runtime**"):
        return csharp in ("out IntPtr", "ref IntPtr")
    return csharp == TYPES[c] or (c == "const char*" and csharp == "byte[]")


def test_the_library_is_called_as_its_header_says() -> None:
    declared, called = functions_of_c(), functions_of_csharp()
    assert len(called) == 21
    for name, (result, arguments) in called.items():
        wanted_result, wanted = declared[name]
        assert matches(wanted_result, result), name
        assert len(arguments) == len(wanted), name
        for c, csharp in zip(wanted, arguments, strict=True):
            assert matches(c, csharp), f"{name}: {c} as {csharp}"


@pytest.mark.parametrize(
    ("c_name", "csharp_name"),
    [("dt_options", "Options"), ("dt_bundle_info", "BundleInfo"), ("dt_entry", "Entry"),
     ("dt_runtime_info", "RuntimeInfo"), ("dt_settings", "Settings")],
)  # fmt: skip
def test_structs_have_the_headers_fields(c_name: str, csharp_name: str) -> None:
    header = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
    body = re.search(rf"typedef struct {c_name} {{(.*?)}} {c_name};", header, re.S)
    assert body is not None
    wanted = [typed(field) for field in " ".join(body[1].split()).split(";") if field.strip()]
    native = re.search(rf"public struct {csharp_name}\s*{{(.*?)}}", text("Native.cs"), re.S)
    assert native is not None
    got = [
        (type_, name.strip())
        for type_, names in re.findall(r"public (\w+) ([\w, ]+);", native[1])
        for name in names.split(",")
    ]
    assert [name.lower() for _, name in got] == [name.replace("_", "") for _, name in wanted]
    for (csharp, name), (c, _) in zip(got, wanted, strict=True):
        assert matches(c, csharp), f"{name}: {c} as {csharp}"


def test_packets_are_those_that_are_sent() -> None:
    names = re.search(r"Names =\s*\{(.*?)\}", text("Curves.cs"), re.S)
    assert names is not None
    assert tuple(re.findall(r'"(\w+)"', names[1])) == CURVES
    assert f"const int Version = {livelink.VERSION};" in text("LiveLinkPacket.cs")
    assert f"const int DefaultPort = {livelink.DEFAULT_PORT};" in text("FaceReceiver.cs")
    bytes_ = re.search(r"#define DT_ERROR_BYTES (\d+)", HEADER)
    assert bytes_ is not None
    assert f"ErrorBytes = {bytes_[1]};" in text("Native.cs")


def test_the_package_is_whole() -> None:
    """Unity passes over a file without its .meta in a package that it has fetched itself."""
    package = json.loads((UNITY / "package.json").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{package["version"]}"\n' in project
    names: list[Path] = [p for p in UNITY.rglob("*") if p.suffix != ".meta"]
    identifiers = set()
    for path in names:
        meta = path.with_name(path.name + ".meta").read_text("utf-8")
        identifiers.add(re.search(r"^guid: ([0-9a-f]{32})$", meta, re.M)[1])  # type: ignore[index]
        assert ("folderAsset: yes" in meta) == path.is_dir()
    assert len(identifiers) == len(names)
    for assembly in UNITY.rglob("*.asmdef"):
        json.loads(assembly.read_text("utf-8"))
    assert "UnityEngine" not in "".join(p.read_text("utf-8") for p in PLAIN.glob("*.cs"))
