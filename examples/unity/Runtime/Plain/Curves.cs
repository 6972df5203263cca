using System;
using System.Collections.Generic;
using System.Text;

namespace DiffusionTalker
{
    /// <summary>The names of a face's values, and how other programs spell them.</summary>
    public static class Curves
    {
        /// <summary>ARKit's 52, in the order of Live Link Face packets and of the library.</summary>
        public static readonly string[] Names =
        {
            "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft",
            "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight",
            "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight",
            "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose",
            "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft",
            "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft",
            "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower",
            "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft",
            "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
            "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp",
            "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
            "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"
        };

        /// <summary>
        /// A name without what programs add to it: what stands before a dot, marks, case, the side's
        /// form. jawOpen, JawOpen, jaw_open and blendShape1.jawOpen are one, eyeBlink_L and
        /// eyeBlinkLeft too.
        /// </summary>
        public static string Plain(string shape)
        {
            string tail = shape.Substring(shape.LastIndexOf('.') + 1);
            if (tail.EndsWith("_L", StringComparison.Ordinal))
                tail = tail.Substring(0, tail.Length - 2) + "Left";
            else if (tail.EndsWith("_R", StringComparison.Ordinal))
                tail = tail.Substring(0, tail.Length - 2) + "Right";
            var plain = new StringBuilder(tail.Length);
            foreach (char c in tail)
            {
                if (c != '_' && c != '-' && c != ' ') plain.Append(char.ToLowerInvariant(c));
            }
            return plain.ToString();
        }
    }

    /// <summary>For one curve: the shape it moves and by how much.</summary>
    [Serializable]
    public class CurveTarget
    {
        public string curve = "";

        /// <summary>The shape's name where it is called otherwise; "-" for no shape.</summary>
        public string shape = "";

        public float gain = 1f;
    }

    /// <summary>Which shapes of a mesh the curves move: found by name, less what a mapping says.</summary>
    public sealed class ShapeTable
    {
        public struct Entry
        {
            public int Curve;
            public int Shape;
            public float Gain;
        }

        /// <summary>A mapping's word for "this curve has no shape, and that is meant".</summary>
        public const string None = "-";

        public readonly List<Entry> Entries = new List<Entry>();

        /// <summary>Curves that no shape shows.</summary>
        public readonly List<string> Missing = new List<string>();

        /// <summary>What the mapping names and is not there, in words.</summary>
        public readonly List<string> Problems = new List<string>();

        /// <param name="curves">The values' names, in their order.</param>
        /// <param name="shapes">The mesh's shapes, in their order.</param>
        /// <param name="mapping">May be null.</param>
        public ShapeTable(IList<string> curves, IList<string> shapes, IList<CurveTarget> mapping)
        {
            var places = new Dictionary<string, int>();
            for (int i = shapes.Count - 1; i >= 0; --i) places[Plain(shapes[i])] = i;
            var known = new HashSet<string>(curves);
            var given = new Dictionary<string, CurveTarget>();
            foreach (CurveTarget target in mapping ?? new CurveTarget[0])
            {
                if (known.Contains(target.curve)) given[target.curve] = target;
                else Problems.Add("mapping: no curve named \"" + target.curve + "\"");
            }
            for (int i = 0; i < curves.Count; ++i)
            {
                CurveTarget target;
                given.TryGetValue(curves[i], out target);
                string name = target == null || target.shape == "" ? curves[i] : target.shape;
                if (name == None) continue;
                int shape;
                if (!places.TryGetValue(Plain(name), out shape))
                {
                    // A head's rotation is a bone's matter.
                    if (!curves[i].StartsWith("head", StringComparison.Ordinal)) Missing.Add(curves[i]);
                    continue;
                }
                Entries.Add(new Entry
                {
                    Curve = i, Shape = shape, Gain = target == null ? 1f : target.gain
                });
            }
        }

        /// <summary>"jawOpen, mouthClose and 3 more".</summary>
        public static string List(IList<string> names)
        {
            const int most = 8;
            if (names.Count <= most) return string.Join(", ", names);
            var first = new List<string>(names);
            first.RemoveRange(most, names.Count - most);
            return string.Join(", ", first) + " and " + (names.Count - most) + " more";
        }

        private static string Plain(string name)
        {
            return Curves.Plain(name);
        }
    }
}
