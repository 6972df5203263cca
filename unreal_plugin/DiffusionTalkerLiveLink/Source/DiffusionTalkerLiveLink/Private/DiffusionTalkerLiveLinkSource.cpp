#include "DiffusionTalkerLiveLinkSource.h"

#include "DiffusionTalkerLiveLinkSourceSettings.h"
#include "DiffusionTalkerVoices.h"
#include "HAL/PlatformTime.h"
#include "HAL/RunnableThread.h"
#include "ILiveLinkClient.h"
#include "LiveLinkTypes.h"
#include "Misc/FrameRate.h"
#include "Misc/QualifiedFrameTime.h"
#include "Roles/LiveLinkBasicRole.h"
#include "Roles/LiveLinkBasicTypes.h"

#define LOCTEXT_NAMESPACE "DiffusionTalkerLiveLink"

namespace {

// The client runs on the engine's own clock, so that its times are world times.
std::int64_t EngineClockNs() { return static_cast<std::int64_t>(FPlatformTime::Seconds() * 1e9); }

FName ToName(const std::string& Text) { return FName(UTF8_TO_TCHAR(Text.c_str())); }

FText ToText(const std::string& Text) {
  return FText::FromString(FString(UTF8_TO_TCHAR(Text.c_str())));
}

bool SameGains(const std::vector<dt::CurveGain>& A, const std::vector<dt::CurveGain>& B) {
  if (A.size() != B.size()) return false;
  for (std::size_t Index = 0; Index < A.size(); ++Index) {
    if (A[Index].name != B[Index].name || A[Index].gain != B[Index].gain) return false;
  }
  return true;
}

}  // namespace

FDiffusionTalkerLiveLinkSource::FDiffusionTalkerLiveLinkSource(const FString& ConnectionString) {
  if (dt::parse_connection(TCHAR_TO_UTF8(*ConnectionString), &Connection, &Problem)) {
    dt::FaceSink* Sink = this;  // make_unique itself may not see a private base
    Receiver = std::make_unique<dt::FaceClient>(Connection, Sink, EngineClockNs);
    GainsInUse = dt::preset_gains(Connection.gains);
  }
}

FDiffusionTalkerLiveLinkSource::~FDiffusionTalkerLiveLinkSource() { JoinThread(); }

void FDiffusionTalkerLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) {
  LiveLinkClient = InClient;
  SourceGuid = InSourceGuid;
  if (Receiver == nullptr || Thread != nullptr) return;
  bReceiving.store(true);
  Thread = FRunnableThread::Create(this, TEXT("DiffusionTalkerLiveLink"), 0, TPri_AboveNormal);
  if (Thread == nullptr) bReceiving.store(false);
}

void FDiffusionTalkerLiveLinkSource::InitializeSettings(ULiveLinkSourceSettings* InSettings) {
  Settings = Cast<UDiffusionTalkerLiveLinkSourceSettings>(InSettings);
  UDiffusionTalkerLiveLinkSourceSettings* Mine = Settings.Get();
  if (Mine == nullptr) return;
  Mine->DelayMs = Connection.delay_ms;
  Mine->GainPreset = Connection.gains == dt::GainPreset::kSoftLips
                         ? EDiffusionTalkerGains::SoftLips
                         : EDiffusionTalkerGains::AsReceived;
}

void FDiffusionTalkerLiveLinkSource::Update() {
  UDiffusionTalkerLiveLinkSourceSettings* Mine = Settings.Get();
  if (Mine == nullptr || Receiver == nullptr) return;

  const dt::GainPreset Preset = Mine->GainPreset == EDiffusionTalkerGains::SoftLips
                                    ? dt::GainPreset::kSoftLips
                                    : dt::GainPreset::kAsReceived;
  if (Mine->DelayMs != Connection.delay_ms || Preset != Connection.gains) {
    Connection.delay_ms = FMath::Clamp(Mine->DelayMs, 0, dt::Connection::kMaxDelayMs);
    Connection.gains = Preset;
    Mine->DelayMs = Connection.delay_ms;
    // Presets keep this text.
    Mine->ConnectionString = FString(UTF8_TO_TCHAR(dt::to_text(Connection).c_str()));
    Receiver->set_delay_ms(Connection.delay_ms);
  }

  std::vector<dt::CurveGain> Gains = dt::preset_gains(Preset);
  for (const TPair<FName, float>& Gain : Mine->CurveGains) {
    Gains.push_back({TCHAR_TO_UTF8(*Gain.Key.ToString()), Gain.Value});
  }
  if (SameGains(Gains, GainsInUse)) return;
  GainsInUse = Gains;
  Receiver->set_gains(Gains);
}

