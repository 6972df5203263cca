using System;
using System.Collections.Generic;
using System.IO;
using UnityEngine;

namespace DiffusionTalker
{
    /// <summary>
    /// Moves the blend shapes of skinned meshes by a voice: received from a dt-stream, or computed here
    /// from the sound that an AudioSource plays.
    /// </summary>
    [AddComponentMenu("DiffusionTalker/Face")]
    public sealed class DiffusionTalkerFace : MonoBehaviour
    {
        public enum Road
        {
            /// <summary>UDP: dt-stream --to livelink://THIS_MACHINE:PORT</summary>
            Network,

            /// <summary>The native library, from the clip that Voice plays or from Hear().</summary>
            Library
        }

        [Tooltip("The meshes to move; empty: all below this object")]
        public SkinnedMeshRenderer[] meshes;

        [Tooltip("For shapes that are called otherwise; may be empty")]
        public ShapeMapping mapping;

        public Road road = Road.Network;

        [Header("Network")]
        [Range(1, 65535)] public int port = FaceReceiver.DefaultPort;

        [Tooltip("The face is shown this much later: a frame's time, and the network's jitter")]
        [Range(0, 2000)] public float delayMs = 20;

        [Tooltip("The face to follow where several send here; empty: whichever comes first")]
        public string onlySubject = "";

        [Header("Library")]
        [Tooltip("A folder or packed file; beside Assets/StreamingAssets where it is no full path")]
        public string bundle = "diffusiontalker";

        [Tooltip("Or the packed file as an asset (named .bytes), which also Android can read")]
        public TextAsset packedBundle;

        [Tooltip("Its clip is heard ahead of time, so the face keeps to it (Load Type: Decompress On Load)")]
        public AudioSource voice;

        public string identity = "auto";
        public int seed;

        [Tooltip("Blinks and glances: 0 to 1")]
        [Range(0, 1)] public float idle = 1;

        [Tooltip("How long the sound takes from AudioSource to the ear; the face waits for it")]
        [Range(0, 500)] public float outputLatencyMs = 0;

        // What is heard ahead of being played; a hitch of the game up to this long is not seen.
        private const double AheadSeconds = 0.5;

        private sealed class Bound
        {
            public SkinnedMeshRenderer Mesh;
            public ShapeTable Table;
            public float[] FullWeights; // of the table's entries
        }

        private readonly List<Bound> bound_ = new List<Bound>();
        private readonly HashSet<string> said_ = new HashSet<string>();
        private FaceReceiver receiver_;
        private SpokenFace spoken_;
        private AudioClip clip_;
        private float[] values_, mono_, interleaved_;
        private double heardSeconds_; // of sound that came by Hear, when it was shown last
        private bool ended_;

        /// <summary>How things stand, in one line.</summary>
        public string Status { get; private set; } = "not started";

        /// <summary>What is shown, in the order of the values' names.</summary>
        public float[] Values
        {
            get { return values_; }
        }

        private void OnEnable()
        {
            try
            {
                string[] names = Curves.Names;
                if (road == Road.Network)
                {
                    receiver_ = new FaceReceiver(port, delayMs, onlySubject);
                    Status = receiver_.Status();
                }
                else
                {
                    int rate = voice != null && voice.clip != null ? voice.clip.frequency
                                                                   : AudioSettings.outputSampleRate;
                    names = Open(rate);
                    Status = "listening";
                }
                values_ = new float[names.Length];
                Bind(names);
            }
            catch (FaceException error)
            {
                Status = error.Message;
                Say(error.Message);
            }
        }

        private void OnDisable()
        {
            if (receiver_ != null) receiver_.Dispose();
            if (spoken_ != null) spoken_.Dispose();
            receiver_ = null;
            spoken_ = null;
            clip_ = null;
        }

        /// <summary>
        /// The next samples of a voice that the program makes (mono, at AudioSettings.outputSampleRate);
        /// call it with what is handed to the player, and ShowAt with what is heard.
        /// </summary>
        public void Hear(float[] samples, int count)
        {
            if (spoken_ != null) spoken_.Hear(samples, count);
        }

        /// <summary>The instant of that voice which is heard now, in seconds from its start.</summary>
        public void ShowAt(double seconds)
        {
            heardSeconds_ = seconds;
        }

        // After the Animator, which would write over it.
        private void LateUpdate()
        {
            bool has = false;
            if (receiver_ != null)
            {
                has = receiver_.FaceAt(FaceReceiver.NowNs(), values_);
                Status = receiver_.Status();
                for (string text; (text = receiver_.TakeTrouble()) != null;) Say(text);
            }
            else if (spoken_ != null)
            {
                try
                {
                    has = FollowVoice();
                }
                catch (FaceException error)
                {
                    Status = error.Message;
                    Say(error.Message);
                }
            }
            if (has) Show();
        }

