/* DiffusionTalker Stream as a C library: speech in, curves of a face out, frame by frame.
 *
 *     dt_bundle *bundle = NULL;
 *     dt_runtime *runtime = NULL;
 *     dt_options options;
 *     dt_options_init(&options);
 *     options.sample_rate_hz = 48000;
 *     if (dt_bundle_open("default", &bundle, NULL) == DT_OK &&
 *         dt_create(bundle, &options, &runtime, NULL) == DT_OK) {
 *       dt_step(runtime, samples, count, frames, capacity, &written, NULL);
 *       ...
 *     }
 *     dt_destroy(&runtime);
 *     dt_bundle_close(&bundle);
 *
 * Sound is mono float32, full scale 1.0, at the runtime's sample rate. A frame is `width` float32
 * values in the order of dt_value_name: the curves, 0 to 1, and with `head` three rotations in
 * radians. Frame i depicts the instant i / frame_rate seconds of the sound, and comes out of the
 * first step that has brought the sound through that instant plus the look-ahead. It does not
 * depend, not by one bit, on how the sound was cut into steps.
 *
 * Errors. Every function that can fail returns a dt_code and takes, last, a dt_error of the
 * caller's, or NULL; on failure it writes one sentence there (what, where, expected, got), and the
 * handle is as it was before. Nothing is thrown, printed or ended. Pointers that a call gives out
 * are set to NULL when it fails.
 *
 * State. The library has none of its own: all is behind the handles. It starts no thread unless
 * `threads` asks for it. A handle may be used by one thread at a time (a runtime that is in use by
 * another thread says DT_BUSY); different handles may be used at once, and a bundle by any number
 * of threads as long as nobody closes it. dt_step, dt_flush and dt_set allocate nothing that
 * depends on the sound.
 *
 * Versions. Structs begin with their size as the caller knows it, which their dt_..._init sets: a
 * library that is newer than the caller's header leaves what that did not know at its default. New
 * fields and functions are added at the end; nothing is taken away within a major version.
 */
#ifndef DT_H
#define DT_H

#include <stddef.h>
#include <stdint.h>

#if defined(DT_STATIC)
#define DT_API
#elif defined(_WIN32)
#if defined(DT_BUILDING)
#define DT_API __declspec(dllexport)
#else
#define DT_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define DT_API __attribute__((visibility("default")))
#else
#define DT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header; dt_version() has the library's. */
#define DT_VERSION_MAJOR 0
#define DT_VERSION_MINOR 1
#define DT_VERSION_PATCH 0

typedef int32_t dt_code;
enum {
  DT_OK = 0,
  DT_INVALID_ARGUMENT = 1, /* null, out of range, not finite, an unknown name */
  DT_BAD_HANDLE = 2,       /* null, or a handle of another kind */
  DT_NOT_FOUND = 3,        /* a file or folder that is not there or cannot be read */
  DT_BAD_BUNDLE = 4,       /* not a bundle, damaged, or not what its manifest says */
  DT_NEWER_VERSION = 5,    /* a bundle's format or a struct that this library does not know yet */
  DT_ENDED = 6,            /* step or flush after flush, without a reset between */
  DT_TOO_SMALL = 7,        /* the caller's buffer; the call did nothing */
  DT_BUSY = 8,             /* another thread is in this runtime */
  DT_OUT_OF_MEMORY = 9,
  DT_INTERNAL = 10 /* none of these: a defect of the library */
};

/* One sentence about a failure, in UTF-8, cut to fit. Needs no init; NULL where it is not wanted.
 */
#define DT_ERROR_BYTES 1024
typedef struct dt_error {
  dt_code code;
  char text[DT_ERROR_BYTES]; /* ends with a zero; "" after success */
} dt_error;

/* "bad bundle" for DT_BAD_BUNDLE and so on; never NULL. */
DT_API const char* dt_code_name(dt_code code);

/* "0.1.0". */
DT_API const char* dt_version(void);

/* Newest format of bundles that the library reads (docs/bundle.md). */
DT_API int32_t dt_bundle_format_version(void);

/* ---- Bundles: a model that was read and checked --------------------------------------------- */

typedef struct dt_bundle dt_bundle;

/* Reads a folder with manifest.json and weights.safetensors, or one file in which `tar` has packed
 * them (uncompressed). `path` is UTF-8. Every field, size and offset is checked, and the digest of
 * the weights. */
DT_API dt_code dt_bundle_open(const char* path, dt_bundle** bundle, dt_error* error);

/* The same from the bytes of such a packed file. They are copied as far as they are needed. */
DT_API dt_code dt_bundle_open_memory(const void* bytes, size_t count, dt_bundle** bundle,
                                     dt_error* error);

/* Frees the bundle and sets *bundle to NULL. Runtimes made of it go on. NULL is fine. */
DT_API void dt_bundle_close(dt_bundle** bundle);

typedef struct dt_bundle_info {
  uint32_t struct_size;
  int32_t format_version;
  int32_t curves;         /* how many: 52 */
  int32_t identities;     /* how many */
  int32_t frame_rate_num; /* frames a second = num / den */
  int32_t frame_rate_den;
  int32_t lookahead_samples; /* of the model, at 16 kHz: see dt_runtime_info for a runtime's */
  int32_t default_identity;  /* whom a voice gets that is like nobody: an index */
} dt_bundle_info;

