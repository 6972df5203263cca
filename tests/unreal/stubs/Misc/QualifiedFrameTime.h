#pragma once

#include "Misc/FrameRate.h"

struct FFrameNumber {
  FFrameNumber() = default;
  FFrameNumber(int32 InValue) : Value(InValue) {}
  int32 Value = 0;
};

struct FFrameTime {
  FFrameTime() = default;
  FFrameTime(FFrameNumber InFrameNumber) : FrameNumber(InFrameNumber) {}
  FFrameNumber FrameNumber;
};

struct FQualifiedFrameTime {
  FQualifiedFrameTime() = default;
  FQualifiedFrameTime(const FFrameTime& InTime, const FFrameRate& InRate)
      : Time(InTime), Rate(InRate) {}
  FFrameTime Time;
  FFrameRate Rate;
};
