// The page: what comes is kept by instant, and each picture shows the instant that is due.

import { PlayoutClock, Track } from "/page/clock.js";
import { CurveList, IdentityPicker, choice, make, numberField, slider } from "/page/controls.js";
import { View } from "/page/head.js";
import { Peaks, colours, drawCurves, drawWave } from "/page/plots.js";
import { Sound } from "/page/sound.js";
import { Stream } from "/page/stream.js";

performance.mark("script");
const $ = (id) => document.getElementById(id);
const PLOT_EVERY_MS = 33;
const WEAK_PLOT_EVERY_MS = 100;
const TEXT_EVERY_MS = 200;
const NOTE_MS = 6000;

const clock = new PlayoutClock();
const tracks = [new Track(), new Track()];
const peaks = new Peaks();
const sound = new Sound();
const view = new View($("face"));
performance.mark("webgl");
const state = { schema: null, settings: {}, second: {}, status: {}, shown: null, open: false, ended: false, faceless: false };
let curves = new Float32Array(52);
let colour = colours();

// ---- what comes -----------------------------------------------------------------------------

const stream = new Stream({
  state(open) {
    state.open = open;
    sayState();
  },
  frames({ face, session, frames }) {
    if (session !== state.schema?.session) return;
    tracks[face].push(frames);
    if (face === 0) clock.note(performance.now(), frames[frames.length - 1].time);
  },
  sound(piece) {
    if (piece.session !== state.schema?.session) return;
    peaks.push(piece);
    sound.push(piece);
  },
  say(message) {
    hear[message.say]?.(message);
  },
});
const ask = (control) => stream.ask(control);

const hear = {
  schema(message) {
    const fresh = message.session !== state.schema?.session;
    const same = state.schema && String(state.schema.curves) === String(message.curves);
    const people = state.schema && String(state.schema.identities) === String(message.identities);
    state.schema = message;
    state.ended = false;
    if (fresh) {
      clock.reset();
      peaks.reset();
      sound.reset();
      for (const track of tracks) track.reset();
    }
    if (!same) {
      curves = new Float32Array(message.curves.length);
      view.map(message.curves);
      list.build(message.curves, message.groups);
      if ($("curves-panel").open) list.unfold();
    }
    if (!people) {
      picker.build(message.identities);
      second.identity.fill([["auto", "auto: follow the voice"], ...message.identities.map((n) => [n, n])]);
    }
    $("source").textContent = message.source;
    $("record").hidden = !message.can_record;
    $("hear").hidden = message.live || sound.playing;
    document.body.classList.toggle("replayed", Boolean(message.replayed));
    state.status = {};
    for (const id of ["rate", "latency", "lost", "subscribers"]) $(id).textContent = "–";
    $("again").hidden = message.live;
    $("bundle").value = message.bundle;
    $("bundles").replaceChildren(...message.bundles.map((b) => make("option", { value: b, text: b || "the embedded one" })));
    if (sound.playing && sound.context?.sampleRate !== message.audio_rate) sound.start(message.audio_rate);
    sayState();
  },
  settings(message) {
    state.settings = message;
    picker.choose(message.identity);
    face.seed.set(message.seed);
    face.idle.set(message.idle);
    face.lower.set(message.strength_lower);
    face.upper.set(message.strength_upper);
    face.smooth.set(message.smooth_ms);
    list.show(message);
    $("turned").textContent = list.turned ? `${list.turned} turned` : "";
    press("mute", message.muted);
    press("record", Boolean(message.recording));
    $("record").textContent = message.recording ? "Stop recording" : "Record";
    voice.gate.set(message.gate_db ?? -90);
  },
  status(message) {
    state.status = message;
    $("rate").textContent = `${message.rate_hz.toFixed(1)} Hz`;
    $("latency").textContent = `${message.latency_p50_ms.toFixed(0)} · ${message.latency_p99_ms.toFixed(0)} ms`;
    $("lost").textContent = `${message.lost + message.not_taken}`;
    $("subscribers").textContent = message.subscribers ?? "–";
    const db = Math.max(-70, message.level_db);
    $("meter").querySelector("i").style.transform = `scaleX(${1 + db / 70})`;
    $("meter").querySelector("span").textContent = `${db.toFixed(0)} dB`;
    $("meter").setAttribute("aria-valuenow", db.toFixed(0));
    $("meter").classList.toggle("loud", db > -3);
    for (const notice of message.notices) once(notice);
  },
  scores({ scores }) {
    picker.match(scores, state.status.identity);
  },
  second(message) {
    state.second = message;
    press("compare", message.on);
    $("second-note").textContent = message.on ? "shown" : "";
    second.on.checked = message.on;
    second.identity.set(message.identity ?? "auto");
    second.seed.set(message.seed ?? 0);
    second.idle.set(message.idle ?? 1);
    second.lower.set(message.strength_lower ?? 1);
    second.upper.set(message.strength_upper ?? 1);
    second.smooth.set(message.smooth_ms ?? 0);
    if (!message.on) tracks[1].reset();
    view.show(message.on);
    $("name-a").hidden = $("name-b").hidden = !message.on;
    names();
  },
  presets({ names: kept }) {
    $("presets").replaceChildren(...kept.map((name) => make("li", {}, make("span", { text: name }),
      make("button", { type: "button", "aria-label": `Use ${name}`, text: "Use", onclick: () => ask({ do: "use", name }) }),
      make("button", { type: "button", "aria-label": `Use ${name} for the second face`, text: "for B", onclick: () => ask({ do: "second", on: true, preset: name }) }))));
    if (!kept.length) $("presets").replaceChildren(make("li", { class: "hint", text: "None are kept yet." }));
  },
  head({ name, missing }) {
    if (missing.length && name) note(`${name} has no shape for ${missing.join(", ")}`);
  },
  bye({ reason }) {
    state.ended = true;
    state.reason = reason;
    sayState();
  },
  note({ text }) {
    note(text);
  },
  refused({ text }) {
    note(text, true);
  },
};

