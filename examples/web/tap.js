// On the sound's own thread: hands what passes to the worker, in blocks, and says nothing itself.
//
// It makes and waits for nothing here: the buffers are made once and come back from the worker.
// Where none is left, because the worker stands still, samples are counted, and as many zeros take
// their place there.

const HELD_S = 4;

class Tap extends AudioWorkletProcessor {
  #worker = null;
  #free = [];
  #block; // samples
  #filling = null;
  #at = 0;
  #lost = 0;
  #ending = false;
  #over = false;

  constructor({ processorOptions: { blockSamples } }) {
    super();
    this.#block = blockSamples;
    for (let n = Math.ceil((HELD_S * sampleRate) / blockSamples); n > 0; n--) this.#free.push(new Float32Array(blockSamples));
    this.port.onmessage = ({ data }) => {
      if (data.worker) {
        this.#worker = data.worker;
        this.#worker.onmessage = ({ data: buffer }) => this.#free.push(new Float32Array(buffer));
      }
      if (data.end) this.#ending = true;
    };
  }

  process([[input]]) {
    if (this.#over) return false;
    if (!this.#worker) return true;
    // Where nothing is connected, silence goes on: the clock is the context's.
    const count = input?.length ?? 128;
    if (this.#at === 0) this.#filling = this.#free.pop() ?? null;
    if (this.#filling) {
      if (input) this.#filling.set(input, this.#at);
      else this.#filling.fill(0, this.#at, this.#at + count);
    } else {
      this.#lost += count;
    }
    this.#at += count;
    if (this.#at === this.#block || this.#ending) this.#hand(currentFrame + count);
    if (this.#ending) {
      this.#worker.postMessage({ end: true, lost: this.#lost });
      this.#over = true;
    }
    return !this.#over;
  }

  /** `frame`: of the context, behind the last sample. */
  #hand(frame) {
    const samples = this.#filling;
    const count = this.#at;
    this.#filling = null;
    this.#at = 0;
    if (!samples) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#worker.postMessage({ samples, count, lost, frame }, [samples.buffer]);
  }
}

registerProcessor("diffusiontalker-tap", Tap);
