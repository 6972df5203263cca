// Takes any bytes as what a peer sends and as a message of the wire. Both must end in an event, a
// message or a reason; memory stays within the declared bounds.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dt/face/connection.h"
#include "dt/net/zmtp.h"
#include "dt/wire/wire.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void fuzz_wire(const std::string& bytes) {
  // The first line is the topic, the rest the payload.
  const std::size_t line = bytes.find('\n');
  if (line == std::string::npos) return;
  dt::Message message;
  std::string why;
  const bool good = dt::decode({bytes.substr(0, line), bytes.substr(line + 1)}, &message, &why);
  require(good == why.empty());
  require(message.frame.values.size() <= dt::kMaxCurves);
  if (good && message.kind == dt::Kind::kFrame) {
    require(message.session > 0 && message.frame.rate_den > 0 && !message.frame.values.empty());
    for (const float value : message.frame.values) require(value - value == 0.0f);
  }
  require(message.audio.samples.size() <= dt::kMaxAudioBytes / 2);
  if (good && message.kind == dt::Kind::kAudio) require(!message.audio.samples.empty());
  if (good && message.kind == dt::Kind::kSchema) require(!message.schema.curves.empty());
}

void fuzz_zmtp(const std::string& bytes) {
  dt::ZmtpSession session("dt/");
  std::size_t at = 0;
  std::size_t step = 1;
  while (at < bytes.size()) {
    const std::size_t size = std::min(step, bytes.size() - at);
    session.feed(bytes.data() + at, size);
    at += size;
    step = step % 97 + 13;
    for (auto event = session.next(); event != dt::ZmtpSession::Event::kNone;
         event = session.next()) {
      if (event == dt::ZmtpSession::Event::kFailed) {
        require(!session.error().empty());
        return;
      }
      if (event == dt::ZmtpSession::Event::kMessage) {
        require(session.message().size() <= dt::ZmtpSession::kMaxParts);
        dt::Message message;
        std::string why;
        dt::decode(session.message(), &message, &why);
      }
    }
    require(session.unsent().size() <= dt::ZmtpSession::kMaxUnsentBytes + 1024);
    session.ping();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  fuzz_wire(bytes);
  fuzz_zmtp(bytes);
  dt::Connection connection;
  std::string why;
  dt::parse_connection(bytes, &connection, &why);
  return 0;
}
