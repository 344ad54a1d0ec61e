#include "storage/records.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_builder.h"

namespace storage {
namespace {

using base::testing::StatusIs;
using ::testing::HasSubstr;

constexpr base::PartitionId kPartition{0x01020304};

std::string Hex(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}

// `hex` and the crc of the bytes it stands for.
std::string Sealed(absl::string_view hex) {
  std::string bytes = absl::HexStringToBytes(hex);
  base::AppendU32(bytes, base::Crc32c(bytes));
  return Hex(bytes);
}

TEST(RecordsTest, GoldenKeys) {
  EXPECT_EQ(Hex(LogKey(kPartition, raft::Index{0x1122334455667788})),
            "01020304"
            "1122334455667788");
  EXPECT_EQ(Hex(ImageKey(kPartition, 2, 0x0a0b, std::string("k\0y", 3), 9)),
            "01020304"
            "0000000000000002"
            "0a0b"
            "6b00ff79"
            "0001"
            "0000000000000009");
  EXPECT_EQ(HardStateKey(kPartition),
            std::string("p\x01\x02\x03\x04", 5) + "hard_state");
  EXPECT_EQ(ImagePointerKey(kPartition),
            std::string("p\x01\x02\x03\x04", 5) + "image");
  EXPECT_EQ(ReplicaKey(kPartition),
            std::string("p\x01\x02\x03\x04", 5) + "replica");
  EXPECT_EQ(DataFormatKey(), "nformat");
  EXPECT_EQ(IdentityKey(), "nidentity");
}

TEST(RecordsTest, GoldenEntry) {
  raft::Entry entry{
      .term = raft::Term{3},
      .index = raft::Index{7},
      .type = raft::EntryType::kApp,
      .time_ns = 0x0a0b,
      .chain = 0x1122334455667788,
      .payload_crc = base::Crc32c("123456789"),
      .payload = std::make_shared<const std::string>("123456789")};
  const std::string value = EncodeEntryHead(entry) + std::string(entry.bytes());
  EXPECT_EQ(Hex(value),
            "01"
            "03"
            "0000000000000003"
            "0000000000000a0b"
            "1122334455667788"
            "e3069283"
            "313233343536373839");
  ASSERT_OK_AND_ASSIGN(raft::Entry decoded, DecodeEntry(entry.index, value));
  EXPECT_EQ(raft::PositionOf(decoded), raft::PositionOf(entry));
  EXPECT_EQ(decoded.type, entry.type);
  EXPECT_EQ(*decoded.payload, "123456789");
}

TEST(RecordsTest, GoldenHardState) {
  const raft::HardState hard_state{.term = raft::Term{5},
                                   .voted_for = raft::ReplicaId{2},
                                   .commit_index = raft::Index{0x10}};
  const std::string value = EncodeHardState(hard_state);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "0000000000000005"
                               "0000000000000002"
                               "0000000000000010"));
  ASSERT_OK_AND_ASSIGN(raft::HardState decoded, DecodeHardState(value));
  EXPECT_EQ(decoded, hard_state);
}

TEST(RecordsTest, GoldenReplica) {
  const ReplicaRecord record{.replica = raft::ReplicaId{9},
                             .dropped = raft::ReplicaId{0x10}};
  const std::string value = EncodeReplica(record);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "0000000000000009"
                               "0000000000000010"));
  ASSERT_OK_AND_ASSIGN(const ReplicaRecord decoded, DecodeReplica(value));
  EXPECT_EQ(decoded, record);
}

