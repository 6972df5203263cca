// The panel: what can be turned, as native controls that a keyboard and a screen reader know.

const SEND_EVERY_MS = 60;
const HELD_MS = 700;

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Calls `send` with the newest value, at most every SEND_EVERY_MS, and never leaves the last out. */
export function gently(send) {
  let timer = null;
  let newest = null;
  let free = 0;
  return (value) => {
    newest = value;
    const wait = free - performance.now();
    if (timer) return;
    const go = () => {
      timer = null;
      free = performance.now() + SEND_EVERY_MS;
      send(newest);
    };
    if (wait <= 0) go();
    else timer = setTimeout(go, wait);
  };
}

/** A range with its name, value and unit; `set` shows a value unless a hand is on it. */
export function slider({ label, name = label, low, high, step, neutral, digits = 2, unit = "", send }) {
  const input = make("input", { type: "range", min: low, max: high, step, "aria-label": name });
  const output = make("output", { "aria-hidden": "true" });
  const back = make("button", { class: "back", type: "button", "aria-label": `${name}: back to ${neutral}`, title: `back to ${neutral}`, text: "↺" });
  let held = 0;
  const gentle = gently(send);
  const say = (value) => {
    output.textContent = `${Number(value).toFixed(digits)}${unit}`;
    input.setAttribute("aria-valuetext", `${output.textContent}`);
    row.classList.toggle("turned", Math.abs(value - neutral) > 1e-9);
    input.style.setProperty("--share", (input.value - low) / (high - low));
  };
  const turn = (value) => {
    held = performance.now() + HELD_MS;
    say(value);
    gentle(Number(value));
  };
  input.addEventListener("input", () => turn(input.value));
  back.addEventListener("click", () => {
    input.value = neutral;
    turn(neutral);
  });
  const row = make("div", { class: "row" }, make("span", { class: "label", text: label }), input, output, back);
  input.value = neutral;
  say(neutral);
  return {
    row,
    input,
    set(value) {
      if (performance.now() < held) return;
      input.value = value;
      say(value);
    },
  };
}

