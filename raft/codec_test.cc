#include "raft/codec.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "raft/format.h"

namespace raft {
namespace {

namespace v1 = ::multiraft::peer::v1;
using base::PartitionId;

Entry MakeEntry(uint64_t index, EntryType type, std::string payload) {
  Entry entry{.term = Term{7},
              .index = Index{index},
              .type = type,
              .time_ns = 1000 + index,
              .chain = 0x1234567890abcdef + index,
              .payload_crc = base::Crc32c(payload)};
  if (!payload.empty()) {
    entry.payload = std::make_shared<const std::string>(std::move(payload));
  }
  return entry;
}

std::string SomeConfiguration() {
  return EncodeConfiguration(
      {.voters = {ReplicaId{1}, ReplicaId{2}},
       .members = {{.replica = ReplicaId{1}}, {.replica = ReplicaId{2}}}});
}

Message From1To2(decltype(Message::body) body) {
  return {.from = ReplicaId{1},
          .to = ReplicaId{2},
          .term = Term{9},
          .body = std::move(body)};
}

// One message of each kind, with each field set.
std::vector<Message> OneOfEach() {
  const Position position{
      .index = Index{5}, .term = Term{4}, .time_ns = 3, .chain = 2};
  std::vector<Message> all;
  for (auto& body : std::vector<decltype(Message::body)>{
           PreVote{Index{11}, Term{3}, true}, PreVoteReply{true},
           RequestVote{Index{11}, Term{3}, true}, RequestVoteReply{true},
           AppendEntries{
               Index{11},
               Term{3},
               ~uint64_t{0},
               Index{10},
               {MakeEntry(12, EntryType::kNoop, ""),
                MakeEntry(13, EntryType::kApp, std::string(300, 'x')),
                MakeEntry(14, EntryType::kConfChange, SomeConfiguration())}},
           AppendEntriesReply{true, Index{14}, Index{1}, Term{2}},
           Heartbeat{Index{14}, 77, 88}, HeartbeatReply{77, 88, 99},
           InstallSnapshot{position, SomeConfiguration()},
           InstallSnapshotReply{Index{5}, true}, TimeoutNow{Index{14}},
           Removed{Index{9}}, ReadIndexRequest{~uint64_t{0}},
           ReadIndexReply{~uint64_t{0}, true, Index{14}}}) {
    all.push_back(From1To2(std::move(body)));
  }
  return all;
}

v1::Frame Parse(const std::string& bytes) {
  v1::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(bytes));
  return frame;
}

// What a message says, all of it.
std::string Describe(const Message& message) {
  std::string bytes;
  AppendMessage(PartitionId{3}, message, bytes);
  return FormatMessage(message) + Parse(bytes).DebugString();
}

TEST(CodecTest, EachKindOfMessageArrivesAsItWasSent) {
  ASSERT_EQ(OneOfEach().size(), std::variant_size_v<decltype(Message::body)>);
  for (const Message& message : OneOfEach()) {
    std::string bytes;
    AppendMessage(PartitionId{3}, message, bytes);
    EXPECT_LE(bytes.size(), EncodedSize(message)) << FormatMessage(message);
    v1::Frame frame = Parse(bytes);
    ASSERT_EQ(frame.messages_size(), 1);
    EXPECT_EQ(frame.messages(0).partition(), 3u);
    ASSERT_OK_AND_ASSIGN(const Message decoded,
                         DecodeMessage(std::move(*frame.mutable_messages(0))));
    EXPECT_EQ(decoded.body.index(), message.body.index());
    EXPECT_EQ(Describe(decoded), Describe(message));
  }
}

TEST(CodecTest, FramesArePutTogetherOneBehindTheOther) {
  std::string bytes;
  for (const Message& message : OneOfEach()) {
    AppendMessage(PartitionId{3}, message, bytes);
  }
  EXPECT_EQ(static_cast<size_t>(Parse(bytes).messages_size()),
            OneOfEach().size());
}

// What the hand-written part makes is what protobuf makes, except that payloads
// may stand elsewhere.
TEST(CodecTest, BytesAreThoseOfTheGeneratedCode) {
  for (const Message& message : OneOfEach()) {
    std::string bytes;
    AppendMessage(PartitionId{3}, message, bytes);
    const v1::Frame frame = Parse(bytes);
    EXPECT_EQ(frame.ByteSizeLong(), bytes.size()) << FormatMessage(message);
  }
}

TEST(CodecTest, DecodedPayloadIsNotCopied) {
  std::string bytes;
  AppendMessage(
      PartitionId{3},
      From1To2(AppendEntries{
          .entries = {MakeEntry(1, EntryType::kApp, std::string(1000, 'x'))}}),
      bytes);
  v1::Frame frame = Parse(bytes);
  const char* const parsed = frame.messages(0).payloads(0).data();
  ASSERT_OK_AND_ASSIGN(const Message decoded,
                       DecodeMessage(std::move(*frame.mutable_messages(0))));
  EXPECT_EQ(std::get<AppendEntries>(decoded.body).entries[0].bytes().data(),
            parsed);
}

// Gives `proto` the checksum of what it says now, as a replica with a bug
// would.
void Reseal(v1::RaftMessage& proto) {
  v1::RaftMessage head = proto;
  head.clear_crc();
  head.clear_payloads();
  proto.set_crc(base::Crc32c(head.SerializeAsString()));
}

// A message of a good append that `spoil` changed.
template <class Spoil>
absl::Status DecodeSpoilt(Spoil spoil) {
  std::string bytes;
  AppendMessage(
      PartitionId{3},
      From1To2(AppendEntries{.entries = {MakeEntry(1, EntryType::kApp, "abc"),
                                         MakeEntry(2, EntryType::kConfChange,
                                                   SomeConfiguration())}}),
      bytes);
  v1::Frame frame = Parse(bytes);
  spoil(*frame.mutable_messages(0));
  Reseal(*frame.mutable_messages(0));
  return DecodeMessage(std::move(*frame.mutable_messages(0))).status();
}

TEST(CodecTest, WhatNoReplicaSendsIsRefused) {
  EXPECT_OK(DecodeSpoilt([](v1::RaftMessage&) {}));
  const std::vector<void (*)(v1::RaftMessage&)> spoilers = {
      [](auto& m) { m.set_from(0); },
      [](auto& m) { m.set_to(0); },
      [](auto& m) { m.clear_body(); },
      [](auto& m) { m.set_payloads(0, "abd"); },
      [](auto& m) { m.add_payloads("one too many"); },
      [](auto& m) { m.mutable_payloads()->RemoveLast(); },
      [](auto& m) {
        m.mutable_append_entries()->mutable_entries(0)->set_type(0);
      },
      [](auto& m) {
        m.mutable_append_entries()->mutable_entries(0)->set_type(4);
      },
      [](auto& m) {
        m.mutable_append_entries()->mutable_entries(0)->set_type(256 + 3);
      },
      [](auto& m) {
        const std::string bytes = "no configuration";
        m.set_payloads(1, bytes);
        m.mutable_append_entries()->mutable_entries(1)->set_payload_crc(
            base::Crc32c(bytes));
      },
      [](auto& m) { m.mutable_install_snapshot()->set_configuration("x"); }};
  for (size_t i = 0; i < spoilers.size(); ++i) {
    EXPECT_EQ(DecodeSpoilt(spoilers[i]).code(),
              absl::StatusCode::kInvalidArgument)
        << i;
  }
}

// One bit of a commit index, a term or a vote that is not as it was sent would
// be believed.
TEST(CodecTest, NoFlippedBitMakesAnotherMessage) {
  for (const Message& message : OneOfEach()) {
    std::string bytes;
    AppendMessage(PartitionId{3}, message, bytes);
    const std::string sent = Describe(message);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      v1::Frame frame;
      if (!frame.ParseFromString(flipped)) continue;
      for (auto& proto : *frame.mutable_messages()) {
        const uint32_t partition = proto.partition();
        const absl::StatusOr<Message> decoded = DecodeMessage(std::move(proto));
        if (!decoded.ok()) continue;
        EXPECT_EQ(Describe(*decoded), sent) << "bit " << bit;
        EXPECT_EQ(partition, 3u) << "bit " << bit;
      }
    }
  }
}

