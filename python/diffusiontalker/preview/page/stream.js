// The websocket: facts as JSON, frames and sound as bytes (preview/messages.py has their layout).

const FRAMES = 1;
const SOUND = 2;
const RETRY_MS = 1000;

export class Stream {
  /** `on`: {say(message), frames(batch), sound(piece), state(open)}; times are performance.now(). */
  constructor(on) {
    this.on = on;
    this.connect();
  }

  connect() {
    const socket = new WebSocket(`ws://${location.host}/stream`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.on.state(true);
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.on.say(JSON.parse(data));
      else for (const packet of split(data)) this.take(packet);
    };
    socket.onclose = () => {
      this.on.state(false);
      setTimeout(() => this.connect(), RETRY_MS);
    };
    this.socket = socket;
  }

  take(packet) {
    const kind = new Uint8Array(packet, 0, 1)[0];
    if (kind === FRAMES) this.on.frames(readFrames(packet));
    else if (kind === SOUND) this.on.sound(readSound(packet));
  }

  /** Asks for something: {do: "turn", ...}. Lost where nobody is connected. */
  ask(control) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(control));
  }
}

/** The packets of a message, each after its length. */
export function split(data) {
  const view = new DataView(data);
  const packets = [];
  for (let at = 0; at < data.byteLength; ) {
    const length = view.getUint32(at, true);
    packets.push(data.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return packets;
}

export function readFrames(data) {
  const view = new DataView(data);
  const face = view.getUint8(1);
  const width = view.getUint16(2, true);
  const count = view.getUint32(4, true);
  const session = view.getBigUint64(8, true).toString();
  const frames = [];
  let at = 16;
  for (let i = 0; i < count; i++) {
    frames.push({
      sequence: Number(view.getBigUint64(at, true)),
      time: view.getFloat64(at + 8, true),
      index: view.getUint32(at + 16, true),
      flags: view.getUint32(at + 20, true),
      curves: new Float32Array(data, at + 24, width),
    });
    at += 24 + 4 * (width + (width % 2));
  }
  return { face, session, frames };
}

export function readSound(data) {
  const view = new DataView(data);
  const whole = new Int16Array(data, 24);
  const samples = new Float32Array(whole.length);
  for (let i = 0; i < whole.length; i++) samples[i] = whole[i] / 32768;
  return {
    rate: view.getUint32(4, true),
    session: view.getBigUint64(8, true).toString(),
    position: Number(view.getBigUint64(16, true)),
    samples,
  };
}
