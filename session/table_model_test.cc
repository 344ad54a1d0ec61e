// Tables against a naive model: random changes, cuts written in slices, images
// that became durable or did not, some of them written anew as a whole, and
// crashes. Whatever happens, a load gives
// the state at the last durable cut, and no version is left that nobody needs.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "session/image_sum.h"
#include "session/row_store.h"
#include "session/table.h"
#include "session/table_set.h"
#include "session/testing/fake_image_store.h"

namespace session {
namespace {

struct TextRow {
  std::string text;

  void Encode(std::string& out) const { out += text; }
  static bool Decode(absl::string_view bytes, TextRow& row) {
    row.text = std::string(bytes);
    return true;
  }
  size_t size_bytes() const { return text.size(); }
};

using Key = std::pair<std::string, uint64_t>;
// Owner to rows; an owner is there while its table is.
using Model = std::map<uint64_t, std::map<Key, std::string>>;

// One incarnation of a partition's tables, as a process has them. Which owners
// have a table is a table, too.
class Tables {
 public:
  Tables() : owners_(set_, TableId::kPrimitives) {}

  void Create(uint64_t owner) {
    owners_.Insert(owner, {"table"});
    Open(owner);
  }
  void Destroy(uint64_t owner) {
    owners_.Erase(owner);
    tables_.erase(owner);
  }

  void Load(const std::vector<EncodedRow>& rows, uint64_t digest) {
    bool opened = false;
    const auto open = [&] {
      opened = true;
      owners_.Scan([&](uint64_t owner, const TextRow&) {
        Open(owner);
        return true;
      });
    };
    for (const EncodedRow& row : rows) {
      if (!opened && row.table > TableId::kPrimitives) open();
      ASSERT_OK(set_.LoadRow(row));
    }
    if (!opened) open();
    ASSERT_OK(set_.FinishLoad(digest));
    // Whoever only passes the rows on gets the same sum.
    ImageSum sum;
    for (const EncodedRow& row : rows) {
      ASSERT_OK(sum.Add(row.table, row.key, row.value));
    }
    EXPECT_EQ(sum.digest(), digest);
  }

  Model Contents() const {
    Model model;
    for (const auto& [owner, table] : tables_) {
      auto& rows = model[owner];
      table->Scan([&rows](const Key& key, const TextRow& row) {
        EXPECT_TRUE(rows.insert({key, row.text}).second);
        return true;
      });
      EXPECT_EQ(table->size(), rows.size());
    }
    return model;
  }

  TableSet& set() { return set_; }
  Table<Key, TextRow>& table(uint64_t owner) { return *tables_.at(owner); }

 private:
  void Open(uint64_t owner) {
    tables_[owner] =
        std::make_unique<Table<Key, TextRow>>(set_, TableId::kMap, owner);
  }

  TableSet set_;
  Table<uint64_t, TextRow> owners_;
  std::map<uint64_t, std::unique_ptr<Table<Key, TextRow>>> tables_;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_(seed), tables_(std::make_unique<Tables>()) {}

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) Step();
  }

  // Images that were written as a whole.
  int wholes() const { return wholes_; }

 private:
  static constexpr uint64_t kOwners = 4;

  void Step() {
    const uint64_t choice = random_.Below(100);
    if (choice < 70) {
      ChangeRow();
    } else if (choice < 73) {
      ClearTable();
    } else if (choice < 76) {
      CreateOrDestroy();
    } else if (choice < 80) {
      if (random_.OneIn(8)) set().Rewrite();
      if (!set().writing()) Freeze();
    } else if (choice < 96) {
      if (set().writing()) Slice();
    } else if (choice < 98) {
      Compare();
    } else if (choice < 99) {
      set().Reclaim(random_.Between(1, 5));
    } else {
      Crash();
    }
  }

  void ChangeRow() {
    if (model_.empty()) return;
    auto it = model_.begin();
    std::advance(it, random_.Below(model_.size()));
    auto& [owner, rows] = *it;
    Table<Key, TextRow>& table = tables_->table(owner);
    const Key key(random_.OneIn(2) ? "a" : "common prefix", random_.Below(6));
    const std::string text(random_.Below(8), 'a' + random_.Below(26));
    if (random_.OneIn(3)) {
      EXPECT_EQ(table.Erase(key), rows.erase(key) == 1);
      return;
    }
    const bool is_new = rows.find(key) == rows.end();
    rows[key] = text;
    if (random_.OneIn(2)) {
      EXPECT_EQ(table.Put(key, {text}).text, text);
    } else if (is_new) {
      EXPECT_EQ(table.Insert(key, {text}).text, text);
    } else {
      table.Update(key, [&text](TextRow& row) { row.text = text; });
    }
  }

