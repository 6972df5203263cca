// HeadAudio outside a browser, for peer_headaudio.py: node peer_headaudio.mjs PACKAGE_FOLDER
//
// A line of JSON in, a line of JSON out, a clip each:
//   in   audio, room: base64 of float32 samples (room may be absent); rate: Hz;
//        parameters: HeadAudio's parameterData; aa: whether viseme 0 is shown; frameRate: Hz
//   out  values: base64 of float32 (frames, 15), the visemes' values at instant frame / frameRate;
//        decisions: [[seconds, viseme], ...], what the classifier said and when
// The package's own processor and node run unchanged. Only what a browser would give them is made
// here: the two base classes, the port between them, fetch, and the animation loop.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const BLOCK_SAMPLES = 128;
const SIL = 14;

class Port {
  onmessage = null;
  other = null;
  postMessage(data) {
    this.other.onmessage?.({ data });
  }
}

let Registered = null;
let processorPort = null;

globalThis.registerProcessor = (name, processor) => {
  Registered = processor;
};
globalThis.AudioWorkletProcessor = class {
  port = processorPort;
};
globalThis.AudioWorkletNode = class {
  constructor(context, name, options) {
    this.port = new Port();
    processorPort = new Port();
    this.port.other = processorPort;
    processorPort.other = this.port;
    globalThis.sampleRate = context.sampleRate;
    this.processor = new Registered(options);
  }
};
globalThis.fetch = async (path) => {
  const bytes = await readFile(path);
  return { ok: true, arrayBuffer: async () => new Uint8Array(bytes).buffer };
};

const folder = process.argv[2];
const part = (name) => import(pathToFileURL(join(folder, "modules", name)).href);
await part("headworklet.mjs");
const { HeadAudio } = await part("headaudio.mjs");
const model = join(folder, "dist", "model-en-mixed.bin");

const samplesOf = (text) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

async function play({ audio, room, rate, parameters, aa, frameRate }) {
  const node = new HeadAudio({ sampleRate: rate }, { parameterData: parameters });
  await node.loadModel(model);

  const automation = {};
  for (const { name, defaultValue } of Registered.parameterDescriptors) {
    automation[name] = Float32Array.of(parameters[name] ?? defaultValue);
  }
  const feed = (samples, at) =>
    node.processor.process([[samples.subarray(at, at + BLOCK_SAMPLES)]], [], automation);

  if (room) {
    const silence = samplesOf(room);
    let calibrated = false;
    node.oncalibrated = ({ error }) => (calibrated = !error);
    node.calibrate();
    for (let at = 0; at + BLOCK_SAMPLES <= silence.length; at += BLOCK_SAMPLES) feed(silence, at);
    if (!calibrated) throw new Error("the silence calibration did not finish");
    node.resetAll();
  }

  const values = new Array(node.nVisemes).fill(0);
  node.onvalue = (name, value) => (values[node.visemeNames.indexOf(name)] = value);
  const decisions = [];
  const samples = samplesOf(audio);
  let at = 0;
  const told = node.port.onmessage;
  node.port.onmessage = (message) => {
    told(message);
    const { event, viseme } = message.data;
    // The node drops viseme 0 (its `if ( viseme )`), so "aa" would never be shown.
    if (aa && event === "viseme" && viseme === 0) node.visemeActive = 0;
    if (event === "viseme" && viseme !== null) decisions.push([at / rate, viseme]);
    if (event === "ended") decisions.push([at / rate, SIL]);
  };

  const frames = Math.ceil((samples.length * frameRate) / rate);
  const out = new Float32Array(frames * node.nVisemes);
  for (let frame = 0; frame < frames; frame++) {
    while ((at + BLOCK_SAMPLES) * frameRate <= frame * rate) {
      at += BLOCK_SAMPLES;
      feed(samples, at - BLOCK_SAMPLES);
    }
    node.update(1000 / frameRate);
    out.set(values, frame * node.nVisemes);
  }
  return { values: Buffer.from(out.buffer).toString("base64"), decisions };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await play(JSON.parse(line))) + "\n");
}
