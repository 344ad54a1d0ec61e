#include "session/table.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/coding.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/row_store.h"
#include "session/table_set.h"
#include "session/testing/fake_image_store.h"

namespace session {
namespace {

using ::base::testing::StatusIs;
using ::session::testing::FakeImageStore;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

static_assert(sizeof(RowNode) <= 24, "every row pays for it");

// A row that counts what is done to rows.
struct TextRow {
  TextRow(std::string t = "") : text(std::move(t)) { ++alive; }
  TextRow(const TextRow& other) : text(other.text) { ++alive; }
  TextRow(TextRow&& other) : text(std::move(other.text)) { ++alive; }
  TextRow& operator=(const TextRow&) = default;
  TextRow& operator=(TextRow&&) = default;
  ~TextRow() { --alive; }

  void Encode(std::string& out) const {
    ++encoded;
    out += text;
  }
  static bool Decode(absl::string_view bytes, TextRow& row) {
    if (bytes == "bad") return false;
    row.text = std::string(bytes);
    return true;
  }
  size_t size_bytes() const { return text.size(); }

  static inline int64_t alive = 0;
  static inline int64_t encoded = 0;

  std::string text;
};

using TextTable = Table<std::string, TextRow>;

// "a1=x" for a row of owner 1 with key a, "a1@2=x" in epoch 2, "-a1" for its
// tombstone.
std::string Show(const EncodedRow& row) {
  base::Reader reader(row.key);
  const uint64_t owner = reader.U64();
  const uint64_t epoch = reader.U64();
  if (row.table == TableId::kEpochs) return row.erased ? "-epoch" : "epoch";
  std::string out = absl::StrCat(row.erased ? "-" : "", reader.rest(), owner);
  if (epoch != 0) absl::StrAppend(&out, "@", epoch);
  if (!row.erased) absl::StrAppend(&out, "=", row.value);
  return out;
}

class TableTest : public ::testing::Test {
 protected:
  // The rest of the cut.
  std::vector<std::string> Encode() {
    std::vector<EncodedRow> rows;
    EXPECT_TRUE(set_.EncodeSlice(1'000'000, 1 << 30, rows));
    store_.Write(rows);
    std::vector<std::string> shown;
    for (const EncodedRow& row : rows) shown.push_back(Show(row));
    return shown;
  }

  std::vector<std::string> Checkpoint(uint64_t checkpoint) {
    set_.Freeze(checkpoint);
    std::vector<std::string> rows = Encode();
    Durable(checkpoint);
    return rows;
  }

  // "a1/3": version 3 of a row; "1@0": a range.
  std::vector<std::string> Durable(uint64_t checkpoint) {
    store_.SetPointer({checkpoint, set_.digest()});
    const TableSet::Obsolete obsolete = set_.ImageDurable();
    store_.Remove(obsolete);
    std::vector<std::string> shown;
    for (const ObsoleteVersion& version : obsolete.versions) {
      base::Reader reader(version.key);
      const uint64_t owner = reader.U64();
      reader.U64();
      shown.push_back(
          absl::StrCat(reader.rest(), owner, "/", version.checkpoint));
    }
    for (const ObsoleteRange& range : obsolete.ranges) {
      base::Reader reader(range.prefix);
      const uint64_t owner = reader.U64();
      shown.push_back(absl::StrCat(owner, "@", reader.U64()));
    }
    return shown;
  }

  static std::string Contents(const TextTable& table) {
    std::string contents;
    table.Scan([&contents](const std::string& key, const TextRow& row) {
      absl::StrAppend(&contents, key, "=", row.text, " ");
      return true;
    });
    return contents;
  }

  static void SetText(TextRow& row) { row.text = "new"; }

