using System.Collections.Generic;
using UnityEngine;

namespace DiffusionTalker
{
    /// <summary>
    /// For meshes whose shapes are called otherwise, or move too much or too little: an asset
    /// (Assets > Create > DiffusionTalker > Shape Mapping) that several faces may share. Curves that
    /// it does not name are found by their own names.
    /// </summary>
    [CreateAssetMenu(menuName = "DiffusionTalker/Shape Mapping", fileName = "ShapeMapping")]
    public sealed class ShapeMapping : ScriptableObject
    {
        [Tooltip("Curve (jawOpen), the shape's name (empty: found by the curve's; - for none), a factor")]
        public List<CurveTarget> targets = new List<CurveTarget>();
    }
}