function matches(key, name) {
  const pattern = key.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${pattern}$`).test(name);
}

/** The number that `given` (by group, curve or pattern) has for a curve: the narrowest key counts. */
export function effective(given, name, groups, names, neutral) {
  let found = neutral;
  let fewest = Infinity;
  for (const [key, value] of Object.entries(given)) {
    const members = groups[key] ?? names.filter((each) => matches(key, each));
    if (members.includes(name) && members.length <= fewest) {
      fewest = members.length;
      found = value;
    }
  }
  return found;
}

const GROUPS = [
  ["Mouth and jaw", /^(mouth|jaw|tongue)/],
  ["Eyes", /^eye/],
  ["Brows", /^brow/],
  ["Cheeks and nose", /^(cheek|nose)/],
  ["Head", /^head/],
];

/** A row for each curve: what is sent now, its gain, its offset. */
export class CurveList {
  constructor(place, ask) {
    this.place = place;
    this.ask = ask;
    this.rows = new Map();
    this.names = null;
    this.settings = { gain: {}, offset: {} };
  }

  build(names, groups) {
    this.names = names;
    this.groups = groups;
    this.rows.clear();
    this.place.replaceChildren();
  }

  /** Makes the rows, which nobody sees before the panel is open. */
  unfold() {
    if (this.rows.size || !this.names) return;
    const { names } = this;
    for (const [title, starts] of GROUPS) {
      const members = names.filter((name) => starts.test(name));
      if (!members.length) continue;
      const list = make("div", { class: "curve-group", role: "group", "aria-label": title }, make("h3", { text: title }));
      for (const name of members) list.append(this.curve(name));
      this.place.append(list);
    }
    this.show(this.settings);
  }

  curve(name) {
    const bar = make("i");
    const turn = (kind) => (value) => {
      this.settings = { ...this.settings, [kind]: { ...this.settings[kind], [name]: value } };
      this.ask({ do: "turn", [kind]: this.settings[kind] });
    };
    const gain = slider({ label: "gain", name: `${name} gain`, low: 0, high: 3, step: 0.05, neutral: 1, send: turn("gain") });
    const offset = slider({ label: "offset", name: `${name} offset`, low: -1, high: 1, step: 0.01, neutral: 0, send: turn("offset") });
    const row = make("div", { class: "curve" },
      make("div", { class: "curve-head" }, make("span", { text: name }), make("span", { class: "bar", "aria-hidden": "true" }, bar)),
      gain.row, offset.row);
    this.rows.set(name, { row, bar, gain, offset });
    return row;
  }

  show(settings) {
    this.settings = { gain: settings.gain ?? {}, offset: settings.offset ?? {} };
    for (const [name, row] of this.rows) {
      row.gain.set(effective(this.settings.gain, name, this.groups, this.names, 1));
      row.offset.set(effective(this.settings.offset, name, this.groups, this.names, 0));
    }
  }

  get turned() {
    return Object.values(this.settings.gain).filter((v) => v !== 1).length +
      Object.values(this.settings.offset).filter((v) => v !== 0).length;
  }

  find(text) {
    const wanted = text.trim().toLowerCase();
    for (const [name, { row }] of this.rows) row.hidden = !name.toLowerCase().includes(wanted);
    for (const group of this.place.children) group.hidden = !group.querySelector(".curve:not([hidden])");
  }

  live(curves) {
    let i = 0;
    for (const name of this.names) {
      const row = this.rows.get(name);
      if (row) row.bar.style.transform = `scaleX(${Math.max(0, Math.min(1, Math.abs(curves[i])))})`;
      i++;
    }
  }
}

/** One of the model's identities, or the one that the voice is nearest to, with live scores. */
export class IdentityPicker {
  constructor(place, ask) {
    this.place = place;
    this.ask = ask;
    this.rows = new Map();
  }

  build(names) {
    this.rows.clear();
    this.place.replaceChildren();
    for (const name of ["auto", ...names]) {
      const bar = make("i");
      const score = make("span", { class: "score", "aria-hidden": "true" });
      const input = make("input", { type: "radio", name: "identity", value: name });
      input.addEventListener("change", () => this.ask({ do: "cast", identity: name }));
      const auto = name === "auto";
      const row = make("label", { class: auto ? "identity auto" : "identity" }, input,
        make("span", { class: "who", text: auto ? "auto: follow the voice" : name }));
      if (!auto) row.append(make("span", { class: "bar" }, bar), score);
      this.rows.set(name, { row, input, bar, score });
      this.place.append(row);
    }
  }

  choose(name) {
    const row = this.rows.get(name);
    if (row) row.input.checked = true;
  }

  /** `scores` by name, -1 to 1; `now` is the one in use. */
  match(scores, now) {
    let best = null;
    for (const [name, score] of Object.entries(scores)) if (best === null || score > scores[best]) best = name;
    for (const [name, row] of this.rows) {
      row.row.classList.toggle("now", name === now);
      if (!(name in scores)) continue;
      row.bar.style.transform = `scaleX(${Math.max(0, Math.min(1, scores[name]))})`;
      row.score.textContent = scores[name].toFixed(2);
      row.row.classList.toggle("best", name === best && scores[best] > 0);
      row.input.setAttribute("aria-label", `${name}, match ${scores[name].toFixed(2)}`);
    }
  }
}

export function numberField(label, send, attributes) {
  const input = make("input", { type: "number", "aria-label": label, ...attributes });
  input.addEventListener("change", () => {
    if (input.checkValidity() && input.value !== "") send(Number(input.value));
  });
  const dice = make("button", { type: "button", class: "back", "aria-label": `${label}: another`, title: "another", text: "⚄" });
  dice.addEventListener("click", () => {
    input.value = Math.floor(Math.random() * 100000);
    send(Number(input.value));
  });
  return {
    row: make("div", { class: "row" }, make("span", { class: "label", text: label }), input, make("span"), dice),
    set: (value) => document.activeElement !== input && (input.value = value),
  };
}

export function choice(label, send) {
  const select = make("select", { "aria-label": label });
  select.addEventListener("change", () => send(select.value));
  return {
    row: make("div", { class: "row" }, make("span", { class: "label", text: label }), select),
    select,
    fill(options) {
      const kept = select.value;
      select.replaceChildren(...options.map(([value, text]) => make("option", { value, text })));
      select.value = kept;
    },
    set: (value) => document.activeElement !== select && (select.value = value),
  };
}
