// Rows that nobody changes, in a memory that does (U7, P37).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/row_key.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/testing/fake_image_store.h"

namespace session {
namespace {

using ::session::testing::FakeImageStore;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct TextRow {
  void Encode(std::string& out) const { out += text; }
  static bool Decode(absl::string_view bytes, TextRow& row) {
    row.text = std::string(bytes);
    return true;
  }
  size_t size_bytes() const { return text.size(); }

  std::string text;
};

using TextTable = Table<std::string, TextRow>;

class ScrubTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* key : {"a", "b", "c", "d"}) map_.Insert(key, {"old"});
    value_.Insert("a", {"old"});
    Checkpoint();
  }

  void Checkpoint() {
    set_.Freeze(++checkpoint_);
    Encode();
  }
  void Encode() {
    std::vector<EncodedRow> rows;
    EXPECT_TRUE(set_.EncodeSlice(1'000, 1 << 20, rows));
    store_.Write(rows);
    store_.SetPointer({checkpoint_, set_.digest()});
    store_.Remove(set_.ImageDurable());
  }

  // As memory does it: nobody is told.
  static void Flip(const TextTable& table, const std::string& key) {
    const_cast<TextRow*>(table.Find(key))->text[0] ^= 4;
  }

  // "map 7 b": what a whole scrub finds.
  std::vector<std::string> Scrub(size_t rows_max = 1'000,
                                 size_t bytes_max = 1 << 20) {
    std::vector<std::string> found;
    slices_ = hashed_ = 0;
    for (bool ended = false; !ended;) {
      const Scrubbed slice = set_.Scrub(rows_max, bytes_max);
      for (const DamagedRow& row : slice.damaged) {
        std::string key;
        EXPECT_TRUE(DecodeRowKey(row.key, key));
        found.push_back(
            absl::StrCat(NameOf(row.table), " ", row.owner, " ", key));
      }
      ended = slice.ended;
      hashed_ += slice.rows;
      ++slices_;
    }
    return found;
  }

  // The sum of the rows as memory has them, made of what is known.
  uint64_t SumInMemory() const {
    uint64_t sum = set_.digest();
    for (const auto& [table, difference] : set_.damage()) sum += difference;
    return sum;
  }

  TableSet set_;
  TextTable map_{set_, TableId::kMap, 7};
  TextTable value_{set_, TableId::kValue, 8};
  FakeImageStore store_;
  uint64_t checkpoint_ = 0;
  uint64_t slices_ = 0;
  uint64_t hashed_ = 0;
};

TEST_F(ScrubTest, AWholeStateHasNoDamage) {
  EXPECT_THAT(Scrub(), IsEmpty());
  EXPECT_EQ(hashed_, 5u);
  EXPECT_THAT(set_.damage(), IsEmpty());
}

// Without the scrub no digest would ever show it.
TEST_F(ScrubTest, ARowThatNobodyWritesIsFoundAndToldOnce) {
  Flip(map_, "b");
  Checkpoint();
  EXPECT_NE(set_.digest(), set_.FullDigest());
  EXPECT_THAT(Scrub(), ElementsAre("map 7 b"));
  EXPECT_EQ(set_.damage().size(), 1u);
  EXPECT_EQ(SumInMemory(), set_.FullDigest());
  EXPECT_THAT(Scrub(), IsEmpty());
}

TEST_F(ScrubTest, EachTableHasItsOwnDamage) {
  Flip(map_, "b");
  Flip(map_, "d");
  Flip(value_, "a");
  EXPECT_THAT(Scrub(), ElementsAre("map 7 b", "map 7 d", "value 8 a"));
  const std::map<TableId, uint64_t> damage = set_.damage();
  EXPECT_EQ(damage.size(), 2u);
  EXPECT_TRUE(damage.contains(TableId::kMap));
  EXPECT_TRUE(damage.contains(TableId::kValue));
  EXPECT_EQ(SumInMemory(), set_.FullDigest());
}

TEST_F(ScrubTest, ASliceIsBoundedInRows) {
  Flip(map_, "d");
  EXPECT_THAT(Scrub(/*rows_max=*/1), ElementsAre("map 7 d"));
  EXPECT_GE(slices_, 5u);
  EXPECT_EQ(hashed_, 5u);
  for (size_t rows_max = 2; rows_max < 10; ++rows_max) {
    EXPECT_THAT(Scrub(rows_max), IsEmpty());
    EXPECT_EQ(hashed_, 5u) << rows_max;
  }
}

TEST_F(ScrubTest, ASliceIsBoundedInBytes) {
  EXPECT_THAT(Scrub(/*rows_max=*/1'000, /*bytes_max=*/1), IsEmpty());
  EXPECT_GE(slices_, 5u);
  EXPECT_EQ(hashed_, 5u);
}

// A slice must not go through ten thousand empty tables at once.
TEST_F(ScrubTest, ATableCostsAsMuchAsARow) {
  std::vector<std::unique_ptr<TextTable>> tables;
  for (uint64_t owner = 100; owner < 200; ++owner) {
    tables.push_back(std::make_unique<TextTable>(set_, TableId::kMap, owner));
  }
  EXPECT_THAT(Scrub(/*rows_max=*/10), IsEmpty());
  EXPECT_GE(slices_, 10u);
}

// They are hashed when they are encoded, and their old hashes say nothing.
TEST_F(ScrubTest, RowsThatChangedAreLeftToTheNextCut) {
  map_.Put("b", {"new"});
  map_.Insert("e", {"new"});
  EXPECT_THAT(Scrub(), IsEmpty());
  EXPECT_EQ(hashed_, 4u);
  set_.Freeze(++checkpoint_);
  EXPECT_THAT(Scrub(), IsEmpty());
  EXPECT_EQ(hashed_, 4u);
  Encode();
  EXPECT_THAT(Scrub(), IsEmpty());
  EXPECT_EQ(hashed_, 6u);
}

// It changes nothing that others see.
TEST_F(ScrubTest, TheImageIsWhatItIsWithoutAScrub) {
  Flip(map_, "b");
  const uint64_t digest = set_.digest();
  Scrub();
  EXPECT_EQ(set_.digest(), digest);
  EXPECT_EQ(set_.dirty_rows(), 0u);
  Checkpoint();
  EXPECT_EQ(set_.digest(), digest);

  // So a restart has the row as it was.
  TableSet again;
  TextTable map(again, TableId::kMap, 7);
  TextTable value(again, TableId::kValue, 8);
  for (const EncodedRow& row : store_.Load()) ASSERT_OK(again.LoadRow(row));
  ASSERT_OK(again.FinishLoad(digest));
  EXPECT_EQ(map.Find("b")->text, "old");
}

TEST_F(ScrubTest, LoadedRowsAreComparedWithWhatWasLoaded) {
  TableSet again;
  TextTable map(again, TableId::kMap, 7);
  TextTable value(again, TableId::kValue, 8);
  for (const EncodedRow& row : store_.Load()) ASSERT_OK(again.LoadRow(row));
  EXPECT_THAT(again.Scrub(1'000, 1 << 20).damaged, IsEmpty());
  Flip(map, "a");
  EXPECT_EQ(again.Scrub(1'000, 1 << 20).damaged.size(), 1u);
}

// From then on the digest has what became of it.
TEST_F(ScrubTest, ADamagedRowThatIsWrittenAgainIsInTheDigest) {
  Flip(map_, "b");
  Scrub();
  map_.Update("b", [](TextRow& row) { row.text += "er"; });
  EXPECT_EQ(set_.damage().size(), 1u);
  Checkpoint();
  EXPECT_THAT(set_.damage(), IsEmpty());
  EXPECT_EQ(set_.digest(), set_.FullDigest());
  EXPECT_THAT(Scrub(), IsEmpty());
}

TEST_F(ScrubTest, TheDamageGoesWithTheRow) {
  Flip(map_, "b");
  Flip(map_, "c");
  Scrub();
  map_.Erase("b");
  Checkpoint();
  EXPECT_EQ(SumInMemory(), set_.FullDigest());
  map_.Erase("c");
  Checkpoint();
  EXPECT_THAT(set_.damage(), IsEmpty());
  EXPECT_EQ(set_.digest(), set_.FullDigest());
}

TEST_F(ScrubTest, TheDamageGoesWithItsTable) {
  for (int i = 0; i < 100; ++i) map_.Insert(absl::StrCat("n", i), {"old"});
  Checkpoint();
  Flip(map_, "n99");  // Not one of the first that are reclaimed.
  Scrub();
  map_.Clear();
  EXPECT_EQ(set_.damage().size(), 1u);
  Checkpoint();
  EXPECT_THAT(set_.damage(), IsEmpty());
  EXPECT_EQ(set_.digest(), set_.FullDigest());
  while (set_.Reclaim(1)) {
  }
  EXPECT_THAT(set_.damage(), IsEmpty());
  map_.Insert("b", {"new"});
  Checkpoint();
  EXPECT_THAT(Scrub(), IsEmpty());
}

TEST_F(ScrubTest, ItGoesOnWhereARowOrATableWentMeanwhile) {
  EXPECT_FALSE(set_.Scrub(4, 1 << 20).ended);  // In the map.
  map_.Erase("b");
  map_.Erase("c");
  Checkpoint();
  Flip(map_, "d");
  EXPECT_THAT(Scrub(1), ElementsAre("map 7 d"));

  std::optional<TextTable> other(std::in_place, set_, TableId::kMap, 9);
  other->Insert("a", {"x"});
  other->Insert("b", {"x"});
  Checkpoint();
  EXPECT_FALSE(set_.Scrub(7, 1 << 20).ended);  // In the other one.
  other.reset();
  Flip(value_, "a");
  EXPECT_THAT(Scrub(1), ElementsAre("value 8 a"));
  Checkpoint();
}

}  // namespace
}  // namespace session
