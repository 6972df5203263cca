// Sound and curves of a face -> TalkingHead 1.7: `streamAudio` for what is heard, and the avatar's
// `realtime` values for a face in silence.
//
//   const face = new TalkingFace(head, 16000);      // a TalkingHead that shows an avatar
//   await face.start();                             // after a click: browsers want one for sound
//   face.names = [...];                             // of a frame's values
//   face.sound(int16Samples);  face.frames(rows, lastsS);  face.interrupt();
//
// Sound and frames may come in any sizes, each in order; frames just before the sound they are for.

/** Sound that waits before the first of it is played, so that a late packet makes no gap, ms. */
const AHEAD_MS = 120;
const FRAME_MS = 1000 / 60;

export class TalkingFace {
  names = [];
  #head;
  #rate;
  #held = []; // sound that waits for AHEAD_MS of it
  #heldMs = 0;
  #speaking = false;
  #startedAt = null; // when the sound of this run began to play, performance.now()
  #soundMs = 0; // of this run, handed over
  #framesMs = 0; // of this run, up to which frames were handed over
  #quiet = []; // { at, row }: frames of a silent face, in order
  #drawn = false; // whether `realtime` values are set

  constructor(head, sampleRate) {
    this.#head = head;
    this.#rate = sampleRate;
    const show = () => {
      this.#showQuiet(performance.now());
      requestAnimationFrame(show);
    };
    requestAnimationFrame(show);
  }

  async start() {
    await this.#head.streamStart(
      { sampleRate: this.#rate, lipsyncType: "blendshapes" },
      () => {
        this.#startedAt = performance.now();
        this.#release();
      },
      () => this.#endRun(),
    );
  }

  /** Int16Array, mono. */
  sound(samples) {
    const lastsMs = (1000 * samples.length) / this.#rate;
    this.#quiet = [];
    if (!this.#speaking) {
      this.#held.push(samples);
      this.#heldMs += lastsMs;
      if (this.#heldMs >= AHEAD_MS) this.#begin();
      return;
    }
    this.#hand(samples);
  }

  /** Frames whose sound lasts `soundS`; 0: a silent face, shown as they come. */
  frames(rows, soundS) {
    if (soundS > 0) {
      this.#animate(rows, soundS * 1000);
      return;
    }
    if (this.#speaking || this.#heldMs) {
      // The words are over: what was held is played, and the run ends with the last of it.
      if (!this.#speaking) this.#begin();
      this.#head.streamNotifyEnd();
    }
    const now = Math.max(performance.now(), this.#over());
    let at = Math.max(now, this.#quiet.length ? this.#quiet.at(-1).at + FRAME_MS : 0);
    for (const row of rows) {
      this.#quiet.push({ at, row });
      at += FRAME_MS;
    }
  }

  /** No more sound comes. */
  end() {
    if (!this.#speaking && this.#heldMs) this.#begin();
    this.#head.streamNotifyEnd();
  }

  /** The speaker was cut short: nothing more is heard; the frames that follow close the mouth. */
  interrupt() {
    // streamInterrupt() alone would take several hundred milliseconds to close the mouth.
    const values = this.names.map((name) => this.#head.mtAvatar[name]?.value ?? 0);
    this.#head.streamInterrupt();
    this.#endRun();
    this.#quiet = [{ at: performance.now(), row: values }];
    this.#showQuiet(performance.now());
  }

  /** Whether something is heard. */
  get speaking() {
    return this.#speaking && this.#startedAt !== null;
  }

  #begin() {
    this.#speaking = true;
    for (const samples of this.#held) this.#hand(samples);
    this.#held = [];
    this.#heldMs = 0;
  }

  #hand(samples) {
    // Sound that came too late has made a gap: this run's clock has gone on meanwhile.
    this.#soundMs = Math.max(this.#soundMs, this.#playedMs()) + (1000 * samples.length) / this.#rate;
    this.#head.streamAudio({ audio: samples });
  }

  #playedMs() {
    return this.#startedAt === null ? 0 : performance.now() - this.#startedAt;
  }

  /** When what was handed over is over. */
  #over() {
    return this.#startedAt === null ? 0 : this.#startedAt + this.#soundMs;
  }

  #animate(rows, soundMs) {
    // Where sound came too late, the frames move with it.
    const isLate = this.#startedAt !== null && this.#playedMs() > this.#soundMs;
    const at = isLate ? Math.max(this.#framesMs, this.#playedMs()) : this.#framesMs;
    this.#framesMs = at + soundMs;
    const vs = {};
    this.names.forEach((name, i) => (vs[name] = rows.map((row) => row[i])));
    const latency = 1000 * (this.#head.audioCtx.outputLatency || 0);
    // TalkingHead reaches the first value one step after `delay`.
    const anim = { name: "blendshapes", delay: at + latency - FRAME_MS, dt: rows.map(() => FRAME_MS), vs };
    this.#head.streamAudio({ anims: [anim] });
  }

  #endRun() {
    this.#speaking = false;
    this.#startedAt = null;
    this.#soundMs = this.#framesMs = this.#heldMs = 0;
    this.#held = [];
  }

  #showQuiet(now) {
    if (this.#speaking && now < this.#over()) return;
    let row = null;
    while (this.#quiet.length && this.#quiet[0].at <= now) row = this.#quiet.shift().row;
    if (!row) return;
    this.#drawn = true;
    this.names.forEach((name, i) => {
      const target = this.#head.mtAvatar[name];
      if (target) Object.assign(target, { realtime: row[i], needsUpdate: true });
    });
  }

  /** The avatar is TalkingHead's again. */
  #release() {
    if (!this.#drawn) return;
    this.#drawn = false;
    for (const name of this.names) {
      const target = this.#head.mtAvatar[name];
      if (target) Object.assign(target, { realtime: null, needsUpdate: true });
    }
  }
}
