// The plugin's sources against a real dt-stream process.
#include <gtest/gtest.h>

#include "DiffusionTalkerLiveLinkSourceFactory.h"
#include "recording_client.h"
#include "running_client.h"
#include "sender.h"

namespace {

TEST(DtStream, ThirtySecondsOfFrames) {
  Process stream({TEST_PYTHON, TEST_DIR "/stream.py", "--demo", "--seconds", "30", "--bind",
                  "tcp://127.0.0.1:0", "--subject", "Face", "--plain"});
  // Its first line ends in the address.
  const std::string title = stream.line(60000);
  ASSERT_NE(title.rfind("tcp://"), std::string::npos) << title;
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = UDiffusionTalkerLiveLinkSourceFactory().CreateSource(
      ToFString("endpoint=" + title.substr(title.rfind("tcp://"))));
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
}

}  // namespace