TEST(RecordsTest, GoldenImagePointer) {
  const ImagePointer pointer{.position = {.index = raft::Index{1},
                                          .term = raft::Term{2},
                                          .time_ns = 3,
                                          .chain = 4},
                             .command_index = 5,
                             .configuration = OneVoter(),
                             .generation = 6,
                             .checkpoint = 7,
                             .machine_version = 8,
                             .digest = 9};
  const std::string configuration = raft::EncodeConfiguration(OneVoter());
  std::string size;
  base::AppendU32(size, static_cast<uint32_t>(configuration.size()));
  const std::string value = EncodeImagePointer(pointer);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "0000000000000001"
                               "0000000000000002"
                               "0000000000000003"
                               "0000000000000004"
                               "0000000000000005"
                               "0000000000000006"
                               "0000000000000007"
                               "00000008"
                               "0000000000000009" +
                               Hex(size) + Hex(configuration)));
  ASSERT_OK_AND_ASSIGN(ImagePointer decoded, DecodeImagePointer(value));
  EXPECT_EQ(decoded, pointer);

  ImagePointer suspect = pointer;
  suspect.suspect = true;
  std::string body = value.substr(0, value.size() - 4);
  body[0] = 2;
  EXPECT_EQ(Hex(EncodeImagePointer(suspect)), Sealed(Hex(body)));
  ASSERT_OK_AND_ASSIGN(decoded,
                       DecodeImagePointer(EncodeImagePointer(suspect)));
  EXPECT_EQ(decoded, suspect);
}

TEST(RecordsTest, GoldenImageRow) {
  EXPECT_EQ(Hex(EncodeImageRowHead(false)), "0100");
  EXPECT_EQ(Hex(EncodeImageRowHead(true)), "0101");
  const std::string key = ImageKey(kPartition, 1, 2, "row", 3);
  ASSERT_OK_AND_ASSIGN(ImageRow row,
                       DecodeImageRow(key, EncodeImageRowHead(false) + "v"));
  EXPECT_EQ(row.table, 2);
  EXPECT_EQ(row.key, "row");
  EXPECT_EQ(row.checkpoint, 3u);
  EXPECT_FALSE(row.erased);
  EXPECT_EQ(row.value, "v");
}

TEST(RecordsTest, GoldenIdentityAndFormat) {
  EXPECT_EQ(Hex(EncodeDataFormat(1)), Sealed("00000001"));
  const Identity identity{.cluster = "ab",
                          .node = base::NodeId{3},
                          .incarnation = 4,
                          .mode = "x",
                          .partitions = 5};
  const std::string value = EncodeIdentity(identity);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "00000002"
                               "6162"
                               "00000003"
                               "0000000000000004"
                               "00000001"
                               "78"
                               "00000005"));
  ASSERT_OK_AND_ASSIGN(Identity decoded, DecodeIdentity(value));
  EXPECT_EQ(decoded, identity);
}

TEST(RecordsTest, GoldenInitialCluster) {
  const InitialCluster cluster{.id = "ab-1",
                               .partitions = 5,
                               .replication = 2,
                               .members = {{.node = base::NodeId{3},
                                            .incarnation = 4,
                                            .peer_address = "p:1",
                                            .api_address = "a:2"}}};
  const std::string value = EncodeInitialCluster(cluster);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "00000004"
                               "61622d31"
                               "00000005"
                               "00000002"
                               "00000001"
                               "00000003"
                               "0000000000000004"
                               "00000003"
                               "703a31"
                               "00000003"
                               "613a32"));
  ASSERT_OK_AND_ASSIGN(InitialCluster decoded, DecodeInitialCluster(value));
  EXPECT_EQ(decoded, cluster);
  EXPECT_EQ(Hex(InitialClusterKey()), "6e696e697469616c");
}

TEST(RecordsTest, GoldenGroup) {
  Group group{.id = kPartition,
              .self = base::NodeId{3},
              .role = GroupRole::kWitness,
              .members = {{.node = base::NodeId{2}, .peer_address = "p:1"},
                          {.node = base::NodeId{3}, .peer_address = "q:2"}}};
  const std::string value = EncodeGroup(group);
  EXPECT_EQ(Hex(value), Sealed("01"
                               "00000003"
                               "03"
                               "00000002"
                               "00000002"
                               "00000003"
                               "703a31"
                               "00000003"
                               "00000003"
                               "713a32"
                               "00000000"));
  ASSERT_OK_AND_ASSIGN(Group decoded, DecodeGroup(kPartition, value));
  EXPECT_EQ(decoded, group);
  EXPECT_EQ(PartitionOfGroupKey(GroupKey(kPartition)), kPartition);
  EXPECT_EQ(PartitionOfGroupKey(ReplicaKey(kPartition)), base::PartitionId{0});

  group.beginning = raft::Configuration{
      .voters = {raft::ReplicaId{1}},
      .members = {{.replica = raft::ReplicaId{1}, .node = base::NodeId{3}}}};
  ASSERT_OK_AND_ASSIGN(decoded, DecodeGroup(kPartition, EncodeGroup(group)));
  EXPECT_EQ(decoded, group);
}

