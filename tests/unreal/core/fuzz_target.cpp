// Takes any bytes as what a peer sends and as a message of the wire. Both must end in an event, a
// message or a reason; memory stays within the declared bounds.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dt/face/connection.h"
#include "dt/net/zmtp.h"
#include "dt/wire/wire.h"
#if DT_CURVE
#include "curve_peer.h"
#endif

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

void fuzz_zmtp(dt::ZmtpSession session, const std::string& bytes) {
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

#if DT_CURVE
// What a peer with the right key seals: each line's first letter is its flags.
void fuzz_sealed(const std::string& bytes) {
  struct Met {
    CurvePeer peer;
    dt::CurveKeys keys = peer.receiver_keys();
    dt::ZmtpSession fresh{"dt/", &keys};
    dt::ZmtpSession session = fresh;
    Met() {
      session.sent(64);
      tell(wire_writer::greeting("CURVE"));
      tell(peer.welcome(session.unsent()));
      session.sent(session.unsent().size());
      tell(peer.ready(std::string("\x0BSocket-Type\0\0\0\x04XPUB", 20)));
      require(session.ready());
    }
    void tell(const std::string& said) {
      session.feed(said.data(), said.size());
      session.next();
    }
  };
  static const Met met;
  fuzz_zmtp(met.fresh, bytes);
  CurvePeer peer = met.peer;
  std::string sealed;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    sealed += peer.part(bytes[at], bytes.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  fuzz_zmtp(met.session, sealed);
}
#endif

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  fuzz_wire(bytes);
  fuzz_zmtp(dt::ZmtpSession("dt/"), bytes);
#if DT_CURVE
  // Sealing takes time: only what begins as such a line does.
  if (size > 0 && data[0] < 4) fuzz_sealed(bytes);
#endif
  dt::Connection connection;
  std::string why;
  dt::parse_connection(bytes, &connection, &why);
  return 0;
}
