#include "dt/net/curve.h"

#if !defined(DT_CURVE)
#define DT_CURVE 0
#endif

#if DT_CURVE

#if __has_include("tweetnacl.h")
#include <random>
extern "C" {
#include "tweetnacl.h"

// TweetNaCl leaves this to its user. The system's source of randomness, where there is one; it ends
// the program where there is none.
void randombytes(unsigned char* bytes, unsigned long long count);
void randombytes(unsigned char* bytes, unsigned long long count) {
  std::random_device system;
  for (unsigned long long i = 0; i < count; ++i) bytes[i] = static_cast<unsigned char>(system());
}
}
#else
#include <sodium.h>
#endif

#include <cstring>

namespace dt {

namespace {

// NaCl wants so many zero bytes before a message, and leaves so many before what it sealed.
constexpr std::size_t kBefore = crypto_box_ZEROBYTES;
constexpr std::size_t kBeforeSealed = crypto_box_BOXZEROBYTES;
constexpr std::size_t kSealBytes = kBefore - kBeforeSealed;
constexpr std::size_t kLongNonceBytes = 16;
constexpr std::size_t kCookieBytes = 96;
constexpr std::string_view kMessageName = "\x07MESSAGE";

std::string big_endian(std::uint64_t whole) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(whole >> shift);
  return out;
}

std::string_view bytes_of(const CurveKey& key) {
  return std::string_view(reinterpret_cast<const char*>(key.data()), key.size());
}

const unsigned char* raw(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

CurveKey agreed(const CurveKey& theirs, const CurveKey& ours) {
  CurveKey shared;
  // Fails for keys that no honest peer has; the seals that follow then fit nothing.
  if (crypto_box_beforenm(shared.data(), theirs.data(), ours.data()) != 0) shared.fill(0);
  return shared;
}

std::string sealed(std::string_view plain, const std::string& nonce, const CurveKey& shared) {
  std::string padded(kBefore, '\0');
  padded += plain;
  std::string out(padded.size(), '\0');
  crypto_box_afternm(reinterpret_cast<unsigned char*>(out.data()), raw(padded), padded.size(),
                     raw(nonce), shared.data());
  return out.substr(kBeforeSealed);
}

bool unsealed(std::string_view box, const std::string& nonce, const CurveKey& shared,
              std::string* plain) {
  if (box.size() < kSealBytes) return false;
  std::string padded(kBeforeSealed, '\0');
  padded += box;
  std::string out(padded.size(), '\0');
  if (crypto_box_open_afternm(reinterpret_cast<unsigned char*>(out.data()), raw(padded),
                              padded.size(), raw(nonce), shared.data()) != 0) {
    return false;
  }
  *plain = out.substr(kBefore);
  return true;
}

std::uint64_t whole_of(std::string_view bytes) {
  std::uint64_t whole = 0;
  for (const char byte : bytes) whole = (whole << 8) | static_cast<unsigned char>(byte);
  return whole;
}

}  // namespace

bool curve_built() { return true; }

CurveClient::CurveClient(const CurveKeys& keys) : keys_(keys) {
#if !__has_include("tweetnacl.h")
  // Any number of times, from any thread; only the first does something.
  if (sodium_init() < 0) return;
#endif
  crypto_box_keypair(brief_public_.data(), brief_secret_.data());
}

std::string CurveClient::hello() {
  const std::string count = big_endian(++sent_);
  std::string out("\x01\0", 2);  // version 1.0
  out.append(72, '\0');          // so that the answer is not larger than the question
  out += bytes_of(brief_public_);
  out += count;
  out += sealed(std::string(64, '\0'), "CurveZMQHELLO---" + count,
                agreed(keys_.sender_public, brief_secret_));
  return out;
}

bool CurveClient::take_welcome(std::string_view body) {
  const std::size_t key_bytes = peer_brief_.size();
  if (body.size() != kLongNonceBytes + kSealBytes + key_bytes + kCookieBytes) return false;
  std::string plain;
  const std::string nonce = "WELCOME-" + std::string(body.substr(0, kLongNonceBytes));
  if (!unsealed(body.substr(kLongNonceBytes), nonce, agreed(keys_.sender_public, brief_secret_),
                &plain)) {
    return false;
  }
  std::memcpy(peer_brief_.data(), plain.data(), key_bytes);
  cookie_ = plain.substr(key_bytes);
  shared_ = agreed(peer_brief_, brief_secret_);
  return true;
}

std::string CurveClient::initiate(std::string_view metadata) {
  std::string random(kLongNonceBytes, '\0');
  randombytes(reinterpret_cast<unsigned char*>(random.data()), random.size());
  // The voucher: whoever holds our own key says that the connection's key is ours too.
  std::string vouched(bytes_of(brief_public_));
  vouched += bytes_of(keys_.sender_public);
  std::string plain(bytes_of(keys_.own_public));
  plain += random;
  plain += sealed(vouched, "VOUCH---" + random, agreed(peer_brief_, keys_.own_secret));
  plain += metadata;
  const std::string count = big_endian(++sent_);
  return cookie_ + count + sealed(plain, "CurveZMQINITIATE" + count, shared_);
}

bool CurveClient::take_ready(std::string_view body, std::string* metadata) {
  if (body.size() < sizeof heard_) return false;
  const std::string count(body.substr(0, sizeof heard_));
  heard_ = whole_of(count);
  return unsealed(body.substr(sizeof heard_), "CurveZMQREADY---" + count, shared_, metadata);
}

std::string CurveClient::seal(bool command, std::string_view body) {
  const std::string count = big_endian(++sent_);
  std::string plain(1, command ? '\x02' : '\0');
  plain += body;
  std::string out(kMessageName);
  out += count;
  return out + sealed(plain, "CurveZMQMESSAGEC" + count, shared_);
}

bool CurveClient::open(std::string_view message, bool* more, bool* command, std::string* body) {
  if (message.size() < kAddedBytes || message.substr(0, kMessageName.size()) != kMessageName) {
    return false;
  }
  const std::string count(message.substr(kMessageName.size(), sizeof heard_));
  const std::uint64_t number = whole_of(count);
  std::string plain;
  if (number <= heard_ || !unsealed(message.substr(kMessageName.size() + sizeof heard_),
                                    "CurveZMQMESSAGES" + count, shared_, &plain)) {
    return false;
  }
  heard_ = number;
  *more = (plain[0] & 1) != 0;
  *command = (plain[0] & 2) != 0;
  *body = plain.substr(1);
  return true;
}

}  // namespace dt

#else

namespace dt {

bool curve_built() { return false; }

CurveClient::CurveClient(const CurveKeys& keys) : keys_(keys) {}
std::string CurveClient::hello() { return std::string(); }
bool CurveClient::take_welcome(std::string_view) { return false; }
std::string CurveClient::initiate(std::string_view) { return std::string(); }
bool CurveClient::take_ready(std::string_view, std::string*) { return false; }
std::string CurveClient::seal(bool, std::string_view) { return std::string(); }
bool CurveClient::open(std::string_view, bool*, bool*, std::string*) { return false; }

}  // namespace dt

#endif
