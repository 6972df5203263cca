using System.Text;

namespace DiffusionTalker
{
    /// <summary>
    /// One Live Link Face packet: a frame of a face and the time that it depicts, in one datagram.
    /// Numbers are big-endian: version (u8), device and subject (each an i32 length and UTF-8), frame
    /// number (i32), sub-frame (f32), rate as a fraction (i32, i32), count (u8), as many f32.
    /// </summary>
    public sealed class LiveLinkPacket
    {
        public const int Version = 6;
        public const int MaxTextBytes = 256;
        public const int MaxValues = 255;

        /// <summary>Values of other programs may be anything that a float can hold.</summary>
        public const float MaxValue = 10f;

        public string Subject = "";
        public string Device = "";

        /// <summary>On the sender's clock: nanoseconds since its midnight.</summary>
        public long TimeNs;

        public readonly float[] Values = new float[MaxValues];
        public int Count;

        /// <summary>Of the last packet that was refused.</summary>
        public string Why = "";

        // Texts are decoded where they change, so that a stream of packets makes no garbage.
        private readonly byte[] texts_ = new byte[2 * MaxTextBytes];
        private int deviceBytes_ = -1;
        private int subjectBytes_ = -1;

        /// <summary>Whether the first `size` bytes are such a packet; its content is here then.</summary>
        public bool Read(byte[] bytes, int size)
        {
            if (size < 1) return Refuse("an empty packet");
            if (bytes[0] == (byte)'#')
                return Refuse("OSC (VMC) in place of Live Link Face: send with --to livelink://");
            if (bytes[0] != Version)
                return Refuse("Live Link Face version: expected " + Version + ", got " + bytes[0]);
            int at = 1;
            int deviceBytes, subjectBytes;
            if (!Length(bytes, size, ref at, "device", out deviceBytes)) return false;
            int device = at;
            at += deviceBytes;
            if (!Length(bytes, size, ref at, "subject", out subjectBytes)) return false;
            int subject = at;
            at += subjectBytes;
            if (size - at < 17) return Refuse(size + " bytes end before the frame's time");
            int number = Int(bytes, at);
            float part = Float(bytes, at + 4);
            int num = Int(bytes, at + 8);
            int den = Int(bytes, at + 12);
            int count = bytes[at + 16];
            at += 17;
            // A sub-frame that is not a number fails.
            if (number < 0 || !(part >= 0f && part <= 1f) || num <= 0 || den <= 0)
                return Refuse("frame " + number + " at " + num + "/" + den + " a second: no such time");
            if (count < Curves.Names.Length)
                return Refuse("values: expected at least " + Curves.Names.Length + ", got " + count);
            if (size - at != 4 * count)
                return Refuse(count + " values: expected " + 4 * count + " bytes, got " + (size - at));
            for (int i = 0; i < count; ++i)
            {
                float value = Float(bytes, at + 4 * i);
                if (!(value <= MaxValue && value >= -MaxValue))
                    return Refuse("value " + i + ": expected a number of at most 10");
            }
            for (int i = 0; i < count; ++i) Values[i] = Float(bytes, at + 4 * i);
            Count = count;
            TimeNs = (long)((number + (double)part) * 1e9 * den / num);
            Device = Text(bytes, device, deviceBytes, 0, ref deviceBytes_, Device);
            Subject = Text(bytes, subject, subjectBytes, MaxTextBytes, ref subjectBytes_, Subject);
            return true;
        }

        private bool Length(byte[] bytes, int size, ref int at, string what, out int length)
        {
            length = 0;
            if (size - at < 4) return Refuse(size + " bytes end before the " + what);
            length = Int(bytes, at);
            at += 4;
            if (length >= 0 && length <= MaxTextBytes && length <= size - at) return true;
            return Refuse("length of the " + what + ": expected 0 to " + MaxTextBytes +
                          " and within the packet, got " + length);
        }

        private string Text(byte[] bytes, int at, int length, int kept, ref int keptBytes, string known)
        {
            bool same = length == keptBytes;
            for (int i = 0; same && i < length; ++i) same = texts_[kept + i] == bytes[at + i];
            if (same) return known;
            System.Buffer.BlockCopy(bytes, at, texts_, kept, length);
            keptBytes = length;
            return Encoding.UTF8.GetString(bytes, at, length);
        }

        private static int Int(byte[] bytes, int at)
        {
            return bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
        }

        private static float Float(byte[] bytes, int at)
        {
            return new Bits { Whole = Int(bytes, at) }.Number;
        }

        [System.Runtime.InteropServices.StructLayout(
            System.Runtime.InteropServices.LayoutKind.Explicit)]
        private struct Bits
        {
            [System.Runtime.InteropServices.FieldOffset(0)] public int Whole;
            [System.Runtime.InteropServices.FieldOffset(0)] public float Number;
        }

        private bool Refuse(string why)
        {
            Why = why;
            return false;
        }
    }
}
