// On the sound card's thread: plays the stream's sound by position and says where it is.

const KEPT_S = 8;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Float32Array(KEPT_S * sampleRate);
    this.end = 0; // the position after the newest sample
    this.at = null; // the position to be played next; null: waits
    this.blocks = 0;
    this.gain = 0; // rises and falls softly, so that no seam clicks
    this.port.onmessage = ({ data }) => {
      if (data.samples) this.write(data.position, data.samples);
      if (data.seek !== undefined) {
        this.at = data.seek;
        this.gain = 0;
      }
    };
  }

  write(position, samples) {
    if (position !== this.end) this.ring.fill(0);
    for (let i = 0; i < samples.length; i++) this.ring[(position + i) % this.ring.length] = samples[i];
    this.end = position + samples.length;
  }

  process(_, outputs) {
    const out = outputs[0][0];
    if (this.at !== null) {
      const oldest = this.end - this.ring.length;
      for (let i = 0; i < out.length; i++, this.at++) {
        const there = this.at >= oldest && this.at >= 0 && this.at < this.end;
        this.gain += ((there ? 1 : 0) - this.gain) * 0.01;
        out[i] = there ? this.gain * this.ring[this.at % this.ring.length] : 0;
      }
      if (this.blocks++ % 4 === 0) {
        this.port.postMessage({ at: this.at, time: currentTime + out.length / sampleRate, end: this.end });
      }
    }
    return true;
  }
}

registerProcessor("player", Player);
