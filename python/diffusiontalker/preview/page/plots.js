// Moving plots: the waveform, and ten curves as small multiples. The right edge is now.

export const SHOWN_S = 6;
export const MAIN = [
  "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft",
  "mouthStretchLeft", "mouthLowerDownLeft", "mouthUpperUpLeft", "browInnerUp", "eyeBlinkLeft",
];
const PEAKS_A_SECOND = 100;

/** The loudest sample of each hundredth of a second. */
export class Peaks {
  constructor() {
    this.reset();
  }

  reset() {
    this.peaks = new Map();
    this.newest = -1;
  }

  push({ position, rate, samples }) {
    for (let i = 0; i < samples.length; i++) {
      const slot = Math.floor(((position + i) * PEAKS_A_SECOND) / rate);
      const value = Math.abs(samples[i]);
      if (slot !== this.newest || value > (this.peaks.get(slot) ?? 0)) {
        this.peaks.set(slot, Math.max(value, this.peaks.get(slot) ?? 0));
        this.newest = Math.max(this.newest, slot);
      }
    }
    const old = this.newest - (SHOWN_S + 3) * PEAKS_A_SECOND;
    for (const slot of this.peaks.keys()) {
      if (slot >= old) break;
      this.peaks.delete(slot);
    }
  }

  at(slot) {
    return this.peaks.get(slot) ?? 0;
  }
}

function fitted(canvas, weak) {
  const ratio = Math.min(devicePixelRatio, 2);
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  // Lines are cheaper drawn by a CPU than by one that stands in for a graphics card.
  const pen = canvas.getContext("2d", { willReadFrequently: weak });
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  return pen;
}

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return { ink: read("--ink"), soft: read("--soft"), line: read("--line"), a: read("--a"), b: read("--b") };
}

export function drawWave(canvas, peaks, now, colour, weak) {
  const pen = fitted(canvas, weak);
  const { clientWidth: width, clientHeight: height } = canvas;
  pen.fillStyle = colour.a;
  const step = 3;
  for (let x = 0; x < width; x += step) {
    const time = now - SHOWN_S * (1 - x / width);
    const slot = Math.floor(time * PEAKS_A_SECOND);
    let peak = 0;
    const slots = Math.max(1, Math.ceil((SHOWN_S / width) * step * PEAKS_A_SECOND));
    for (let i = 0; i < slots; i++) peak = Math.max(peak, peaks.at(slot + i));
    const tall = Math.max(1, Math.min(1, Math.sqrt(peak)) * height);
    pen.fillRect(x, (height - tall) / 2, step - 1, tall);
  }
}

function greatest(track, place, now) {
  let most = 0;
  for (const frame of track.frames) {
    if (frame.time > now - SHOWN_S && frame.curves[place] > most) most = frame.curves[place];
  }
  return most;
}

export function drawCurves(canvas, tracks, names, now, colour, weak) {
  const pen = fitted(canvas, weak);
  const { clientWidth: width, clientHeight: height } = canvas;
  const columns = width > 700 ? 5 : width > 480 ? 3 : 2;
  const shown = MAIN.filter((name) => names.includes(name));
  const rows = Math.ceil(shown.length / columns);
  const wide = width / columns;
  const tall = height / rows;
  pen.font = "11px system-ui, sans-serif";
  shown.forEach((name, n) => {
    const left = (n % columns) * wide + 6;
    const right = left + wide - 12;
    const top = Math.floor(n / columns) * tall + 18;
    const bottom = Math.floor(n / columns) * tall + tall - 6;
    pen.fillStyle = colour.soft;
    pen.fillText(name, left, top - 6);
    pen.strokeStyle = colour.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(left, bottom + 0.5);
    pen.lineTo(right, bottom + 0.5);
    pen.stroke();
    const place = names.indexOf(name);
    // Small movements are seen too: the top is the curve's greatest value of late, 0.3 at least.
    const highest = Math.max(0.3, ...tracks.map(({ track }) => greatest(track, place, now)));
    for (const { track, stroke } of [...tracks].reverse()) {
      pen.strokeStyle = stroke;
      pen.lineWidth = 1.6;
      pen.beginPath();
      let value = null;
      for (const frame of track.frames) {
        if (frame.time < now - SHOWN_S || frame.time > now) continue;
        value = frame.curves[place];
        pen.lineTo(
          right - ((now - frame.time) / SHOWN_S) * (right - left),
          bottom - (Math.max(0, value) / highest) * (bottom - top),
        );
      }
      pen.stroke();
      if (value !== null && stroke === colour.a) {
        pen.fillStyle = colour.ink;
        const text = value.toFixed(2);
        pen.fillText(text, right - pen.measureText(text).width, top - 6);
      }
    }
  });
}