function sayState() {
  const [text, kind] = !state.open ? ["not connected", "bad"]
    : !state.schema ? ["waiting", "soft"]
      : state.ended ? [`ended: ${state.reason}`, "soft"]
        : [state.schema.live ? "live" : state.schema.replayed ? "playing a take" : "playing", "good"];
  if ($("state").textContent !== text) $("state").textContent = text;
  $("state").dataset.kind = kind;
}

function names() {
  const one = (s) => `${s.identity ?? "auto"}, seed ${s.seed ?? 0}`;
  $("name-a").textContent = `A  ${one(state.settings)}`;
  $("name-b").textContent = state.second.take ? `B  ${state.second.take}` : `B  ${one(state.second)}`;
}

const told = new Set();
function once(text) {
  if (!told.has(text)) note(text);
  told.add(text);
}

function note(text, bad = false) {
  const made = make("p", { class: bad ? "bad" : "", text });
  $("notes").append(made);
  setTimeout(() => made.remove(), NOTE_MS);
}

function press(id, on) {
  $(id).setAttribute("aria-pressed", String(Boolean(on)));
}

// ---- the panel ------------------------------------------------------------------------------

const turn = (name) => (value) => ask({ do: "turn", [name]: value });
const face = {
  lower: slider({ label: "Mouth", name: "Mouth strength", low: 0, high: 2, step: 0.05, neutral: 1, send: turn("strength_lower") }),
  upper: slider({ label: "Upper face", name: "Upper face strength", low: 0, high: 2, step: 0.05, neutral: 1, send: turn("strength_upper") }),
  smooth: slider({ label: "Smoothing", low: 0, high: 200, step: 5, neutral: 0, digits: 0, unit: " ms", send: turn("smooth_ms") }),
  idle: slider({ label: "Idle motion", low: 0, high: 1, step: 0.05, neutral: 1, send: (idle) => ask({ do: "cast", idle }) }),
  seed: numberField("Seed", (seed) => ask({ do: "cast", seed }), { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 }),
};
$("face-rows").append(face.lower.row, face.upper.row, face.smooth.row, face.idle.row, face.seed.row);