// What a newer version adds does not make its messages wrong here.
TEST(CodecTest, UnknownFieldsAreUnderTheChecksumToo) {
  v1::RaftMessage proto;
  std::string bytes;
  AppendMessage(PartitionId{3}, From1To2(Heartbeat{Index{14}, 77}), bytes);
  proto = Parse(bytes).messages(0);
  // Fields 100 of the message and of its body.
  proto.GetReflection()->MutableUnknownFields(&proto)->AddVarint(100, 7);
  v1::Heartbeat& body = *proto.mutable_heartbeat();
  body.GetReflection()->MutableUnknownFields(&body)->AddVarint(100, 8);
  Reseal(proto);
  v1::RaftMessage arrived;
  ASSERT_TRUE(arrived.ParseFromString(proto.SerializeAsString()));
  EXPECT_OK(DecodeMessage(std::move(arrived)).status());
}

// Bytes that went wrong on the way, or were made to harm: each is a message, a
// Status or not a frame, never a crash.
TEST(CodecTest, HostileBytesAreMessagesOrErrors) {
  base::Random random(1);
  uint64_t decoded = 0;
  uint64_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (const Message& message : OneOfEach()) {
      if (random.OneIn(3)) AppendMessage(PartitionId{3}, message, bytes);
    }
    for (uint64_t flips = random.Below(4); flips > 0 && !bytes.empty();
         --flips) {
      const size_t at = random.Below(bytes.size());
      switch (random.Below(3)) {
        case 0:
          bytes[at] = static_cast<char>(random.Next());
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random.Next()));
          break;
      }
    }
    v1::Frame frame;
    if (!frame.ParseFromString(bytes)) {
      ++refused;
      continue;
    }
    for (auto& proto : *frame.mutable_messages()) {
      if (DecodeMessage(std::move(proto)).ok()) {
        ++decoded;
      } else {
        ++refused;
      }
    }
  }
  EXPECT_GT(decoded, 1000u);
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace raft