/* Sets `struct_size`, and zeros. */
DT_API void dt_bundle_info_init(dt_bundle_info* info);
DT_API dt_code dt_bundle_get_info(const dt_bundle* bundle, dt_bundle_info* info, dt_error* error);

/* Names by index; NULL for an index or a handle that is none. They live as long as the bundle. */
DT_API const char* dt_curve_name(const dt_bundle* bundle, int32_t curve);
DT_API const char* dt_identity_name(const dt_bundle* bundle, int32_t identity);

/* Texts of a bundle; NULL for a handle that is none. They live as long as the bundle. */
DT_API const char* dt_bundle_name(const dt_bundle* bundle);
DT_API const char* dt_bundle_sha256(const dt_bundle* bundle);   /* of its weights, in hex */
DT_API const char* dt_bundle_licences(const dt_bundle* bundle); /* a line a source of training:
                                                                   "name: licence (citation)" */
DT_API const char* dt_bundle_manifest(const dt_bundle* bundle); /* the whole, as JSON */

/* ---- Runtimes: voices on their way through a model ------------------------------------------- */

typedef struct dt_runtime dt_runtime;

#define DT_AUTO_IDENTITY "auto"
#define DT_ALL_STREAMS (-1)

typedef struct dt_options {
  uint32_t struct_size;
  int32_t sample_rate_hz; /* 8000 to 192000; default 16000. Another is resampled, which adds 1 to
                             3 ms of look-ahead */
  uint64_t seed;          /* the same seed and sound give the same frames; default 0 */
  const char* identity;   /* a name, or "auto" or NULL to follow the voice; default NULL */
  double idle;            /* 0 to 1: how much a face does beside speaking (blinks, glances, a slow
                             drift); default 1 */
  int32_t head;     /* 1: headYaw, headPitch, headRoll in radians after the curves; default 0 */
  int32_t streams;  /* voices that share each pass over the weights, 1 to 65536; default 1 */
  int32_t threads;  /* that compute at once, 1 to 65536; default 1: the caller's own */
  int32_t reserved; /* 0 */
  const uint64_t* seeds;         /* NULL, or `streams` of them instead of `seed` */
  const char* const* identities; /* NULL, or `streams` of them instead of `identity` */
  const char* precision; /* NULL or "int8": the same bits everywhere. "float32": to compare with */
  const char* kernels; /* NULL: the best of this processor (or DT_KERNEL of the environment). Or one
                          of "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon",
                          "neondot", where there is that */
} dt_options;

/* Sets `struct_size` and the defaults. */
DT_API void dt_options_init(dt_options* options);

/* A runtime at the start of its sound. `options` may be NULL for the defaults. */
DT_API dt_code dt_create(const dt_bundle* bundle, const dt_options* options, dt_runtime** runtime,
                         dt_error* error);

/* One with the same weights, which takes next to no time and memory; the two know nothing of each
 * other. Of `options`, `precision` and `kernels` are `runtime`'s own whatever they say. */
DT_API dt_code dt_another(const dt_runtime* runtime, const dt_options* options,
                          dt_runtime** another, dt_error* error);

/* Frees the runtime and sets *runtime to NULL. NULL is fine. */
DT_API void dt_destroy(dt_runtime** runtime);

typedef struct dt_runtime_info {
  uint32_t struct_size;
  int32_t sample_rate_hz;
  int32_t width;          /* values of a frame: curves, and 3 with `head` */
  int32_t streams;        /* voices */
  int32_t frame_rate_num; /* frames a second = num / den */
  int32_t frame_rate_den;
  int32_t
      lookahead_samples; /* at the sample rate: sound that a frame waits for beyond its instant */
  int32_t threads;
  double lookahead_ms;   /* the same in milliseconds */
  const char* kernels;   /* in use; these two live as long as the runtime */
  const char* precision; /* in use */
} dt_runtime_info;

DT_API void dt_runtime_info_init(dt_runtime_info* info);
DT_API dt_code dt_runtime_get_info(const dt_runtime* runtime, dt_runtime_info* info,
                                   dt_error* error);

/* Name of a value of a frame, 0 to width - 1: "eyeBlinkLeft" ... "tongueOut", "headYaw" ...; NULL
 * for an index or a handle that is none. Lives as long as the runtime. */
DT_API const char* dt_value_name(const dt_runtime* runtime, int32_t value);

/* How many voices; 0 for a handle that is none. */
DT_API int32_t dt_streams(const dt_runtime* runtime);

/* Frames that dt_step with `more_samples` samples will write for a stream: exactly so many. */
DT_API dt_code dt_frames_due(const dt_runtime* runtime, int32_t stream, size_t more_samples,
                             size_t* frames, dt_error* error);
/* Frames that dt_flush will write for a stream. 0 after a flush. */
DT_API dt_code dt_frames_owed(const dt_runtime* runtime, int32_t stream, size_t* frames,
                              dt_error* error);