bool FDiffusionTalkerLiveLinkSource::IsSourceStillValid() const { return bReceiving.load(); }

// Live Link calls this again and again until it is true; it never waits.
bool FDiffusionTalkerLiveLinkSource::RequestSourceShutdown() {
  if (Receiver != nullptr) Receiver->stop();
  if (bReceiving.load()) return false;
  JoinThread();
  for (const FName& Subject : Subjects) {
    LiveLinkClient->RemoveSubject_AnyThread(FLiveLinkSubjectKey(SourceGuid, Subject));
  }
  Subjects.Empty();
  return true;
}

FText FDiffusionTalkerLiveLinkSource::GetSourceType() const {
  return LOCTEXT("SourceType", "DiffusionTalker");
}

FText FDiffusionTalkerLiveLinkSource::GetSourceMachineName() const {
  return ToText(Connection.endpoint);
}

FText FDiffusionTalkerLiveLinkSource::GetSourceStatus() const {
  return ToText(Receiver == nullptr ? Problem : Receiver->status());
}

TSubclassOf<ULiveLinkSourceSettings> FDiffusionTalkerLiveLinkSource::GetSettingsClass() const {
  return UDiffusionTalkerLiveLinkSourceSettings::StaticClass();
}

uint32 FDiffusionTalkerLiveLinkSource::Run() {
  Receiver->run();
  bReceiving.store(false);
  return 0;
}

void FDiffusionTalkerLiveLinkSource::Stop() { Receiver->stop(); }

// Static data clears the frames that Live Link has buffered, so it is pushed when the names of a
// session become known and not again.
void FDiffusionTalkerLiveLinkSource::face_started(const std::string& Subject,
                                                  const std::vector<std::string>& Names) {
  FLiveLinkStaticDataStruct StaticData(FLiveLinkBaseStaticData::StaticStruct());
  FLiveLinkBaseStaticData* Base = StaticData.Cast<FLiveLinkBaseStaticData>();
  Base->PropertyNames.Reserve(static_cast<int32>(Names.size()));
  for (const std::string& Name : Names) Base->PropertyNames.Add(ToName(Name));
  const FName SubjectName = ToName(Subject);
  Subjects.AddUnique(SubjectName);
  LiveLinkClient->PushSubjectStaticData_AnyThread(FLiveLinkSubjectKey(SourceGuid, SubjectName),
                                                  ULiveLinkBasicRole::StaticClass(),
                                                  MoveTemp(StaticData));
}

void FDiffusionTalkerLiveLinkSource::face_moved(const std::string& Subject,
                                                const dt::FaceFrame& Frame) {
  FLiveLinkFrameDataStruct FrameData(FLiveLinkBaseFrameData::StaticStruct());
  FLiveLinkBaseFrameData* Base = FrameData.Cast<FLiveLinkBaseFrameData>();
  Base->PropertyValues.Reserve(static_cast<int32>(Frame.values.size()));
  for (const float Value : Frame.values) Base->PropertyValues.Add(Value);
  // The time is on the engine's clock already: the offset is 0, not the difference to now, which
  // the constructor with one argument would take.
  Base->WorldTime = FLiveLinkWorldTime(static_cast<double>(Frame.local_ns) * 1e-9, 0.0);
  // Frame numbers are 32 bits wide: a stream of over a year begins again.
  const int32 Number = static_cast<int32>(Frame.index & 0x7FFFFFFF);
  Base->MetaData.SceneTime = FQualifiedFrameTime(FFrameTime(FFrameNumber(Number)),
                                                 FFrameRate(Frame.rate_num, Frame.rate_den));
  LiveLinkClient->PushSubjectFrameData_AnyThread(FLiveLinkSubjectKey(SourceGuid, ToName(Subject)),
                                                 MoveTemp(FrameData));
}

void FDiffusionTalkerLiveLinkSource::face_heard(const std::string& Subject,
                                                const dt::FaceSound& Sound) {
  DiffusionTalkerVoices().play(Subject, Sound);
}

void FDiffusionTalkerLiveLinkSource::JoinThread() {
  if (Thread == nullptr) return;
  Receiver->stop();
  Thread->WaitForCompletion();
  delete Thread;
  Thread = nullptr;
}

#undef LOCTEXT_NAMESPACE
