using System;

namespace DiffusionTalker
{
    /// <summary>
    /// Maps the sender's clock to this one. Both count nanoseconds from an unknown start and drift by
    /// some millionths; the least (arrival - time) of the last ten seconds is the constant part, and
    /// the map follows it slowly, so that mapped time never jumps.
    /// </summary>
    public sealed class ClockMap
    {
        public const long BucketNs = 500000000;
        public const int Buckets = 20;

        /// <summary>While this young, the map jumps to each new minimum.</summary>
        public const long YoungNs = 250000000;

        // Afterwards it moves by at most this part of the time that passed: down fast, because only a
        // new minimum calls for it, up slowly, after drift or a slower route.
        private const long Down = 10;
        private const long Up = 100;

        private readonly long[] least_ = new long[Buckets];
        private int at_;
        private long firstNs_, lastNs_, bucketNs_;

        public bool Known { get; private set; }
        public long OffsetNs { get; private set; }

        public void Reset()
        {
            Known = false;
        }

        /// <summary>Takes note of a frame of `timeNs` that arrived; arrivals never go back.</summary>
        public void Note(long timeNs, long arrivalNs)
        {
            long seen = arrivalNs - timeNs;
            if (!Known)
            {
                Known = true;
                OffsetNs = seen;
                firstNs_ = lastNs_ = bucketNs_ = arrivalNs;
                for (int i = 0; i < Buckets; ++i) least_[i] = seen;
                return;
            }
            for (int i = 0; arrivalNs - bucketNs_ >= BucketNs && i < Buckets; ++i)
            {
                bucketNs_ += BucketNs;
                at_ = (at_ + 1) % Buckets;
                least_[at_] = seen;
            }
            if (arrivalNs - bucketNs_ >= BucketNs) bucketNs_ = arrivalNs;
            least_[at_] = Math.Min(least_[at_], seen);
            long least = seen;
            foreach (long each in least_) least = Math.Min(least, each);
            long passed = arrivalNs - lastNs_;
            lastNs_ = arrivalNs;
            if (least < OffsetNs)
            {
                long reach = OffsetNs - passed / Down;
                OffsetNs = arrivalNs - firstNs_ < YoungNs || least > reach ? least : reach;
            }
            else
            {
                OffsetNs = Math.Min(least, OffsetNs + passed / Up);
            }
        }
    }

    /// <summary>
    /// Puts frames back in order and in time, and gives the face of any instant. A frame is shown at
    /// its time, mapped to this program's clock, plus the delay; between two frames the face is between
    /// theirs. No frame waits longer than the delay after it came. Allocates nothing as it runs.
    /// </summary>
    public sealed class JitterBuffer
    {
        public const int Capacity = 256;

        /// <summary>A frame this far off the map means that a clock was set or slept.</summary>
        public const long JumpNs = 1000000000;

        public const long SilenceNs = 2000000000;

        /// <summary>Frames further apart than this have a gap between them, which is not filled.</summary>
        public const long GapNs = 100000000;

        private sealed class Slot
        {
            public long TimeNs, DueNs;
            public float[] Values;
        }

        private readonly ClockMap clock_ = new ClockMap();
        private readonly Slot[] waiting_ = new Slot[Capacity + 1]; // by time; unused ones behind
        private Slot shown_;
        private int count_;
        private bool hasShown_;
        private long heardNs_, newestNs_;

        public JitterBuffer(int values)
        {
            Width = values;
            for (int i = 0; i <= Capacity; ++i) waiting_[i] = new Slot { Values = new float[values] };
            shown_ = new Slot { Values = new float[values] };
        }

        public readonly int Width;
        public long DelayNs;

        /// <summary>Frames that came after their successors were shown, and that came twice.</summary>
        public int Late { get; private set; }

        public int Twice { get; private set; }

        /// <summary>Times that the sender's clock was taken anew.</summary>
        public int Restarts { get; private set; }

        /// <summary>The instant that FaceAt gave last, on the sender's clock.</summary>
        public long ShownNs { get; private set; }

        /// <summary>Of the oldest frame that is not due yet; 0 where none waits.</summary>
        public long NextNs
        {
            get { return count_ > 0 ? waiting_[0].TimeNs : 0; }
        }

        /// <summary>Forgets everything: another sender, another clock.</summary>
        public void Restart()
        {
            clock_.Reset();
            count_ = 0;
            hasShown_ = false;
            newestNs_ = 0;
        }

        /// <summary>Takes a frame; false if it came twice or too late.</summary>
        public bool Push(long timeNs, float[] values, long arrivalNs)
        {
            if (clock_.Known)
            {
                bool ahead = timeNs + clock_.OffsetNs - arrivalNs > JumpNs;
                bool back = timeNs < newestNs_ - JumpNs; // midnight, too
                if (ahead || back || arrivalNs - heardNs_ > SilenceNs)
                {
                    ++Restarts;
                    Restart();
                }
            }
            heardNs_ = arrivalNs;
            newestNs_ = Math.Max(newestNs_, timeNs);
            clock_.Note(timeNs, arrivalNs);
            if (hasShown_ && timeNs <= shown_.TimeNs)
            {
                if (timeNs == shown_.TimeNs) ++Twice;
                else ++Late;
                return false;
            }
            int at = count_;
            while (at > 0 && waiting_[at - 1].TimeNs > timeNs) --at;
            if (at > 0 && waiting_[at - 1].TimeNs == timeNs)
            {
                ++Twice;
                return false;
            }
            Slot slot = waiting_[count_];
            for (int i = count_; i > at; --i) waiting_[i] = waiting_[i - 1];
            waiting_[at] = slot;
            ++count_;
            slot.TimeNs = timeNs;
            slot.DueNs = Math.Min(timeNs + clock_.OffsetNs, arrivalNs) + DelayNs;
            Array.Copy(values, slot.Values, Width);
            if (count_ > Capacity) ShowFirst();
            return true;
        }

        /// <summary>Writes the face of `nowNs`; false before the first frame is due.</summary>
        public bool FaceAt(long nowNs, float[] face)
        {
            int due = 0; // one that is due early draws out those before it
            for (int i = 0; i < count_; ++i)
            {
                if (waiting_[i].DueNs <= nowNs) due = i + 1;
            }
            for (; due > 0; --due) ShowFirst();
            if (!hasShown_) return false;
            ShownNs = shown_.TimeNs;
            double part = 0;
            Slot next = waiting_[0];
            bool between = count_ > 0 && next.TimeNs - shown_.TimeNs <= GapNs &&
                           next.DueNs > shown_.DueNs && nowNs > shown_.DueNs;
            if (between)
            {
                part = (double)(nowNs - shown_.DueNs) / (next.DueNs - shown_.DueNs);
                ShownNs += (long)((next.TimeNs - shown_.TimeNs) * part);
            }
            for (int i = 0; i < Width; ++i)
            {
                float value = shown_.Values[i];
                face[i] = between ? (float)(value + (next.Values[i] - (double)value) * part) : value;
            }
            return true;
        }

        private void ShowFirst()
        {
            Slot first = waiting_[0];
            for (int i = 1; i < count_; ++i) waiting_[i - 1] = waiting_[i];
            waiting_[--count_] = shown_;
            shown_ = first;
            hasShown_ = true;
        }
    }
}
