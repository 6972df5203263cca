// The plugin's sources against a real dt-stream process.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "DiffusionTalkerLiveLinkSourceFactory.h"
#include "DiffusionTalkerVoiceComponent.h"
#include "recording_client.h"
#include "running_client.h"
#include "sender.h"

namespace {

// A sound device: asks a component for 10 ms at a time, as they are due, until it goes.
class Device {
 public:
  explicit Device(UDiffusionTalkerVoiceComponent* Component)
      : thread_([this, Component] {
          std::vector<float> block(480);
          auto due = std::chrono::steady_clock::now();
          while (!stopped_.load()) {
            std::this_thread::sleep_until(due += std::chrono::milliseconds(10));
            EXPECT_EQ(Component->StubGenerate(block.data(), 480), 480);
            const float loudest = *std::max_element(block.begin(), block.end());
            heard_ += loudest > 0.001f;
            if (loudest > 0.001f) errors_.push_back(std::abs(Component->GetErrorMs()));
          }
        }) {}
  void stop() {
    stopped_.store(true);
    thread_.join();
  }
  int heard() const { return heard_; }
  float error_ms() {  // the median
    std::sort(errors_.begin(), errors_.end());
    return errors_.empty() ? 1e9f : errors_[errors_.size() / 2];
  }

 private:
  int heard_ = 0;
  std::vector<float> errors_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

TEST(DtStream, ThirtySecondsOfFrames) {
  Process stream({TEST_PYTHON, TEST_DIR "/stream.py", "--demo", "--seconds", "30", "--bind",
                  "tcp://127.0.0.1:0", "--subject", "Face", "--plain", "--publish-audio"});
  // Its first line ends in the address.
  const std::string title = stream.line(60000);
  ASSERT_NE(title.rfind("tcp://"), std::string::npos) << title;
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = UDiffusionTalkerLiveLinkSourceFactory().CreateSource(
      ToFString("endpoint=" + title.substr(title.rfind("tcp://"))));
  UDiffusionTalkerVoiceComponent voice{FObjectInitializer()};
  voice.Subject = FName(TEXT("face"));
  int32 device_hz = 48000;
  ASSERT_TRUE(voice.StubStart(device_hz));
  EXPECT_EQ(voice.StubNumChannels(), 1);
  Device device(&voice);
  source->ReceiveClient(&client, FGuid(1, 0, 0, 0));
  // Its clip loops until the end; then it closes the face and says goodbye.
  EXPECT_TRUE(wait_while_it_moves(
      [&] {
        stream.drain();
        return Utf8(source->GetSourceStatus()).find("the sender stopped: end of the audio") !=
               std::string::npos;
      },
      [&] { return client.frames("Face"); }))
      << Utf8(source->GetSourceStatus());
  EXPECT_EQ(Utf8(source->GetSourceStatus()).find("lost"), std::string::npos)
      << Utf8(source->GetSourceStatus());
  EXPECT_EQ(Utf8(source->GetSourceStatus()).find("malformed"), std::string::npos);
  const RecordingClient::Subject seen = client.subject("Face");
  EXPECT_EQ(seen.static_pushes, 1);
  EXPECT_EQ(seen.names.size(), 52u);
  ASSERT_GT(seen.frames.size(), 900u);
  int skips = 0;
  for (std::size_t i = 1; i < seen.frames.size(); ++i) {
    // The same again: a busy sender paused, and the source closed the face meanwhile.
    ASSERT_GE(seen.frames[i].frame_number, seen.frames[i - 1].frame_number);
    skips += seen.frames[i].frame_number > seen.frames[i - 1].frame_number + 1;
  }
  // The sender itself may leave out frames when the machine is too busy; nothing else does.
  std::printf("%zu frames, %d skips by the sender\n", seen.frames.size(), skips);
  for (const float value : seen.frames.back().values) EXPECT_EQ(value, 0.0f);
  EXPECT_LT(shut_down(source.Get()), 0.3);
  device.stop();
  // The clip speaks more than half of the time. A busy machine may make the device late; the median
  // says what it is like when it is not.
  std::printf("%.1f s of voice, %.1f ms off its face\n", 0.01 * device.heard(), device.error_ms());
  EXPECT_GT(device.heard(), 1000);
  EXPECT_LT(device.error_ms(), 15.0f);
}

}  // namespace
