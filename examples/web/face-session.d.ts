/** What a session may be opened with; docs/serving.md has what each does. */
export interface FaceOptions {
  /** Of the sound to come, Hz; 16000 where it is left out. */
  sampleRateHz?: number;
  /** What `send` takes: "s16le" (Int16Array, the default) or "f32le" (Float32Array). */
  sound?: "s16le" | "f32le";
  token?: string;
  /** One that the server keeps, by name, or a preset's TOML. */
  preset?: string;
  /** What a frame holds: a style, or the names of your face's morphs; ARKit's 52 where left out. */
  names?: "arkit" | "oculus" | "viseme" | "vrm" | "vrm1" | string[];
  /** "auto", or a name of the model's library. */
  identity?: string;
  /** A whole number, below 2 ** 53 from a page. */
  seed?: number;
  /** 0 to 1: how much of what a face does beside speaking is added. */
  idle?: number;
  /** Silence takes the place of sound that is late by so long, seconds, 0.02 to 10. */
  fillAfterS?: number;
  /** By group, curve or pattern. */
  gain?: Record<string, number>;
  offset?: Record<string, number>;
  strengthLower?: number;
  strengthUpper?: number;
  smoothMs?: number;
}

export interface FaceFrame {
  index: number;
  /** Instant that it depicts, on the clock of the sound. */
  seconds: number;
  /** In the order of `FaceSession.names`. */
  curves: Float32Array;
}

export interface Interrupted {
  /** The first frame of the closing mouth, and its instant; frames that come follow on from it. */
  index: number;
  seconds: number;
  position: number;
  /** Where sound that is sent from now on lies on the clock, in samples. */
  next_position: number;
  /** Samples that had been sent and will not be spoken. */
  forgotten: number;
}

/** Events: "frame" (CustomEvent<FaceFrame>), "interrupted" (CustomEvent<Interrupted>). */
export class FaceSession extends EventTarget {
  static open(url: string, options?: FaceOptions): Promise<FaceSession>;
  /** Of a frame's values, in order: ARKit's 52, or what `names` asked for. */
  readonly names: string[];
  readonly framesPerSecond: number;
  readonly sampleRateHz: number;
  /** Sound needed beyond a frame's instant, milliseconds. */
  readonly lookaheadMs: number;
  send(samples: Int16Array | Float32Array): void;
  interrupt(): void;
  end(): Promise<number>;
  close(): void;
  /** The curves at an instant of the sound; null before the first frame. */
  at(seconds: number): Float32Array | null;
}