  void ClearTable() {
    if (model_.empty()) return;
    auto it = model_.begin();
    std::advance(it, random_.Below(model_.size()));
    it->second.clear();
    tables_->table(it->first).Clear();
  }

  void CreateOrDestroy() {
    const uint64_t owner = random_.Between(1, kOwners);
    if (model_.erase(owner) == 1) {
      tables_->Destroy(owner);
    } else {
      model_[owner];
      tables_->Create(owner);
    }
  }

  void Freeze() {
    checkpoint_ += random_.Between(1, 3);
    cut_ = model_;
    cut_digest_ = set().FullDigest();
    set().Freeze(checkpoint_);
    EXPECT_EQ(set().dirty_rows(), 0u);
    EXPECT_EQ(set().dirty_bytes(), 0u);
    whole_ = FakeImageStore();
  }

  void Slice() {
    std::vector<EncodedRow> rows;
    const size_t rows_max = random_.Between(1, 6);
    const bool complete =
        set().EncodeSlice(rows_max, random_.Between(1, 200), rows);
    EXPECT_LE(rows.size(), rows_max);
    (set().cut_is_whole() ? whole_ : store_).Write(rows);
    if (!complete || random_.OneIn(2)) return;  // Durable later.
    EXPECT_EQ(set().digest(), cut_digest_);
    if (set().cut_is_whole()) {
      store_ = std::move(whole_);
      ++wholes_;
    }
    store_.SetPointer({checkpoint_, set().digest()});
    durable_ = cut_;
    store_.Remove(set().ImageDurable());
    EXPECT_EQ(VersionsOfTables(), RowsOf(durable_) + durable_.size());
  }

  void Compare() {
    EXPECT_EQ(tables_->Contents(), model_);
    uint64_t size_bytes = 0;
    for (const auto& [owner, rows] : model_) {
      size_bytes += kRowOverhead + sizeof(owner) + 5;
      for (const auto& [key, text] : rows) {
        size_bytes += kRowOverhead + key.first.size() + 8 + text.size();
      }
    }
    EXPECT_EQ(set().rows(), RowsOf(model_) + model_.size());
    EXPECT_EQ(set().size_bytes(), size_bytes);
  }

  // The process dies; some of what it wrote after the last pointer survives.
  // Replaying the log would go on from there, and perhaps cut at the same
  // index again.
  void Crash() {
    store_.Crash(random_.Below(store_.unsynced() + 1));
    tables_ = std::make_unique<Tables>();
    tables_->Load(store_.Load(), store_.pointer().digest);
    model_ = durable_;
    checkpoint_ = store_.pointer().checkpoint;
    EXPECT_EQ(set().digest(), set().FullDigest());
    Compare();
  }

  static uint64_t RowsOf(const Model& model) {
    uint64_t rows = 0;
    for (const auto& [owner, table] : model) rows += table.size();
    return rows;
  }

  // Without the epochs: they change when a cut is durable.
  uint64_t VersionsOfTables() {
    FakeImageStore copy = store_;
    uint64_t epochs = 0;
    for (const EncodedRow& row : copy.Load()) {
      if (row.table == TableId::kEpochs) ++epochs;
    }
    return store_.versions() - epochs;
  }

  TableSet& set() { return tables_->set(); }

  using FakeImageStore = testing::FakeImageStore;

  base::Random random_;
  FakeImageStore store_;
  FakeImageStore whole_;  // The next generation, if the cut is a whole image.
  std::unique_ptr<Tables> tables_;
  uint64_t checkpoint_ = 0;
  Model model_;    // The present state.
  Model cut_;      // At the last Freeze.
  Model durable_;  // At the last cut that became durable.
  uint64_t cut_digest_ = 0;
  int wholes_ = 0;
};

TEST(TableModelTest, LoadsAreExactlyTheLastDurableCut) {
  int wholes = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Simulation simulation(seed);
    simulation.Run(1500);
    if (HasFailure()) return;
    wholes += simulation.wholes();
  }
  EXPECT_GT(wholes, 200);
}

}  // namespace
}  // namespace session
