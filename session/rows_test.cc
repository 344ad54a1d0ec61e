// The bytes of rows in an image, written by hand: they never change.

#include "session/rows.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace session {
namespace {

template <class Row>
std::string HexOf(const Row& row) {
  std::string bytes;
  row.Encode(bytes);
  return absl::BytesToHexString(bytes);
}

// `golden` is hex with spaces. Every shorter and every longer string is
// refused, and so is another version.
template <class Row>
void ExpectGolden(const Row& row, const std::string& golden) {
  const std::string hex = absl::StrReplaceAll(golden, {{" ", ""}});
  EXPECT_EQ(HexOf(row), hex);
  const std::string bytes = absl::HexStringToBytes(hex);
  Row decoded;
  ASSERT_TRUE(Row::Decode(bytes, decoded));
  EXPECT_EQ(decoded, row);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Row::Decode(bytes.substr(0, size), decoded)) << size;
  }
  EXPECT_FALSE(Row::Decode(bytes + '\0', decoded));
  EXPECT_FALSE(Row::Decode("\x02" + bytes.substr(1), decoded));
}

TEST(RowsTest, Partition) {
  ExpectGolden(PartitionRow{.command_index = 1,
                            .time_ns = 2,
                            .term = 3,
                            .grace_start_ns = 4,
                            .previous_grace_start_ns = 5,
                            .event_position = 6,
                            .machine_version = 1},
               "01 0000000000000001 0000000000000002 0000000000000003 "
               "0000000000000004 0000000000000005 0000000000000006 00000001");
}

TEST(RowsTest, PartitionOfTheNextVersion) {
  ExpectGolden(PartitionRow{.command_index = 1,
                            .time_ns = 2,
                            .term = 3,
                            .grace_start_ns = 4,
                            .previous_grace_start_ns = 5,
                            .event_position = 6,
                            .machine_version = kMachineVersionNext,
                            .version_since = 7},
               "01 0000000000000001 0000000000000002 0000000000000003 "
               "0000000000000004 0000000000000005 0000000000000006 00000002 "
               "0000000000000007");
}

TEST(RowsTest, Session) {
  ExpectGolden(
      SessionRow{.timeout_ns = 1, .refreshed_ns = 2, .mark_end = 0x0304},
      "01 0000000000000001 0000000000000002 0000000000000304");
}

TEST(RowsTest, Primitive) {
  ExpectGolden(
      PrimitiveRow{
          .type = "map", .name_space = "n", .name = "ab", .profile = ""},
      "01 00000003 6d6170 00000001 6e 00000002 6162 00000000");
}

TEST(RowsTest, User) {
  ExpectGolden(UserRow{}, "01 00");
  ExpectGolden(UserRow{.closing = true}, "01 01");
  UserRow row;
  EXPECT_FALSE(UserRow::Decode(absl::HexStringToBytes("0102"), row));
}

TEST(RowsTest, OpenCommand) {
  ExpectGolden(
      OpenCommandRow{
          .primitive = PrimitiveId(5), .input_hash = 0xabcdef, .listens = true},
      "01 0000000000000005 0000000000abcdef 01");
}

TEST(RowsTest, RecordBlock) {
  RecordBlock block;
  block.set_awaited(1, true);
  block.set_awaited(255, true);
  block.records = {
      {.slot = 0, .input_hash = 9, .text = "ok"},
      {.slot = 254, .status = OperationStatus::kConflict, .text = "no"}};
  block.records_bytes = 2 * (CommandRecord::kOverhead + 2);
  ExpectGolden(block,
               "01 0000000000000002 0000000000000000 0000000000000000 "
               "8000000000000000 0002 "
               "00 00 0000000000000009 00000002 6f6b "
               "fe 08 0000000000000000 00000002 6e6f");
}

TEST(RowsTest, RecordWhoseTextIsApart) {
  RecordBlock block;
  block.records = {{.slot = 7,
                    .status = OperationStatus::kConflict,
                    .input_hash = 9,
                    .apart_bytes = 5000}};
  block.records_bytes = CommandRecord::kOverhead + 5000;
  block.apart_bytes = 5000;
  ExpectGolden(block,
               "01 0000000000000000 0000000000000000 0000000000000000 "
               "0000000000000000 0001 "
               "07 88 0000000000000009 00001388");
  EXPECT_EQ(block.size_bytes(), sizeof(block) + CommandRecord::kOverhead);
  ExpectGolden(OutputRow{.text = "long"}, "01 00000004 6c6f6e67");
  // One of no bytes is not apart.
  EXPECT_FALSE(RecordBlock::Decode(
      absl::HexStringToBytes("01" + std::string(64, '0') +
                             "0001"
                             "0780000000000000000900000000"),
      block));
}

TEST(RowsTest, ARecordBlockIsOrderedAndOfKnownStatuses) {
  const std::string head = "01" + std::string(64, '0');
  RecordBlock row;
  auto decodes = [&](const std::string& rest) {
    return RecordBlock::Decode(absl::HexStringToBytes(head + rest), row);
  };
  const std::string zeros =
      "0000000000000000"
      "00000000";
  EXPECT_TRUE(
      decodes("0002"
              "0100" +
              zeros + "0200" + zeros));
  EXPECT_FALSE(
      decodes("0002"
              "0200" +
              zeros + "0100" + zeros));
  EXPECT_FALSE(
      decodes("0002"
              "0100" +
              zeros + "0100" + zeros));
  EXPECT_FALSE(
      decodes("0001"
              "010f" +
              zeros));
  EXPECT_FALSE(
      decodes("ffff"
              "0100" +
              zeros));
}

TEST(RowsTest, Listener) {
  ExpectGolden(ListenerRow{.primitive = PrimitiveId(1),
                           .index = 2,
                           .filter = "k",
                           .acked_number = 3,
                           .released_number = 4,
                           .released_position = 5,
                           .end_position = 6,
                           .error = "e",
                           .forgotten = true},
               "01 0000000000000001 0000000000000002 00000001 6b "
               "0000000000000003 0000000000000004 0000000000000005 "
               "0000000000000006 00000001 65 01");
}

TEST(RowsTest, Event) {
  ExpectGolden(EventRow{.change_index = 1,
                        .only = {SessionId(2), SequenceNum(3)},
                        .key = "k",
                        .output = "out"},
               "01 0000000000000001 0000000000000002 0000000000000003 "
               "00000001 6b 00000003 6f7574");
}

TEST(RowsTest, Reclaim) {
  ExpectGolden(ReclaimRow{.open_cursor = 1,
                          .record_cursor = 2,
                          .last_end = 3,
                          .raise_from = 4,
                          .filter_bits = 5,
                          .filter_hashes = 6,
                          .filter_set_bits = 7,
                          .filter_words = "w"},
               "01 0000000000000001 0000000000000002 0000000000000003 "
               "0000000000000004 0000000000000005 0000000000000006 "
               "0000000000000007 00000001 77");
}

}  // namespace
}  // namespace session
