#include "session/table.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "session/types.h"

namespace session {
namespace {

struct TextRow {
  std::string text;

  void Encode(std::string& out) const { out += text; }
  static bool Decode(absl::string_view bytes, TextRow& row) {
    row.text.assign(bytes.data(), bytes.size());
    return true;
  }
  size_t size_bytes() const { return text.size(); }
};

TEST(TableTest, RowsAreOrderedAndFound) {
  TableSet tables;
  Table<std::string, TextRow> table(tables, TableId::kMap, 7);
  table.Insert("b", {"2"});
  table.Put("a", {"1"});
  table.Put("c", {"3"});
  table.Update("c", [](TextRow& row) { row.text = "33"; });
  EXPECT_TRUE(table.Erase("b"));
  EXPECT_FALSE(table.Erase("b"));
  std::string seen;
  table.Scan([&](const std::string& key, const TextRow& row) {
    seen += key + row.text + " ";
    return true;
  });
  EXPECT_EQ(seen, "a1 c33 ");
}

TEST(TableTest, KeysOfSessions) {
  TableSet tables;
  Table<CommandKey, TextRow> commands(tables, TableId::kOpenCommands);
  Table<std::pair<SessionId, std::string>, TextRow> pairs(tables,
                                                          TableId::kUsers);
  commands.Insert({SessionId(1), SequenceNum(2)}, {"x"});
  pairs.Insert({SessionId(1), "k"}, {"x"});
  tables.Freeze(9);
  std::vector<EncodedRow> rows;
  EXPECT_TRUE(tables.EncodeSlice(10, 1000, rows));
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(tables.digest(), tables.FullDigest());
  tables.ImageDurable();
}

}  // namespace
}  // namespace session
