// Off the page's own thread: the model. Samples come from the tap, frames go to face.js.

import { FaceError, FULL_SCALE_LIMIT, Model } from "./runtime.js";

let model;
let spare; // a runtime that was made ahead, for the rate that will most likely be asked for
let voice = null; // { runtime, port, silence }

/** A microphone's thread has nobody to tell: a sample that is none counts as silence. */
function clean(samples) {
  let invalid = 0;
  for (let i = 0; i < samples.length; i++) {
    if (!(Math.abs(samples[i]) <= FULL_SCALE_LIMIT)) {
      samples[i] = 0;
      invalid++;
    }
  }
  return invalid;
}

function give({ first, count, curves }, took, frame) {
  if (count) postMessage({ frames: { first, count, curves, frame, tookMs: performance.now() - took } }, [curves.buffer]);
}

function take(data) {
  const took = performance.now();
  if (voice.started === undefined) {
    voice.started = data.frame - data.count - data.lost;
    postMessage({ started: voice.started });
  }
  for (let lost = data.lost; lost > 0; lost -= voice.silence.length) {
    give(voice.runtime.step(voice.silence.subarray(0, Math.min(lost, voice.silence.length))), took, data.frame);
  }
  voice.lost += data.lost;
  const samples = data.samples.subarray(0, data.count);
  voice.invalid += clean(samples);
  give(voice.runtime.step(samples), took, data.frame);
  voice.port.postMessage(data.samples.buffer, [data.samples.buffer]);
}

function end() {
  const took = performance.now();
  give(voice.runtime.flush(), took, null);
  const { frames, samples, computeSeconds } = voice.runtime.state;
  postMessage({ ended: { frames, samples, computeSeconds, lostSamples: voice.lost, invalidSamples: voice.invalid } });
  voice.runtime.close();
  voice = null;
}

function described(runtime) {
  const { names, frameRate, lookaheadMs, sampleRateHz, kernels } = runtime;
  return { names, frameRate, lookaheadMs, sampleRateHz, kernels, identities: model.identities };
}

const keyOf = (options) => JSON.stringify(options, (_, value) => (typeof value === "bigint" ? `${value}n` : value));

let latest; // options of the newest runtime
function prepare(options) {
  latest = options;
  spare = { key: keyOf(options), runtime: model.runtime(options) };
}

const calls = {
  async load({ model: places, runtime }) {
    model = await Model.load(places);
    prepare(runtime);
    return described(spare.runtime);
  },
  begin({ runtime: options, settings, port }) {
    if (spare?.key !== keyOf(options)) {
      spare?.runtime.close();
      prepare(options);
    }
    const { runtime } = spare;
    spare = null;
    if (Object.keys(settings).length) runtime.set(settings);
    voice = { runtime, port, silence: new Float32Array(4096), lost: 0, invalid: 0 };
    port.onmessage = ({ data }) => {
      try {
        if (data.end) end();
        else if (voice) take(data);
      } catch (error) {
        postMessage({ failed: said(error) });
        voice = null;
      }
    };
    return described(runtime);
  },
  set({ settings }) {
    if (!voice && !spare) prepare(latest); // somebody has to say whether they can be
    (voice ?? spare).runtime.set(settings);
  },
  finish() {
    if (voice) end();
  },
  state() {
    return voice?.runtime.state ?? null;
  },
};

const said = (error) => ({ message: error.message, code: error instanceof FaceError ? error.code : "internal" });

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, done: await calls[data.call](data) });
  } catch (error) {
    postMessage({ id: data.id, refused: said(error) });
  }
};