/* ---- Sound in, frames out -------------------------------------------------------------------- */

/* Takes the next samples of a runtime of one voice and writes the frames that they complete.
 *
 * samples: `count` of them; may be NULL where count is 0
 * frames: room for `capacity_frames` times width values; may be NULL where no frame is due
 * written: gets the number of frames; may be NULL
 *
 * DT_INVALID_ARGUMENT for a sample that is not finite or beyond 16 (16-bit values as floats?),
 * DT_TOO_SMALL where dt_frames_due(count) frames do not fit, DT_ENDED after dt_flush: the runtime
 * is then as it was. */
DT_API dt_code dt_step(dt_runtime* runtime, const float* samples, size_t count, float* frames,
                       size_t capacity_frames, size_t* written, dt_error* error);

/* Ends the sound of a runtime of one voice, as if silence followed, and writes the frames still
 * owed: ceil(duration x frame rate) have then come out in all. */
DT_API dt_code dt_flush(dt_runtime* runtime, float* frames, size_t capacity_frames, size_t* written,
                        dt_error* error);

/* Many voices: what one of them gets, and where its frames go. As the arguments of dt_step. */
typedef struct dt_chunk {
  const float* samples;
  size_t count;
  float* frames;
  size_t capacity_frames;
  size_t written; /* out */
} dt_chunk;

/* dt_step for every voice at once: `count` chunks, one a stream, of any lengths (0 too). A voice's
 * frames are those of a runtime of its own, bit for bit. On failure no voice has moved. */
DT_API dt_code dt_step_streams(dt_runtime* runtime, dt_chunk* chunks, size_t count,
                               dt_error* error);

/* dt_flush for one of many voices. */
DT_API dt_code dt_flush_stream(dt_runtime* runtime, int32_t stream, float* frames,
                               size_t capacity_frames, size_t* written, dt_error* error);

/* Back to the start, of a stream or of DT_ALL_STREAMS: the next frames are those of a new runtime
 * with the same settings. */
DT_API dt_code dt_reset(dt_runtime* runtime, int32_t stream, dt_error* error);

/* ---- Knobs ----------------------------------------------------------------------------------- */

/* A number for a group of curves ("mouth", "jaw", "lips", "eyes", "blink", "gaze", "brows",
 * "cheeks", "nose", "lower", "upper", "all", "head"), a curve ("jawOpen") or a pattern
 * ("eyeBlink*", "mouth*Left"; also ? and [abc]). Of entries that mean the same value, the one that
 * means the fewest counts; of equals the last. */
typedef struct dt_entry {
  const char* name;
  double value;
} dt_entry;

/* Which of the settings a dt_set gives; the others stay as they are. */
enum {
  DT_SET_GAIN = 1,
  DT_SET_OFFSET = 2,
  DT_SET_STRENGTH_LOWER = 4,
  DT_SET_STRENGTH_UPPER = 8,
  DT_SET_SMOOTH = 16
};

typedef struct dt_settings {
  uint32_t struct_size;
  uint32_t given;         /* DT_SET_..., together */
  const dt_entry* gain;   /* `gains` of them, 0 to 10 each; takes the place of all gains before */
  size_t gains;           /* 0: every gain is 1 again */
  const dt_entry* offset; /* the same, -1 to 1 (radians for the head); added after the gain */
  size_t offsets;
  double strength_lower; /* gain of the lower face on top, 0 to 10 */
  double strength_upper; /* of the upper face */
  double smooth_ms;      /* time constant of a low-pass over every value, 0 to 1000; 0 = off */
} dt_settings;

/* Sets `struct_size` and what changes nothing. */
DT_API void dt_settings_init(dt_settings* settings);

/* Turns the knobs of a stream or of DT_ALL_STREAMS, at any time. It shows from the next frame on.
 * Curves that gain or offset move stay within 0 and 1. DT_INVALID_ARGUMENT for a name or a number
 * that cannot be: nothing has changed then. dt_reset keeps the settings. */
DT_API dt_code dt_set(dt_runtime* runtime, int32_t stream, const dt_settings* settings,
                      dt_error* error);

/* ---- What goes on in a stream ---------------------------------------------------------------- */

typedef struct dt_state {
  uint32_t struct_size;
  int32_t identity;       /* in use now: an index of the bundle's identities */
  uint64_t samples;       /* taken, at the runtime's sample rate */
  uint64_t frames;        /* written */
  float level_db;         /* of the newest analysis window, dBFS */
  int32_t ended;          /* 1 after a flush */
  double compute_seconds; /* of all streams together, since the start or the last full reset */
} dt_state;

DT_API void dt_state_init(dt_state* state);
DT_API dt_code dt_get_state(const dt_runtime* runtime, int32_t stream, dt_state* state,
                            dt_error* error);

/* How well a stream's voice so far matches each identity, -1 to 1: `count` must be the bundle's
 * number of identities. */
DT_API dt_code dt_identity_scores(const dt_runtime* runtime, int32_t stream, float* scores,
                                  size_t count, dt_error* error);

#ifdef __cplusplus
}
#endif

#endif
