/* A host in C: speech in a WAV file (16 bits), curves as CSV on standard output.
 *
 *     cc wav_to_csv.c $(pkg-config --cflags --libs diffusiontalker) -o wav_to_csv
 *     ./wav_to_csv BUNDLE speech.wav > curves.csv
 */
#include <dt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1600, MOST_FRAMES = 64, MOST_VALUES = 55 };

static int fail(const char* what, const dt_error* error) {
  fprintf(stderr, "wav_to_csv: %s\n", error != NULL ? error->text : what);
  return 2;
}

static unsigned little(const unsigned char* bytes, int count) {
  unsigned number = 0;
  while (count-- > 0) number = number << 8 | bytes[count];
  return number;
}

/* Moves to the first sample. 0 for a file that is no WAV of 16-bit samples. */
static int open_wav(FILE* file, unsigned* channels, unsigned* rate_hz, unsigned* bytes) {
  unsigned char head[16];
  *channels = 0;
  if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
    return 0;
  while (fread(head, 1, 8, file) == 8) {
    unsigned size = little(head + 4, 4);
    if (!memcmp(head, "data", 4)) {
      *bytes = size;
      return *channels > 0;
    }
    if (!memcmp(head, "fmt ", 4)) {
      if (size < 16 || fread(head, 1, 16, file) != 16 || little(head + 14, 2) != 16) return 0;
      *channels = little(head + 2, 2);
      *rate_hz = little(head + 4, 4);
      size -= 16;
    }
    if (fseek(file, (long)(size + size % 2), SEEK_CUR) != 0) return 0;
  }
  return 0;
}

static void print_frames(const float* frames, size_t count, int width) {
  for (size_t f = 0; f < count; ++f)
    for (int i = 0; i < width; ++i)
      printf("%.10f%c", (double)frames[f * (size_t)width + (size_t)i], i + 1 < width ? ',' : '\n');
}

int main(int argc, char** argv) {
  unsigned channels, rate_hz, left;
  static float samples[BLOCK], frames[MOST_FRAMES * MOST_VALUES];
  dt_bundle* bundle = NULL;
  dt_runtime* runtime = NULL;
  dt_error error;
  dt_options options;
  size_t written = 0;

  if (argc != 3) return fail("usage: wav_to_csv BUNDLE FILE.wav", NULL);
  FILE* file = fopen(argv[2], "rb");
  if (file == NULL) return fail("the WAV file cannot be opened", NULL);
  if (!open_wav(file, &channels, &rate_hz, &left))
    return fail("expected a WAV file of 16-bit samples", NULL);

  dt_options_init(&options);
  options.sample_rate_hz = (int32_t)rate_hz;
  if (dt_bundle_open(argv[1], &bundle, &error) != DT_OK) return fail(NULL, &error);
  if (dt_create(bundle, &options, &runtime, &error) != DT_OK) return fail(NULL, &error);

  dt_runtime_info info;
  dt_runtime_info_init(&info);
  dt_runtime_get_info(runtime, &info, NULL);
  for (int i = 0; i < info.width; ++i)
    printf("%s%c", dt_value_name(runtime, i), i + 1 < info.width ? ',' : '\n');

  unsigned char* raw = malloc(BLOCK * 2 * channels);
  for (size_t count = 1; raw != NULL && count > 0;) {
    size_t rows = left / (2 * channels) < BLOCK ? left / (2 * channels) : BLOCK;
    count = fread(raw, 2 * channels, rows, file);
    left -= (unsigned)(count * 2 * channels);
    for (size_t n = 0; n < count; ++n) { /* the channels' mean, full scale 1.0 */
      float sum = 0.0F;
      for (unsigned c = 0; c < channels; ++c)
        sum += (float)(int16_t)little(raw + 2 * (n * channels + c), 2) / 32768.0F;
      samples[n] = sum / (float)channels;
    }
    if (dt_step(runtime, samples, count, frames, MOST_FRAMES, &written, &error) != DT_OK)
      return fail(NULL, &error);
    print_frames(frames, written, info.width);
  }
  if (dt_flush(runtime, frames, MOST_FRAMES, &written, &error) != DT_OK) return fail(NULL, &error);
  print_frames(frames, written, info.width);

  free(raw);
  fclose(file);
  dt_destroy(&runtime);
  dt_bundle_close(&bundle);
  return 0;
}
