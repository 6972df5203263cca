// Our own stand-ins for what the component uses of Unity, written from its public scripting reference:
// they prove its logic and spelling as we know it, not that an engine compiles it.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public class Object
    {
        public string name = "";
        public static bool operator ==(Object a, Object b) { return ReferenceEquals(a, b); }
        public static bool operator !=(Object a, Object b) { return !ReferenceEquals(a, b); }
        public override bool Equals(object other) { return ReferenceEquals(this, other); }
        public override int GetHashCode() { return base.GetHashCode(); }
    }

    public class ScriptableObject : Object {}

    public class TextAsset : Object
    {
        public byte[] bytes;
    }

    public class MonoBehaviour : Object
    {
        public static SkinnedMeshRenderer[] Below = new SkinnedMeshRenderer[0];
        public T[] GetComponentsInChildren<T>() { return (T[])(object)Below; }
    }

    public class Mesh : Object
    {
        public string[] Shapes = new string[0];
        public float FullWeight = 100;
        public int blendShapeCount { get { return Shapes.Length; } }
        public string GetBlendShapeName(int shape) { return Shapes[shape]; }
        public int GetBlendShapeFrameCount(int shape) { return 1; }
        public float GetBlendShapeFrameWeight(int shape, int frame) { return FullWeight; }
    }

    public class SkinnedMeshRenderer : Object
    {
        public Mesh sharedMesh;
        public Dictionary<int, float> Weights = new Dictionary<int, float>();
        public void SetBlendShapeWeight(int shape, float weight) { Weights[shape] = weight; }
    }

    public class AudioClip : Object
    {
        public float[] Data;
        public int channels = 1, frequency = 16000;
        public int samples { get { return Data.Length / channels; } }
        public bool GetData(float[] data, int offset)
        {
            for (int i = 0; i < data.Length; ++i) data[i] = Data[(offset * channels + i) % Data.Length];
            return true;
        }
    }

    public class AudioSource : Object
    {
        public AudioClip clip;
        public int timeSamples;
        public bool isPlaying;
    }

    public static class AudioSettings
    {
        public static int outputSampleRate = 48000;
    }

    public static class Application
    {
        public static string streamingAssetsPath = "";
    }

    public static class Debug
    {
        public static readonly List<string> Warnings = new List<string>();
        public static void LogWarning(object text, Object context) { Warnings.Add((string)text); }
    }

    public class AddComponentMenu : Attribute { public AddComponentMenu(string name) {} }
    public class TooltipAttribute : Attribute { public TooltipAttribute(string text) {} }
    public class HeaderAttribute : Attribute { public HeaderAttribute(string text) {} }
    public class RangeAttribute : Attribute { public RangeAttribute(float least, float most) {} }
    public class CreateAssetMenuAttribute : Attribute { public string menuName, fileName; }
}
