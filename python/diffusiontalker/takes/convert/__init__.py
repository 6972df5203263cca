"""Takes as files for engines and animation programs; the ending of a name says which.

tables.py      .csv (Live Link Face), .json (BEAT), .npz (NumPy)
glb.py         .glb: a glTF animation on a head
usd.py         .usda, .usdc: UsdSkel blend shapes
vrma.py        .vrma: VRM animation
"""

from .convert import ENDINGS, Options, check, convert

__all__ = ["ENDINGS", "Options", "check", "convert"]
