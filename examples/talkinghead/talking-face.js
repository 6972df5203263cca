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
/** A silent face without a frame for so long is TalkingHead's own again, ms. */
const LETS_GO_MS = 500;
const MOUTH = /^(mouth|jaw|tongue|cheekPuff)/;

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
  #shownAt = 0; // when they were set
  #closedAt = 0; // when the mouth is closed after an interruption
  #waiting = []; // animations of a run whose sound has not begun
  #pictureAt = 0; // when the newest picture was begun
  #behindMs = 0; // how old it was when the sound began

  constructor(head, sampleRate) {
    this.#head = head;
    this.#rate = sampleRate;
    const show = (at) => {
      this.#pictureAt = at;
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
        // TalkingHead takes the instant of its newest picture for that when the sound begins. In a
        // tab that was hidden, or that draws slowly, it is an old one.
        this.#behindMs = Math.max(0, this.#startedAt - this.#pictureAt);
        this.#release();
        for (const anim of this.#waiting.splice(0)) this.#play(anim);
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
    if (performance.now() < this.#closedAt) return;
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

  /**
   * The speaker was cut short: nothing more is heard, and the mouth closes in 100 ms from where it
   * is. Frames that come meanwhile are passed over.
   */
  interrupt() {
    // streamInterrupt() alone would let go of the mouth slowly.
    const values = this.names.map((name) => this.#head.mtAvatar[name]?.value ?? 0);
    this.#head.streamInterrupt();
    this.#endRun();
    const now = performance.now();
    this.#quiet = [];
    for (let step = 0; step <= 6; step++) {
      const row = values.map((value, i) => (MOUTH.test(this.names[i]) ? value * (1 - step / 6) : value));
      this.#quiet.push({ at: now + step * FRAME_MS, row });
    }
    this.#closedAt = now + 6 * FRAME_MS;
    this.#showQuiet(now);
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
    // TalkingHead reaches the first value one step after `delay`.
    const anim = { name: "blendshapes", delay: at - FRAME_MS, dt: rows.map(() => FRAME_MS), vs };
    if (this.#startedAt === null) this.#waiting.push(anim);
    else this.#play(anim);
  }

  #play(anim) {
    anim.delay += this.#behindMs + 1000 * (this.#head.audioCtx.outputLatency || 0);
    this.#head.streamAudio({ anims: [anim] });
  }

  #endRun() {
    this.#speaking = false;
    this.#startedAt = null;
    this.#soundMs = this.#framesMs = this.#heldMs = 0;
    this.#held = [];
    this.#waiting = [];
  }

  #showQuiet(now) {
    if (this.#speaking && now < this.#over()) return;
    let row = null;
    while (this.#quiet.length && this.#quiet[0].at <= now) row = this.#quiet.shift().row;
    if (!row) {
      if (this.#drawn && !this.#quiet.length && now - this.#shownAt > LETS_GO_MS) this.#release();
      return;
    }
    this.#drawn = true;
    this.#shownAt = now;
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