  TableSet set_;
  FakeImageStore store_;
};

TEST_F(TableTest, RowsAreOrderedAndFound) {
  TextTable table(set_, TableId::kMap, 7);
  EXPECT_EQ(table.Insert("b", {"2"}).text, "2");
  EXPECT_EQ(table.Put("a", {"1"}).text, "1");
  table.Put("c", {"3"});
  EXPECT_EQ(table.Put("c", {"4"}).text, "4");
  table.Update("a", SetText);
  EXPECT_TRUE(table.Erase("b"));
  EXPECT_FALSE(table.Erase("b"));
  EXPECT_EQ(Contents(table), "a=new c=4 ");
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.Find("b"), nullptr);
  EXPECT_EQ(table.Find("c")->text, "4");
}

TEST_F(TableTest, ScansStartAtAKeyOrBehindItAndStop) {
  TextTable table(set_, TableId::kMap, 7);
  for (const char* key : {"a", "b", "c", "d"}) table.Insert(key, {});
  std::string seen;
  const auto until_c = [&seen](const std::string& key, const TextRow&) {
    seen += key;
    return key != "c";
  };
  table.Scan(until_c);
  EXPECT_EQ(std::exchange(seen, ""), "abc");
  table.ScanFrom("b", until_c);
  EXPECT_EQ(std::exchange(seen, ""), "bc");
  table.ScanAfter("b", until_c);
  EXPECT_EQ(std::exchange(seen, ""), "c");
  table.ScanFrom("aa", until_c);
  EXPECT_EQ(std::exchange(seen, ""), "bc");
  table.ScanAfter("d", until_c);
  EXPECT_EQ(seen, "");
}

TEST_F(TableTest, ScansGoDownFromTheEndOrFromBelowAKey) {
  TextTable table(set_, TableId::kMap, 7);
  std::string seen;
  const auto until_b = [&seen](const std::string& key, const TextRow&) {
    seen += key;
    return key != "b";
  };
  table.ScanDown(until_b);
  EXPECT_EQ(seen, "");
  for (const char* key : {"a", "b", "c", "d"}) table.Insert(key, {});
  table.ScanDown(until_b);
  EXPECT_EQ(std::exchange(seen, ""), "dcb");
  table.ScanDownBefore("d", until_b);
  EXPECT_EQ(std::exchange(seen, ""), "cb");
  table.ScanDownBefore("cc", until_b);
  EXPECT_EQ(std::exchange(seen, ""), "cb");
  table.ScanDownBefore("b", until_b);
  EXPECT_EQ(std::exchange(seen, ""), "a");
  table.ScanDownBefore("a", until_b);
  EXPECT_EQ(seen, "");
}

// --- Checkpoints ------------------------------------------------------------

TEST_F(TableTest, ACutIsWhatChangedSinceTheLast) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  table.Insert("b", {"y"});
  EXPECT_THAT(Checkpoint(10), ElementsAre("b1=y", "a1=x"));
  table.Update("b", SetText);
  set_.Freeze(20);
  EXPECT_THAT(Encode(), ElementsAre("b1=new"));
  EXPECT_THAT(Durable(20), ElementsAre("b1/10"));
  set_.Freeze(30);
  EXPECT_THAT(Encode(), IsEmpty());
  EXPECT_THAT(Durable(30), IsEmpty());
}

TEST_F(TableTest, ARowOfTheCutIsEncodedBeforeItChanges) {
  TextTable table(set_, TableId::kMap, 1);
  for (const char* key : {"p", "u", "e", "c"}) table.Insert(key, {"old"});
  set_.Freeze(10);
  table.Put("p", {"new"});
  table.Update("u", SetText);
  table.Erase("e");
  table.Insert("n", {"new"});
  EXPECT_THAT(Encode(), ElementsAre("e1=old", "u1=old", "p1=old", "c1=old"));
  Durable(10);
  EXPECT_THAT(Checkpoint(20), ElementsAre("n1=new", "-e1", "u1=new", "p1=new"));
}

TEST_F(TableTest, ARowNoImageSawGoesWithoutATrace) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  table.Insert("b", {"y"});
  table.Erase("a");
  EXPECT_EQ(set_.dirty_rows(), 1u);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 2);
  EXPECT_THAT(Checkpoint(10), ElementsAre("b1=y"));
}

