#pragma once

#include "LiveLinkTypes.h"

class ULiveLinkRole;

class ILiveLinkClient {
 public:
  virtual ~ILiveLinkClient() = default;
  virtual void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& SubjectKey,
                                               TSubclassOf<ULiveLinkRole> Role,
                                               FLiveLinkStaticDataStruct&& StaticData) = 0;
  virtual void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey& SubjectKey,
                                              FLiveLinkFrameDataStruct&& FrameData) = 0;
  virtual void RemoveSubject_AnyThread(const FLiveLinkSubjectKey& SubjectKey) = 0;
};
