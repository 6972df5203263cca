// A face of dt-serve's in a page: sound in, curves out, in step with the sound that is heard.
//
//   import { FaceSession } from "./face-session.js";
//   const face = await FaceSession.open("ws://127.0.0.1:8000/v1/face", { sampleRateHz: 16000 });
//   face.send(int16Samples);
//   ... in each animation frame:  const curves = face.at(secondsOfSoundHeard);
//
// No build step, no packages. face-session.d.ts has the types.

/** Curves of frames that were shown longer ago are forgotten, seconds. */
const KEPT_S = 2;

export class FaceSession extends EventTarget {
  #socket;
  #frames = []; // { index, seconds, curves }, in order
  #done;
  #settle;

  /** Opens a session; resolves once the server has said what its frames mean. */
  static open(url, options = {}) {
    const session = new FaceSession();
    return session.#open(url, options);
  }

  #open(url, options) {
    this.#done = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#done.catch(() => {}); // whoever asks for `done` is told
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      this.#socket = socket;
      socket.onopen = () => socket.send(JSON.stringify(begin(options)));
      socket.onerror = () => reject(new Error(`${url}: no connection; does dt-serve run there?`));
      socket.onclose = (event) => {
        const error = new Error(event.reason || `the server closed the connection (${event.code})`);
        reject(error);
        this.#settle.reject(error);
      };
      socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === "schema") {
          this.names = message.curves;
          this.framesPerSecond = message.rate_num / message.rate_den;
          this.sampleRateHz = message.sample_rate_hz;
          this.lookaheadMs = message.lookahead_ms;
          resolve(this);
        } else {
          this.#take(message, reject);
        }
      };
    });
  }

  #take(message, reject) {
    if (message.type === "frame") {
      const seconds = message.index / this.framesPerSecond;
      const curves = Float32Array.from(message.curves);
      this.#frames.push({ index: message.index, seconds, curves });
      this.dispatchEvent(new CustomEvent("frame", { detail: this.#frames.at(-1) }));
    } else if (message.type === "interrupted") {
      // What was promised beyond this instant will not be said.
      this.#frames = this.#frames.filter((frame) => frame.index < message.index);
      const seconds = message.position / this.sampleRateHz;
      this.dispatchEvent(new CustomEvent("interrupted", { detail: { ...message, seconds } }));
    } else if (message.type === "bye") {
      this.#settle.resolve(message.frames);
      this.#socket.onclose = null;
      this.#socket.close();
    } else if (message.type === "error") {
      const error = new Error(message.message);
      reject(error);
      this.#settle.reject(error);
    }
  }

  /** Sends sound: Int16Array, or Float32Array where the session was opened with sound "f32le". */
  send(samples) {
    this.#socket.send(samples);
  }

  /** The speaker was cut short: the mouth closes within 100 ms. The sound so far is forgotten. */
  interrupt() {
    this.#socket.send(JSON.stringify({ type: "interrupt" }));
  }

  /** No more sound comes; resolves with the number of frames once the last one is here. */
  end() {
    this.#socket.send(JSON.stringify({ type: "end" }));
    return this.#done;
  }

  /** Ends at once. */
  close() {
    this.#socket.onclose = null;
    this.#socket.close();
  }

  /**
   * The curves at an instant of the sound, in seconds, between two frames; null before the first.
   * Call it with what is heard: AudioContext.currentTime less when the sound began less its output
   * latency.
   */
  at(seconds) {
    const frames = this.#frames;
    while (frames.length > 1 && frames[1].seconds <= seconds - KEPT_S) frames.shift();
    let next = frames.findIndex((frame) => frame.seconds > seconds);
    if (next === 0) return null;
    if (next < 0) next = frames.length;
    const before = frames[next - 1];
    const after = frames[next];
    if (!before) return null;
    if (!after) return before.curves;
    const part = (seconds - before.seconds) / (after.seconds - before.seconds);
    return before.curves.map((value, i) => value + part * (after.curves[i] - value));
  }
}

function begin(options) {
  const said = { type: "begin", frames: "json", sample_rate_hz: options.sampleRateHz ?? 16000 };
  const keys = {
    sound: "sound",
    token: "token",
    preset: "preset",
    names: "names",
    identity: "identity",
    seed: "seed",
    idle: "idle",
    fillAfterS: "fill_after_s",
    gain: "gain",
    offset: "offset",
    strengthLower: "strength_lower",
    strengthUpper: "strength_upper",
    smoothMs: "smooth_ms",
  };
  for (const key of Object.keys(options)) {
    if (key === "sampleRateHz") continue;
    if (!(key in keys)) throw new TypeError(`FaceSession: no option ${key}`);
    said[keys[key]] = options[key];
  }
  return said;
}