TEST_F(TableTest, AnErasedRowIsAGhostUntilItsTombstone) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  Checkpoint(10);
  table.Erase("a");
  EXPECT_EQ(table.Find("a"), nullptr);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(Contents(table), "");
  EXPECT_EQ(set_.rows(), 0u);
  EXPECT_EQ(set_.size_bytes(), 0u);
  set_.Freeze(20);
  EXPECT_THAT(Encode(), ElementsAre("-a1"));
  // First the version, or it would be seen again.
  EXPECT_THAT(Durable(20), ElementsAre("a1/10", "a1/20"));
  EXPECT_EQ(store_.versions(), 0u);
  EXPECT_EQ(TextRow::alive, 0);
}

TEST_F(TableTest, AGhostRevives) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  Checkpoint(10);
  table.Erase("a");
  table.Insert("a", {"y"});
  EXPECT_EQ(Contents(table), "a=y ");
  set_.Freeze(20);
  EXPECT_THAT(Encode(), ElementsAre("a1=y"));
  EXPECT_THAT(Durable(20), ElementsAre("a1/10"));
}

TEST_F(TableTest, AGhostOfTheCutRevivesBehindItsTombstone) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  Checkpoint(10);
  table.Erase("a");
  set_.Freeze(20);
  table.Insert("a", {"y"});
  EXPECT_THAT(Encode(), ElementsAre("-a1"));
  EXPECT_THAT(Durable(20), ElementsAre("a1/10", "a1/20"));
  set_.Freeze(30);
  EXPECT_THAT(Encode(), ElementsAre("a1=y"));
  EXPECT_THAT(Durable(30), IsEmpty());
}

TEST_F(TableTest, SlicesAreBoundedInRowsAndBytes) {
  TextTable table(set_, TableId::kMap, 1);
  for (char c = 'a'; c < 'k'; ++c) {
    table.Insert(std::string(1, c), {std::string(83, c)});
  }
  set_.Freeze(10);
  std::vector<EncodedRow> rows;
  EXPECT_FALSE(set_.EncodeSlice(3, 1 << 20, rows));
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_FALSE(set_.EncodeSlice(100, 250, rows));  // 100 bytes each.
  EXPECT_EQ(rows.size(), 6u);
  table.Clear();
  EXPECT_TRUE(set_.EncodeSlice(100, 1 << 20, rows));
  EXPECT_EQ(rows.size(), 10u);
  set_.ImageDurable();
}

// --- Clear ------------------------------------------------------------------

// P37: nothing of the damaged image is part of it.
TEST_F(TableTest, RewriteMakesTheNextCutTheWholeImage) {
  TextTable table(set_, TableId::kMap, 1);
  for (const char* key : {"a", "b", "c", "d"}) table.Put(key, {"old"});
  Checkpoint(3);
  table.Update("b", SetText);
  set_.Freeze(5);  // Half written when the damage is found.
  set_.Rewrite();
  EXPECT_FALSE(set_.cut_is_whole());
  table.Erase("d");
  const uint64_t digest = set_.FullDigest();
  EXPECT_THAT(Encode(), ElementsAre("b1=new"));
  EXPECT_THAT(Durable(5), ElementsAre("b1/3"));
  set_.Freeze(7);
  EXPECT_TRUE(set_.cut_is_whole());
  store_ = FakeImageStore();
  EXPECT_THAT(Encode(), ElementsAre("a1=old", "b1=new", "c1=old"));
  EXPECT_EQ(set_.digest(), digest);
  EXPECT_THAT(Durable(7), IsEmpty());
  EXPECT_EQ(store_.versions(), 3u);
  EXPECT_THAT(Checkpoint(9), IsEmpty());
  table.Update("a", SetText);
  set_.Freeze(11);
  EXPECT_THAT(Encode(), ElementsAre("a1=new"));
  EXPECT_THAT(Durable(11), ElementsAre("a1/7"));
}

