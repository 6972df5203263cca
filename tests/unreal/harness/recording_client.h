// Live Link as the tests play it: it keeps what sources push, and drives them as the engine does.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "CoreMinimal.h"
#include "HAL/PlatformTime.h"
#include "ILiveLinkClient.h"
#include "ILiveLinkSource.h"
#include "Roles/LiveLinkBasicRole.h"
#include "running_client.h"

inline std::string Utf8(const FString& Text) { return TCHAR_TO_UTF8(*Text); }
inline std::string Utf8(const FText& Text) { return Utf8(Text.ToString()); }
inline FString ToFString(const std::string& Text) { return FString(UTF8_TO_TCHAR(Text.c_str())); }

class RecordingClient : public ILiveLinkClient {
 public:
  struct Frame {
    double world_time;
    double arrived;
    int frame_number;
    int rate_num, rate_den;
    std::vector<float> values;
  };
  struct Subject {
    int static_pushes = 0;
    int removals = 0;
    std::vector<std::string> names;
    std::vector<Frame> frames;
    std::vector<int> static_before_frame;  // static pushes so far, at each frame
  };

  void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& Key,
                                       TSubclassOf<ULiveLinkRole> Role,
                                       FLiveLinkStaticDataStruct&& Data) override {
    const FLiveLinkStaticDataStruct taken = MoveTemp(Data);
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(Role.Get(), ULiveLinkBasicRole::StaticClass());
    Subject& subject = subjects_[id(Key)];
    ++subject.static_pushes;
    subject.names.clear();
    for (const FName& name : taken.Cast<FLiveLinkBaseStaticData>()->PropertyNames) {
      subject.names.push_back(Utf8(name.ToString()));
    }
  }

  void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey& Key,
                                      FLiveLinkFrameDataStruct&& Data) override {
    const FLiveLinkFrameDataStruct taken = MoveTemp(Data);
    const FLiveLinkBaseFrameData& base = *taken.Cast<FLiveLinkBaseFrameData>();
    const std::lock_guard<std::mutex> lock(mutex_);
    Subject& subject = subjects_[id(Key)];
    EXPECT_GT(subject.static_pushes, 0) << "a frame before its static data";
    EXPECT_EQ(static_cast<std::size_t>(base.PropertyValues.Num()), subject.names.size());
    Frame frame;
    frame.world_time = base.WorldTime.GetOffsettedTime();
    frame.arrived = FPlatformTime::Seconds();
    frame.frame_number = base.MetaData.SceneTime.Time.FrameNumber.Value;
    frame.rate_num = base.MetaData.SceneTime.Rate.Numerator;
    frame.rate_den = base.MetaData.SceneTime.Rate.Denominator;
    frame.values.assign(base.PropertyValues.begin(), base.PropertyValues.end());
    if (!subject.frames.empty()) {
      EXPECT_GT(frame.world_time, subject.frames.back().world_time);
    }
    EXPECT_LE(frame.world_time, frame.arrived + 0.001) << "a frame from the future";
    subject.frames.push_back(frame);
    subject.static_before_frame.push_back(subject.static_pushes);
  }

  void RemoveSubject_AnyThread(const FLiveLinkSubjectKey& Key) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++subjects_[id(Key)].removals;
  }

  Subject subject(const std::string& name, unsigned source = 1) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return subjects_[std::to_string(source) + "/" + name];
  }

  std::size_t frames(const std::string& name, unsigned source = 1) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return subjects_[std::to_string(source) + "/" + name].frames.size();
  }

  Frame last(const std::string& name, unsigned source = 1) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Subject& subject = subjects_[std::to_string(source) + "/" + name];
    return subject.frames.empty() ? Frame() : subject.frames.back();
  }

 private:
  static std::string id(const FLiveLinkSubjectKey& Key) {
    return std::to_string(Key.Source.A) + "/" + Utf8(Key.SubjectName.Name.ToString());
  }

  std::mutex mutex_;
  std::map<std::string, Subject> subjects_;
};

// Asks a source to shut down as Live Link does, each tick until it agrees; gives the seconds it
// took.
inline double shut_down(ILiveLinkSource* Source) {
  return net_seconds_until([Source] { return Source->RequestSourceShutdown(); });
}
