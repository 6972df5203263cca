using System;

namespace DiffusionTalker
{
    /// <summary>
    /// The face of a sound that is played here: sound goes in ahead of being heard, and the face of
    /// any instant of it comes out. Frames are counted on the sound, so the two cannot drift apart.
    /// </summary>
    public sealed class SpokenFace : IDisposable
    {
        private readonly FaceRuntime runtime_;
        private readonly float[] kept_;
        private readonly int most_;
        private float[] frames_;
        private long first_, count_; // frames that are kept: first_ to count_ - 1

        /// <param name="runtime">Is this one's from now on.</param>
        /// <param name="keptSeconds">Frames older than that are forgotten.</param>
        public SpokenFace(FaceRuntime runtime, double keptSeconds = 5)
        {
            runtime_ = runtime;
            most_ = Math.Max(8, (int)(keptSeconds * runtime.FramesPerSecond));
            kept_ = new float[most_ * runtime.Names.Length];
        }

        public FaceRuntime Runtime
        {
            get { return runtime_; }
        }

        /// <summary>Samples that were heard so far.</summary>
        public long Samples { get; private set; }

        /// <summary>Seconds of the sound from its start up to which the face is known.</summary>
        public double KnownSeconds
        {
            get { return count_ / runtime_.FramesPerSecond; }
        }

        /// <summary>The next `count` samples of the sound, mono.</summary>
        public void Hear(float[] samples, int count)
        {
            Keep(runtime_.Step(samples, count, ref frames_));
            Samples += count;
        }

        /// <summary>No more sound comes: the frames still owed.</summary>
        public void End()
        {
            Keep(runtime_.Flush(ref frames_));
        }

        /// <summary>Another sound, from its start.</summary>
        public void Restart()
        {
            runtime_.Reset();
            first_ = count_ = 0;
            Samples = 0;
        }

        /// <summary>
        /// Writes the face of the instant `seconds` after the sound's start, between two frames where
        /// it lies between them; false where it is not known (yet, or any more). After the last frame
        /// it is the last one.
        /// </summary>
        public bool At(double seconds, float[] face)
        {
            double at = seconds * runtime_.FramesPerSecond;
            if (count_ == 0 || !(at >= first_)) return false;
            long index = Math.Min((long)at, count_ - 1);
            long next = Math.Min(index + 1, count_ - 1);
            double part = at - index;
            if (part > 1) part = 1;
            int width = runtime_.Names.Length;
            int low = (int)(index % most_) * width, high = (int)(next % most_) * width;
            for (int i = 0; i < width; ++i)
                face[i] = (float)(kept_[low + i] + (kept_[high + i] - (double)kept_[low + i]) * part);
            return true;
        }

        public void Dispose()
        {
            runtime_.Dispose();
        }

        private void Keep(int frames)
        {
            int width = runtime_.Names.Length;
            for (int i = 0; i < frames; ++i, ++count_)
                Array.Copy(frames_, i * width, kept_, (int)(count_ % most_) * width, width);
            first_ = Math.Max(first_, count_ - most_);
        }
    }
}