TEST(RecordsTest, NewerVersionNamesBothVersions) {
  std::string entry = EncodeEntryHead({.payload_crc = 0});
  entry[0] = 9;
  EXPECT_THAT(DecodeEntry(raft::Index{1}, entry).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("version 9; this binary knows up to 1")));
  std::string row = EncodeImageRowHead(false);
  row[0] = 2;
  EXPECT_THAT(DecodeImageRow(ImageKey(kPartition, 1, 2, "k", 3), row).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// Every prefix and every flipped bit of a sealed record is refused.
void ExpectFragile(const std::string& value,
                   absl::Status (*decode)(absl::string_view)) {
  EXPECT_OK(decode(value));
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode(absl::string_view(value).substr(0, size)).ok()) << size;
  }
  for (size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string flipped = value;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode(flipped).ok()) << bit;
  }
}

TEST(RecordsTest, DamagedRecordsDoNotDecode) {
  ExpectFragile(
      EncodeHardState({.term = raft::Term{5}}),
      +[](absl::string_view bytes) { return DecodeHardState(bytes).status(); });
  ExpectFragile(
      EncodeReplica({.replica = raft::ReplicaId{5}}),
      +[](absl::string_view bytes) { return DecodeReplica(bytes).status(); });
  ExpectFragile(
      EncodeIdentity({.cluster = "ab", .mode = "x"}),
      +[](absl::string_view bytes) { return DecodeIdentity(bytes).status(); });
  ExpectFragile(
      EncodeImagePointer({.configuration = OneVoter()}),
      +[](absl::string_view bytes) {
        return DecodeImagePointer(bytes).status();
      });
  ExpectFragile(
      EncodeGroup({.self = base::NodeId{1},
                   .members = {{base::NodeId{1}, "p:1"}},
                   .beginning = OneVoter()}),
      +[](absl::string_view bytes) {
        return DecodeGroup(kPartition, bytes).status();
      });
  ExpectFragile(
      EncodeDataFormat(1), +[](absl::string_view bytes) {
        return DecodeDataFormat(bytes).status();
      });
}

TEST(RecordsTest, PrefixRangeHoldsExactlyTheKeysWithThePrefix) {
  const std::vector<std::string> keys = {"",
                                         "a",
                                         std::string("a\0", 2),
                                         std::string("a\0\0", 3),
                                         "a\x01",
                                         "a\xff",
                                         "a\xff\xff",
                                         "a\xff\xff"
                                         "b",
                                         "ab",
                                         "b",
                                         "\xff",
                                         "\xff\xff"};
  for (const std::string& prefix : keys) {
    if (prefix.empty()) continue;
    const std::string begin = ImagePrefixBegin(kPartition, 1, 0xffff, prefix);
    const std::string end = ImagePrefixEnd(kPartition, 1, 0xffff, prefix);
    for (const std::string& key : keys) {
      for (const uint64_t checkpoint : {uint64_t{0}, UINT64_MAX}) {
        const std::string row =
            ImageKey(kPartition, 1, 0xffff, key, checkpoint);
        EXPECT_EQ(begin <= row && row < end,
                  key.compare(0, prefix.size(), prefix) == 0)
            << absl::CHexEscape(prefix) << " and " << absl::CHexEscape(key);
      }
    }
  }
}

TEST(RecordsTest, OnlyImagePointersNameAPartition) {
  EXPECT_EQ(PartitionOfImagePointerKey(ImagePointerKey(kPartition)),
            kPartition);
  EXPECT_EQ(PartitionOfReplicaKey(ReplicaKey(kPartition)), kPartition);
  EXPECT_EQ(PartitionOfReplicaKey(ImagePointerKey(kPartition)),
            base::PartitionId{0});
  EXPECT_EQ(PartitionOfImagePointerKey(HardStateKey(kPartition)),
            base::PartitionId{0});
  EXPECT_EQ(PartitionOfImagePointerKey(IdentityKey()), base::PartitionId{0});
  EXPECT_EQ(PartitionOfImagePointerKey(""), base::PartitionId{0});
}

}  // namespace
}  // namespace storage
