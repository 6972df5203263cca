// What the package does in Node, for package.py: frames to files, refusals and figures as JSON lines.
//
//   node in_node.mjs PACKAGE frames JOBS.json      each job's frames, as raw float32
//   node in_node.mjs PACKAGE refusals BUNDLE.tar   what is said to what cannot be
//   node in_node.mjs PACKAGE logic                 the parts without a model
//   node in_node.mjs PACKAGE speed CLIP.wav        milliseconds a frame, frame by frame

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [, , folder, what, given] = process.argv;
const from = (name) => import(new URL(name, pathToFileURL(`${folder}/`)));

/** Steps of the sizes that `sizes` goes round through, to the end; then the flush. */
function played(runtime, samples, sizes) {
  const parts = [];
  const put = ({ first, count, curves }) => {
    assert.equal(first, parts.reduce((sum, part) => sum + part.length / runtime.width, 0));
    assert.equal(curves.length, count * runtime.width);
    parts.push(curves);
  };
  for (let at = 0, n = 0; at < samples.length; n++) {
    const size = sizes[n % sizes.length];
    put(runtime.step(samples.subarray(at, at + size)));
    at += size;
  }
  put(runtime.flush());
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const actions = {
  async frames() {
    const { Model } = await from("runtime.js");
    const { readWav } = await from("wav.js");
    const jobs = JSON.parse(await readFile(given, "utf8"));
    const models = {};
    for (const { wav, out, sizes, seed, identity, head, kernels, settings, resets } of jobs) {
      const model = (models[kernels ?? ""] ??= await Model.load({ kernels: kernels ?? undefined }));
      const { sampleRateHz, samples } = readWav(await readFile(wav));
      const runtime = model.runtime({ sampleRateHz, seed: BigInt(seed), identity, head });
      if (settings) runtime.set(settings);
      if (resets) {
        played(runtime, samples.subarray(0, resets), sizes);
        runtime.reset();
      }
      await writeFile(out, played(runtime, samples, sizes));
      console.log(JSON.stringify({ kernels: runtime.kernels, lookaheadMs: runtime.lookaheadMs, ...runtime.state }));
      runtime.close();
    }
  },

  async refusals() {
    const { Model, Runtime } = await from("runtime.js");
    const model = await Model.load();
    const packed = new Uint8Array(await readFile(given));
    const text = new TextDecoder("latin1").decode(packed.subarray(0, 65536));
    const newer = packed.slice();
    const format = /"format(?:_version)?": *(\d)/.exec(text);
    newer[format.index + format[0].length - 1] = "9".charCodeAt(0);
    const damaged = packed.slice();
    damaged[packed.length - 100000] ^= 1;
    const runtime = model.runtime();
    runtime.flush();
    const tries = {
      newer: () => Model.load({ bundle: newer }),
      damaged: () => Model.load({ bundle: damaged }),
      short: () => Model.load({ bundle: packed.subarray(0, 100000) }),
      missing: () => Model.load({ bundle: new URL("built/nothing.tar", pathToFileURL(`${folder}/`)) }),
      module: () => Model.load({ wasm: packed.slice(0, 64) }),
      rate: () => model.runtime({ sampleRateHz: 7000 }),
      fraction: () => model.runtime({ sampleRateHz: 16000.5 }),
      seed: () => model.runtime({ seed: -1 }),
      identity: () => model.runtime({ identity: "nobody" }),
      idle: () => model.runtime({ idle: 2 }),
      option: () => Runtime.load({ sede: 1 }),
      flush: () => runtime.flush(),
      step: () => runtime.step(new Float32Array(160)),
      kind: () => model.runtime().step([0, 1]),
      sample: () => model.runtime().step(Float32Array.of(0, NaN)),
      scale: () => model.runtime().step(Float32Array.of(0, 20000)),
      gain: () => model.runtime().set({ gain: { jawOpn: 1 } }),
      setting: () => model.runtime().set({ smooth: 1 }),
      closed: () => {
        const other = model.runtime();
        other.close();
        other.step(new Float32Array(1));
      },
    };
    for (const [name, attempt] of Object.entries(tries)) {
      let said = null;
      try {
        await attempt();
      } catch (error) {
        said = { name: error.name, code: error.code, message: error.message };
      }
      console.log(JSON.stringify({ case: name, ...said }));
    }
    // A refused sample leaves the voice as it was.
    const voice = model.runtime();
    const other = model.runtime();
    const sound = Float32Array.from({ length: 8000 }, (_, i) => 0.3 * Math.sin(i / 7));
    assert.throws(() => voice.step(Float32Array.of(NaN)));
    assert.deepEqual(voice.step(sound), other.step(sound));
  },

  async logic() {
    const { tenDigits, timecode, LiveLinkCsv } = await from("csv.js");
    assert.equal(tenDigits(0.5 ** 11), "0.0004882812"); // halfway: to the even one, as C does
    assert.equal(tenDigits(3 * 0.5 ** 11), "0.0014648438");
    assert.equal(tenDigits(-0), "-0.0000000000");
    assert.equal(tenDigits(Math.fround(0.1)), "0.1000000015");
    assert.equal(timecode(216000 * 25 + 61, [60, 1]), "25:00:01:01.000");
    assert.equal(timecode(29, [30000, 1001]), "00:00:00:29.000");
    assert.equal(timecode(30, [30000, 1001]), "00:00:01:00.029");
    const csv = new LiveLinkCsv(["jawLeft", "jawRight", "mouthLeft", "mouthRight", "headYaw"], [60, 1]);
    assert.match(csv.header, /^Timecode,BlendShapeCount,JawRight,JawLeft,MouthRight,MouthLeft,HeadYaw,/);
    assert.match(csv.row(0, [1, 2, 3, 4, 5]), /^00:00:00:00\.000,13,2\.0{10},1\.0{10},4\.0{10},3\.0{10},5\.0{10},0\.0{10},/);
    const { Track } = await from("track.js");
    const track = new Track();
    assert.equal(track.at(0), null);
    for (let index = 0; index < 600; index++) track.push({ index, seconds: index / 60, curves: Float32Array.of(index) });
    assert.equal(track.at(0), null); // long shown, forgotten
    assert.equal(track.at(9.5)[0], 570);
    assert.ok(Math.abs(track.at(9.5 + 1 / 120)[0] - 570.5) < 1e-3);
    assert.equal(track.at(100)[0], 599);
    const { moveTalkingHead } = await from("talkinghead.js");
    let picture;
    Object.assign(globalThis, { requestAnimationFrame: (f) => (picture = f), cancelAnimationFrame: () => {} });
    const target = () => ({ realtime: null, needsUpdate: false });
    const mtAvatar = { jawOpen: target(), headRotateX: target(), mouthOpen: target() };
    const said = () => Object.values(mtAvatar).map((t) => t.realtime);
    const face = { names: ["jawOpen", "tongueOut", "headPitch"], now: () => [0.5, 0.25, -0.1] };
    const letGo = moveTalkingHead({ mtAvatar }, face);
    picture();
    assert.deepEqual(said(), [0.5, -0.1, null]);
    letGo();
    assert.deepEqual(said(), [null, null, null]);
    mtAvatar.jawOpen.needsUpdate = false;
    face.now = () => null; // silent from the start: TalkingHead's own
    picture();
    assert.equal(mtAvatar.jawOpen.needsUpdate, false);
    const { hasRelaxedDot } = await from("runtime.js");
    assert.equal(hasRelaxedDot(Uint8Array.of(0, 97, 115, 109, 9, 0, 0, 0)), false);
    const { readWav } = await from("wav.js");
    assert.throws(() => readWav(new Uint8Array(8)), /expected a WAV file/);
    console.log(JSON.stringify({ logic: "ok" }));
  },

  async speed() {
    const { Model } = await from("runtime.js");
    const { readWav } = await from("wav.js");
    const { samples } = readWav(await readFile(given));
    for (const kernels of ["wasm", undefined]) {
      const model = await Model.load({ kernels });
      const runtime = model.runtime({ sampleRateHz: 16000 });
      for (let round = 0; round < 3; round++) {
        runtime.reset();
        const before = process.cpuUsage();
        for (let frame = 0, at = 0; at < samples.length; frame++) {
          const next = Math.floor(((frame + 1) * 16000) / 60);
          runtime.step(samples.subarray(at, next));
          at = next;
        }
        const { user } = process.cpuUsage(before);
        if (round) console.log(JSON.stringify({ kernels: runtime.kernels, cpuMs: user / 1000 / runtime.state.frames }));
      }
    }
  },
};

await actions[what]();
