import type { ModelOptions, RuntimeOptions, Settings, State } from "./runtime.js";

export { FaceError, Model, Runtime } from "./runtime.js";
export type { Frames, ModelOptions, RuntimeOptions, Settings, State } from "./runtime.js";

export interface FaceOptions extends Omit<RuntimeOptions, "sampleRateHz">, Pick<ModelOptions, "kernels"> {
  wasm?: string | URL;
  bundle?: string | URL;
  /** Of the sound to come, where it is known already: listening then begins at once. 48000. */
  sampleRateHz?: number;
  /** How much later than it is made the sound is heard by `output`; look-ahead and 80 ms. */
  delayMs?: number;
}

export interface FaceFrame {
  index: number;
  /** Instant that it depicts, on the AudioContext's clock. */
  seconds: number;
  /** In the order of `Face.names`. */
  curves: Float32Array;
  /** How long the worker computed, milliseconds. */
  tookMs: number;
  /** Instant of the newest sound that the model had heard by then; null at the end. */
  heardTo: number | null;
}

export interface Ended {
  frames: number;
  samples: number;
  /** Samples in whose place silence was put, because the worker stood still for 4 s. */
  lostSamples: number;
  /** Samples that were no number, or far beyond full scale: taken as silence. */
  invalidSamples: number;
  computeSeconds: number;
}

/** Events: "frame" (CustomEvent<FaceFrame>), "ended" (CustomEvent<Ended>), "error" (CustomEvent<FaceError>). */
export class Face extends EventTarget {
  private constructor();
  static load(options?: FaceOptions): Promise<Face>;
  readonly names: string[];
  readonly identities: string[];
  readonly framesPerSecond: number;
  readonly sampleRateHz: number;
  readonly lookaheadMs: number;
  readonly delayMs: number;
  readonly kernels: string;
  /** The sound, later by `delayMs`: to be heard in step with `now()`. */
  readonly output: AudioNode | null;
  readonly context: AudioContext | null;
  listen(source: MediaStream | AudioNode, options?: { context?: AudioContext }): Promise<void>;
  /** The curves of what is heard now through `output`; null before the first. */
  now(): Float32Array | null;
  /** The curves at an instant of the AudioContext's clock, between two frames. */
  at(contextSeconds: number): Float32Array | null;
  set(settings: Settings): Promise<void>;
  state(): Promise<State | null>;
  end(): Promise<Ended>;
  close(): void;
}