const picker = new IdentityPicker($("identities"), ask);
const list = new CurveList($("curves"), ask);
$("curves-panel").addEventListener("toggle", () => list.unfold());
$("find").addEventListener("input", () => list.find($("find").value));
$("neutral").addEventListener("click", () => ask({ do: "turn", gain: {}, offset: {} }));

const beside = (name) => (value) => ask({ do: "second", [name]: value });
const second = {
  on: make("input", { type: "checkbox", id: "second-on" }),
  identity: choice("Identity", beside("identity")),
  seed: numberField("Seed", beside("seed"), { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 }),
  lower: slider({ label: "Mouth", name: "Mouth strength", low: 0, high: 2, step: 0.05, neutral: 1, send: beside("strength_lower") }),
  upper: slider({ label: "Upper face", name: "Upper face strength", low: 0, high: 2, step: 0.05, neutral: 1, send: beside("strength_upper") }),
  smooth: slider({ label: "Smoothing", low: 0, high: 200, step: 5, neutral: 0, digits: 0, unit: " ms", send: beside("smooth_ms") }),
  idle: slider({ label: "Idle motion", low: 0, high: 1, step: 0.05, neutral: 1, send: beside("idle") }),
};
for (const each of [second.seed, second.lower, second.upper, second.smooth, second.idle, second.identity]) {
  const input = each.row.querySelector("input, select");
  input.setAttribute("aria-label", `Second face: ${input.getAttribute("aria-label")}`);
}
$("second-rows").append(
  make("label", { class: "check" }, second.on, make("span", { text: "Show it beside the first, on the same voice" })),
  second.identity.row, second.seed.row, second.lower.row, second.upper.row, second.smooth.row, second.idle.row);
const takeField = make("input", { "aria-label": "Second face: folder of a take, empty for the model", placeholder: "a take's folder; empty: the model", autocomplete: "off" });
takeField.addEventListener("change", () => ask({ do: "second", on: true, take: takeField.value.trim() }));
$("second-rows").append(make("div", { class: "row" }, make("span", { class: "label", text: "Take" }), make("span", { class: "wide" }, takeField)));
second.on.addEventListener("change", () => ask({ do: "second", on: second.on.checked }));

const voice = {
  gate: slider({
    label: "Silence below", low: -90, high: -10, step: 1, neutral: -90, digits: 0, unit: " dB",
    send: (level) => ask({ do: "gate", level_db: level <= -90 ? null : level }),
  }),
};
$("voice-rows").append(voice.gate.row,
  make("p", { class: "hint", text: "What is quieter counts as silence, in which the mouth rests. −90 lets everything through." }));

$("keep").addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ do: "keep", name: $("preset-name").value.trim() });
});
$("bundle-form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask({ do: "restart", bundle: $("bundle").value.trim() });
});

// ---- buttons and keys -----------------------------------------------------------------------

async function hearSound(on) {
  if (on && state.schema) await sound.start(state.schema.audio_rate);
  else await sound.stop();
  press("sound", sound.playing);
  $("hear").hidden = sound.playing || Boolean(state.schema?.live);
}

const act = {
  sound: () => hearSound(!sound.playing),
  mute: () => ask({ do: "mute", on: !state.settings.muted }),
  record: () => state.schema?.can_record && ask({ do: "record", on: !state.settings.recording }),
  again: () => ask({ do: "restart" }),
  compare: () => ask({ do: "second", on: !state.second.on }),
};
for (const [id, does] of Object.entries(act)) $(id).addEventListener("click", does);
$("hear").addEventListener("click", () => {
  hearSound(true);
  $("face").focus();
});
$("volume").addEventListener("input", () => (sound.level = Number($("volume").value)));
const KEYS = { s: act.sound, m: act.mute, r: act.record, b: act.compare };
document.addEventListener("keydown", (event) => {
  const busy = event.target.closest("input, select, textarea, dialog, summary");
  if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
  KEYS[event.key.toLowerCase()]?.();
});
$("help-open").addEventListener("click", () => $("help").showModal());
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  colour = colours();
});

