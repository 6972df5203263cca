#include "dt/net/curve.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dt/net/zmtp.h"
#include "wire_writer.h"
#if DT_CURVE
#include "curve_peer.h"
#endif

namespace {

using dt::ZmtpSession;
using Event = ZmtpSession::Event;

// The public key and the secret one that ZeroMQ's own manual gives for tests.
constexpr char kPublic[] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr char kSecret[] = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

TEST(CurveKeys, ReadsWhatZeroMqWrites) {
  dt::CurveKey key;
  ASSERT_TRUE(dt::read_z85(kPublic, &key));
  EXPECT_EQ(key[0], 0xBB);
  EXPECT_EQ(key[1], 0x88);
  EXPECT_EQ(key[31], 0x18);
  EXPECT_FALSE(dt::read_z85(std::string(kPublic).substr(1), &key));
  EXPECT_FALSE(dt::read_z85(std::string(40, '#'), &key)) << "more than 32 bits";
  EXPECT_FALSE(dt::read_z85(std::string(40, ' '), &key));
}

TEST(CurveKeys, AFolderIsReadOrSaysWhatItLacks) {
  const auto place = std::filesystem::path(testing::TempDir()) / "curve_keys" / "anna";
  std::filesystem::remove_all(place);
  const std::string folder = place.string();
  dt::CurveKeys keys;
  std::string why;
  EXPECT_FALSE(dt::read_curve_keys(folder, &keys, &why));
  EXPECT_NE(why.find("no such folder"), std::string::npos) << why;
  std::filesystem::create_directories(place);
  EXPECT_FALSE(dt::read_curve_keys(folder, &keys, &why));
  EXPECT_NE(why.find("expected the folder of one receiver"), std::string::npos) << why;
  std::ofstream(place / "anna.key_secret") << "# words\ncurve\n    public-key = \"" << kPublic
                                           << "\"\n    secret-key = \"" << kSecret << "\"\n";
  EXPECT_FALSE(dt::read_curve_keys(folder, &keys, &why));
  EXPECT_NE(why.find("sender.key is missing"), std::string::npos) << why;
  std::ofstream(place / "sender.key") << "curve\r\n\tpublic-key='" << kPublic << "'\r\n";
  EXPECT_TRUE(dt::read_curve_keys(folder, &keys, &why)) << why;
  EXPECT_EQ(keys.sender_public, keys.own_public);
  EXPECT_NE(keys.own_secret, keys.own_public);
  std::ofstream(place / "anna.key_secret") << std::string(100000, '"') << "\n";
  EXPECT_FALSE(dt::read_curve_keys(folder, &keys, &why));
  EXPECT_NE(why.find("no certificate"), std::string::npos) << why;
}

#if DT_CURVE

// A session whose handshake with `peer` is done.
ZmtpSession met(CurvePeer* peer) {
  const dt::CurveKeys keys = peer->receiver_keys();
  ZmtpSession session("dt/", &keys);
  session.sent(64);
  const auto take = [&](const std::string& bytes) {
    session.feed(bytes.data(), bytes.size());
    return session.next();
  };
  EXPECT_EQ(take(wire_writer::greeting("CURVE")), Event::kNone);
  const std::string hello = session.unsent();
  session.sent(hello.size());
  EXPECT_EQ(hello.size(), 202u);
  EXPECT_EQ(hello.substr(0, 8), std::string("\x04\xC8\x05HELLO"));
  EXPECT_EQ(take(peer->welcome(hello)), Event::kNone) << session.error();
  EXPECT_EQ(session.unsent().substr(9, 9), "\x08INITIATE");
  session.sent(session.unsent().size());
  const std::string properties("\x0BSocket-Type\0\0\0\x04XPUB", 20);
  EXPECT_EQ(take(peer->ready(properties)), Event::kReady) << session.error();
  return session;
}

Event tell(ZmtpSession* session, const std::string& bytes) {
  session->feed(bytes.data(), bytes.size());
  return session->next();
}

TEST(Curve, TakesWhatIsSealedAndSealsWhatItSays) {
  CurvePeer peer;
  ZmtpSession session = met(&peer);
  // The subscription, and a ping: neither can be read.
  session.ping();
  EXPECT_EQ(session.unsent().find("dt/"), std::string::npos);
  EXPECT_EQ(session.unsent().find("PING"), std::string::npos);
  EXPECT_EQ(tell(&session, peer.part(1, "topic")), Event::kNone);
  EXPECT_EQ(tell(&session, peer.part(0, std::string(65536, 'x'))), Event::kMessage);
  EXPECT_EQ(session.message(), (std::vector<std::string>{"topic", std::string(65536, 'x')}));
  const std::size_t before = session.unsent().size();
  EXPECT_EQ(tell(&session, peer.part(2, std::string("\x04PING\0\x1E", 7))), Event::kNone);
  EXPECT_GT(session.unsent().size(), before) << "a sealed ping gets its pong";
}

TEST(Curve, EndsAtWhatIsChangedRepeatedOrInClear) {
  CurvePeer peer;
  const std::string unsealed = "a message that the sender's key has not sealed";
  for (const std::size_t at : {2u, 12u, 17u, 20u, 40u}) {
    ZmtpSession session = met(&peer);
    std::string changed = peer.part(0, "payload of a message");
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(tell(&session, changed), Event::kFailed) << at;
    EXPECT_EQ(session.error(), unsealed);
  }
  ZmtpSession repeated = met(&peer);
  const std::string once = peer.part(0, "payload");
  EXPECT_EQ(tell(&repeated, once), Event::kMessage);
  EXPECT_EQ(tell(&repeated, once), Event::kFailed);
  EXPECT_EQ(repeated.error(), unsealed);
  ZmtpSession clear = met(&peer);
  EXPECT_EQ(tell(&clear, wire_writer::zmtp_frame(0, "in clear")), Event::kFailed);
  EXPECT_EQ(clear.error(), unsealed);
  ZmtpSession command = met(&peer);
  EXPECT_EQ(tell(&command, wire_writer::zmtp_frame(4, std::string("\x04PING\0\x1E", 7))),
            Event::kFailed);
  EXPECT_EQ(command.error(), "a command in clear");
  ZmtpSession other = met(&peer);
  CurvePeer stranger;
  ZmtpSession(met(&stranger));
  EXPECT_EQ(tell(&other, stranger.part(0, "payload")), Event::kFailed);
}

TEST(Curve, KnowsTheSenderByItsKey) {
  CurvePeer peer;
  CurvePeer stranger;
  const dt::CurveKeys keys = peer.receiver_keys();
  ZmtpSession session("dt/", &keys);
  session.sent(64);
  EXPECT_EQ(tell(&session, wire_writer::greeting("CURVE")), Event::kNone);
  EXPECT_EQ(tell(&session, stranger.welcome(session.unsent())), Event::kFailed);
  EXPECT_EQ(session.error(), "the peer has another key than sender.key");
  ZmtpSession plain("dt/", &keys);
  EXPECT_EQ(tell(&plain, wire_writer::greeting("NULL")), Event::kFailed);
  EXPECT_EQ(plain.error(), "the peer wants the security mechanism NULL, expected CURVE");
  ZmtpSession early("dt/", &keys);
  EXPECT_EQ(tell(&early, wire_writer::greeting("CURVE") + wire_writer::ready()), Event::kFailed);
  EXPECT_EQ(early.error(), "expected WELCOME, got the command READY");
}

#endif

}  // namespace
