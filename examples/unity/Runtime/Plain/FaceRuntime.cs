using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace DiffusionTalker
{
    /// <summary>A model that was read and checked. Runtimes made of it may outlive it.</summary>
    public sealed class FaceBundle : IDisposable
    {
        internal readonly BundleHandle Handle;

        /// <param name="path">A folder with manifest.json, or one packed file.</param>
        /// <exception cref="FaceException">What is wrong with it, or with the library.</exception>
        public FaceBundle(string path)
        {
            if (string.IsNullOrEmpty(path)) throw new FaceException("no path to a bundle was given");
            Handle = Native.Call(() =>
            {
                IntPtr bundle;
                var error = new Native.Error();
                Native.Check(Native.dt_bundle_open(Native.Bytes(path), out bundle, ref error), ref error);
                return new BundleHandle(bundle);
            });
            Describe();
        }

        /// <param name="packed">The bytes of a packed file, as a download or an asset gives them.</param>
        public FaceBundle(byte[] packed)
        {
            if (packed == null || packed.Length == 0) throw new FaceException("the bundle has no bytes");
            Handle = Native.Call(() =>
            {
                IntPtr bundle;
                var error = new Native.Error();
                Native.Check(Native.dt_bundle_open_memory(packed, (UIntPtr)packed.Length, out bundle,
                                                          ref error), ref error);
                return new BundleHandle(bundle);
            });
            Describe();
        }

        public string Name { get; private set; }
        public string[] Identities { get; private set; }

        /// <summary>Of the library, as in "0.1.0".</summary>
        public static string LibraryVersion
        {
            get { return Native.Call(() => Native.Text(Native.dt_version())); }
        }

        public void Dispose()
        {
            Handle.Dispose();
        }

        private void Describe()
        {
            var info = new Native.BundleInfo();
            var error = new Native.Error();
            Native.dt_bundle_info_init(ref info);
            Native.Check(Native.dt_bundle_get_info(Handle, ref info, ref error), ref error);
            Name = Native.Text(Native.dt_bundle_name(Handle));
            Identities = new string[info.Identities];
            for (int i = 0; i < info.Identities; ++i)
                Identities[i] = Native.Text(Native.dt_identity_name(Handle, i));
        }
    }

    /// <summary>How a voice is made; each with the library's default.</summary>
    public sealed class FaceOptions
    {
        /// <summary>8000 to 192000.</summary>
        public int SampleRateHz = 16000;

        /// <summary>The same seed and sound give the same frames.</summary>
        public ulong Seed;

        /// <summary>A name of the bundle's, or "auto" to follow the voice.</summary>
        public string Identity = "auto";

        /// <summary>0 to 1: how much a face does beside speaking.</summary>
        public double Idle = 1;

        /// <summary>headYaw, headPitch and headRoll in radians after the curves.</summary>
        public bool Head;
    }

    /// <summary>One voice on its way through a model: sound in, frames out, exact in any chunking.</summary>
    public sealed class FaceRuntime : IDisposable
    {
        private readonly RuntimeHandle handle_;

        /// <exception cref="FaceException">An option that cannot be; the sentence names it.</exception>
        public FaceRuntime(FaceBundle bundle, FaceOptions options = null)
        {
            if (bundle == null) throw new FaceException("no bundle was given");
            options = options ?? new FaceOptions();
            IntPtr identity = Native.Allocated(options.Identity);
            try
            {
                var native = new Native.Options();
                var error = new Native.Error();
                Native.dt_options_init(ref native);
                native.SampleRateHz = options.SampleRateHz;
                native.Seed = options.Seed;
                native.Identity = identity;
                native.Idle = options.Idle;
                native.Head = options.Head ? 1 : 0;
                IntPtr runtime;
                Native.Check(Native.dt_create(bundle.Handle, ref native, out runtime, ref error),
                             ref error);
                handle_ = new RuntimeHandle(runtime);
            }
            finally
            {
                Marshal.FreeHGlobal(identity);
            }
            var info = new Native.RuntimeInfo();
            var trouble = new Native.Error();
            Native.dt_runtime_info_init(ref info);
            Native.Check(Native.dt_runtime_get_info(handle_, ref info, ref trouble), ref trouble);
            SampleRateHz = info.SampleRateHz;
            FramesPerSecond = (double)info.FrameRateNum / info.FrameRateDen;
            LookaheadMs = info.LookaheadMs;
            Kernels = Native.Text(info.Kernels);
            Names = new string[info.Width];
            for (int i = 0; i < info.Width; ++i) Names[i] = Native.Text(Native.dt_value_name(handle_, i));
        }

        public int SampleRateHz { get; private set; }
        public double FramesPerSecond { get; private set; }

        /// <summary>Sound that a frame waits for beyond its instant.</summary>
        public double LookaheadMs { get; private set; }

        /// <summary>The processor's instructions that are in use.</summary>
        public string Kernels { get; private set; }

        /// <summary>Of a frame's values, in their order.</summary>
        public string[] Names { get; private set; }

        /// <summary>
        /// Takes the first `count` samples (mono, full scale 1) and gives the number of frames that
        /// they complete, which stand in `frames` one after the other. It grows where it must.
        /// </summary>
        public int Step(float[] samples, int count, ref float[] frames)
        {
            if (samples == null || count < 0 || count > samples.Length)
                throw new FaceException("step: expected 0 to " + (samples == null ? 0 : samples.Length) +
                                        " samples, got " + count);
            UIntPtr due, written;
            var error = new Native.Error();
            Native.Check(Native.dt_frames_due(handle_, 0, (UIntPtr)count, out due, ref error), ref error);
            Grow(ref frames, due);
            Native.Check(Native.dt_step(handle_, samples, (UIntPtr)count, frames, Room(frames),
                                        out written, ref error), ref error);
            return (int)written;
        }

        /// <summary>Ends the sound as if silence followed; the frames still owed.</summary>
        public int Flush(ref float[] frames)
        {
            UIntPtr owed, written;
            var error = new Native.Error();
            Native.Check(Native.dt_frames_owed(handle_, 0, out owed, ref error), ref error);
            Grow(ref frames, owed);
            Native.Check(Native.dt_flush(handle_, frames, Room(frames), out written, ref error), ref error);
            return (int)written;
        }

        /// <summary>Back to the start, with the same settings.</summary>
        public void Reset()
        {
            var error = new Native.Error();
            Native.Check(Native.dt_reset(handle_, Native.AllStreams, ref error), ref error);
        }

        /// <summary>
        /// Turns knobs from the next frame on; what is null stays. Names are curves ("jawOpen"),
        /// groups ("mouth", "blink", "all") or patterns ("eyeBlink*").
        /// </summary>
        public void Set(IDictionary<string, double> gain = null, IDictionary<string, double> offset = null,
                        double? strengthLower = null, double? strengthUpper = null,
                        double? smoothMs = null)
        {
            var memory = new List<IntPtr>();
            try
            {
                var settings = new Native.Settings();
                Native.dt_settings_init(ref settings);
                if (gain != null)
                {
                    settings.Given |= 1;
                    settings.Gain = Entries(gain, memory);
                    settings.Gains = (UIntPtr)gain.Count;
                }
                if (offset != null)
                {
                    settings.Given |= 2;
                    settings.Offset = Entries(offset, memory);
                    settings.Offsets = (UIntPtr)offset.Count;
                }
                Give(strengthLower, 4, ref settings.Given, ref settings.StrengthLower);
                Give(strengthUpper, 8, ref settings.Given, ref settings.StrengthUpper);
                Give(smoothMs, 16, ref settings.Given, ref settings.SmoothMs);
                var error = new Native.Error();
                Native.Check(Native.dt_set(handle_, Native.AllStreams, ref settings, ref error), ref error);
            }
            finally
            {
                foreach (IntPtr each in memory) Marshal.FreeHGlobal(each);
            }
        }

        public void Dispose()
        {
            handle_.Dispose();
        }

        private static void Give(double? value, uint bit, ref uint given, ref double place)
        {
            if (!value.HasValue) return;
            given |= bit;
            place = value.Value;
        }

        private static IntPtr Entries(IDictionary<string, double> values, List<IntPtr> memory)
        {
            int size = Marshal.SizeOf(typeof(Native.Entry));
            IntPtr entries = Marshal.AllocHGlobal(Math.Max(1, values.Count * size));
            memory.Add(entries);
            int at = 0;
            foreach (KeyValuePair<string, double> pair in values)
            {
                IntPtr name = Native.Allocated(pair.Key);
                memory.Add(name);
                var entry = new Native.Entry { Name = name, Value = pair.Value };
                Marshal.StructureToPtr(entry, new IntPtr(entries.ToInt64() + at++ * size), false);
            }
            return entries;
        }

        private void Grow(ref float[] frames, UIntPtr count)
        {
            int needed = (int)count * Names.Length;
            if (frames == null || frames.Length < needed) frames = new float[Math.Max(needed, 8 * Names.Length)];
        }

        private UIntPtr Room(float[] frames)
        {
            return (UIntPtr)(frames.Length / Names.Length);
        }
    }
}
