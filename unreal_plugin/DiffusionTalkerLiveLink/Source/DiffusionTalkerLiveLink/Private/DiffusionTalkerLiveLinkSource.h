// The Live Link source: a thin layer that gives Live Link what the engine-free client in dt/
// receives.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "CoreMinimal.h"
#include "HAL/Runnable.h"
#include "ILiveLinkSource.h"
#include "UObject/WeakObjectPtrTemplates.h"

#include "dt/face/face_client.h"

class FRunnableThread;
class UDiffusionTalkerLiveLinkSourceSettings;

// Frames go to Live Link straight from the receiving thread; everything else happens on the game
// thread. The two share the client, whose functions say which of them any thread may call.
class FDiffusionTalkerLiveLinkSource : public ILiveLinkSource,
                                       private FRunnable,
                                       private dt::FaceSink {
 public:
  explicit FDiffusionTalkerLiveLinkSource(const FString& ConnectionString);
  virtual ~FDiffusionTalkerLiveLinkSource() override;

  virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
  virtual void InitializeSettings(ULiveLinkSourceSettings* InSettings) override;
  virtual void Update() override;
  virtual bool CanBeDisplayedInUI() const override { return true; }
  virtual bool IsSourceStillValid() const override;
  virtual bool RequestSourceShutdown() override;
  virtual FText GetSourceType() const override;
  virtual FText GetSourceMachineName() const override;
  virtual FText GetSourceStatus() const override;
  virtual TSubclassOf<ULiveLinkSourceSettings> GetSettingsClass() const override;

 private:
  // FRunnable
  virtual uint32 Run() override;
  virtual void Stop() override;

  // dt::FaceSink, on the receiving thread
  virtual void face_started(const std::string& Subject,
                            const std::vector<std::string>& Names) override;
  virtual void face_moved(const std::string& Subject, const dt::FaceFrame& Frame) override;
  virtual void face_heard(const std::string& Subject, const dt::FaceSound& Sound) override;

  void JoinThread();

  dt::Connection Connection;
  std::string Problem;  // why the connection string cannot be used; empty if it can
  std::unique_ptr<dt::FaceClient> Receiver;
  FRunnableThread* Thread = nullptr;
  std::atomic<bool> bReceiving{false};

  ILiveLinkClient* LiveLinkClient = nullptr;
  FGuid SourceGuid;
  TArray<FName> Subjects;  // pushed so far; the receiving thread's until it has ended

  TWeakObjectPtr<UDiffusionTalkerLiveLinkSourceSettings> Settings;
  std::vector<dt::CurveGain> GainsInUse;
};
