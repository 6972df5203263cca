// The plugin's own sources, compiled against the stub headers, driven as Live Link drives a source.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <thread>

#include "DiffusionTalkerLiveLinkSourceFactory.h"
#include "DiffusionTalkerLiveLinkSourceSettings.h"
#include "DiffusionTalkerVoiceComponent.h"
#include "HAL/RunnableThread.h"
#include "Widgets/Input/SButton.h"
#include "Widgets/Input/SCheckBox.h"
#include "Widgets/Input/SEditableTextBox.h"
#include "Widgets/SCompoundWidget.h"
#include "raw_peer.h"
#include "recording_client.h"
#include "running_client.h"
#include "sender.h"
#include "wire_writer.h"

extern "C" void* StartModuleDiffusionTalkerLiveLink();

namespace {

using FrameList = std::vector<RecordingClient::Frame>;

TSharedPtr<ILiveLinkSource> create(const std::string& connection) {
  return UDiffusionTalkerLiveLinkSourceFactory().CreateSource(ToFString(connection));
}

TSharedPtr<ILiveLinkSource> start(const std::string& connection, RecordingClient* client,
                                  unsigned id = 1) {
  TSharedPtr<ILiveLinkSource> source = create(connection);
  source->ReceiveClient(client, FGuid(id, 0, 0, 0));
  return source;
}

bool neutral(const RecordingClient::Frame& frame) {
  for (const float value : frame.values) {
    if (value != 0.0f) return false;
  }
  return !frame.values.empty();
}

// The frames of the sender. Where it made a pause of half a second, as it may on a busy machine,
// the source has begun to close the face: the frame number stands still meanwhile.
FrameList sent_frames(const FrameList& frames) {
  FrameList out;
  for (const RecordingClient::Frame& frame : frames) {
    if (out.empty() || frame.frame_number != out.back().frame_number) out.push_back(frame);
  }
  return out;
}

void expect_all_frames(const FrameList& all, std::size_t count, int subject = 0) {
  const FrameList frames = sent_frames(all);
  ASSERT_GE(frames.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(frames[i].frame_number, static_cast<int>(i)) << "lost or reordered";
    ASSERT_EQ(frames[i].rate_num, 60);
    ASSERT_EQ(frames[i].rate_den, 1);
    for (std::size_t curve = 0; curve < frames[i].values.size(); ++curve) {
      ASSERT_EQ(frames[i].values[curve], sent_value(subject, frames[i].frame_number, curve));
    }
  }
}

TEST(Plugin, ThirtySecondsOfFrames) {
  Sender sender({"--seconds", "30"});
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = start("endpoint=" + sender.endpoint(), &client);
  ASSERT_TRUE(wait_until([&] { return client.subject("Face").static_pushes == 1; }))
      << Utf8(source->GetSourceStatus());
  EXPECT_TRUE(client.subject("Face").frames.empty());
  sender.go();
  const auto frames_so_far = [&] { return client.frames("Face"); };
  bool said_so = false;
  ASSERT_TRUE(wait_while_it_moves(
      [&] {
        said_so |= Utf8(source->GetSourceStatus()).compare(0, 15, "receiving Face,") == 0;
        return frames_so_far() >= 1000;
      },
      frames_so_far));
  EXPECT_TRUE(said_so);
  EXPECT_TRUE(source->IsSourceStillValid());
  ASSERT_TRUE(wait_while_it_moves(
      [&] {
        return Utf8(source->GetSourceStatus()).find("the sender stopped") != std::string::npos &&
               neutral(client.last("Face"));
      },
      frames_so_far))
      << Utf8(source->GetSourceStatus());
  const RecordingClient::Subject seen = client.subject("Face");
  EXPECT_EQ(seen.static_pushes, 1);
  EXPECT_EQ(seen.names.size(), 52u);
  EXPECT_EQ(seen.names[0], "EyeBlinkLeft");
  EXPECT_EQ(seen.names[17], "JawOpen");
  EXPECT_EQ(seen.names[51], "TongueOut");
  expect_all_frames(seen.frames, 1800);
  // World time follows the sender's clock, not the moments of arrival.
  const FrameList frames = sent_frames(seen.frames);
  std::vector<double> errors;
  for (std::size_t i = 600; i < 1799; ++i) {
    errors.push_back(std::abs(frames[i + 1].world_time - frames[i].world_time - 1.0 / 60.0));
  }
  std::sort(errors.begin(), errors.end());
  EXPECT_LT(errors[errors.size() / 2], 0.002);
  EXPECT_LT(shut_down(source.Get()), 0.3);
  EXPECT_EQ(client.subject("Face").removals, 1);
}

TEST(Plugin, SenderRestarts) {
  auto sender = std::make_unique<Sender>();
  const std::string port = sender->port();
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = start("endpoint=" + sender->endpoint(), &client);
  sender->go();
  ASSERT_TRUE(wait_until([&] { return client.frames("Face") >= 10; }));
  sender->process().kill_now();
  ASSERT_TRUE(wait_until([&] { return neutral(client.last("Face")); })) << "the face froze";
  sender = std::make_unique<Sender>(std::vector<std::string>{"--port", port});
  ASSERT_TRUE(wait_until([&] { return client.subject("Face").static_pushes == 2; }));
  const std::size_t before = client.frames("Face");
  sender->go();
  ASSERT_TRUE(wait_until([&] { return client.frames("Face") >= before + 10; }));
  const RecordingClient::Subject seen = client.subject("Face");
  EXPECT_EQ(seen.static_before_frame[before], 2);
  EXPECT_EQ(seen.frames[before].frame_number, 0);
  EXPECT_LT(shut_down(source.Get()), 0.3);
  EXPECT_TRUE(neutral(client.last("Face"))) << "the last frame before the source leaves";
}

TEST(Plugin, ThreeSourcesAtOnce) {
  RecordingClient client;
  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<TSharedPtr<ILiveLinkSource>> sources;
  for (unsigned i = 1; i <= 3; ++i) {
    senders.push_back(std::make_unique<Sender>(std::vector<std::string>{"--subjects", "Anna,Ben"}));
    const std::string subject = i == 3 ? ";subject=Ben" : "";
    sources.push_back(start("endpoint=" + senders.back()->endpoint() + subject, &client, i));
  }
  for (unsigned i = 1; i <= 3; ++i) {
    ASSERT_TRUE(wait_until([&] { return client.subject("Ben", i).static_pushes == 1; }));
    senders[i - 1]->go();
  }
  for (unsigned i = 1; i <= 3; ++i) {
    ASSERT_TRUE(
        wait_until([&] { return sent_frames(client.subject("Ben", i).frames).size() >= 120; }));
    expect_all_frames(client.subject("Ben", i).frames, 120, 1);
  }
  expect_all_frames(client.subject("Anna", 1).frames, 100, 0);
  EXPECT_EQ(client.subject("Anna", 3).static_pushes, 0) << "not asked for";
  for (TSharedPtr<ILiveLinkSource>& source : sources) EXPECT_LT(shut_down(source.Get()), 0.3);
  EXPECT_EQ(client.subject("Anna", 2).removals, 1);
}

TEST(Plugin, ShutsDownInEveryState) {
  RawPeer silent([](RawPeer::Connection& connection, int) { connection.linger(); });
  RawPeer idle([](RawPeer::Connection& connection, int) {
    connection.send(wire_writer::greeting() + wire_writer::ready());
    connection.linger();
  });
  for (const std::string& endpoint :
       {std::string("tcp://127.0.0.1:1"), std::string("tcp://192.0.2.1:5560"), silent.endpoint(),
        idle.endpoint()}) {
    for (const int wait_ms : {0, 20, 200}) {
      RecordingClient client;
      TSharedPtr<ILiveLinkSource> source = start("endpoint=" + endpoint, &client);
      std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
      EXPECT_LT(shut_down(source.Get()), 0.3) << endpoint;
      EXPECT_TRUE(source->RequestSourceShutdown()) << "asked again";
      EXPECT_FALSE(source->IsSourceStillValid());
    }
  }
  // Never started, and dropped without being asked.
  TSharedPtr<ILiveLinkSource> unused = create("");
  EXPECT_TRUE(unused->RequestSourceShutdown());
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> dropped = start("endpoint=" + idle.endpoint(), &client);
  std::atomic<bool> gone{false};
  std::thread dropper([&] {
    dropped.Reset();
    gone = true;
  });
  EXPECT_LT(net_seconds_until([&] { return gone.load(); }), 0.3);
  dropper.join();
}

TEST(Plugin, GarbageOnTheWire) {
  RawPeer peer([](RawPeer::Connection& connection, int) {
    wire_writer::FrameFields fields;
    std::string bytes = wire_writer::greeting() + wire_writer::ready();
    bytes += wire_writer::message({"dt/Face/frame", std::string(1000, '\xC1')});
    bytes +=
        wire_writer::message(wire_writer::schema("Face", 7, {"jawOpen", "jawLeft", "headYaw"}));
    bytes += wire_writer::message({"dt/Face/schema", "\x90"});
    bytes += wire_writer::message(wire_writer::frame(fields));
    fields.values = {0.0f, NAN, 0.0f};
    bytes += wire_writer::message(wire_writer::frame(fields));
    connection.send(bytes);
    connection.linger();
  });
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = start("endpoint=" + peer.endpoint(), &client);
  ASSERT_TRUE(wait_until([&] {
    return Utf8(source->GetSourceStatus()).find("3 malformed messages") != std::string::npos;
  })) << Utf8(source->GetSourceStatus());
  EXPECT_NE(Utf8(source->GetSourceStatus()).find("last: a curve: expected a finite float"),
            std::string::npos);
  // Names of the head come through when, and only when, there is data for them.
  EXPECT_EQ(client.subject("Face").names,
            (std::vector<std::string>{"JawOpen", "JawLeft", "HeadYaw"}));
  EXPECT_EQ(client.subject("Face").frames.front().values, (std::vector<float>{0.25f, 0.0f, 0.5f}));
  shut_down(source.Get());
}

TEST(Plugin, SettingsTakeEffectWhileItRuns) {
  Sender sender;
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source =
      start("endpoint=" + sender.endpoint() + ";delayms=10", &client);
  EXPECT_EQ(source->GetSettingsClass().Get(),
            UDiffusionTalkerLiveLinkSourceSettings::StaticClass());
  source->Update();  // before there are settings
  ULiveLinkSourceSettings foreign;
  source->InitializeSettings(&foreign);
  source->Update();
  UDiffusionTalkerLiveLinkSourceSettings settings;
  source->InitializeSettings(&settings);
  EXPECT_EQ(settings.DelayMs, 10);
  sender.go();
  ASSERT_TRUE(wait_until([&] { return client.frames("Face") >= 5; }));

  settings.DelayMs = 9999;
  settings.GainPreset = EDiffusionTalkerGains::SoftLips;
  settings.CurveGains.Add(FName(TEXT("jawOPEN")), 0.25f);
  source->Update();
  EXPECT_EQ(settings.DelayMs, 2000);
  settings.DelayMs = 30;
  source->Update();
  source->Update();
  EXPECT_EQ(Utf8(settings.ConnectionString),
            "endpoint=" + sender.endpoint() + ";subject=;gains=softlips;delayms=30");
  // JawOpen is curve 17, MouthClose 18.
  const auto scaled = [&](std::size_t curve, float gain) {
    return wait_until([&, curve, gain] {
      const RecordingClient::Frame frame = client.last("Face");
      const float sent = sent_value(0, frame.frame_number, curve);
      return sent > 0.1f && frame.values[curve] == sent * gain;
    });
  };
  EXPECT_TRUE(scaled(17, 0.25f));
  EXPECT_TRUE(scaled(18, 0.5f));
  settings.GainPreset = EDiffusionTalkerGains::AsReceived;
  settings.CurveGains.Add(FName(TEXT("JawOpen")), 0.5f);
  source->Update();
  EXPECT_TRUE(scaled(17, 0.5f));
  EXPECT_TRUE(scaled(18, 1.0f));
  EXPECT_EQ(Utf8(settings.ConnectionString),
            "endpoint=" + sender.endpoint() + ";subject=;gains=asreceived;delayms=30");
  shut_down(source.Get());
}

// What a preset keeps as text holds from the first frame on, and the settings show it.
TEST(Plugin, TakesItsGainsFromTheConnection) {
  Sender sender;
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source =
      start("endpoint=" + sender.endpoint() + ";gains=softlips", &client);
  UDiffusionTalkerLiveLinkSourceSettings settings;
  source->InitializeSettings(&settings);
  EXPECT_EQ(settings.GainPreset, EDiffusionTalkerGains::SoftLips);
  source->Update();
  EXPECT_TRUE(settings.ConnectionString.IsEmpty()) << "nothing has changed";
  sender.go();
  ASSERT_TRUE(wait_until([&] { return client.frames("Face") >= 20; }));
  for (const RecordingClient::Frame& frame : sent_frames(client.subject("Face").frames)) {
    ASSERT_EQ(frame.values[18], sent_value(0, frame.frame_number, 18) * 0.5f);
  }
  settings.GainPreset = EDiffusionTalkerGains::AsReceived;
  source->Update();
  EXPECT_TRUE(wait_until([&] {
    const RecordingClient::Frame frame = client.last("Face");
    const float sent = sent_value(0, frame.frame_number, 18);
    return sent > 0.1f && frame.values[18] == sent;
  }));
  shut_down(source.Get());
}

TEST(Plugin, ABadConnectionStringExplainsItself) {
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = start("endpoint=tcp://somewhere:5560", &client);
  ASSERT_TRUE(source.IsValid());
  EXPECT_FALSE(source->IsSourceStillValid());
  EXPECT_NE(Utf8(source->GetSourceStatus()).find("names are not looked up"), std::string::npos);
  UDiffusionTalkerLiveLinkSourceSettings settings;
  source->InitializeSettings(&settings);
  source->Update();
  EXPECT_TRUE(source->RequestSourceShutdown());
}

TEST(Plugin, SaysWhatItIs) {
  TSharedPtr<ILiveLinkSource> source = create("endpoint=tcp://10.1.2.3:7000;subject=Anna");
  EXPECT_EQ(Utf8(source->GetSourceType()), "DiffusionTalker");
  EXPECT_EQ(Utf8(source->GetSourceMachineName()), "tcp://10.1.2.3:7000");
  EXPECT_EQ(Utf8(source->GetSourceStatus()), "connecting to tcp://10.1.2.3:7000");
  EXPECT_TRUE(source->CanBeDisplayedInUI());
  const UDiffusionTalkerLiveLinkSourceFactory factory;
  EXPECT_EQ(Utf8(factory.GetSourceDisplayName()), "DiffusionTalker");
  EXPECT_FALSE(Utf8(factory.GetSourceTooltip()).empty());
  EXPECT_TRUE(factory.GetMenuType() == ULiveLinkSourceFactory::EMenuType::SubPanel);
  EXPECT_EQ(factory.GetClass(), UDiffusionTalkerLiveLinkSourceFactory::StaticClass());
  void* module = StartModuleDiffusionTalkerLiveLink();
  EXPECT_NE(module, nullptr);
  ::operator delete(module);
}

TEST(Plugin, OutOfThreads) {
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = create("");
  FRunnableThread::FailNext() = true;
  source->ReceiveClient(&client, FGuid());
  EXPECT_FALSE(source->IsSourceStillValid());
  EXPECT_TRUE(source->RequestSourceShutdown());
}

// The engine may end a thread through FRunnable instead of through Live Link.
TEST(Plugin, StopsWithTheEngine) {
  RecordingClient client;
  TSharedPtr<ILiveLinkSource> source = start("endpoint=tcp://127.0.0.1:1", &client);
  source->ReceiveClient(&client, FGuid(1, 0, 0, 0));  // a second call starts no second thread
  EXPECT_TRUE(source->IsSourceStillValid());
  EXPECT_LT(shut_down(source.Get()), 0.3);
}

TEST(Panel, AddsASourceOrSaysWhyNot) {
  ULiveLinkSourceFactory::FOnLiveLinkSourceCreated created;
  std::vector<std::string> strings;
  TSharedPtr<ILiveLinkSource> source;
  created.Bind([&](TSharedPtr<ILiveLinkSource> made, FString text) {
    source = made;
    strings.push_back(Utf8(text));
  });
  TSharedPtr<SWidget> panel = UDiffusionTalkerLiveLinkSourceFactory().BuildCreationPanel(created);
  ASSERT_TRUE(panel.IsValid());
  const auto& rows = panel->Children.at(0)->Children;
  ASSERT_EQ(rows.size(), 11u);
  auto* endpoint = static_cast<SEditableTextBox*>(rows[1].get());
  auto* keys = static_cast<SEditableTextBox*>(rows[3].get());
  auto* subject = static_cast<SEditableTextBox*>(rows[5].get());
  auto* delay = static_cast<SEditableTextBox*>(rows[7].get());
  auto* soft_lips = static_cast<SCheckBox*>(rows[8].get());
  auto* problem = static_cast<STextBlock*>(rows[9].get());
  auto* button = static_cast<SButton*>(rows[10].get());
  EXPECT_EQ(Utf8(endpoint->GetText()), "tcp://127.0.0.1:5560");
  EXPECT_EQ(Utf8(keys->GetText()), "");

  delay->SetText(FText::FromString(FString(TEXT("soon"))));
  button->Click();
  EXPECT_TRUE(strings.empty());
  EXPECT_EQ(Utf8(problem->Shown), "delayms \"soon\": expected milliseconds from 0 to 2000");

  delay->SetText(FText::FromString(FString(TEXT("40"))));
  subject->SetText(FText::FromString(FString(TEXT("Zoë; 2"))));
  button->Click();
  ASSERT_EQ(strings.size(), 1u);
  EXPECT_EQ(strings[0],
            "endpoint=tcp://127.0.0.1:5560;subject=Zoë%3B 2;gains=asreceived;delayms=40");
  EXPECT_TRUE(source.IsValid());
  EXPECT_EQ(Utf8(source->GetSourceMachineName()), "tcp://127.0.0.1:5560");

  soft_lips->ToggleCheckedState();
  button->Click();
  ASSERT_EQ(strings.size(), 2u);
  EXPECT_NE(strings[1].find(";gains=softlips;"), std::string::npos);
}

TEST(Plugin, AVoiceComponentByItselfIsSilent) {
  UDiffusionTalkerVoiceComponent voice{FObjectInitializer()};
  EXPECT_TRUE(voice.Subject.IsNone());
  EXPECT_EQ(voice.GetErrorMs(), 0.0f);
  voice.SetLeadMs(5000);
  EXPECT_EQ(voice.LeadMs, 2000);
  int32 rate = 44100;
  ASSERT_TRUE(voice.StubStart(rate));
  EXPECT_EQ(rate, 44100) << "the device's own: the voice is brought to it";
  std::vector<float> block(512, 1.0f);
  EXPECT_EQ(voice.StubGenerate(block.data(), 512), 512);
  for (const float sample : block) EXPECT_EQ(sample, 0.0f);
}

}  // namespace
