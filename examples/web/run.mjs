#!/usr/bin/env node
// Speech in a WAV file, curves as CSV on standard output: the file that
// `dt-stream --wav speech.wav --out curves.csv` writes.
//
//   node examples/web/run.mjs speech.wav > curves.csv

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { LiveLinkCsv, PlainCsv } from "./csv.js";
import { Runtime } from "./runtime.js";
import { readWav } from "./wav.js";

const USAGE = `usage: node run.mjs [options] FILE.wav > curves.csv

Curves of the speech in a WAV file, one row a frame, in the form of Live Link Face.

  --seed N           0 to 2 ** 64 - 1; the same seed and sound give the same frames (0)
  --identity NAME    a name of the model's library; "auto" follows the voice (auto)
  --idle SHARE       0 to 1: how much of what a face does beside speaking (1)
  --chunk SAMPLES    samples a step; the frames do not depend on it (a second)
  --bundle FILE      another packed bundle (built/default.tar)
  --kernels wasm     leaves relaxed SIMD alone
  --plain            a header of curve names and values alone, as wav_to_csv prints
  --help`;

class Misuse extends Error {}

function wholeNumber(name, text) {
  if (!/^\d+$/.test(text)) throw new Misuse(`--${name}: expected a whole number, got ${text}`);
  return BigInt(text);
}

async function main() {
  const given = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(
      ["seed", "identity", "idle", "chunk", "bundle", "kernels"].map((name) => [name, { type: "string" }]).concat(
        ["plain", "help"].map((name) => [name, { type: "boolean" }]),
      ),
    ),
  });
  if (given.values.help) return console.log(USAGE);
  const [path, ...more] = given.positionals;
  if (!path || more.length) throw new Misuse(`expected one WAV file, got ${given.positionals.length}; --help tells more`);
  const { sampleRateHz, samples } = await readFile(path).then(
    (bytes) => {
      try {
        return readWav(bytes);
      } catch (error) {
        throw new Misuse(`${path}: ${error.message}`);
      }
    },
    (error) => {
      throw new Misuse(`${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`);
    },
  );
  const { seed = "0", identity, idle, chunk, bundle, kernels, plain } = given.values;
  const runtime = await Runtime.load({
    sampleRateHz,
    seed: wholeNumber("seed", seed),
    ...(identity && { identity }),
    ...(idle && { idle: Number(idle) }),
    ...(bundle && { bundle: await readFile(bundle).catch((error) => { throw new Misuse(`${bundle}: ${error.code === "ENOENT" ? "no such file" : error.message}`); }) }),
    ...(kernels && { kernels }),
  });
  const csv = plain ? new PlainCsv(runtime.names) : new LiveLinkCsv(runtime.names, runtime.rate);
  const text = [csv.header];
  const put = ({ first, count, curves }) => {
    for (let f = 0; f < count; f++) text.push(csv.row(first + f, curves.subarray(f * runtime.width, (f + 1) * runtime.width)));
  };
  const step = chunk ? Math.max(1, Number(wholeNumber("chunk", chunk))) : sampleRateHz;
  for (let at = 0; at < samples.length; at += step) put(runtime.step(samples.subarray(at, at + step)));
  put(runtime.flush());
  process.stdout.write(text.join(""));
}

process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
main().catch((error) => {
  const known = error instanceof Misuse || error.name === "FaceError" || error.code?.startsWith?.("ERR_PARSE_ARGS");
  console.error(`run.mjs: ${known ? error.message : error.stack}`);
  process.exitCode = 2;
});
