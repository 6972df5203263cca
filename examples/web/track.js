// Frames by their instant, and the face between them.

/** Frames that were shown longer ago are forgotten, seconds. */
const KEPT_S = 4;

export class Track {
  #frames = []; // { index, seconds, curves }, in order

  push(frame) {
    this.#frames.push(frame);
    let old = 0;
    while (this.#frames[old].seconds < frame.seconds - KEPT_S) old++;
    if (old) this.#frames.splice(0, old);
  }

  clear() {
    this.#frames = [];
  }

  /** The newest frame's instant; null before the first. */
  get newest() {
    return this.#frames.at(-1)?.seconds ?? null;
  }

  /** The curves at an instant, between two frames; null before the first, the last one's behind it. */
  at(seconds) {
    const frames = this.#frames;
    let next = frames.length;
    while (next > 0 && frames[next - 1].seconds > seconds) next--;
    if (next === 0) return null;
    const before = frames[next - 1];
    const after = frames[next];
    if (!after) return before.curves;
    const part = (seconds - before.seconds) / (after.seconds - before.seconds);
    return before.curves.map((value, i) => value + part * (after.curves[i] - value));
  }
}
