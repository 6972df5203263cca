"""USD: a head with UsdSkel blend shapes, and their weights over time. The only module that knows
usd-core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...curves import CURVES
from ...head import Head, HeadError, default, load
from ...head.model import normals
from ..errors import TakeError
from ..motion import Motion

REMEDY = "pip install 'diffusiontalker[usd]'"


def write(motion: Motion, path: Path, head: Path | None, name: str) -> list[str]:
    """A time code a frame, from 0. Raises TakeError where usd-core or the head is not there."""
    try:
        from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt
    except ImportError:
        raise TakeError(f"USD needs usd-core, which is not installed: {REMEDY}") from None
    try:
        shown = default() if head is None else load(head)
    except (HeadError, OSError) as error:
        raise TakeError(f"--head {error}") from None
    stage = Usd.Stage.CreateNew(str(path))
    rate = float(motion.rate)
    # Readers that find one of the two take it for the other.
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(int(motion.index[-1]))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdSkel.Root.Define(stage, "/Face")
    stage.SetDefaultPrim(root.GetPrim())
    skeleton = UsdSkel.Skeleton.Define(stage, "/Face/Skeleton")
    joint = Vt.TokenArray(["head"])
    still = Vt.Matrix4dArray([Gf.Matrix4d(1.0)])
    skeleton.CreateJointsAttr(joint)
    skeleton.CreateBindTransformsAttr(still)
    skeleton.CreateRestTransformsAttr(still)
    mesh = _mesh(stage, shown, (Gf, UsdGeom, Vt))
    curves = [curve for curve in CURVES if curve in shown.shapes]
    _shapes(stage, mesh, shown, curves, (UsdSkel, Vt))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    # One joint that holds all points: what reads skinned meshes alone reads this one too.
    binding.CreateJointIndicesPrimvar(True, 1).Set(Vt.IntArray([0]))
    binding.CreateJointWeightsPrimvar(True, 1).Set(Vt.FloatArray([1.0]))
    animation = UsdSkel.Animation.Define(stage, "/Face/Animation")
    animation.GetPrim().SetDisplayName(name)
    animation.CreateJointsAttr(joint)
    animation.CreateTranslationsAttr(Vt.Vec3fArray([Gf.Vec3f(0.0)]))
    animation.CreateRotationsAttr(Vt.QuatfArray([Gf.Quatf(1.0)]))
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1.0)]))
    animation.CreateBlendShapesAttr(Vt.TokenArray(curves))
    weights = animation.CreateBlendShapeWeightsAttr()
    values = np.clip(motion.curves[:, [CURVES.index(curve) for curve in curves]], 0.0, 1.0)
    for index, row in zip(motion.index.tolist(), values, strict=True):
        weights.Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(row)), index)
    for prim in (skeleton.GetPrim(), mesh.GetPrim()):
        UsdSkel.BindingAPI.Apply(prim).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    stage.GetRootLayer().Save()
    lacking = [
        curve for place, curve in enumerate(CURVES)
        if curve not in shown.shapes and motion.curves[:, place].any()
    ]  # fmt: skip
    notes = [f"the head has no {', '.join(lacking)}: left out"] if lacking else []
    if motion.head is not None:
        notes.append("the head's rotation is left out: blend shapes have none")
    return notes


def _mesh(stage: Any, head: Head, of: tuple[Any, ...]) -> Any:
    """The head's points and triangles, a subset of faces a part."""
    Gf, UsdGeom, Vt = of
    mesh = UsdGeom.Mesh.Define(stage, "/Face/Head")
    triangles = np.ascontiguousarray(head.triangles, np.int32)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(head.points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(triangles), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(triangles.reshape(-1)))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals(head.points, head.triangles)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    low, high = head.points.min(axis=0).tolist(), head.points.max(axis=0).tolist()
    mesh.CreateExtentAttr(Vt.Vec3fArray([Gf.Vec3f(*low), Gf.Vec3f(*high)]))
    colour = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
    colour.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(head.colours[:, :3], np.float32)))
    first = 0
    for number, part in enumerate(head.parts):
        label = "".join(c if c.isalnum() and c.isascii() else "_" for c in part.name)
        subset = UsdGeom.Subset.Define(stage, f"/Face/Head/part_{number}_{label}")
        subset.CreateElementTypeAttr(UsdGeom.Tokens.face)
        faces = np.arange(first, first + len(part.triangles), dtype=np.int32)
        subset.CreateIndicesAttr(Vt.IntArray.FromNumpy(faces))
        first += len(part.triangles)
    return mesh


def _shapes(stage: Any, mesh: Any, head: Head, curves: list[str], of: tuple[Any, ...]) -> None:
    """A blend shape a curve: the points that it moves."""
    UsdSkel, Vt = of
    targets = []
    for curve in curves:
        shape = UsdSkel.BlendShape.Define(stage, f"/Face/Head/{curve}")
        moved = np.flatnonzero(head.shapes[curve].any(axis=1)).astype(np.int32)
        shape.CreateOffsetsAttr(
            Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(head.shapes[curve][moved], np.float32))
        )
        shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(moved))
        targets.append(shape.GetPath())
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateBlendShapesAttr(Vt.TokenArray(curves))
    binding.CreateBlendShapeTargetsRel().SetTargets(targets)
