// ZeroMQ's CURVE mechanism (rfc.zeromq.org/spec/26) as a client speaks it: each end is known by its
// key, and what goes over the network is encrypted. No socket: commands go in and out.
//
// The arithmetic is that of a library with NaCl's interface, which is not part of this plugin:
// TweetNaCl (tweetnacl.h) or libsodium (sodium.h). DT_CURVE=1 says that one is there.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace dt {

using CurveKey = std::array<unsigned char, 32>;

// What a receiver needs.
struct CurveKeys {
  CurveKey sender_public{};
  CurveKey own_public{};
  CurveKey own_secret{};
};

// Whether a library was there when this was compiled.
bool curve_built();

// Reads a receiver's folder as `dt-stream keygen` makes it: NAME.key_secret and sender.key.
// `folder` is UTF-8. On failure `why` says what was expected.
bool read_curve_keys(const std::string& folder, CurveKeys* keys, std::string* why);

// A key's 40 letters (rfc.zeromq.org/spec/32); false if they are none.
bool read_z85(std::string_view text, CurveKey* key);

// One connection, from HELLO on. What comes is not trusted: every function that takes bytes gives
// false for those that the peer's key has not sealed, or that were heard before.
class CurveClient {
 public:
  // Bytes that sealing adds to a message: the name, a nonce, the seal, the flags.
  static constexpr std::size_t kAddedBytes = 8 + 8 + 16 + 1;

  // Draws the keys of the connection.
  explicit CurveClient(const CurveKeys& keys);

  // The bodies of the commands that the handshake consists of, without their names.
  std::string hello();
  bool take_welcome(std::string_view body);
  std::string initiate(std::string_view metadata);
  bool take_ready(std::string_view body, std::string* metadata);

  // A frame of the traffic, sealed: the whole body of a ZMTP message.
  std::string seal(bool command, std::string_view body);
  // One that came: its flags and its body.
  bool open(std::string_view message, bool* more, bool* command, std::string* body);

 private:
  CurveKeys keys_;
  CurveKey brief_public_{};
  CurveKey brief_secret_{};
  CurveKey peer_brief_{};
  CurveKey shared_{};
  std::string cookie_;
  std::uint64_t sent_ = 0;   // nonces used
  std::uint64_t heard_ = 0;  // the peer's last
};

}  // namespace dt