// To ask for it costs nothing, and it stalls nothing.
TEST_F(TableTest, AWholeImageIsEncodedInSlices) {
  TextTable table(set_, TableId::kMap, 1);
  for (char key = 'a'; key <= 'j'; ++key) {
    table.Insert(std::string(1, key), {"old"});
  }
  Checkpoint(3);
  const int64_t before = TextRow::encoded;
  set_.Rewrite();
  EXPECT_EQ(set_.dirty_rows(), 0u);
  set_.Freeze(5);
  EXPECT_EQ(TextRow::encoded, before);
  std::vector<EncodedRow> rows;
  EXPECT_FALSE(set_.EncodeSlice(3, 1 << 20, rows));
  EXPECT_LE(rows.size(), 3u);
  for (int slices = 1; !set_.EncodeSlice(3, 1 << 20, rows); ++slices) {
    ASSERT_LT(slices, 20);
    EXPECT_LE(TextRow::encoded, before + 3 * (slices + 1));
  }
  EXPECT_EQ(rows.size(), 10u);
}

TEST_F(TableTest, AWholeImageHasTheRowsOfTheCutWhateverChanges) {
  TextTable table(set_, TableId::kMap, 1);
  auto gone = std::make_unique<TextTable>(set_, TableId::kMap, 2);
  TextTable cleared(set_, TableId::kMap, 3);
  for (const char* key : {"a", "b", "c"}) table.Put(key, {"old"});
  gone->Put("a", {"old"});
  cleared.Put("a", {"old"});
  Checkpoint(3);
  set_.Rewrite();
  set_.Freeze(5);
  const uint64_t digest = set_.FullDigest();
  store_ = FakeImageStore();
  table.Update("a", SetText);
  table.Erase("b");
  table.Put("d", {"new"});
  gone = nullptr;
  cleared.Clear();
  cleared.Put("a", {"new"});
  while (set_.Reclaim(1)) {
  }
  EXPECT_THAT(Encode(), UnorderedElementsAre("a1=old", "b1=old", "c1=old",
                                             "a2=old", "a3=old"));
  EXPECT_EQ(set_.digest(), digest);
  EXPECT_THAT(Durable(5), IsEmpty());
  set_.Freeze(7);
  EXPECT_THAT(Encode(), UnorderedElementsAre("a1=new", "-b1", "d1=new",
                                             "a3@1=new", "epoch", "epoch"));
  EXPECT_EQ(set_.digest(), set_.FullDigest());
  Durable(7);
}

TEST_F(TableTest, ClearMovesTheTableToItsNextEpoch) {
  TextTable table(set_, TableId::kMap, 1);
  TextTable other(set_, TableId::kMap, 2);
  table.Insert("a", {"x"});
  table.Insert("b", {"x"});
  other.Insert("a", {"x"});
  Checkpoint(10);
  table.Erase("a");
  table.Clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(set_.rows(), 1u);
  table.Insert("a", {"y"});
  set_.Freeze(20);
  EXPECT_THAT(Encode(), ElementsAre("a1@1=y", "epoch"));
  EXPECT_EQ(set_.digest(), set_.FullDigest());
  EXPECT_THAT(Durable(20), ElementsAre("1@0"));
  EXPECT_EQ(store_.versions(), 3u);
}

TEST_F(TableTest, ClearDuringACutKeepsTheCut) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  table.Insert("b", {"x"});
  set_.Freeze(10);
  const uint64_t digest = set_.FullDigest();
  table.Clear();
  table.Insert("a", {"y"});
  EXPECT_TRUE(set_.Reclaim(1));
  EXPECT_EQ(Encode().size(), 2u);
  EXPECT_EQ(set_.digest(), digest);
  Durable(10);
  EXPECT_THAT(Checkpoint(20), ElementsAre("a1@1=y", "epoch"));
  EXPECT_EQ(set_.digest(), set_.FullDigest());
}

TEST_F(TableTest, ClearOfRowsNoImageSawLeavesNoTrace) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {"x"});
  table.Clear();
  table.Insert("b", {"y"});
  EXPECT_THAT(Checkpoint(10), ElementsAre("b1=y"));
}

