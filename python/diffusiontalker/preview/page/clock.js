// When a frame is shown: on the stream's own clock, a little later than it came.

const WINDOW_S = 6;
const LEAST_DELAY_S = 0.03;
const MOST_DELAY_S = 0.6;
// Corrections below this are made by running a little fast or slow, others at once.
const JUMP_S = 0.25;
const SLEW = 0.04;

/** Turns arrivals (performance.now(), stream seconds) into the instant to show now. */
export class PlayoutClock {
  constructor() {
    this.reset();
  }

  reset() {
    this.arrivals = [];
    this.shown = null;
    this.delay = LEAST_DELAY_S * 2;
  }

  /** Measures anew how late frames come, from the newest on. */
  remeasure() {
    const newest = this.arrivals.slice(-1);
    this.reset();
    this.arrivals = newest;
    if (newest.length) this.base = newest[0].offset;
  }

  /** The newest frame of a batch came at `atMs` and depicts `time`. */
  note(atMs, time) {
    const at = atMs / 1000;
    const passed = this.arrivals.length ? at - this.arrivals[this.arrivals.length - 1].at : 0;
    this.arrivals.push({ at, offset: at - time });
    while (this.arrivals[0].at < at - WINDOW_S) this.arrivals.shift();
    const offsets = this.arrivals.map((a) => a.offset).sort((a, b) => a - b);
    this.base = offsets[0];
    const late = offsets[Math.min(offsets.length - 1, Math.floor(offsets.length * 0.98))];
    const wanted = Math.min(MOST_DELAY_S, Math.max(LEAST_DELAY_S, late - this.base + 0.02));
    // Down no faster than `now` runs: what is due can then be shown.
    this.delay = wanted > this.delay
      ? this.delay + (wanted - this.delay) * 0.2
      : Math.max(wanted, this.delay - SLEW * passed);
  }

  /** The instant that is due at `nowMs`, or null before anything came. */
  due(nowMs) {
    return this.base === undefined || !this.arrivals.length
      ? null
      : nowMs / 1000 - this.base - this.delay;
  }

  /** The instant to show at `nowMs`: goes forward, without jumps that would be seen, and waits at
   * `newest` for what is late.
   */
  now(nowMs, newest) {
    const due = this.due(nowMs);
    if (due === null) return null;
    const passed = this.shown === null ? 0 : (nowMs - this.shown.atMs) / 1000;
    let time = due;
    if (this.shown !== null && Math.abs(due - this.shown.time - passed) < JUMP_S) {
      const off = due - this.shown.time - passed;
      time = this.shown.time + passed + Math.max(-SLEW * passed, Math.min(SLEW * passed, off));
    }
    if (newest !== null && time > newest) time = Math.max(newest, this.shown?.time ?? newest);
    this.shown = { atMs: nowMs, time };
    return time;
  }
}

/** Frames of one face, by instant. */
export class Track {
  constructor(keepS = 8) {
    this.keepS = keepS;
    this.frames = [];
  }

  reset() {
    this.frames = [];
  }

  push(frames) {
    for (const frame of frames) {
      const last = this.frames[this.frames.length - 1];
      if (last && frame.time <= last.time) {
        // A face that was set anew counts from further back.
        this.frames = this.frames.filter((f) => f.time < frame.time);
      }
      this.frames.push(frame);
    }
    const newest = this.newest;
    let old = 0;
    while (this.frames[old].time < newest - this.keepS) old++;
    if (old) this.frames.splice(0, old);
  }

  get newest() {
    return this.frames.length ? this.frames[this.frames.length - 1].time : null;
  }

  /** Writes the curves at `time` into `out`, between the frames around it; false if there are none. */
  sample(time, out) {
    const frames = this.frames;
    if (!frames.length) return false;
    let high = frames.length - 1;
    while (high > 0 && frames[high - 1].time > time) high--;
    const b = frames[high];
    const a = frames[Math.max(0, high - 1)];
    const span = b.time - a.time;
    const share = span > 0 ? Math.max(0, Math.min(1, (time - a.time) / span)) : 1;
    for (let i = 0; i < out.length; i++) {
      out[i] = a.curves[i] + (b.curves[i] - a.curves[i]) * share;
    }
    return true;
  }
}
