/** What a runtime may be made with. */
export interface RuntimeOptions {
  /** Of the sound to come, Hz: 8000 to 192000; 16000 where it is left out. */
  sampleRateHz?: number;
  /** 0 to 2 ** 64 - 1 (a BigInt from 2 ** 53 on): the same seed and sound give the same frames. */
  seed?: number | bigint;
  /** "auto" follows the voice; or a name of the model's library. */
  identity?: string;
  /** 0 to 1: how much of what a face does beside speaking is added. */
  idle?: number;
  /** headYaw, headPitch and headRoll, in radians, behind the curves. */
  head?: boolean;
}

/** Where the parts of a model lie, or their bytes. */
export interface ModelOptions {
  wasm?: string | URL | ArrayBuffer | Uint8Array;
  bundle?: string | URL | ArrayBuffer | Uint8Array;
  /** "wasm" leaves relaxed SIMD alone. */
  kernels?: "wasm";
}

export interface Settings {
  /** By group, curve or pattern, 0 to 10. What is given takes the place of all that was. */
  gain?: Record<string, number>;
  /** The same, -1 to 1. */
  offset?: Record<string, number>;
  strengthLower?: number;
  strengthUpper?: number;
  smoothMs?: number;
}

/** Frames that came at once: `curves` has `count` times `width` values. */
export interface Frames {
  /** Number of the first of them since the start. */
  first: number;
  count: number;
  curves: Float32Array;
}

export interface State {
  frames: number;
  samples: number;
  identity: string;
  levelDb: number;
  computeSeconds: number;
}

/** Something cannot be: one sentence, and what kind. */
export class FaceError extends Error {
  code:
    | "invalid-argument" | "bad-handle" | "not-found" | "bad-bundle" | "newer-version" | "ended" | "too-small"
    | "busy" | "out-of-memory" | "internal" | "bad-module";
}

/** A module with a model in it, shared by any number of runtimes. */
export class Model {
  static load(options?: ModelOptions): Promise<Model>;
  readonly identities: string[];
  /** Of the C library that the module is built of. */
  readonly version: string;
  /** The bundle's manifest. */
  readonly manifest: unknown;
  runtime(options?: RuntimeOptions): Runtime;
  /** Frees it, with all its runtimes. */
  close(): void;
}

/** One voice: samples in, frames out, at once. Throws FaceError. */
export class Runtime {
  private constructor();
  static load(options?: ModelOptions & RuntimeOptions): Promise<Runtime>;
  /** Of a frame's values, in order. */
  readonly names: string[];
  readonly identities: string[];
  readonly width: number;
  /** Frames a second, and the same as a fraction. */
  readonly frameRate: number;
  readonly rate: [number, number];
  readonly sampleRateHz: number;
  /** Sound needed beyond a frame's instant, milliseconds. */
  readonly lookaheadMs: number;
  /** Instruction set in use: "wasmrelaxed" or "wasm". */
  readonly kernels: string;
  readonly state: State;
  /** Mono, full scale 1.0; or 16-bit whole numbers. */
  step(samples: Float32Array | Int16Array): Frames;
  flush(): Frames;
  reset(): void;
  set(settings: Settings): void;
  close(): void;
}

/** Whether this machine has relaxed SIMD's dot product, and gets it right. */
export function hasRelaxedDot(): boolean;
