// Frames as the CSV of Epic's phone app, Live Link Face: what `dt-stream --out FILE.csv` writes, to
// the byte.

const ROTATIONS = ["HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"];
// The app has right before left for these.
const SWAPPED = [["jawLeft", "jawRight"], ["mouthLeft", "mouthRight"]];
const pascal = (name) => name[0].toUpperCase() + name.slice(1);

/** As C's "%.10f": a number halfway between two goes to the even one, and zero has a sign. */
export function tenDigits(value) {
  if (Object.is(value, -0)) return "-0.0000000000";
  // Halfway at ten digits are, of floats, odd multiples of 1 / 2048 alone.
  if (Math.abs(value * 2048) % 2 === 1) {
    const exact = value.toFixed(11);
    if (exact.endsWith("5") && Number(exact.at(-2)) % 2 === 0) return exact.slice(0, -1);
  }
  return value.toFixed(10);
}

const two = (number, digits = 2) => String(number).padStart(digits, "0");

/** HH:MM:SS:FF.mmm of a frame at num / den frames a second, in whole numbers. */
export function timecode(index, [num, den]) {
  const [i, n, d] = [index, num, den].map(BigInt);
  const whole = (i * d) / n;
  const thousandths = ((i * d - whole * n) * 1000n) / d;
  const [frames, rest] = [thousandths / 1000n, thousandths % 1000n];
  return `${two((whole / 3600n) % 100n)}:${two((whole / 60n) % 60n)}:${two(whole % 60n)}:${two(frames)}.${two(rest, 3)}`;
}

/** The lines, each with its end, of frames whose values are named `names`. */
export class LiveLinkCsv {
  #columns;
  #rate;

  constructor(names, rate) {
    const order = names.filter((name) => !name.startsWith("head"));
    for (const [left, right] of SWAPPED) {
      const [a, b] = [order.indexOf(left), order.indexOf(right)];
      [order[a], order[b]] = [order[b], order[a]];
    }
    const columns = [...order.map(pascal), ...ROTATIONS];
    const places = new Map(names.map((name, i) => [pascal(name), i]));
    this.#columns = columns.map((column) => places.get(column) ?? -1);
    this.#rate = rate;
    this.header = `Timecode,BlendShapeCount,${columns.join(",")}\n`;
  }

  row(index, curves) {
    const values = this.#columns.map((place) => tenDigits(place < 0 ? 0 : curves[place]));
    return `${timecode(index, this.#rate)},${values.length},${values.join(",")}\n`;
  }
}

/** Names and values alone, as the C library's `wav_to_csv` prints them. */
export class PlainCsv {
  constructor(names) {
    this.header = `${names.join(",")}\n`;
  }

  row(index, curves) {
    return `${Array.from(curves, tenDigits).join(",")}\n`;
  }
}
