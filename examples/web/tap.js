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
  #next = null; // frame of the context that the next sample has
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
    // Where nothing is connected, silence goes on; and a browser may leave a call out while the graph
    // is changed: the clock is the context's.
    const count = input?.length ?? 128;
    for (this.#next ??= currentFrame; this.#next < currentFrame; ) this.#add(null, Math.min(count, currentFrame - this.#next));
    this.#add(input, count);
    if (this.#ending && this.#at) this.#hand();
    if (this.#ending) {
      this.#worker.postMessage({ end: true, lost: this.#lost });
      this.#over = true;
    }
    return !this.#over;
  }

  #add(input, count) {
    if (this.#at === 0) this.#filling = this.#free.pop() ?? null;
    const taken = Math.min(count, this.#block - this.#at);
    if (!this.#filling) this.#lost += taken;
    else if (input) this.#filling.set(taken < count ? input.subarray(0, taken) : input, this.#at);
    else this.#filling.fill(0, this.#at, this.#at + taken);
    this.#at += taken;
    this.#next += taken;
    if (this.#at === this.#block) this.#hand();
    if (taken < count) this.#add(input && input.subarray(taken), count - taken);
  }

  #hand() {
    const samples = this.#filling;
    const count = this.#at;
    this.#filling = null;
    this.#at = 0;
    if (!samples) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#worker.postMessage({ samples, count, lost, frame: this.#next }, [samples.buffer]);
  }
}

registerProcessor("diffusiontalker-tap", Tap);
