"""`dt-stream identities`: the talking styles of a bundle."""

from __future__ import annotations

from typing import Any

from ... import bundle as bundles
from ...bundle import Bundle, BundleError
from .. import StreamError


def show(folder: str | None) -> int:
    """Prints a line an identity; returns the exit code. Raises StreamError."""
    try:
        bundle = bundles.read(folder)
    except BundleError as error:
        raise StreamError(str(error)) from None
    names = bundle.identities
    width = max(map(len, names))
    for index, name in enumerate(names):
        mark = "*" if index == bundle.default_identity else " "
        print(f"{mark} {name:{width}s}  {origin(bundle, name)}")
    print("* is what a voice gets that is like none of them; --identity NAME pins one")
    return 0


def origin(bundle: Bundle, name: str) -> str:
    """What an identity learnt from, as far as the bundle's manifest says."""
    training: dict[str, Any] = bundle.manifest.get("training") or {}
    for added in training.get("added_speakers", ()):
        if added.get("name") == name:
            return (
                f"added: {added.get('takes')} takes, {added.get('seconds')} s; "
                f"curves {added.get('curves')}"
            )
    sources = training.get("sources", ())
    own = [s for s in sources if any(t.startswith(f"{name}_") for t in s.get("held_out", ()))]
    own = own or [s for s in sources if name.split("_")[0] == s.get("name")]
    own = own or (list(sources) if len(sources) == 1 else [])
    if not own:
        return "its manifest does not say"
    source = own[0]
    return (
        f"{source.get('citation') or source.get('name')}; "
        f"{source.get('licence') or 'no licence given'}; curves {source.get('curves')}"
    )