// ---- pictures -------------------------------------------------------------------------------

let plotDue = 0;
let textDue = 0;
const log = [];
function picture(nowMs) {
  requestAnimationFrame(picture);
  const due = clock.due(nowMs);
  const heard = due === null ? null : sound.now(nowMs, due);
  const time = heard ?? clock.now(nowMs, tracks[0].newest);
  if (time !== null) state.shown = time;
  if (view.ready) face3d(nowMs, time);
  // The face comes first.
  if (time !== null && nowMs >= plotDue && (view.pictures || state.faceless)) {
    plotDue = nowMs + (view.weak ? WEAK_PLOT_EVERY_MS : PLOT_EVERY_MS);
    plot(time);
  }
  if (nowMs >= textDue) {
    textDue = nowMs + TEXT_EVERY_MS;
    facts(nowMs);
  }
}

function face3d(nowMs, time) {
  if (view.pictures === 1) { // the first is there
    performance.mark("head");
    // Frames that waited while the face was loaded are no measure of how late others come.
    clock.remeasure();
  }
  if (time !== null) {
    if (tracks[0].sample(time, curves)) view.faces[0].pose(curves);
    if (preview.watch) preview.watch(nowMs, time, curves);
    if (view.two && tracks[1].sample(time, other())) view.faces[1].pose(others);
  }
  view.draw();
}

function plot(time) {
  drawWave($("wave"), peaks, time, colour, view.weak);
  const shown = [{ track: tracks[0], stroke: colour.a }];
  if (view.two) shown.push({ track: tracks[1], stroke: colour.b });
  drawCurves($("plots"), shown, state.schema.curves, time, colour, view.weak);
  if ($("curves-panel").open && tracks[0].sample(time, curves)) list.live(curves);
}

let others = new Float32Array(52);
function other() {
  const width = tracks[1].frames[0]?.curves.length ?? 52;
  if (others.length !== width) others = new Float32Array(width);
  return others;
}

function facts(nowMs) {
  log.push([nowMs, view.pictures]);
  if (log.length > 10) log.shift();
  names();
  const { schema, status } = state;
  if (!schema) return;
  const [at, before] = log[0];
  const pictures = log.length > 1 ? ((view.pictures - before) * 1000) / (nowMs - at) : 0;
  const rows = [
    ["model", `${schema.model} ${schema.model_version}`],
    ["steps", schema.steps ?? "–"],
    ["look-ahead", `${schema.lookahead_ms} ms`],
    ["identity now", status.identity ?? "–"],
    ["heard", status.heard_s === undefined ? "–" : `${status.heard_s.toFixed(1)} s${schema.duration_s ? ` of ${schema.duration_s.toFixed(1)}` : ""}`],
    ["pictures here", `${pictures.toFixed(0)} Hz`],
    ["shown after it came", `${Math.round(clock.delay * 1000)} ms`],
    ["pages open", status.pages ?? "–"],
    ["lost · not taken", `${status.lost ?? 0} · ${status.not_taken ?? 0}`],
  ];
  if (state.settings.recording) rows.push(["recording", state.settings.recording]);
  const place = $("facts");
  if (place.children.length !== rows.length * 2) {
    place.replaceChildren(...rows.flatMap(() => [make("dt"), make("dd")]));
  }
  rows.forEach(([label, value], i) => {
    place.children[2 * i].textContent = label;
    if (place.children[2 * i + 1].textContent !== String(value)) place.children[2 * i + 1].textContent = value;
  });
}

// For tests, and for whoever is curious in the console.
const preview = { view, tracks, clock, sound, state, ask, watch: null };
window.preview = preview;

view.load("/head.glb").then(
  () => {
    performance.mark("parsed");
    $("veil").remove();
  },
  (error) => {
    state.faceless = true;
    $("veil").textContent = `The face cannot be shown: ${error.message}`;
  },
);
requestAnimationFrame(picture);
