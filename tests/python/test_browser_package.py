"""The browser package without a browser: its parts agree with each other and the C library.

`poe web`, outside CI, builds it and plays it in Node and in Chromium.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from paths import ROOT

PACKAGE = ROOT / "examples" / "web"
IN_NODE = ROOT / "tests" / "web" / "in_node.mjs"


def text(name: str) -> str:
    return (PACKAGE / name).read_text("utf-8")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_build", PACKAGE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclass
    spec.loader.exec_module(module)
    return module


def test_the_manifest_names_files_that_are_there(build: ModuleType) -> None:
    package = json.loads(text("package.json"))
    assert package["version"] == build.version()
    named = [name for name in package["files"] if not name.startswith("built/")]
    for export in package["exports"].values():
        named += [export] if isinstance(export, str) else export.values()
    for name in named:
        assert (PACKAGE / name).is_file(), name
    # What a listed file imports is listed too.
    for name in filter(lambda name: name.endswith("js"), package["files"]):
        for imported in re.findall(r'(?:from|URL\()\s*"\./([\w-]+\.js)"', text(name)):
            assert imported in package["files"], (name, imported)


def test_types_name_what_the_code_has() -> None:
    for name in ("runtime", "face"):
        types, code = text(f"{name}.d.ts"), text(f"{name}.js")
        members = re.findall(r"^  (?:static |readonly )?(\w+)[(:]", types, re.M)
        for member in set(members) - {"constructor"}:
            assert re.search(rf"\b{member}\b", code + text("worker.js") + text("runtime.js")), (
                member
            )


def test_codes_and_calls_are_the_c_librarys() -> None:
    header = (ROOT / "cpp" / "capi" / "dt.h").read_text("utf-8")
    enum = header.split("typedef int32_t dt_code;")[1].split("};")[0]
    codes = re.findall(r"^  DT_(\w+) = (\d+)", enum, re.M)
    by_number = {number: name.lower().replace("_", "-") for name, number in codes}
    listed = text("runtime.js").split("const CODES = {")[1].split("};")[0]
    for number, name in re.findall(r'(\d+): "([\w-]+)"', listed):
        assert by_number[number] == name
    settings = dict(re.findall(r"DT_SET_(\w+) = (\d+)", header))
    given = text("runtime.js").split("const GIVEN = {")[1].split("}")[0]
    assert [int(n) for n in settings.values()] == [int(n) for n in re.findall(r": (\d+)", given)]
    handed_out = set(re.findall(r"EXPORT\((dtw_\w+)\)", text("module.cpp")))
    assert handed_out == set(re.findall(r"\b(dtw_\w+)\(", text("runtime.js")))


def test_the_bundle_packs_to_the_same_bytes_each_time(build: ModuleType, tmp_path: Path) -> None:
    manifest = {"curves": ["jawOpen"], "training": {"licences": ["MIT"]}, "gain": 0.1}
    longer = {**manifest, "training": {"licences": ["MIT"], "starts_from": {"a": [1.5] * 99}}}
    (tmp_path / "manifest.json").write_text(json.dumps(longer, indent=2))
    (tmp_path / "weights.safetensors").write_bytes(b"weights" * 100)
    packed = []
    for number in range(2):
        build.pack_bundle(tmp_path, tmp_path / f"{number}.tar")
        packed.append((tmp_path / f"{number}.tar").read_bytes())
    assert packed[0] == packed[1]
    with tarfile.open(fileobj=io.BytesIO(packed[0])) as archive:
        assert archive.getnames() == ["manifest.json", "weights.safetensors"]
        packed_manifest, weights = (archive.extractfile(name) for name in archive.getnames())
        assert packed_manifest is not None
        assert weights is not None
        assert json.load(packed_manifest) == manifest, "what a page needs, and no more"
        assert weights.read() == b"weights" * 100


def test_what_is_compiled_is_there(build: ModuleType) -> None:
    for folder in build.FOLDERS:
        assert list((ROOT / folder).glob("*.cpp")), folder
    assert (ROOT / "cpp" / "src" / "kernels" / build.RELAXED_FILE).is_file()
    for name in build.LEFT_OUT:
        assert list((ROOT / "cpp" / "src").rglob(name)), name


def test_without_its_compiler_the_build_says_so(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["build.py", "--out", str(tmp_path / "out")])
    assert build.main() == 2
    said = capsys.readouterr().err
    assert said == "build.py: ziglang is not here: python -m pip install ziglang\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here; poe web has it")
def test_the_parts_without_a_model() -> None:
    done = subprocess.run(["node", IN_NODE, PACKAGE, "logic"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