        private string[] Open(int rateHz)
        {
            string path = Path.IsPathRooted(bundle) ? bundle
                                                    : Path.Combine(Application.streamingAssetsPath, bundle);
            using (FaceBundle model = packedBundle != null ? new FaceBundle(packedBundle.bytes)
                                                           : new FaceBundle(path))
            {
                spoken_ = new SpokenFace(new FaceRuntime(model, new FaceOptions
                {
                    SampleRateHz = rateHz, Seed = (ulong)Math.Max(0, seed), Identity = identity, Idle = idle
                }));
            }
            return spoken_.Runtime.Names;
        }

        private bool FollowVoice()
        {
            if (voice == null || voice.clip == null)
                return spoken_.At(heardSeconds_ - outputLatencyMs * 0.001, values_);
            AudioClip clip = voice.clip;
            double played = (double)voice.timeSamples / clip.frequency;
            bool back = spoken_.Samples > 0 && played < spoken_.KnownSeconds - 4;
            if (clip != clip_ || back)
            {
                if (clip.frequency != spoken_.Runtime.SampleRateHz)
                {
                    spoken_.Dispose();
                    Open(clip.frequency);
                }
                spoken_.Restart();
                clip_ = clip;
                ended_ = false;
                mono_ = new float[clip.frequency / 10];
                interleaved_ = new float[mono_.Length * clip.channels];
            }
            while (!ended_ && spoken_.KnownSeconds < played + AheadSeconds) HearClip(clip);
            Status = voice.isPlaying ? "speaking" : "listening";
            return spoken_.At(Math.Max(0, played - outputLatencyMs * 0.001), values_);
        }

        // A tenth of a second of the clip, channels averaged.
        private void HearClip(AudioClip clip)
        {
            int at = (int)spoken_.Samples;
            int count = Math.Min(mono_.Length, clip.samples - at);
            if (count <= 0)
            {
                spoken_.End();
                ended_ = true;
                return;
            }
            // GetData wraps at the clip's end: what lies beyond it is not used.
            if (!clip.GetData(interleaved_, at))
            {
                ended_ = true;
                throw new FaceException(clip.name + ": its samples cannot be read; set Load Type to " +
                                        "Decompress On Load");
            }
            int channels = clip.channels;
            for (int i = 0; i < count; ++i)
            {
                float sum = 0;
                for (int channel = 0; channel < channels; ++channel) sum += interleaved_[i * channels + channel];
                mono_[i] = sum / channels;
            }
            spoken_.Hear(mono_, count);
        }

        private void Bind(string[] names)
        {
            bound_.Clear();
            SkinnedMeshRenderer[] found = meshes != null && meshes.Length > 0
                ? meshes : GetComponentsInChildren<SkinnedMeshRenderer>();
            var missing = new HashSet<string>(names);
            foreach (SkinnedMeshRenderer mesh in found)
            {
                if (mesh == null || mesh.sharedMesh == null) continue;
                var shapes = new string[mesh.sharedMesh.blendShapeCount];
                for (int i = 0; i < shapes.Length; ++i) shapes[i] = mesh.sharedMesh.GetBlendShapeName(i);
                var table = new ShapeTable(names, shapes, mapping != null ? mapping.targets : null);
                foreach (string problem in table.Problems) Say(problem);
                missing.IntersectWith(table.Missing);
                if (table.Entries.Count == 0) continue;
                var full = new float[table.Entries.Count];
                for (int i = 0; i < full.Length; ++i)
                {
                    // 100 as a rule; some importers of glTF make it 1.
                    int shape = table.Entries[i].Shape;
                    int last = mesh.sharedMesh.GetBlendShapeFrameCount(shape) - 1;
                    full[i] = mesh.sharedMesh.GetBlendShapeFrameWeight(shape, last);
                }
                bound_.Add(new Bound { Mesh = mesh, Table = table, FullWeights = full });
            }
            if (bound_.Count == 0)
                Say("no mesh here has blend shapes with ARKit's names; give a Shape Mapping");
            else if (missing.Count > 0)
                Say("no blend shapes for " + ShapeTable.List(new List<string>(missing)) + "; the others move");
        }

        private void Show()
        {
            foreach (Bound bound in bound_)
            {
                if (bound.Mesh == null) continue;
                for (int i = 0; i < bound.FullWeights.Length; ++i)
                {
                    ShapeTable.Entry entry = bound.Table.Entries[i];
                    bound.Mesh.SetBlendShapeWeight(
                        entry.Shape, values_[entry.Curve] * entry.Gain * bound.FullWeights[i]);
                }
            }
        }

        // Each text once: a face that lacks a shape is no news sixty times a second.
        private void Say(string text)
        {
            if (said_.Add(text)) Debug.LogWarning("DiffusionTalker: " + text, this);
        }
    }
}
