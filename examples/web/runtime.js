// The runtime itself: samples in, frames out, at once. It runs wherever WebAssembly with SIMD does,
// in a page, a worker or Node; face.js puts it behind a microphone.
//
//   const runtime = await Runtime.load({ sampleRateHz: 48000 });
//   const frames = runtime.step(samples);   // { count, first, curves: Float32Array }
//
// Same sound, seed and settings: the same bits as every other build of the runtime.

const BUILT = new URL("./built/", import.meta.url);
const PAGE = typeof process === "undefined" || !process.versions?.node;

/** Codes of the C library (cpp/capi/dt.h), by name. */
const CODES = {
  1: "invalid-argument", 2: "bad-handle", 3: "not-found", 4: "bad-bundle", 5: "newer-version",
  6: "ended", 7: "too-small", 8: "busy", 9: "out-of-memory", 10: "internal",
};
const INFO = { width: 0, rateNum: 1, rateDen: 2, lookaheadMs: 3, identity: 4, samples: 5, frames: 6, levelDb: 7, seconds: 8 };
const GIVEN = { gain: 1, offset: 2, strengthLower: 4, strengthUpper: 8, smoothMs: 16 };
const OPTIONS = ["sampleRateHz", "seed", "identity", "idle", "head"];
const FULL_SCALE_LIMIT = 16;

/** Something cannot be: `message` is one sentence, `code` says what kind. */
export class FaceError extends Error {
  constructor(message, code = "invalid-argument") {
    super(message);
    this.name = "FaceError";
    this.code = code;
  }
}

