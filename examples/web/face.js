// A face in the page itself: sound in, curves out, in step with the sound that is heard.
//
//   import { Face } from "diffusiontalker";
//   const face = await Face.load();
//   await face.listen(await navigator.mediaDevices.getUserMedia({ audio: true }));
//   ... in each animation frame:  const curves = face.now();      // face.names says which is which
//
// The model runs in a worker, fed by an AudioWorklet. No threads beside it, and no headers that a
// host must set.

import { FaceError } from "./runtime.js";
import { Track } from "./track.js";

export { FaceError, Model, Runtime } from "./runtime.js";

const MODEL_OPTIONS = ["wasm", "bundle", "kernels"];
const RUNTIME_OPTIONS = ["seed", "identity", "idle", "head"];
const OWN_OPTIONS = ["sampleRateHz", "delayMs"];
/** Samples in a block, which is 128 of the sound's own at a time: 8 ms at 48 kHz. */
const BLOCK_SAMPLES = 384;
/** Sound is heard later than it is made by the look-ahead and this, unless `delayMs` says so. */
const PATIENCE_MS = 80;

const picked = (options, keys) =>
  Object.fromEntries(keys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]));

export class Face extends EventTarget {
  #worker;
  #options;
  #settings = {};
  #calls = new Map();
  #next = 0;
  #track = new Track();
  #voice = null; // { context, source, tap, delay, own, started, end, settle, done }
  #closed = false;

  /**
   * Fetches and compiles the model; nothing is heard yet. Options: seed, identity, idle, head;
   * sampleRateHz, where the sound's rate is known already (48000); delayMs; and where the parts
   * lie: wasm, bundle (URLs).
   */
  static async load(options = {}) {
    const known = [...MODEL_OPTIONS, ...RUNTIME_OPTIONS, ...OWN_OPTIONS];
    for (const key of Object.keys(options)) {
      if (!known.includes(key)) throw new FaceError(`${key}: no such option; there are ${known.join(", ")}`);
    }
    const face = new Face();
    face.#options = options;
    face.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    face.#worker.onmessage = ({ data }) => face.#hear(data);
    face.#worker.onerror = (event) => face.#fail(new FaceError(event.message || "the worker could not be loaded", "internal"));
    const { sampleRateHz = 48000 } = options;
    try {
      const places = picked(options, MODEL_OPTIONS);
      for (const [key, place] of Object.entries(places)) {
        // The worker's own address is not the page's.
        if (key !== "kernels" && !(place instanceof ArrayBuffer)) places[key] = new URL(place, document.baseURI).href;
      }
      face.#describe(await face.#call("load", { model: places, runtime: face.#runtimeOptions(sampleRateHz) }));
    } catch (error) {
      face.close();
      throw error;
    }
    return face;
  }

  #runtimeOptions(sampleRateHz) {
    return { sampleRateHz, ...picked(this.#options, RUNTIME_OPTIONS) };
  }

  #describe({ names, identities, frameRate, lookaheadMs, sampleRateHz, kernels }) {
    Object.assign(this, { names, identities, lookaheadMs, sampleRateHz, kernels, framesPerSecond: frameRate });
    this.delayMs = this.#options.delayMs ?? Math.ceil(lookaheadMs) + PATIENCE_MS;
  }

