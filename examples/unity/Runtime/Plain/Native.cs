using System;
using System.Runtime.InteropServices;
using System.Text;

namespace DiffusionTalker
{
    /// <summary>Something that cannot be, in a sentence that says the remedy.</summary>
    public class FaceException : Exception
    {
        /// <summary>dt.h's code; 0 where the library was not asked.</summary>
        public readonly int Code;

        public FaceException(string text, int code = 0) : base(text)
        {
            Code = code;
        }
    }

    /// <summary>The C library's border (cpp/capi/dt.h), as it stands there.</summary>
    internal static class Native
    {
#if UNITY_IOS && !UNITY_EDITOR
        private const string Library = "__Internal";
#else
        private const string Library = "diffusiontalker";
#endif
        public const int ErrorBytes = 1024;
        public const int AllStreams = -1;

        [StructLayout(LayoutKind.Sequential)]
        public struct Error
        {
            public int Code;

            [MarshalAs(UnmanagedType.ByValArray, SizeConst = ErrorBytes)]
            public byte[] Text;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct Options
        {
            public uint StructSize;
            public int SampleRateHz;
            public ulong Seed;
            public IntPtr Identity;
            public double Idle;
            public int Head, Streams, Threads, Reserved;
            public IntPtr Seeds, Identities, Precision, Kernels;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct BundleInfo
        {
            public uint StructSize;
            public int FormatVersion, Curves, Identities, FrameRateNum, FrameRateDen;
            public int LookaheadSamples, DefaultIdentity;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct RuntimeInfo
        {
            public uint StructSize;
            public int SampleRateHz, Width, Streams, FrameRateNum, FrameRateDen;
            public int LookaheadSamples, Threads;
            public double LookaheadMs;
            public IntPtr Kernels, Precision;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct Entry
        {
            public IntPtr Name;
            public double Value;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct Settings
        {
            public uint StructSize, Given;
            public IntPtr Gain;
            public UIntPtr Gains;
            public IntPtr Offset;
            public UIntPtr Offsets;
            public double StrengthLower, StrengthUpper, SmoothMs;
        }

        [DllImport(Library)] public static extern IntPtr dt_version();
        [DllImport(Library)] public static extern int dt_bundle_open(byte[] path, out IntPtr bundle, ref Error error);
        [DllImport(Library)] public static extern int dt_bundle_open_memory(byte[] bytes, UIntPtr count, out IntPtr bundle, ref Error error);
        [DllImport(Library)] public static extern void dt_bundle_close(ref IntPtr bundle);
        [DllImport(Library)] public static extern void dt_bundle_info_init(ref BundleInfo info);
        [DllImport(Library)] public static extern int dt_bundle_get_info(BundleHandle bundle, ref BundleInfo info, ref Error error);
        [DllImport(Library)] public static extern IntPtr dt_identity_name(BundleHandle bundle, int identity);
        [DllImport(Library)] public static extern IntPtr dt_bundle_name(BundleHandle bundle);
        [DllImport(Library)] public static extern void dt_options_init(ref Options options);
        [DllImport(Library)] public static extern int dt_create(BundleHandle bundle, ref Options options, out IntPtr runtime, ref Error error);
        [DllImport(Library)] public static extern void dt_destroy(ref IntPtr runtime);
        [DllImport(Library)] public static extern void dt_runtime_info_init(ref RuntimeInfo info);
        [DllImport(Library)] public static extern int dt_runtime_get_info(RuntimeHandle runtime, ref RuntimeInfo info, ref Error error);
        [DllImport(Library)] public static extern IntPtr dt_value_name(RuntimeHandle runtime, int value);
        [DllImport(Library)] public static extern int dt_frames_due(RuntimeHandle runtime, int stream, UIntPtr samples, out UIntPtr frames, ref Error error);
        [DllImport(Library)] public static extern int dt_frames_owed(RuntimeHandle runtime, int stream, out UIntPtr frames, ref Error error);

        // `samples` and `frames` are pinned while the call runs, not copied.
        [DllImport(Library)] public static extern int dt_step(RuntimeHandle runtime, [In] float[] samples, UIntPtr count, [Out] float[] frames, UIntPtr capacity, out UIntPtr written, ref Error error);
        [DllImport(Library)] public static extern int dt_flush(RuntimeHandle runtime, [Out] float[] frames, UIntPtr capacity, out UIntPtr written, ref Error error);
        [DllImport(Library)] public static extern int dt_reset(RuntimeHandle runtime, int stream, ref Error error);
        [DllImport(Library)] public static extern void dt_settings_init(ref Settings settings);
        [DllImport(Library)] public static extern int dt_set(RuntimeHandle runtime, int stream, ref Settings settings, ref Error error);

        /// <summary>Calls the library; says in one sentence what a loader says in several.</summary>
        public static T Call<T>(Func<T> call)
        {
            try
            {
                return call();
            }
            catch (DllNotFoundException)
            {
                throw new FaceException("the native library is not there: put " +
                    "libdiffusiontalker.so, diffusiontalker.dll or libdiffusiontalker.dylib into " +
                    "Assets/Plugins (docs/c.md says how it is built)");
            }
            catch (EntryPointNotFoundException error)
            {
                throw new FaceException("the native library is of another version: " + error.Message);
            }
            catch (BadImageFormatException)
            {
                throw new FaceException("the native library is for another kind of machine");
            }
        }

        public static void Check(int code, ref Error error)
        {
            if (code != 0) throw new FaceException(Text(error), code);
        }

        public static string Text(Error error)
        {
            if (error.Text == null) return "";
            int end = Array.IndexOf(error.Text, (byte)0);
            return Encoding.UTF8.GetString(error.Text, 0, end < 0 ? error.Text.Length : end);
        }

        public static string Text(IntPtr utf8)
        {
            if (utf8 == IntPtr.Zero) return null;
            int length = 0;
            while (Marshal.ReadByte(utf8, length) != 0) ++length;
            var bytes = new byte[length];
            Marshal.Copy(utf8, bytes, 0, length);
            return Encoding.UTF8.GetString(bytes);
        }

        /// <summary>With the zero at its end.</summary>
        public static byte[] Bytes(string text)
        {
            return Encoding.UTF8.GetBytes(text + "\0");
        }

        /// <summary>The same in memory of its own; IntPtr.Zero for null. For FreeHGlobal.</summary>
        public static IntPtr Allocated(string text)
        {
            if (text == null) return IntPtr.Zero;
            byte[] bytes = Bytes(text);
            IntPtr memory = Marshal.AllocHGlobal(bytes.Length);
            Marshal.Copy(bytes, 0, memory, bytes.Length);
            return memory;
        }
    }

    internal sealed class BundleHandle : SafeHandle
    {
        public BundleHandle(IntPtr bundle) : base(IntPtr.Zero, true)
        {
            SetHandle(bundle);
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        protected override bool ReleaseHandle()
        {
            Native.dt_bundle_close(ref handle);
            return true;
        }
    }

    internal sealed class RuntimeHandle : SafeHandle
    {
        public RuntimeHandle(IntPtr runtime) : base(IntPtr.Zero, true)
        {
            SetHandle(runtime);
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        protected override bool ReleaseHandle()
        {
            Native.dt_destroy(ref handle);
            return true;
        }
    }
}