TEST_F(TableTest, FreezeAndClearTouchNoRow) {
  std::vector<std::unique_ptr<TextTable>> tables;
  for (uint64_t owner = 1; owner <= 100; ++owner) {
    tables.push_back(std::make_unique<TextTable>(set_, TableId::kMap, owner));
    for (int i = 0; i < 100; ++i) tables.back()->Insert(absl::StrCat(i), {});
  }
  const int64_t encoded = TextRow::encoded;
  set_.Freeze(10);
  EXPECT_EQ(TextRow::encoded, encoded);
  EXPECT_EQ(TextRow::alive, 10'000);
  tables[0]->Clear();
  EXPECT_EQ(TextRow::encoded, encoded);
  EXPECT_EQ(TextRow::alive, 10'000);
  Encode();
  Durable(10);
}

TEST_F(TableTest, ClearedRowsGoAFewAtEachChange) {
  TextTable table(set_, TableId::kMap, 1);
  TextTable other(set_, TableId::kMap, 2);
  for (int i = 0; i < 100; ++i) table.Insert(absl::StrCat(i), {});
  other.Insert("a", {});
  Checkpoint(10);
  table.Clear();
  int changes = 0;
  while (TextRow::alive > 1) {
    const int64_t before = TextRow::alive;
    other.Update("a", SetText);
    EXPECT_GE(TextRow::alive, before - 4);
    ASSERT_LE(++changes, 25);
  }
  EXPECT_FALSE(set_.Reclaim(1));
}

TEST_F(TableTest, ADestroyedTableLeavesTheImageAndThenItsEpoch) {
  auto table = std::make_unique<TextTable>(set_, TableId::kMap, 1);
  table->Insert("a", {"x"});
  Checkpoint(10);
  table = nullptr;
  EXPECT_EQ(set_.rows(), 0u);
  set_.Freeze(20);
  EXPECT_THAT(Encode(), ElementsAre("epoch"));
  EXPECT_EQ(set_.digest(), 0u);
  EXPECT_THAT(Durable(20), ElementsAre("1@0"));
  EXPECT_THAT(Checkpoint(30), ElementsAre("-epoch"));
  EXPECT_EQ(store_.versions(), 0u);
}

TEST_F(TableTest, ANewTableOfADestroyedOnesNameSeesNoneOfItsRows) {
  auto table = std::make_unique<TextTable>(set_, TableId::kMap, 1);
  table->Insert("a", {"x"});
  Checkpoint(10);
  table = nullptr;
  table = std::make_unique<TextTable>(set_, TableId::kMap, 1);
  table->Insert("b", {"y"});
  Checkpoint(20);
  Checkpoint(30);

  TableSet loaded;
  TextTable same(loaded, TableId::kMap, 1);
  for (const EncodedRow& row : store_.Load()) ASSERT_OK(loaded.LoadRow(row));
  EXPECT_OK(loaded.FinishLoad(set_.digest()));
  EXPECT_EQ(Contents(same), "b=y ");
}

// --- Figures ----------------------------------------------------------------

TEST_F(TableTest, SizesAreKeysRowsAndOverhead) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("ab", {"123"});
  EXPECT_EQ(set_.rows(), 1u);
  EXPECT_EQ(set_.size_bytes(), kRowOverhead + 5);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 5);
  table.Put("ab", {"12345"});
  EXPECT_EQ(set_.size_bytes(), kRowOverhead + 7);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 7);
  Checkpoint(10);
  EXPECT_EQ(set_.dirty_bytes(), 0u);
  table.Put("ab", {"1"});
  EXPECT_EQ(set_.size_bytes(), kRowOverhead + 3);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 3);
  table.Erase("ab");
  EXPECT_EQ(set_.size_bytes(), 0u);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 2);  // The tombstone.
  table.Insert("ab", {"12"});
  EXPECT_EQ(set_.size_bytes(), kRowOverhead + 4);
  EXPECT_EQ(set_.dirty_bytes(), kRowOverhead + 4);
  EXPECT_EQ(table.size_bytes(), kRowOverhead + 4);
  EXPECT_EQ(set_.dirty_rows(), 1u);
  table.Clear();
  EXPECT_EQ(set_.size_bytes(), 0u);
}

