using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace DiffusionTalker
{
    /// <summary>
    /// Receives a face over UDP (Live Link Face packets: dt-stream --to livelink://HOST:PORT) on a
    /// thread of its own, and gives the face of any instant. Whoever shows it asks FaceAt in each
    /// picture and TakeTrouble for what to tell the user.
    /// </summary>
    public sealed class FaceReceiver : IDisposable
    {
        public const int DefaultPort = 11111;

        /// <summary>Frames stop for this long: the face is closed, so that no mouth stays open.</summary>
        public const long StallNs = 500000000;

        public const long ClosingNs = 200000000;

        /// <summary>Nothing came at all: somebody should look at the port.</summary>
        public const long SilentNs = 5000000000;

        private readonly object lock_ = new object(); // guards all below it
        private readonly JitterBuffer buffer_ = new JitterBuffer(Curves.Names.Length);
        private readonly LiveLinkPacket packet_ = new LiveLinkPacket();
        private readonly HashSet<string> said_ = new HashSet<string>();
        private readonly Queue<string> troubles_ = new Queue<string>();
        private readonly float[] closingFrom_ = new float[Curves.Names.Length];
        private readonly string only_;
        private readonly int port_;
        private readonly long startedNs_;
        private string device_ = "";
        private long heardNs_, closingNs_;

        private Socket socket_;
        private Thread thread_;
        private volatile bool stopping_;

        /// <summary>Nanoseconds on a clock that never goes back.</summary>
        public static long NowNs()
        {
            return (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));
        }

        /// <param name="port">Where to listen, 1 to 65535; 0: nowhere, packets come by Take.</param>
        /// <param name="delayMs">The face is shown this much later than its instant.</param>
        /// <param name="onlySubject">The face to follow; "" for whichever comes first.</param>
        /// <exception cref="FaceException">The port cannot be had.</exception>
        public FaceReceiver(int port = DefaultPort, double delayMs = 20, string onlySubject = "")
        {
            if (port < 0 || port > 65535)
                throw new FaceException("port " + port + ": expected 1 to 65535");
            if (!(delayMs >= 0 && delayMs <= 2000))
                throw new FaceException("delay " + delayMs + " ms: expected 0 to 2000");
            port_ = port;
            only_ = onlySubject ?? "";
            buffer_.DelayNs = (long)(1e6 * delayMs);
            startedNs_ = NowNs();
            if (port == 0) return;
            try
            {
                socket_ = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                // Else another program may have the port as well, and one of the two gets nothing.
                socket_.ExclusiveAddressUse = true;
                socket_.ReceiveTimeout = 100; // so that Dispose is noticed soon
                socket_.Bind(new IPEndPoint(IPAddress.Any, port));
            }
            catch (SocketException error)
            {
                if (socket_ != null) socket_.Close();
                throw new FaceException("port " + port + " cannot be had (" + error.SocketErrorCode +
                    "): set another here and in dt-stream --to livelink://THIS_MACHINE:PORT");
            }
            thread_ = new Thread(Receive) { IsBackground = true, Name = "DiffusionTalker" };
            thread_.Start();
        }

        public string Subject { get; private set; } = "";
        public int Frames { get; private set; }
        public int Refused { get; private set; }

        /// <summary>The instant that FaceAt gave last, on the sender's clock.</summary>
        public long ShownNs
        {
            get { lock (lock_) return buffer_.ShownNs; }
        }

        public int Late
        {
            get { lock (lock_) return buffer_.Late; }
        }

        /// <summary>Writes the face of `nowNs` in the order of Curves.Names; false before the first.</summary>
        public bool FaceAt(long nowNs, float[] face)
        {
            lock (lock_)
            {
                if (Frames == 0 && Refused == 0 && port_ != 0 && nowNs - startedNs_ > SilentNs)
                    Trouble("silent", "nothing came for 5 s; is dt-stream running with --to " +
                                      "livelink://THIS_MACHINE:" + port_ + "?");
                if (!buffer_.FaceAt(nowNs, face)) return false;
                if (nowNs - heardNs_ <= StallNs + buffer_.DelayNs) return true;
                if (closingNs_ == 0)
                {
                    closingNs_ = nowNs;
                    Array.Copy(face, closingFrom_, closingFrom_.Length);
                }
                double done = Math.Min(1.0, (double)(nowNs - closingNs_) / ClosingNs);
                double left = 1.0 - done * done * (3.0 - 2.0 * done);
                for (int i = 0; i < face.Length; ++i) face[i] = (float)(closingFrom_[i] * left);
                return true;
            }
        }

        /// <summary>Takes one packet that arrived at `arrivalNs`.</summary>
        public void Take(byte[] bytes, int size, long arrivalNs)
        {
            lock (lock_)
            {
                if (!packet_.Read(bytes, size))
                {
                    ++Refused;
                    Trouble("packet", "packet refused: " + packet_.Why);
                    return;
                }
                if (only_ != "" && packet_.Subject != only_)
                {
                    Trouble("subject", "a face named " + packet_.Subject + " comes, not " + only_);
                    return;
                }
                if (packet_.Subject != Subject || packet_.Device != device_)
                {
                    // Two senders would have the face jump between them.
                    if (Frames > 0 && arrivalNs - heardNs_ < JitterBuffer.SilenceNs)
                    {
                        Trouble("two", packet_.Subject + " sends here beside " + Subject +
                                       " and is not shown");
                        return;
                    }
                    buffer_.Restart();
                    Subject = packet_.Subject;
                    device_ = packet_.Device;
                }
                if (!buffer_.Push(packet_.TimeNs, packet_.Values, arrivalNs)) return;
                ++Frames;
                heardNs_ = arrivalNs;
                closingNs_ = 0;
            }
        }

        /// <summary>The next thing to tell the user, each kind once; null where there is none.</summary>
        public string TakeTrouble()
        {
            lock (lock_) return troubles_.Count > 0 ? troubles_.Dequeue() : null;
        }

        /// <summary>One line that says how things stand.</summary>
        public string Status()
        {
            lock (lock_)
            {
                string line = "port " + port_ + ": nothing came yet";
                if (Frames > 0)
                {
                    double silentS = (NowNs() - heardNs_) * 1e-9;
                    line = silentS > 1e-9 * StallNs
                        ? "no frames for " + silentS.ToString("0.0") + " s"
                        : "receiving " + Subject + ", " + Frames + " frames";
                }
                if (buffer_.Late > 0) line += "; " + buffer_.Late + " too late";
                if (Refused > 0) line += "; " + Refused + " packets refused, last: " + packet_.Why;
                return line;
            }
        }

        public void Dispose()
        {
            stopping_ = true;
            if (socket_ != null) socket_.Close();
            if (thread_ != null) thread_.Join();
            socket_ = null;
            thread_ = null;
        }

        private void Receive()
        {
            var bytes = new byte[65536];
            while (!stopping_)
            {
                try
                {
                    int size = socket_.Receive(bytes);
                    Take(bytes, size, NowNs());
                }
                catch (SocketException)
                {
                    // The time-out, or the answer to something that this socket never sent.
                }
                catch (ObjectDisposedException)
                {
                    return;
                }
            }
        }

        private void Trouble(string kind, string text)
        {
            if (said_.Add(kind)) troubles_.Enqueue("port " + port_ + ": " + text);
        }
    }
}
