// The sender's side of CURVE, for tests of what no honest sender says. Needs DT_CURVE.
#pragma once

#if __has_include("tweetnacl.h")
extern "C" {
#include "tweetnacl.h"
void randombytes(unsigned char* bytes, unsigned long long count);
}
#else
#include <sodium.h>
#endif

#include <cstdint>
#include <cstring>
#include <string>

#include "dt/net/curve.h"
#include "wire_writer.h"

class CurvePeer {
 public:
  CurvePeer() {
    crypto_box_keypair(public_.data(), secret_.data());
    crypto_box_keypair(brief_public_.data(), brief_secret_.data());
  }

  // Keys of a receiver that knows this peer.
  dt::CurveKeys receiver_keys() const {
    dt::CurveKeys keys;
    keys.sender_public = public_;
    crypto_box_keypair(keys.own_public.data(), keys.own_secret.data());
    return keys;
  }

  // Answers to a HELLO and an INITIATE, as frames. `sent` is what the client has sent so far, its
  // greeting left out.
  std::string welcome(const std::string& sent) {
    const std::size_t key_at = 2 + 6 + 2 + 72;
    std::memcpy(client_brief_.data(), sent.data() + key_at, client_brief_.size());
    std::string plain(reinterpret_cast<const char*>(brief_public_.data()), 32);
    plain.append(96, 'c');
    const std::string random(16, 'r');
    return wire_writer::zmtp_frame(
        4, "\x07WELCOME" + random + sealed(plain, "WELCOME-" + random, client_brief_, secret_));
  }
  std::string ready(const std::string& metadata) {
    return wire_writer::zmtp_frame(4, "\x05READY" + seal("CurveZMQREADY---", metadata));
  }

  // A part of a message, sealed: `flags` 1 more follow, 2 a command.
  std::string part(char flags, const std::string& body) {
    return wire_writer::zmtp_frame(
        0, "\x07MESSAGE" + seal("CurveZMQMESSAGES", std::string(1, flags) + body));
  }

 private:
  std::string seal(const std::string& name, const std::string& plain) {
    std::string count;
    wire_writer::big_endian(&count, ++sent_, 8);
    return count + sealed(plain, name + count, client_brief_, brief_secret_);
  }

  static std::string sealed(const std::string& plain, const std::string& nonce,
                            const dt::CurveKey& theirs, const dt::CurveKey& ours) {
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<const unsigned char*>(text.data());
    };
    const std::string padded = std::string(32, '\0') + plain;
    std::string out(padded.size(), '\0');
    if (crypto_box(reinterpret_cast<unsigned char*>(&out[0]), bytes(padded), padded.size(),
                   bytes(nonce), theirs.data(), ours.data()) != 0) {
      return std::string();
    }
    return out.substr(16);
  }

  dt::CurveKey public_{}, secret_{}, brief_public_{}, brief_secret_{}, client_brief_{};
  std::uint64_t sent_ = 0;
};