  #call(call, values = {}, transfer = []) {
    if (this.#closed) return Promise.reject(new FaceError(`${call}: this face was closed`, "bad-handle"));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, ...values }, transfer);
    });
  }

  #hear(data) {
    if (data.frames) this.#take(data.frames);
    else if (data.started !== undefined) this.#voice.started = data.started / this.#voice.context.sampleRate;
    else if (data.ended) this.#finish(data.ended);
    else if (data.failed) this.#fail(new FaceError(data.failed.message, data.failed.code));
    else {
      const { resolve, reject } = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      if (data.refused) reject(new FaceError(data.refused.message, data.refused.code));
      else resolve(data.done);
    }
  }

  #take({ first, count, curves, tookMs, frame }) {
    const width = this.names.length;
    const { started, context } = this.#voice;
    for (let f = 0; f < count; f++) {
      const index = first + f;
      const made = { index, seconds: started + index / this.framesPerSecond, curves: curves.subarray(f * width, (f + 1) * width) };
      this.#track.push(made);
      const event = { ...made, tookMs, heardTo: frame === null ? null : frame / context.sampleRate };
      this.dispatchEvent(new CustomEvent("frame", { detail: event }));
    }
  }

  #finish(ended) {
    const voice = this.#voice;
    this.#voice = null;
    voice.tap.disconnect();
    voice.delay.disconnect();
    if (voice.own) voice.source.disconnect();
    voice.settle.resolve(ended);
    this.dispatchEvent(new CustomEvent("ended", { detail: ended }));
  }

  #fail(error) {
    this.#leave(error);
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  #leave(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    const voice = this.#voice;
    this.#voice = null;
    voice?.tap?.disconnect();
    voice?.delay?.disconnect();
    voice?.settle.reject(error);
  }

  /**
   * Listens to a MediaStream (a microphone, a call) or to a node of your own sound graph, from now
   * on: frames are those of a new stream. A MediaStream gets an AudioContext of its own, or `context`.
   */
  async listen(source, { context } = {}) {
    if (this.#voice) throw new FaceError("listen: this face listens already; call end() first", "ended");
    const isNode = source instanceof AudioNode;
    if (!isNode && !(source instanceof MediaStream)) throw new FaceError("listen: expected a MediaStream or an AudioNode");
    if (!isNode && !source.getAudioTracks().length) throw new FaceError("listen: this MediaStream has no sound");
    const own = !isNode && !context;
    const heard = isNode ? source.context : (context ?? new AudioContext({ latencyHint: "interactive" }));
    const voice = { context: heard, own: !isNode };
    voice.done = new Promise((resolve, reject) => (voice.settle = { resolve, reject }));
    voice.done.catch(() => {}); // whoever calls end() is told
    this.#voice = voice;
    this.#track.clear();
    try {
      await heard.audioWorklet.addModule(new URL("./tap.js", import.meta.url));
      const { port1, port2 } = new MessageChannel();
      this.#describe(
        await this.#call("begin", { runtime: this.#runtimeOptions(heard.sampleRate), settings: this.#settings, port: port1 }, [port1]),
      );
      voice.tap = new AudioWorkletNode(heard, "diffusiontalker-tap", {
        outputChannelCount: [1], channelCount: 1, channelCountMode: "explicit",
        processorOptions: { blockSamples: BLOCK_SAMPLES },
      });
      voice.source = isNode ? source : heard.createMediaStreamSource(source);
      voice.delay = new DelayNode(heard, { maxDelayTime: Math.max(1, this.delayMs / 500), delayTime: this.delayMs / 1000 });
      voice.source.connect(voice.tap).connect(heard.destination); // its output is silence
      voice.source.connect(voice.delay);
      voice.tap.port.postMessage({ worker: port2 }, [port2]);
      if (heard.state === "suspended") await heard.resume();
    } catch (error) {
      this.#voice = null;
      if (own) heard.close();
      throw error;
    }
    voice.close = own;
  }

  /**
   * The sound, later by `delayMs`: connect it to where it is heard, instead of the source itself,
   * and `now()` is in step with it. Null while nothing is listened to.
   */
  get output() {
    return this.#voice?.delay ?? null;
  }

  /** The AudioContext of what is listened to, or null. */
  get context() {
    return this.#voice?.context ?? null;
  }

  /** The curves at an instant of the sound, on the AudioContext's clock; null before the first. */
  at(contextSeconds) {
    return this.#track.at(contextSeconds);
  }

  /** The curves of what `output` lets be heard at this moment; null before the first. */
  now() {
    if (!this.#voice) return null;
    const { context } = this.#voice;
    // What the loudspeaker gives out now, by the clock that pictures are drawn by.
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    const played = performanceTime > 0
      ? contextTime + (performance.now() - performanceTime) / 1000
      : context.currentTime - (context.outputLatency || 0);
    return this.at(Math.min(played, context.currentTime) - this.delayMs / 1000);
  }

  /** Turns the knobs, from the next frame on; see Runtime.set. They stay for later sound. */
  async set(settings) {
    await this.#call("set", { settings });
    Object.assign(this.#settings, settings);
  }

  /** Frames and samples so far, and the identity in use; null while nothing is listened to. */
  state() {
    return this.#call("state");
  }

  /**
   * Listens no more. Resolves once the last frame is here, with how many there were:
   * { frames, samples, lostSamples, invalidSamples, computeSeconds }.
   */
  async end() {
    const voice = this.#voice;
    if (!voice || voice.ending) throw new FaceError("end: nothing is listened to; call listen() first", "ended");
    voice.ending = true;
    // A context that stands still calls no tap.
    if (voice.context.state === "running") voice.tap.port.postMessage({ end: true });
    else await this.#call("finish");
    const ended = await voice.done;
    if (voice.close) await voice.context.close();
    return ended;
  }

  /** Ends at once and frees the worker. */
  close() {
    this.#closed = true;
    this.#worker.terminate();
    this.#leave(new FaceError("this face was closed", "bad-handle"));
  }
}
