// The page talk.html: a microphone or a sound file, our head, and how it is doing.

import { Face } from "./face.js";
import { HeadView } from "./head.js";

const SHOWN = ["jawOpen", "mouthFunnel", "mouthPucker", "mouthClose", "mouthSmileLeft", "mouthLowerDownLeft", "browInnerUp", "eyeBlinkLeft"];
const get = (id) => document.getElementById(id);
const say = (text) => (get("said").textContent = text);

const view = new HeadView(get("head"));
const asked = new URLSearchParams(location.search);
let face;
let file = null; // { context, source }
let late = []; // ms, of the newest 600 frames

async function begin() {
  face = await Face.load({ head: true, ...(asked.has("seed") && { seed: BigInt(asked.get("seed")) }) });
  window.page = { face, view };
  await view.load("./built/head.glb", face.names);
  get("kernels").textContent = face.kernels;
  face.addEventListener("frame", ({ detail }) => {
    const needed = detail.seconds + face.lookaheadMs / 1000;
    late.push(1000 * (face.context.currentTime - needed));
    if (late.length > 600) late.shift();
    if (detail.index % 30 === 29) tell(detail.index + 1);
  });
  face.addEventListener("error", ({ detail }) => say(detail.message));
  for (const id of ["strengthLower", "strengthUpper", "smoothMs"]) {
    get(id).oninput = ({ target }) => {
      target.nextElementSibling.textContent = target.value;
      face.set({ [id]: Number(target.value) });
    };
  }
  get("microphone").disabled = get("file").disabled = false;
  say("Choose a microphone or a sound file.");
}

async function tell(frames) {
  const sorted = late.toSorted((a, b) => a - b);
  get("late").textContent = `${Math.round(sorted[Math.floor(0.99 * (sorted.length - 1))])} ms`;
  get("frames").textContent = frames;
  get("identity").textContent = (await face.state())?.identity ?? "–";
}

async function listen(what, source, options) {
  await face.listen(source, options);
  late = [];
  get("stop").disabled = false;
  get("microphone").disabled = get("file").disabled = true;
  say(what);
}

async function stop() {
  get("stop").disabled = true;
  const ended = await face.end();
  file?.context.close();
  file = null;
  get("microphone").disabled = get("file").disabled = false;
  say(`${ended.frames} frames.`);
}

const reporting = (work) => (event) => work(event).catch((error) => say(error.message));

get("microphone").onclick = reporting(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: true },
  });
  await listen("Speak: the face follows.", stream);
  face.addEventListener("ended", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
});

get("file").onchange = reporting(async ({ target }) => {
  const [chosen] = target.files;
  target.value = "";
  if (!chosen) return;
  const context = new AudioContext({ latencyHint: "interactive" });
  const buffer = await context.decodeAudioData(await chosen.arrayBuffer());
  const source = new AudioBufferSourceNode(context, { buffer });
  file = { context, source };
  await listen(chosen.name, source);
  face.output.connect(context.destination);
  source.onended = () => setTimeout(() => file?.context === context && reporting(stop)(), face.delayMs + 300);
  source.start();
});

get("stop").onclick = reporting(stop);

function drawBars(curves) {
  const canvas = get("bars");
  const scale = devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== width * scale) Object.assign(canvas, { width: width * scale, height: height * scale });
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const colour = getComputedStyle(document.body).color;
  SHOWN.forEach((name, i) => {
    const y = (i + 0.5) * (height / SHOWN.length);
    const value = curves ? curves[face.names.indexOf(name)] : 0;
    pen.fillStyle = colour;
    pen.globalAlpha = 0.75;
    pen.fillText(name, 0, y);
    pen.globalAlpha = 0.15;
    pen.fillRect(140, y - 4, width - 140, 8);
    pen.globalAlpha = 1;
    pen.fillStyle = "#4a7fd6";
    pen.fillRect(140, y - 4, (width - 140) * Math.max(0, Math.min(1, value)), 8);
  });
}

function draw() {
  requestAnimationFrame(draw);
  const curves = face?.now();
  view.draw(curves);
  if (face) drawBars(curves);
}

draw();
begin().catch((error) => say(error.message));