async function bytesAt(url) {
  const place = String(url);
  try {
    if (!PAGE && place.startsWith("file:")) {
      const { readFile } = await import("node:fs/promises");
      return await readFile(new URL(place));
    }
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`.trim());
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    const built = place.startsWith(String(BUILT)) ? "; `python examples/web/build.py` builds it" : "";
    const why = error.code === "ENOENT" ? "no such file" : error.message;
    throw new FaceError(`${place}: cannot be read (${why})${built}`, "not-found");
  }
}

const nameOf = (given) => (typeof given === "string" || given instanceof URL ? String(given) : "the bytes given");

// dot(d, x, dot(c, x, s)) as the kernels have it, over 16 bytes of memory each at 0, 16, 32 and 48;
// the sums go to 64. Node 20, which has the instruction behind a flag, gets it wrong.
const RELAXED_PROBE = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 9, 2, 1, 109, 2, 0, 1, 102, 0, 0,
  10, 47, 1, 45, 0, 65, 192, 0, 65, 16, 253, 0, 4, 0, 65, 0, 253, 0, 4, 0, 65, 32, 253, 0, 4, 0, 65, 0, 253, 0, 4, 0,
  65, 48, 253, 0, 4, 0, 253, 147, 2, 253, 147, 2, 253, 11, 4, 0, 11,
);

/** Whether this machine has relaxed SIMD's dot product, and gets it right. */
export function hasRelaxedDot(probe = RELAXED_PROBE) {
  if (!WebAssembly.validate(probe)) return false;
  const { m: memory, f: run } = new WebAssembly.Instance(new WebAssembly.Module(probe)).exports;
  const x = new Uint8Array(memory.buffer, 0, 16);
  const first = new Int8Array(memory.buffer, 16, 16);
  const second = new Int8Array(memory.buffer, 32, 16);
  const sums = new Int32Array(memory.buffer, 48, 4);
  const out = new Int32Array(memory.buffer, 64, 4);
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 16; i++) {
      x[i] = (i * 37 + round * 11) % 128;
      first[i] = ((i * 91 + round * 29) % 256) - 128;
      second[i] = ((i * 53 + round * 17) % 256) - 128;
    }
    for (let i = 0; i < 4; i++) sums[i] = i * 1000 - round;
    run();
    for (let i = 0; i < 4; i++) {
      let sum = sums[i];
      for (let j = 4 * i; j < 4 * i + 4; j++) sum += x[j] * (first[j] + second[j]);
      if (out[i] !== sum) return false;
    }
  }
  return true;
}

/** What the module asks of a system: a clock and, were it to fail, a place for its last words. */
function system(memory) {
  const calls = {
    clock_time_get(id, precision, at) {
      new DataView(memory().buffer).setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    },
    environ_sizes_get(count, size) {
      const view = new DataView(memory().buffer);
      view.setUint32(count, 0, true);
      view.setUint32(size, 0, true);
      return 0;
    },
    environ_get: () => 0,
    proc_exit() {
      throw new WebAssembly.RuntimeError("the module ended itself");
    },
  };
  const NO_SUCH_CALL = 52;
  return (name) => calls[name] ?? (() => NO_SUCH_CALL);
}

/** A module with a model in it: runtimes of it share the weights. */
export class Model {
  #exports;
  #handle;
  #siblings = new Set();

  /**
   * `wasm`, `bundle`: where they lie (URLs), or their bytes; `kernels`: "wasm" keeps to what every
   * machine has.
   */
  static async load({ wasm, bundle = new URL("./built/default.tar", import.meta.url), kernels } = {}) {
    if (kernels !== undefined && kernels !== "wasm") {
      throw new FaceError(`kernels: expected "wasm" or nothing, got ${JSON.stringify(kernels)}`);
    }
    const relaxed = kernels === undefined && hasRelaxedDot();
    wasm ??= relaxed
      ? new URL("./built/diffusiontalker-relaxed.wasm", import.meta.url)
      : new URL("./built/diffusiontalker.wasm", import.meta.url);
    const asBytes = (given) => (given instanceof ArrayBuffer ? new Uint8Array(given) : ArrayBuffer.isView(given) ? given : bytesAt(given));
    const [code, packed] = await Promise.all([asBytes(wasm), asBytes(bundle)]);
    const module = await WebAssembly.compile(code).catch((error) => {
      throw new FaceError(`${nameOf(wasm)}: no WebAssembly that this machine runs (${error.message})`, "bad-module");
    });
    const model = new Model();
    await model.#begin(module);
    model.#open(packed, nameOf(bundle));
    return model;
  }

  async #begin(module) {
    let exports;
    const call = system(() => exports.memory);
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      (imports[from] ??= {})[name] = call(name);
    }
    ({ exports } = await WebAssembly.instantiate(module, imports));
    exports._initialize?.();
    this.#exports = exports;
  }

  #open(packed, name) {
    this.#handle = this.lend(packed, (at) => this.#exports.dtw_open(at, packed.byteLength));
    if (!this.#handle) {
      const { message, code } = this.refusal();
      throw new FaceError(message.replace("bundle in memory", name), code);
    }
    this.manifest = JSON.parse(this.text(this.#exports.dtw_manifest(this.#handle)));
    this.version = this.text(this.#exports.dtw_version());
    this.identities = [];
    for (let name; (name = this.text(this.#exports.dtw_identity_name(this.#handle, this.identities.length))); ) {
      this.identities.push(name);
    }
  }

  /** A voice at the start of its sound. */
  runtime(options) {
    return new Runtime(this, this.#exports, this.#handle, this.#siblings, options);
  }

  /** Frees the module's memory with all its voices in it. */
  close() {
    for (const runtime of this.#siblings) this.#exports.dtw_destroy(runtime);
    this.#siblings.clear();
    this.#exports.dtw_close(this.#handle);
    this.#handle = 0;
  }

  // What follows is for Runtime.

  /** Calls `use` with where `bytes` lie in the module's memory meanwhile. */
  lend(bytes, use) {
    const at = this.#exports.dtw_allocate(Math.max(1, bytes.byteLength));
    if (!at) throw new FaceError(`${bytes.byteLength} bytes: there is not enough memory`, "out-of-memory");
    const raw = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    new Uint8Array(this.#exports.memory.buffer, at, raw.length).set(raw);
    try {
      return use(at);
    } finally {
      this.#exports.dtw_free(at);
    }
  }

  text(at) {
    if (!at) return null;
    const bytes = new Uint8Array(this.#exports.memory.buffer);
    return new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at)));
  }

  refusal(code) {
    return new FaceError(this.text(this.#exports.dtw_error()), CODES[code] ?? codeOf(this.#exports, this));
  }
}

/** The code that the last refusal had: `dt_error` begins with it, 4 bytes before its text. */
function codeOf(exports) {
  const code = new DataView(exports.memory.buffer).getInt32(exports.dtw_error() - 4, true);
  return CODES[code] ?? "internal";
}

const zeroEnded = (text) => new TextEncoder().encode(`${text}\0`);

/** One voice. */
export class Runtime {
  #model;
  #exports;
  #handle;
  #siblings;
  #samplesAt = 0;
  #samplesRoom = 0;

  /** Model.load and a runtime of it; options of both. */
  static async load(options = {}) {
    const { wasm, bundle, kernels, ...own } = options;
    return (await Model.load({ wasm, bundle, kernels })).runtime(own);
  }

  /** By Model.runtime. */
  constructor(model, exports, bundle, siblings, options = {}) {
    for (const key of Object.keys(options)) {
      if (!OPTIONS.includes(key)) throw new FaceError(`${key}: no such option; there are ${OPTIONS.join(", ")}`);
    }
    const { sampleRateHz = 16000, seed = 0, identity = "auto", idle = 1, head = false } = options;
    if (!Number.isInteger(sampleRateHz)) {
      throw new FaceError(`sampleRateHz: expected a whole number from 8000 to 192000, got ${sampleRateHz}`);
    }
    if (!(typeof seed === "bigint" || Number.isSafeInteger(seed)) || seed < 0 || BigInt(seed) >= 1n << 64n) {
      throw new FaceError(`seed: expected a whole number from 0 to 2 ** 64 - 1 (a BigInt from 2 ** 53 on), got ${seed}`);
    }
    this.#model = model;
    this.#exports = exports;
    this.#siblings = siblings;
    const [sibling = 0] = siblings;
    const name = zeroEnded(identity);
    this.#handle = model.lend(name, (at) =>
      exports.dtw_create(bundle, sibling, sampleRateHz, BigInt(seed), at, Number(idle), head ? 1 : 0),
    );
    if (!this.#handle) throw model.refusal();
    siblings.add(this.#handle);
    this.sampleRateHz = sampleRateHz;
    this.width = this.#info("width");
    this.frameRate = this.#info("rateNum") / this.#info("rateDen");
    this.rate = [this.#info("rateNum"), this.#info("rateDen")];
    this.lookaheadMs = this.#info("lookaheadMs");
    this.kernels = model.text(exports.dtw_kernels(this.#handle));
    this.names = Array.from({ length: this.width }, (_, i) => model.text(exports.dtw_value_name(this.#handle, i)));
    this.identities = model.identities;
  }

  #info(what) {
    return this.#exports.dtw_info(this.#handle, INFO[what]);
  }

  #alive(call) {
    if (!this.#siblings.has(this.#handle)) throw new FaceError(`${call}: this runtime was closed`, "bad-handle");
  }

  #taken(count, first) {
    if (count < 0) throw this.#model.refusal(-count);
    const at = this.#exports.dtw_frames();
    const curves = new Float32Array(this.#exports.memory.buffer, at, count * this.width).slice();
    return { first, count, curves };
  }

  /**
   * Takes the next samples (mono Float32Array, full scale 1.0, or Int16Array) and returns the
   * frames that they complete: `curves` has `count` times `width` values, of frame `first` on.
   */
  step(samples) {
    this.#alive("step");
    let floats = samples;
    if (samples instanceof Int16Array) floats = Float32Array.from(samples, (sample) => sample / 32768);
    if (!(floats instanceof Float32Array)) {
      throw new FaceError("step: expected a Float32Array or an Int16Array of samples");
    }
    if (floats.length > this.#samplesRoom) {
      this.#exports.dtw_free(this.#samplesAt);
      this.#samplesRoom = Math.max(floats.length, 4096);
      this.#samplesAt = this.#exports.dtw_allocate(4 * this.#samplesRoom);
      if (!this.#samplesAt) {
        this.#samplesRoom = 0;
        throw new FaceError(`step: no memory for ${floats.length} samples; take fewer at a time`, "out-of-memory");
      }
    }
    new Float32Array(this.#exports.memory.buffer, this.#samplesAt, floats.length).set(floats);
    const first = this.#info("frames");
    return this.#taken(this.#exports.dtw_step(this.#handle, this.#samplesAt, floats.length), first);
  }

  /** Ends the sound, as if silence followed: the frames still owed. */
  flush() {
    this.#alive("flush");
    const first = this.#info("frames");
    return this.#taken(this.#exports.dtw_flush(this.#handle), first);
  }

  /** Back to the start; settings stay. */
  reset() {
    this.#alive("reset");
    const code = this.#exports.dtw_reset(this.#handle);
    if (code) throw this.#model.refusal(code);
  }

  /**
   * Turns the knobs, from the next frame on: { gain, offset } by group, curve or pattern,
   * { strengthLower, strengthUpper, smoothMs }. What is left out stays.
   */
  set(settings) {
    this.#alive("set");
    for (const key of Object.keys(settings)) {
      if (!(key in GIVEN)) throw new FaceError(`${key}: no such setting; there are ${Object.keys(GIVEN).join(", ")}`);
    }
    const names = [];
    const keep = (name) => {
      const bytes = zeroEnded(name);
      const at = this.#exports.dtw_allocate(bytes.length);
      new Uint8Array(this.#exports.memory.buffer, at, bytes.length).set(bytes);
      names.push(at);
      return at;
    };
    let given = 0;
    for (const key of Object.keys(settings)) given |= GIVEN[key];
    for (const [name, value] of Object.entries(settings.gain ?? {})) this.#exports.dtw_gain(keep(name), value);
    for (const [name, value] of Object.entries(settings.offset ?? {})) this.#exports.dtw_offset(keep(name), value);
    const { strengthLower = 1, strengthUpper = 1, smoothMs = 0 } = settings;
    const code = this.#exports.dtw_set(this.#handle, given, strengthLower, strengthUpper, smoothMs);
    for (const at of names) this.#exports.dtw_free(at);
    if (code) throw this.#model.refusal(code);
  }

  /** Frames so far, samples so far, the identity in use, the newest level (dBFS), seconds computed. */
  get state() {
    this.#alive("state");
    return {
      frames: this.#info("frames"),
      samples: this.#info("samples"),
      identity: this.identities[this.#info("identity")],
      levelDb: this.#info("levelDb"),
      computeSeconds: this.#info("seconds"),
    };
  }

  /** Frees its memory. The model's weights stay as long as the model does. */
  close() {
    if (!this.#siblings.has(this.#handle)) return;
    // One keeps the weights for those to come.
    if (this.#siblings.size > 1) {
      this.#exports.dtw_destroy(this.#handle);
      this.#siblings.delete(this.#handle);
    }
    this.#exports.dtw_free(this.#samplesAt);
    this.#samplesAt = this.#samplesRoom = 0;
    this.#handle = 0;
  }
}

export { FULL_SCALE_LIMIT };
