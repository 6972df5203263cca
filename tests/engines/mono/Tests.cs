// Unity's part under mono. The plain assembly as it ships; the component on stand-ins.
//
//     mono Tests.exe parts
//     mono Tests.exe frames BUNDLE SOUND RATE CHUNK SEED FRAMES     a file of float32 in, one out
//     mono Tests.exe receive PORT                              what is shown, until frames stop
//     mono Tests.exe refusals BUNDLE NEWER BROKEN              each sentence
//     mono Tests.exe component BUNDLE SOUND RATE FRAMES        the component on a clip
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Text;
using System.Threading;
using DiffusionTalker;

public static class Tests
{
    private const long Second = 1000000000, Ms = 1000000;
    private static int failures;

    public static int Main(string[] words)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
        switch (words[0])
        {
            case "parts": Parts(); break;
            case "frames": Frames(words); break;
            case "receive": Receive(int.Parse(words[1])); break;
            case "refusals": Refusals(words); break;
            case "component": Component(words); break;
            default: throw new ArgumentException(words[0]);
        }
        return failures == 0 ? 0 : 1;
    }

    private static void Expect<T>(T got, T wanted, string what)
    {
        if (EqualityComparer<T>.Default.Equals(got, wanted)) return;
        ++failures;
        Console.WriteLine("FAILED " + what + ": expected " + wanted + ", got " + got);
    }

    private static void Parts()
    {
        foreach (Action test in new Action[] {
            PacketsAreRead, BadPacketsAreRefused, FramesComeInOrder, ABadLink, MidnightAndSilence,
            ABufferIsBounded, AStalledFaceCloses, AnotherSenderWaits, ShapesAreFoundByName,
            PortsThatCannotBeHad, APictureTakesLittle })
        {
            int before = failures;
            test();
            Console.WriteLine((failures == before ? "ok " : "FAILED ") + test.Method.Name);
        }
    }

    private static byte[] Packet(int number, float value, string subject = "face", int version = 6,
                                 int count = 61, int den = 1, float part = 0f, int length = -2)
    {
        var bytes = new List<byte> { (byte)version };
        foreach (string text in new[] { "device", subject })
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            Big(bytes, BitConverter.GetBytes(length == -2 ? utf8.Length : length));
            bytes.AddRange(utf8);
        }
        Big(bytes, BitConverter.GetBytes(number));
        Big(bytes, BitConverter.GetBytes(part));
        Big(bytes, BitConverter.GetBytes(60));
        Big(bytes, BitConverter.GetBytes(den));
        bytes.Add((byte)count);
        for (int i = 0; i < count; ++i) Big(bytes, BitConverter.GetBytes(value));
        return bytes.ToArray();
    }

    private static void Big(List<byte> bytes, byte[] little)
    {
        Array.Reverse(little);
        bytes.AddRange(little);
    }

    private static void PacketsAreRead()
    {
        var packet = new LiveLinkPacket();
        byte[] bytes = Packet(90, 0.25f, "Zoë", part: 0.5f);
        Expect(packet.Read(bytes, bytes.Length), true, packet.Why);
        Expect(packet.Subject, "Zoë", "subject");
        Expect(packet.TimeNs, 1508333333L, "time");
        Expect(packet.Count, 61, "count");
        Expect(packet.Values[51], 0.25f, "value");
        Expect(Curves.Names.Length, 52, "names");
    }

    private static void BadPacketsAreRefused()
    {
        var packet = new LiveLinkPacket();
        Action<byte[], string> refused = (bytes, why) =>
        {
            Expect(packet.Read(bytes, bytes.Length), false, why);
            Expect(packet.Why, why, "why");
        };
        refused(new byte[0], "an empty packet");
        refused(Encoding.ASCII.GetBytes("#bundle"),
                "OSC (VMC) in place of Live Link Face: send with --to livelink://");
        refused(Packet(0, 0, version: 7), "Live Link Face version: expected 6, got 7");
        refused(Packet(0, 0, length: 1 << 30),
                "length of the device: expected 0 to 256 and within the packet, got 1073741824");
        refused(Packet(0, 0, length: -1),
                "length of the device: expected 0 to 256 and within the packet, got -1");
        refused(Packet(0, 0, den: 0), "frame 0 at 60/0 a second: no such time");
        refused(Packet(0, 0, part: float.NaN), "frame 0 at 60/1 a second: no such time");
        refused(Packet(0, 0, count: 51), "values: expected at least 52, got 51");
        refused(Packet(0, float.NaN), "value 0: expected a number of at most 10");
        byte[] whole = Packet(0, 0.5f);
        for (int size = 0; size < whole.Length; ++size) Expect(packet.Read(whole, size), false, "cut");
        // Any byte changed, anywhere: refused or read, and never beyond the end.
        var random = new Random(3);
        for (int i = 0; i < 20000; ++i)
        {
            var bytes = (byte[])whole.Clone();
            for (int change = random.Next(1, 5); change > 0; --change)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            packet.Read(bytes, random.Next(bytes.Length + 1));
        }
    }

    private static void FramesComeInOrder()
    {
        var buffer = new JitterBuffer(1) { DelayNs = 50 * Ms };
        var face = new float[1];
        Func<long, float> at = now => buffer.FaceAt(now, face) ? face[0] : -1f;
        Expect(at(0), -1f, "nothing yet");
        Expect(buffer.Push(0, new[] { 0f }, Second), true, "0");
        Expect(buffer.Push(32 * Ms, new[] { 2f }, Second + 32 * Ms), true, "2");
        Expect(buffer.Push(16 * Ms, new[] { 1f }, Second + 33 * Ms), true, "1 was overtaken");
        Expect(buffer.Push(32 * Ms, new[] { 2f }, Second + 34 * Ms), false, "2 again");
        Expect(at(Second + 49 * Ms), -1f, "not due");
        Expect(at(Second + 50 * Ms), 0f, "due");
        Expect(at(Second + 58 * Ms), 0.5f, "between");
        Expect(buffer.ShownNs, 8 * Ms, "the instant between");
        Expect(at(Second + 66 * Ms), 1f, "in order");
        Expect(at(Second + 90 * Ms), 2f, "the newest stays");
        Expect(buffer.Push(16 * Ms, new[] { 1f }, Second + 91 * Ms), false, "late");
        Expect(buffer.Late, 1, "late ones");
        Expect(buffer.Twice, 1, "doubles");
    }

    // As in the Godot addon's test: 0 to 30 ms of jitter, 2 % lost, 50 millionths of drift.
    private static void ABadLink()
    {
        var random = new Random(11);
        var buffer = new JitterBuffer(1) { DelayNs = 40 * Ms };
        var arrivals = new List<long[]>();
        for (int i = 0; i < 60 * 60; ++i)
        {
            if (random.NextDouble() < 0.02) continue;
            long time = i * Second / 60;
            arrivals.Add(new[] { 5 * Second + time + (long)(random.NextDouble() * 30 * Ms),
                                 (long)(time * 1.00005), i });
        }
        arrivals.Sort((a, b) => a[0].CompareTo(b[0]));
        var face = new float[1];
        double worst = 0, last = -1;
        int next = 0;
        for (int picture = 0; picture < 60 * 90; ++picture)
        {
            long now = 5 * Second + picture * Second / 90;
            for (; next < arrivals.Count && arrivals[next][0] <= now; ++next)
                buffer.Push(arrivals[next][1], new[] { (float)arrivals[next][2] }, arrivals[next][0]);
            if (!buffer.FaceAt(now, face) || picture < 90) continue;
            Expect(face[0] >= last, true, "never back");
            last = face[0];
            worst = Math.Max(worst, Math.Abs(face[0] / 0.06 - (now - 5 * Second - 40 * Ms) / 1e6));
        }
        Console.WriteLine("  worst error of the instant shown: " + worst.ToString("0.0") + " ms");
        Expect(buffer.Late < 4, true, buffer.Late + " late");
        Expect(worst < 25, true, "worst error");
    }

    private static void MidnightAndSilence()
    {
        var buffer = new JitterBuffer(1);
        var face = new float[1];
        Func<long, float> at = now => buffer.FaceAt(now, face) ? face[0] : -1f;
        long day = 24 * 3600 * Second;
        buffer.Push(day - 16 * Ms, new[] { 1f }, Second);
        Expect(buffer.Push(0, new[] { 2f }, Second + 16 * Ms), true, "after midnight");
        Expect(at(Second + 16 * Ms), 2f, "shown");
        Expect(buffer.Push(16 * Ms, new[] { 3f }, 9 * Second), true, "after a silence");
        Expect(at(9 * Second), 3f, "at once");
        Expect(buffer.Push(3600 * Second, new[] { 4f }, 9 * Second + Ms), true, "a clock that was set");
        Expect(at(9 * Second + Ms), 4f, "shown too");
        Expect(buffer.Restarts, 3, "restarts");
    }

    private static void ABufferIsBounded()
    {
        var buffer = new JitterBuffer(2) { DelayNs = 2 * Second };
        var face = new float[2];
        for (int i = 0; i < 3000; ++i) buffer.Push(i * Ms / 10, new float[] { i, 0 }, Second + i * Ms / 10);
        Expect(buffer.FaceAt(Second + 300 * Ms, face), true, "a full buffer lets go early");
        Expect(face[0], 3000f - 1 - JitterBuffer.Capacity, "the oldest");
        Expect(buffer.FaceAt(4 * Second, face) && face[0] == 2999f, true, "the newest");
        long before = GC.GetTotalMemory(true);
        var values = new float[2];
        for (int i = 3000; i < 9000; ++i)
        {
            buffer.Push(4 * Second + i * Ms, values, 4 * Second + i * Ms);
            buffer.FaceAt(4 * Second + i * Ms, face);
        }
        Expect(GC.GetTotalMemory(false) - before < 100000, true, "makes no garbage");
    }

    private static void AStalledFaceCloses()
    {
        var receiver = new FaceReceiver(0, 0);
        var face = new float[52];
        byte[] bytes = Packet(60, 0.5f);
        receiver.Take(bytes, bytes.Length, Second);
        Func<long, float> at = now => receiver.FaceAt(now, face) ? face[17] : -1f;
        Expect(at(Second), 0.5f, "shown");
        Expect(at(Second + 500 * Ms), 0.5f, "held");
        at(Second + 510 * Ms);
        Expect(at(Second + 610 * Ms), 0.25f, "half closed");
        Expect(at(Second + 720 * Ms), 0f, "closed");
        bytes = Packet(120, 0.5f);
        receiver.Take(bytes, bytes.Length, 2 * Second);
        Expect(at(2 * Second), 0.5f, "and on again");
    }

    private static void AnotherSenderWaits()
    {
        var receiver = new FaceReceiver(0, 0);
        var face = new float[52];
        byte[] one = Packet(60, 0.5f), other = Packet(9000, 0.9f, "other"), odd = Packet(0, 0, version: 9);
        receiver.Take(one, one.Length, Second);
        for (int i = 0; i < 3; ++i) receiver.Take(other, other.Length, Second + i);
        receiver.FaceAt(Second + 9, face);
        Expect(face[0], 0.5f, "the first one's");
        Expect(receiver.TakeTrouble(), "port 0: other sends here beside face and is not shown", "said");
        receiver.Take(odd, odd.Length, Second);
        receiver.Take(odd, odd.Length, Second);
        Expect(receiver.TakeTrouble(),
               "port 0: packet refused: Live Link Face version: expected 6, got 9", "said");
        Expect(receiver.TakeTrouble(), null, "once");
        receiver.Take(other, other.Length, 4 * Second);
        Expect(receiver.Subject, "other", "its turn");
        var only = new FaceReceiver(0, 0, "other");
        only.Take(one, one.Length, Second);
        Expect(only.Frames, 0, "not the one asked for");
        Expect(only.TakeTrouble(), "port 0: a face named face comes, not other", "said");
    }

    private static void ShapesAreFoundByName()
    {
        var shapes = new[] { "JawOpen", "blendShape1.eyeBlink_L", "mouth_close", "Smirk", "box" };
        var mapping = new[]
        {
            new CurveTarget { curve = "mouthSmileLeft", shape = "Smirk", gain = 0.5f },
            new CurveTarget { curve = "tongueOut", shape = "-" },
            new CurveTarget { curve = "jaw", shape = "box" },
        };
        var table = new ShapeTable(Curves.Names, shapes, mapping);
        var found = new List<string>();
        foreach (ShapeTable.Entry entry in table.Entries)
            found.Add(Curves.Names[entry.Curve] + " " + entry.Shape + " " + entry.Gain);
        Expect(string.Join(", ", found),
               "eyeBlinkLeft 1 1, jawOpen 0 1, mouthClose 2 1, mouthSmileLeft 3 0.5", "found");
        Expect(table.Missing.Count, 47, "missing");
        Expect(table.Missing.Contains("tongueOut"), false, "meant");
        Expect(string.Join("; ", table.Problems), "mapping: no curve named \"jaw\"", "problems");
        Expect(ShapeTable.List(table.Missing).EndsWith("and 39 more"), true, "a short list");
    }

    private static void PortsThatCannotBeHad()
    {
        Expect(Refusal(() => new FaceReceiver(70000)), "port 70000: expected 1 to 65535", "port");
        Expect(Refusal(() => new FaceReceiver(0, double.NaN)), "delay NaN ms: expected 0 to 2000", "delay");
        using (var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
        {
            socket.ExclusiveAddressUse = true;
            socket.Bind(new IPEndPoint(IPAddress.Any, 0));
            int port = ((IPEndPoint)socket.LocalEndPoint).Port;
            Expect(Refusal(() => new FaceReceiver(port)), "port " + port + " cannot be had " +
                   "(AddressAlreadyInUse): set another here and in dt-stream --to " +
                   "livelink://THIS_MACHINE:PORT", "taken");
        }
    }

    private static void APictureTakesLittle()
    {
        var receiver = new FaceReceiver(0, 20);
        var face = new float[52];
        byte[] bytes = Packet(60, 0.5f);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        const int pictures = 20000;
        for (int i = 0; i < pictures; ++i)
        {
            byte[] number = BitConverter.GetBytes(i);
            for (int k = 0; k < 4; ++k) bytes[19 + k] = number[3 - k];
            receiver.Take(bytes, bytes.Length, Second + i * Second / 60);
            receiver.FaceAt(Second + i * Second / 60, face);
        }
        double each = watch.Elapsed.TotalMilliseconds * 1000 / pictures;
        Console.WriteLine("  a packet and a picture: " + each.ToString("0.0") + " us");
        Expect(receiver.Frames, pictures, "taken");
        Expect(each < 1000, true, "at most 1 ms, also on a busy machine");
    }

    private static string Refusal(Action made)
    {
        try
        {
            made();
        }
        catch (FaceException error)
        {
            return error.Message;
        }
        return "nothing was refused";
    }

    private static float[] Floats(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        var floats = new float[bytes.Length / 4];
        Buffer.BlockCopy(bytes, 0, floats, 0, bytes.Length);
        return floats;
    }

    private static void Frames(string[] words)
    {
        float[] sound = Floats(words[2]), frames = null;
        int chunk = int.Parse(words[4]), total = 0;
        using (var bundle = new FaceBundle(words[1]))
        using (var runtime = new FaceRuntime(bundle, new FaceOptions {
            SampleRateHz = int.Parse(words[3]), Seed = ulong.Parse(words[5]) }))
        using (FileStream file = File.Create(words[6]))
        {
            Expect(string.Join(" ", runtime.Names), string.Join(" ", Curves.Names), "names");
            for (int round = 0; round < 2; ++round)
            {
                file.SetLength(0);
                total = 0;
                for (int at = 0; at < sound.Length; at += chunk)
                {
                    var piece = new float[Math.Min(chunk, sound.Length - at)];
                    Array.Copy(sound, at, piece, 0, piece.Length);
                    total += Write(file, frames, runtime.Step(piece, piece.Length, ref frames), ref frames);
                }
                total += Write(file, frames, runtime.Flush(ref frames), ref frames);
                runtime.Reset(); // the second round is the first again
            }
            Console.WriteLine(bundle.Name + " by library " + FaceBundle.LibraryVersion + ", " +
                              runtime.Kernels + ": " + total + " frames, look-ahead " +
                              runtime.LookaheadMs.ToString("0.0") + " ms");
            runtime.Set(gain: new Dictionary<string, double> { { "mouth", 1.2 } }, smoothMs: 20);
            Console.WriteLine(Refusal(() => runtime.Set(
                gain: new Dictionary<string, double> { { "jawOpne", 1 } })));
        }
    }

    private static int Write(FileStream file, float[] unused, int count, ref float[] frames)
    {
        var bytes = new byte[4 * 52 * count];
        if (count > 0) Buffer.BlockCopy(frames, 0, bytes, 0, bytes.Length);
        file.Write(bytes, 0, bytes.Length);
        return count;
    }

    private static void Receive(int port)
    {
        var face = new float[52];
        using (var receiver = new FaceReceiver(port))
        {
            Console.WriteLine("listening");
            long lastFrame = FaceReceiver.NowNs();
            int frames = 0;
            while (FaceReceiver.NowNs() - lastFrame < (frames == 0 ? 60 : 2) * Second)
            {
                Thread.Sleep(11);
                long now = FaceReceiver.NowNs();
                if (receiver.Frames != frames) lastFrame = now;
                frames = receiver.Frames;
                if (receiver.FaceAt(now, face))
                    Console.WriteLine("shown " + receiver.ShownNs + " " + face[17].ToString("R") + " " +
                                      face[18].ToString("R") + " " + face[0].ToString("R"));
            }
            Console.WriteLine(receiver.Subject + ": " + receiver.Frames + " frames, " + receiver.Late +
                              " late, " + receiver.Refused + " refused");
        }
    }

    private static void Refusals(string[] words)
    {
        Console.WriteLine(Refusal(() => new FaceBundle("")));
        Console.WriteLine(Refusal(() => new FaceBundle("/nowhere/at/all")));
        Console.WriteLine(Refusal(() => new FaceBundle(words[2])));
        Console.WriteLine(Refusal(() => new FaceBundle(words[3])));
        Console.WriteLine(Refusal(() => new FaceBundle(new byte[] { 1, 2, 3 })));
        if (Refusal(() => new FaceBundle(words[1]).Dispose()) != "nothing was refused") return;
        using (var bundle = new FaceBundle(words[1]))
        {
            Console.WriteLine(Refusal(() => new FaceRuntime(bundle, new FaceOptions { SampleRateHz = 4000 })));
            Console.WriteLine(Refusal(() => new FaceRuntime(bundle, new FaceOptions { Identity = "nobody" })));
            var runtime = new FaceRuntime(bundle);
            float[] frames = null;
            Console.WriteLine(Refusal(() => runtime.Step(new[] { float.NaN }, 1, ref frames)));
            runtime.Flush(ref frames);
            Console.WriteLine(Refusal(() => runtime.Step(new[] { 0f }, 1, ref frames)));
            runtime.Dispose();
        }
    }

    private static void Component(string[] words)
    {
        var mesh = new UnityEngine.Mesh { Shapes = new[] { "JawOpen", "mouthClose" }, FullWeight = 1 };
        var skin = new UnityEngine.SkinnedMeshRenderer { sharedMesh = mesh };
        UnityEngine.MonoBehaviour.Below = new[] { skin };
        float[] mono = Floats(words[2]);
        var stereo = new float[2 * mono.Length];
        for (int i = 0; i < mono.Length; ++i) stereo[2 * i] = stereo[2 * i + 1] = mono[i];
        var clip = new UnityEngine.AudioClip { Data = stereo, channels = 2, frequency = int.Parse(words[3]) };
        var face = new DiffusionTalkerFace
        {
            road = DiffusionTalkerFace.Road.Library, bundle = words[1],
            voice = new UnityEngine.AudioSource { clip = clip, isPlaying = true }
        };
        Call(face, "OnEnable");
        float[] frames = Floats(words[4]);
        double worst = 0;
        for (int frame = 0; frame < frames.Length / 52; ++frame)
        {
            double at = (frame + 0.5) / 60; // between two frames
            face.voice.timeSamples = (int)(at * clip.frequency);
            if (face.voice.timeSamples >= mono.Length) break;
            Call(face, "LateUpdate");
            double exact = (double)face.voice.timeSamples / clip.frequency * 60 - frame;
            int next = Math.Min(frame + 1, frames.Length / 52 - 1);
            double wanted = frames[52 * frame + 17] * (1 - exact) + frames[52 * next + 17] * exact;
            worst = Math.Max(worst, Math.Abs(wanted - skin.Weights[0]));
        }
        Expect(worst < 1e-6, true, "the jaw is " + worst + " off");
        Expect(UnityEngine.Debug.Warnings.Count, 1, string.Join(" | ", UnityEngine.Debug.Warnings));
        Console.WriteLine(UnityEngine.Debug.Warnings[0]);
        Console.WriteLine(face.Status);
        Call(face, "OnDisable");
        face.packedBundle = new UnityEngine.TextAsset { bytes = File.ReadAllBytes(words[1]) };
        face.bundle = "/nowhere/at/all";
        face.voice.timeSamples = clip.frequency; // another start, from the bytes, at one second
        float before = skin.Weights[0];
        Call(face, "OnEnable");
        Call(face, "LateUpdate");
        Expect(skin.Weights[0] != before && face.Status == "speaking", true, face.Status);
        Expect(Math.Abs(skin.Weights[0] - frames[52 * 60 + 17]) < 1e-6, true, "the jaw at one second");
        Call(face, "OnDisable");
        face.packedBundle = null;
        Call(face, "OnEnable");
        Call(face, "LateUpdate");
        Console.WriteLine(face.Status);
    }

    private static void Call(DiffusionTalkerFace face, string name)
    {
        typeof(DiffusionTalkerFace).GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic)
            .Invoke(face, null);
    }
}
