#pragma once

#include "Misc/QualifiedFrameTime.h"

struct UScriptStruct {};

struct FLiveLinkSubjectName {
  FLiveLinkSubjectName(FName InName) : Name(InName) {}
  FName Name;
};

struct FLiveLinkSubjectKey {
  FLiveLinkSubjectKey(FGuid InSource, FLiveLinkSubjectName InSubject)
      : Source(InSource), SubjectName(InSubject) {}
  FGuid Source;
  FLiveLinkSubjectName SubjectName;
};

struct FLiveLinkWorldTime {
  FLiveLinkWorldTime() = default;
  // The engine takes the difference to now as the offset here; our stub has no use for that, so
  // that a plugin which calls it does not compile.
  explicit FLiveLinkWorldTime(double InTime) = delete;
  FLiveLinkWorldTime(double InTime, double InOffset) : Time(InTime), Offset(InOffset) {}
  double GetOffsettedTime() const { return Time + Offset; }

 private:
  double Time = 0.0;
  double Offset = 0.0;
};

struct FLiveLinkMetaData {
  TMap<FName, FString> StringMetaData;
  FQualifiedFrameTime SceneTime;
};

struct FLiveLinkBaseStaticData {
  static UScriptStruct* StaticStruct() {
    static UScriptStruct Struct;
    return &Struct;
  }
  TArray<FName> PropertyNames;
};

struct FLiveLinkBaseFrameData {
  static UScriptStruct* StaticStruct() {
    static UScriptStruct Struct;
    return &Struct;
  }
  TArray<float> PropertyValues;
  FLiveLinkMetaData MetaData;
  FLiveLinkWorldTime WorldTime;
};

// Data of a kind that is known at run time; it can be moved and not copied.
template <typename Base>
class TStubDataStruct {
 public:
  TStubDataStruct() = default;
  explicit TStubDataStruct(const UScriptStruct* Struct) : Data(std::make_unique<Base>()) {
    check(Struct == Base::StaticStruct());
  }
  TStubDataStruct(TStubDataStruct&&) = default;
  TStubDataStruct& operator=(TStubDataStruct&&) = default;
  TStubDataStruct(const TStubDataStruct&) = delete;
  TStubDataStruct& operator=(const TStubDataStruct&) = delete;

  template <typename T>
  T* Cast() {
    static_assert(std::is_same_v<T, Base>, "the wrong kind of data");
    return Data.get();
  }
  template <typename T>
  const T* Cast() const {
    static_assert(std::is_same_v<T, Base>, "the wrong kind of data");
    return Data.get();
  }

 private:
  std::unique_ptr<Base> Data;
};

using FLiveLinkStaticDataStruct = TStubDataStruct<FLiveLinkBaseStaticData>;
using FLiveLinkFrameDataStruct = TStubDataStruct<FLiveLinkBaseFrameData>;
