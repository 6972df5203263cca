// The stream's sound. Once it plays, its clock is what the face follows.

// Off by more than this, it is set anew.
const NOTICED_S = 0.08;

export class Sound {
  constructor() {
    this.context = null;
    this.player = null;
    this.told = null;
    this.playing = false;
    this.volume = 1;
    this.early = [];
  }

  /** Must be called by a click or a key: browsers let no page sound before. */
  async start(rate) {
    if (this.context && this.context.sampleRate !== rate) await this.stop(true);
    if (!this.context) {
      // At the stream's own rate, so that pieces join without a seam.
      this.context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
      this.player = null;
      await this.context.audioWorklet.addModule("/page/player.js");
      this.player = new AudioWorkletNode(this.context, "player", { outputChannelCount: [1] });
      this.gain = new GainNode(this.context, { gain: this.volume });
      this.player.connect(this.gain).connect(this.context.destination);
      this.player.port.onmessage = ({ data }) => (this.told = data);
      for (const piece of this.early) this.send(piece);
    }
    await this.context.resume();
    this.playing = true;
    this.told = null;
    this.sought = false;
  }

  async stop(forGood = false) {
    this.playing = false;
    if (!this.context) return;
    if (forGood) {
      const { context } = this;
      this.context = this.player = null;
      await context.close();
    } else await this.context.suspend();
  }

  set level(volume) {
    this.volume = volume;
    if (this.player) this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.02);
  }

  push(piece) {
    // What came before the click is there when it comes.
    this.early.push(piece);
    while (this.early.length > 400) this.early.shift();
    if (this.player) this.send(piece);
  }

  send(piece) {
    this.player.port.postMessage({ position: piece.position, samples: piece.samples });
  }

  reset() {
    this.early = [];
    this.sought = false;
    this.told = null;
  }

  /** The context's time that is heard at `nowMs`. */
  heardContextTime(nowMs) {
    const stamp = this.context.getOutputTimestamp?.();
    if (stamp?.performanceTime) return stamp.contextTime + (nowMs - stamp.performanceTime) / 1000;
    return this.context.currentTime - (this.context.outputLatency || this.context.baseLatency || 0);
  }

  /** The stream's instant that is heard at `nowMs`, kept near `due`; null while nothing is heard. */
  now(nowMs, due) {
    if (!this.playing || !this.player || this.context?.state !== "running") return null;
    const rate = this.context.sampleRate;
    const heard = this.heardContextTime(nowMs);
    const time = this.told ? this.told.at / rate + heard - this.told.time : null;
    if (time === null || Math.abs(time - due) > NOTICED_S) {
      if (!this.sought || nowMs - this.soughtMs > 1000) {
        const ahead = this.context.currentTime - heard; // seconds on their way to the ear
        this.player.port.postMessage({ seek: Math.max(0, Math.round((due + ahead) * rate)) });
        this.sought = true;
        this.soughtMs = nowMs;
        this.told = null;
      }
      return null;
    }
    return time;
  }
}
