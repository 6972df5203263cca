// What the receiving thread hands to the audio thread: sound, and for each piece of it when it is
// to be played. One writer, one reader; neither locks, waits or allocates.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace dt {

// A piece of the sound in the ring.
struct VoicePiece {
  std::int64_t index = 0;     // of its first sample: counts all samples that were ever written
  std::int64_t local_ns = 0;  // when that is to be heard, on the engine's clock
  std::int64_t count = 0;
  std::int32_t rate_hz = 0;
  bool begins = false;  // has nothing to do with the piece before: another session, another rate
};

class VoiceRing {
 public:
  static constexpr std::int64_t kSamples = 1 << 19;  // 10.9 s at 48 kHz, 2.7 s at 192 kHz
  static constexpr std::int64_t kPieces = 1024;

  VoiceRing() : samples_(new std::int16_t[kSamples]()) {}

  // The writer's. False, and nothing is written, where the reader is too far behind.
  bool write(const std::int16_t* samples, std::int64_t count, VoicePiece piece) {
    const std::int64_t written = written_.load(std::memory_order_relaxed);
    const std::int64_t pieces = pieces_written_.load(std::memory_order_relaxed);
    if (count > kSamples - (written - read_.load(std::memory_order_acquire)) ||
        pieces - pieces_read_.load(std::memory_order_acquire) == kPieces) {
      return false;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      samples_[static_cast<std::size_t>((written + i) % kSamples)] = samples[i];
    }
    piece.index = written;
    piece.count = count;
    pieces_[static_cast<std::size_t>(pieces % kPieces)] = piece;
    written_.store(written + count, std::memory_order_release);
    pieces_written_.store(pieces + 1, std::memory_order_release);
    return true;
  }

  // The reader's: the oldest piece that was not taken yet.
  bool next_piece(VoicePiece* piece) {
    const std::int64_t pieces = pieces_read_.load(std::memory_order_relaxed);
    if (pieces == pieces_written_.load(std::memory_order_acquire)) return false;
    *piece = pieces_[static_cast<std::size_t>(pieces % kPieces)];
    pieces_read_.store(pieces + 1, std::memory_order_release);
    return true;
  }

  // The reader's: a sample of a piece that it has taken and not released.
  float sample(std::int64_t index) const {
    return samples_[static_cast<std::size_t>(index % kSamples)] * (1.0f / 32768.0f);
  }

  // The reader's: it has done with what lies before `index`.
  void release_before(std::int64_t index) { read_.store(index, std::memory_order_release); }

 private:
  std::unique_ptr<std::int16_t[]> samples_;
  std::array<VoicePiece, static_cast<std::size_t>(kPieces)> pieces_{};
  std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> pieces_written_{0};
  std::atomic<std::int64_t> pieces_read_{0};
  std::atomic<std::int64_t> read_{0};
};

}  // namespace dt
