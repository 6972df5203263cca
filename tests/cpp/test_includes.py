"""Which C++ file may include which: the order of the rooms, held for every `#include`.

A room is a folder, or a header that stands for itself. A room may include its own files, those of
the rooms that its row names, the standard library, and the headers of others that its row names. It
names only rooms above itself, so that there is no circle. Every file belongs to a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Room:
    """A row: the rooms that it may include, and headers of others (`folder/` for all in it)."""

    knows: str = ""
    beyond: str = ""


ANY = "*"  # in `knows`: every room above

# The runtime, from the ground to the roof. Public headers are rooms of their own.
RUNTIME = {
    "dt/time_base.h": Room(),
    "dt/log_mel.h": Room(),
    "dt/noise.h": Room(),
    "dt/options.h": Room(),
    "dt/kernels.h": Room(),
    "dt/backend.h": Room(),
    "dt/refusal.h": Room(),
    "dt/curve_names.h": Room(),
    "dt/model.h": Room("dt/options.h dt/refusal.h"),
    "dt/bundle.h": Room("dt/model.h dt/refusal.h"),
    "dt/overload.h": Room(),
    "dt/live_runtime.h": Room("dt/backend.h dt/model.h dt/overload.h"),
    "dt/voices.h": Room("dt/backend.h dt/model.h"),
    "dt/runtime.h": Room("dt/backend.h dt/kernels.h dt/live_runtime.h dt/model.h"),
    "refusal": Room("dt/refusal.h"),
    "arithmetic": Room(beyond="intrin.h xmmintrin.h"),
    "kernels/vec": Room(),
    "kernels/body": Room(),
    "kernels": Room(
        "dt/kernels.h dt/refusal.h kernels/vec kernels/body",
        beyond="immintrin.h arm_neon.h intrin.h processthreadsapi.h"
        " sys/auxv.h sys/syscall.h sys/sysctl.h unistd.h wasm_simd128.h",
    ),
    "weights": Room(
        "dt/log_mel.h dt/model.h dt/options.h dt/refusal.h dt/time_base.h arithmetic kernels"
        " refusal"
    ),
    "weights/bundle": Room(
        "dt/bundle.h dt/curve_names.h dt/log_mel.h dt/model.h dt/options.h dt/refusal.h"
        " dt/time_base.h arithmetic refusal weights",
        beyond="nlohmann/",
    ),
    "audio": Room("dt/log_mel.h dt/options.h dt/time_base.h arithmetic"),
    "features": Room("dt/log_mel.h dt/model.h dt/refusal.h dt/time_base.h kernels weights"),
    "sampler/backend.h": Room("dt/backend.h dt/model.h"),
    "sampler/cpu": Room("dt/model.h kernels sampler/backend.h weights"),
    "sampler/tensorrt/shared_library.h": Room(beyond="dlfcn.h windows.h"),
    "sampler/tensorrt/tensorrt_abi.h": Room(),
    "sampler/tensorrt": Room(
        "dt/backend.h dt/log_mel.h dt/model.h sampler/backend.h weights"
        " sampler/tensorrt/shared_library.h sampler/tensorrt/tensorrt_abi.h"
    ),
    "sampler/tensorrt/plugin": Room(
        "sampler/tensorrt/shared_library.h sampler/tensorrt/tensorrt_abi.h",
        beyond="NvInferRuntime.h cuda_runtime_api.h",
    ),
    "sampler": Room(
        "dt/backend.h dt/model.h dt/noise.h dt/refusal.h arithmetic kernels weights"
        " sampler/backend.h sampler/cpu sampler/tensorrt"
    ),
    "curves": Room(
        "dt/curve_names.h dt/model.h dt/noise.h dt/options.h dt/refusal.h dt/time_base.h arithmetic"
        " refusal"
    ),
    "picture": Room(),
    "picture/shading": Room("picture", beyond="immintrin.h intrin.h math.h"),
    "runtime": Room(
        "dt/backend.h dt/curve_names.h dt/live_runtime.h dt/log_mel.h dt/model.h dt/overload.h"
        " dt/refusal.h dt/runtime.h dt/time_base.h dt/voices.h arithmetic audio curves features"
        " refusal sampler weights"
    ),
    # Its header is C.
    "capi": Room("dt/bundle.h dt/refusal.h runtime", beyond="stddef.h stdint.h"),
    "bindings": Room(ANY, beyond="nghttp2/ pybind11/"),
    "bench": Room(ANY, beyond="random_model.h valgrind/callgrind.h"),
}
RUNTIME_FOLDERS = {
    "cpp/include": "",
    "cpp/src": "",
    "cpp/bindings": "bindings",
    "cpp/capi": "capi",
    "cpp/bench": "bench",
}
ABOVE_THE_STAGES = {"runtime", "capi", "bindings", "bench"}
STAGES = [n for n in RUNTIME if not n.startswith("dt/") and n not in ABOVE_THE_STAGES]

# The engine-free part of the Unreal plugin.
PLUGIN = {
    "dt/net": Room(
        beyond="arpa/inet.h fcntl.h netdb.h netinet/in.h netinet/tcp.h poll.h sodium.h"
        " sys/socket.h tweetnacl.h unistd.h windows.h winsock2.h ws2tcpip.h"
    ),
    "dt/wire": Room(),
    "dt/face": Room("dt/net dt/wire"),
}
PLUGIN_MODULE = "unreal_plugin/DiffusionTalkerLiveLink/Source/DiffusionTalkerLiveLink"
PLUGIN_FOLDERS = {f"{PLUGIN_MODULE}/Private/dt": "dt"}

# C++17's, by their names in <>.
CPP17 = """
algorithm any array atomic bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
climits clocale cmath complex condition_variable csetjmp csignal cstdarg cstddef cstdint cstdio
cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem forward_list
fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator limits
list locale map memory memory_resource mutex new numeric optional ostream queue random ratio
regex scoped_allocator set shared_mutex sstream stack stdexcept streambuf string string_view
system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
valarray variant vector
"""
STANDARD = frozenset(CPP17.split())
SUFFIXES = {".c", ".cc", ".cpp", ".cu", ".cuh", ".cxx", ".h", ".hh", ".hpp", ".inc", ".inl", ".ipp"}
INCLUDE = re.compile(r"^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*(.*?)[ \t]*$", re.M)


def wrong_rows(rooms: Mapping[str, Room]) -> Iterator[str]:
    """What is wrong with a table by itself: rows that name one below themselves, or none."""
    above: set[str] = set()
    for name, room in rooms.items():
        for known in room.knows.split():
            if known != ANY and known not in above:
                yield f"table: {name} names {known}, which is no row above it"
        above.add(name)


def wrong_includes(
    repository: Path, folders: Mapping[str, str], rooms: Mapping[str, Room]
) -> Iterator[str]:
    """What breaks the table, a line each. `folders` gives each folder the prefix of its files."""
    files: dict[str, Path] = {}
    for folder, prefix in folders.items():
        for path in sorted((repository / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                inside = path.relative_to(repository / folder).as_posix()
                files[f"{prefix}/{inside}" if prefix else inside] = path
    room_of: dict[str, str | None] = {}
    for name in files:
        parent = name.rpartition("/")[0]
        room_of[name] = name if name in rooms else parent if parent in rooms else None
    for empty in rooms.keys() - room_of.values():
        yield f"table: {empty} has no file"
    for name, path in files.items():
        room = room_of[name]
        where = path.relative_to(repository).as_posix()
        if room is None:
            yield f"{where}: belongs to no room of the table"
            continue
        allowed = {room, *rooms[room].knows.split()}
        for target in INCLUDE.findall(path.read_text(encoding="utf-8")):
            included = re.fullmatch(r'"([^"]+)".*|<([^>]+)>.*', target)
            if included is None:
                yield f"{where}: #include {target}: expected a name in quotes or brackets"
                continue
            quoted, bracketed = included.groups()
            beside = f"{name.rpartition('/')[0]}/{quoted}"
            found = beside if beside in files else quoted
            if quoted is not None and found in files:
                if room_of[found] not in allowed and ANY not in allowed:
                    yield f"{where}: {room} may not include {found} of {room_of[found]}"
            elif not (bracketed in STANDARD or is_listed(quoted or bracketed, rooms[room].beyond)):
                yield f"{where}: {room} may not include {target}"


def is_listed(header: str, beyond: str) -> bool:
    return any(
        header.startswith(entry) if entry.endswith("/") else header == entry
        for entry in beyond.split()
    )


def all_known(rooms: Mapping[str, Room], name: str) -> set[str]:
    """The rooms that `name` knows, and those that they know."""
    known = set(rooms[name].knows.split())
    return known.union(*(all_known(rooms, other) for other in known))


@pytest.mark.parametrize(
    ("folders", "rooms"),
    [(RUNTIME_FOLDERS, RUNTIME), (PLUGIN_FOLDERS, PLUGIN)],
    ids=["runtime", "unreal_plugin"],
)
def test_every_include_keeps_to_the_order(
    folders: Mapping[str, str], rooms: Mapping[str, Room]
) -> None:
    wrong = [*wrong_rows(rooms), *wrong_includes(REPOSITORY, folders, rooms)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_knows_the_roof(stage: str) -> None:
    assert not all_known(RUNTIME, stage) & {"dt/runtime.h", "dt/live_runtime.h", "runtime"}


# The check itself, on a tree made for it.

MADE = {
    "open/ground.h": Room(),
    "low": Room("open/ground.h"),
    "high": Room("low", beyond="gpu.h vendor/"),
    "edge": Room(ANY),
}
MADE_FOLDERS = {"include": "", "src": "", "edge": "edge"}
GOOD = {
    "include/open/ground.h": "#include <vector>",
    "src/low/own.h": "",
    "src/low/low.cpp": '#include "low/own.h"\n#include "own.h"\n\n#include "open/ground.h"',
    "src/high/high.cpp": '# include <gpu.h>\n#include <vendor/x.h>\n#include "low/own.h" // here',
    "edge/edge.cpp": '#include "low/own.h"\n// #include "nowhere.h"',
}


def made(folder: Path, more: Mapping[str, str]) -> list[str]:
    for name, text in {**GOOD, **more}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return list(wrong_includes(folder, MADE_FOLDERS, MADE))


def test_a_tree_in_order_passes(tmp_path: Path) -> None:
    assert made(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("src/low/x.cpp", '#include "high/y.h"', "low may not include high/y.h of high"),
        ("src/low/x.cpp", '#include "../high/y.h"', 'low may not include "../high/y.h"'),
        ("src/low/x.cpp", "#include <high/y.h>", "low may not include <high/y.h>"),
        ("src/low/x.cpp", "  #  include <gpu.h>", "low may not include <gpu.h>"),
        ("src/low/x.cpp", '#include "nowhere.h"', 'low may not include "nowhere.h"'),
        ("src/low/x.cpp", '#include "vector"', 'low may not include "vector"'),
        ("src/low/x.cpp", "#include HEADER", "#include HEADER: expected a name in quotes"),
        ("src/high/x.cpp", '#include "open/ground.h"', "high may not include open/ground.h"),
        (
            "include/open/ground.h",
            '#include "low/own.h"',
            "open/ground.h may not include low/own.h",
        ),
        ("src/new/x.cpp", "", "src/new/x.cpp: belongs to no room"),
        ("src/high/new/x.cpp", "", "src/high/new/x.cpp: belongs to no room"),
        ("include/open/new.h", "", "include/open/new.h: belongs to no room"),
        ("src/x.cpp", "", "src/x.cpp: belongs to no room"),
    ],
)
def test_a_file_out_of_order_fails(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (wrong,) = made(tmp_path, {"src/high/y.h": "", name: text})
    assert complaint in wrong


def test_a_row_without_files_or_order_fails(tmp_path: Path) -> None:
    made(tmp_path, {})
    rooms = {"gone": Room(), **MADE}
    assert list(wrong_includes(tmp_path, MADE_FOLDERS, rooms)) == ["table: gone has no file"]
    assert list(wrong_rows(MADE)) == []
    circle = {"a": Room("b"), "b": Room("a c")}
    assert list(wrong_rows(circle)) == [
        "table: a names b, which is no row above it",
        "table: b names c, which is no row above it",
    ]