// One replica checkpoints, the other does not: their states are the same.
TEST_F(TableTest, EpochsAreNoPartOfTheReplicatedState) {
  TableSet other_set;
  TextTable table(set_, TableId::kMap, 1);
  TextTable other(other_set, TableId::kMap, 1);
  for (TextTable* t : {&table, &other}) {
    t->Insert("a", {"x"});
    if (t == &table) Checkpoint(10);
    t->Clear();
    t->Insert("b", {"y"});
  }
  EXPECT_EQ(set_.FullDigest(), other_set.FullDigest());
  EXPECT_EQ(set_.rows(), other_set.rows());
  EXPECT_EQ(set_.size_bytes(), other_set.size_bytes());
  Checkpoint(20);
  EXPECT_EQ(set_.digest(), other_set.FullDigest());
}

TEST_F(TableTest, DigestsTellTablesOwnersKeysAndValuesApart) {
  const auto digest = [](TableId id, uint64_t owner, std::string key,
                         std::string value) {
    TableSet set;
    TextTable table(set, id, owner);
    table.Insert(key, {value});
    return set.FullDigest();
  };
  // Golden: on disk.
  const uint64_t one = digest(TableId::kMap, 1, "ab", "c");
  EXPECT_EQ(absl::StrCat(absl::Hex(one)), "379294770dac8392");
  EXPECT_NE(one, digest(TableId::kCounter, 1, "ab", "c"));
  EXPECT_NE(one, digest(TableId::kMap, 2, "ab", "c"));
  EXPECT_NE(one, digest(TableId::kMap, 1, "a", "bc"));
  EXPECT_NE(one, digest(TableId::kMap, 1, "ab", "d"));
}

TEST_F(TableTest, DigestsAreKeptTableByTable) {
  TextTable map(set_, TableId::kMap, 1);
  TextTable counter(set_, TableId::kCounter, 1);
  map.Insert("a", {});
  counter.Insert("a", {});
  Checkpoint(10);
  const auto before = set_.table_digests();
  map.Update("a", SetText);
  Checkpoint(20);
  const auto after = set_.table_digests();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].first, TableId::kCounter);
  EXPECT_EQ(after[0].second, before[0].second);
  EXPECT_NE(after[1].second, before[1].second);
  EXPECT_EQ(after[0].second + after[1].second, set_.digest());
  map.Clear();
  counter.Erase("a");
  Checkpoint(30);
  EXPECT_THAT(set_.table_digests(), IsEmpty());
}

// --- Load -------------------------------------------------------------------

class TableLoadTest : public TableTest {
 protected:
  TableLoadTest() {
    auto gone = std::make_unique<TextTable>(set_, TableId::kMap, 0);
    gone->Insert("g", {"x"});
    table_.Insert("old", {"x"});
    set_.Freeze(10);
    Encode();
    Durable(10);
    table_.Clear();
    gone = nullptr;
    table_.Insert("a", {"x"});
    table_.Insert("b", {"y"});
    set_.Freeze(20);
    Encode();
    // The process dies before it removes what is obsolete.
    store_.SetPointer({20, set_.digest()});
  }

  absl::Status Load(TableSet& set, std::vector<EncodedRow> rows) {
    for (const EncodedRow& row : rows) {
      absl::Status status = set.LoadRow(row);
      if (!status.ok()) return status;
    }
    return set.FinishLoad(set_.digest());
  }

  TextTable table_{set_, TableId::kMap, 1};
  TableSet loaded_;
  TextTable same_{loaded_, TableId::kMap, 1};
};

TEST_F(TableLoadTest, RowsOfClearedEpochsAreSkippedAndObsolete) {
  ASSERT_OK(Load(loaded_, store_.Load()));
  EXPECT_EQ(Contents(same_), "a=x b=y ");
  EXPECT_EQ(loaded_.digest(), set_.digest());
  EXPECT_EQ(loaded_.FullDigest(), set_.digest());
  EXPECT_EQ(loaded_.rows(), 2u);
  EXPECT_EQ(loaded_.size_bytes(), set_.size_bytes());
  EXPECT_EQ(loaded_.dirty_rows(), 0u);

  loaded_.Freeze(30);
  std::vector<EncodedRow> rows;
  EXPECT_TRUE(loaded_.EncodeSlice(10, 1000, rows));
  EXPECT_THAT(rows, IsEmpty());
  const TableSet::Obsolete obsolete = loaded_.ImageDurable();
  EXPECT_THAT(obsolete.versions, IsEmpty());
  EXPECT_EQ(obsolete.ranges.size(), 2u);
  EXPECT_EQ(loaded_.dirty_rows(), 1u);  // The gone table's epoch goes now.
}

