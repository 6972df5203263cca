// WAV files, as mono float32.

// A mean of the first second beyond this is an offset, which is taken out of all of it.
const OFFSET = 0.005;

const whole = { 1: (view, at) => (view.getUint8(at) - 128) / 128, 2: (view, at) => view.getInt16(at, true) / 32768,
  3: (view, at) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 8388608,
  4: (view, at) => view.getInt32(at, true) / 2147483648 };
const float = { 4: (view, at) => view.getFloat32(at, true), 8: (view, at) => view.getFloat64(at, true) };

/** { sampleRateHz, samples } of a WAV file's bytes; an Error that says what it is not. */
export function readWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at) => (at + 4 <= bytes.length ? String.fromCharCode(...bytes.subarray(at, at + 4)) : "");
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("expected a WAV file");
  let form;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = tag(at);
    // A recorder that was cut off, or wrote into a pipe, leaves a size that is not true.
    const size = Math.min(view.getUint32(at + 4, true), bytes.length - at - 8);
    at += 8;
    if (name === "fmt " && size >= 16) form = format(view, at, size);
    else if (name === "data" && form) return { sampleRateHz: form.sampleRateHz, samples: mono(view, at, size, form) };
    at += size + (size % 2);
  }
  throw new Error(form ? "a WAV file without sound" : "a WAV file without a format");
}

function format(view, at, size) {
  let kind = view.getUint16(at, true);
  if (kind === 0xfffe && size >= 26) kind = view.getUint16(at + 24, true); // extensible
  const channels = view.getUint16(at + 2, true);
  const bytes = view.getUint16(at + 14, true) / 8;
  const read = { 1: whole, 3: float }[kind]?.[bytes];
  if (!read || !channels) throw new Error(`a WAV file of kind ${kind} with ${8 * bytes} bits; expected 8 to 32 bits, or floats`);
  return { sampleRateHz: view.getUint32(at + 4, true), channels, bytes, read };
}

function mono(view, at, size, { sampleRateHz, channels, bytes, read }) {
  const count = Math.floor(size / (channels * bytes));
  const samples = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum = Math.fround(sum + Math.fround(read(view, at + (n * channels + c) * bytes)));
    samples[n] = sum / channels;
  }
  const first = samples.subarray(0, sampleRateHz);
  const mean = Math.fround(first.reduce((total, sample) => total + sample, 0) / Math.max(1, first.length));
  const offset = first.length >= Math.floor(sampleRateHz / 4) && Math.abs(mean) > OFFSET ? mean : 0;
  if (offset) for (let n = 0; n < count; n++) samples[n] -= offset;
  return samples;
}