TEST_F(TableLoadTest, LoadedRowsHaveTheirVersionReplaced) {
  ASSERT_OK(Load(loaded_, store_.Load()));
  same_.Erase("a");
  same_.Update("b", SetText);
  loaded_.Freeze(30);
  std::vector<EncodedRow> rows;
  EXPECT_TRUE(loaded_.EncodeSlice(10, 1000, rows));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(Show(rows[0]), "b1@1=new");
  EXPECT_EQ(Show(rows[1]), "-a1@1");
  EXPECT_EQ(loaded_.ImageDurable().versions.size(), 3u);
}

TEST_F(TableLoadTest, AChangedValueFailsTheLoad) {
  std::vector<EncodedRow> rows = store_.Load();
  rows.back().value[0] ^= 1;
  EXPECT_THAT(Load(loaded_, rows),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sum up")));
}

TEST_F(TableLoadTest, ALostRowFailsTheLoad) {
  std::vector<EncodedRow> rows = store_.Load();
  rows.pop_back();
  EXPECT_THAT(Load(loaded_, rows),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sum up")));
}

TEST_F(TableLoadTest, ARowThatIsNoRowIsRefusedByName) {
  const auto expect_refused = [this](EncodedRow row, const std::string& why) {
    TableSet set;
    TextTable table(set, TableId::kMap, 1);
    std::vector<EncodedRow> rows = store_.Load();
    rows.push_back(row);
    EXPECT_THAT(
        Load(set, rows),
        StatusIs(absl::StatusCode::kDataLoss,
                 AllOf(HasSubstr(why),
                       HasSubstr(absl::StrCat(
                           "table ", static_cast<int>(row.table), ", key ",
                           absl::BytesToHexString(row.key))))));
  };
  const EncodedRow good = store_.Load().back();  // Of owner 1, in epoch 1.
  EncodedRow row = good;
  row.key += "z";
  row.value = "bad";
  expect_refused(row, "its value does not decode");
  row = good;
  expect_refused(row, "it is there already");
  row = good;
  row.erased = true;
  expect_refused(row, "tombstone");
  row = good;
  row.key[7] = 9;
  expect_refused(row, "no table wants it");
  row = good;
  row.key[15] = 2;
  expect_refused(row, "its table is in epoch 1");
  row = good;
  row.key.resize(15);
  expect_refused(row, "its key is too short");
  row = store_.Load().front();
  ASSERT_EQ(row.table, TableId::kEpochs);
  row.key.pop_back();
  expect_refused(row, "its key does not decode");
  row = store_.Load().front();
  row.key[25] = 9;
  row.value[7] ^= 1;
  expect_refused(row, "its value does not decode");
}

// --- Bugs of the caller -----------------------------------------------------

using TableDeathTest = TableTest;

TEST_F(TableDeathTest, RequirementsAreChecked) {
  TextTable table(set_, TableId::kMap, 1);
  table.Insert("a", {});
  EXPECT_DEATH(table.Insert("a", {}), "there already");
  EXPECT_DEATH(table.Update("b", SetText), "absent");
  EXPECT_DEATH(TextTable(set_, TableId::kMap, 1), "second table 17 of 1");
  EXPECT_DEATH(set_.ImageDurable(), "writing_");
  set_.Freeze(10);
  EXPECT_DEATH(set_.Freeze(20), "writing_");
  EXPECT_DEATH(set_.ImageDurable(), "complete_");
  Encode();
  Durable(10);
  EXPECT_DEATH(set_.Freeze(10), "10 vs. 10");
}

}  // namespace
}  // namespace session
