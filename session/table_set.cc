#include "session/table_set.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "session/table.h"

// Do not change: on disk.
//   key of an image row   = owner u64, epoch u64, row key (row_key.h)
//   row of kEpochs, key   = table u16, owner u64
//   row of kEpochs, value = epoch u64, gone u8, check u32
// Rows of a table with a lower epoch, or of a gone one, are not part of the
// image. `check` is there because no digest covers these rows.

namespace session {
namespace {

constexpr size_t kKeyPrefixBytes = 16;

std::string KeyPrefix(uint64_t owner, uint64_t epoch) {
  std::string prefix;
  base::AppendU64(prefix, owner);
  base::AppendU64(prefix, epoch);
  return prefix;
}

absl::Status BadRow(const EncodedRow& row, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("image row of table ", static_cast<int>(row.table), ", key ",
                   absl::BytesToHexString(row.key), ", checkpoint ",
                   row.checkpoint, ": ", why));
}

}  // namespace

absl::string_view NameOf(TableId table) {
  switch (table) {
    case TableId::kEpochs:
      return "epochs";
    case TableId::kPartition:
      return "partition";
    case TableId::kSessions:
      return "sessions";
    case TableId::kPrimitives:
      return "primitives";
    case TableId::kUsers:
      return "users";
    case TableId::kOpenCommands:
      return "open commands";
    case TableId::kRecords:
      return "records";
    case TableId::kOutputs:
      return "outputs";
    case TableId::kListeners:
      return "listeners";
    case TableId::kEvents:
      return "events";
    case TableId::kReclaims:
      return "reclaims";
    case TableId::kCounter:
      return "counter";
    case TableId::kMap:
      return "map";
    case TableId::kMapClear:
      return "map clear";
    case TableId::kMapHold:
      return "map hold";
    case TableId::kMapWaiter:
      return "map waiter";
    case TableId::kLockHold:
      return "lock hold";
    case TableId::kLockWaiter:
      return "lock waiter";
    case TableId::kValue:
      return "value";
    case TableId::kCounterMap:
      return "countermap";
    case TableId::kCounterMapClear:
      return "countermap clear";
    case TableId::kCounterMapHold:
      return "countermap hold";
    case TableId::kCounterMapWaiter:
      return "countermap waiter";
    case TableId::kElection:
      return "election";
    case TableId::kCandidate:
      return "candidate";
    case TableId::kSet:
      return "set";
    case TableId::kSetClear:
      return "set clear";
    case TableId::kMultiMap:
      return "multimap";
    case TableId::kMultiMapClear:
      return "multimap clear";
    case TableId::kIndexedMap:
      return "indexedmap";
    case TableId::kIndexedMapState:
      return "indexedmap state";
    case TableId::kIndexedMapClear:
      return "indexedmap clear";
    case TableId::kList:
      return "list";
    case TableId::kListState:
      return "list state";
    case TableId::kListClear:
      return "list clear";
    case TableId::kMapTransaction:
      return "map transaction";
  }
  return "";
}

struct TableSet::EpochRow {
  uint64_t epoch = 0;
  bool gone = false;  // The table was destroyed in this epoch.

  void Encode(std::string& out) const {
    const size_t start = out.size();
    base::AppendU64(out, epoch);
    base::AppendU8(out, gone ? 1 : 0);
    base::AppendU32(out, Check(absl::string_view(out).substr(start)));
  }

  static bool Decode(absl::string_view bytes, EpochRow& row) {
    base::Reader reader(bytes);
    row.epoch = reader.U64();
    row.gone = reader.U8() != 0;
    const uint32_t check = reader.U32();
    return reader.done() && check == Check(bytes.substr(0, 9));
  }

  size_t size_bytes() const { return 9; }

 private:
  static uint32_t Check(absl::string_view bytes) {
    return static_cast<uint32_t>(base::Hash64(bytes));
  }
};

struct TableSet::Epochs {
  explicit Epochs(TableSet& tables) : table(tables, TableId::kEpochs) {}

  Table<TableKey, EpochRow> table;
};

TableSet::TableSet() : epochs_(std::make_unique<Epochs>(*this)) {}

TableSet::~TableSet() {
  CHECK_EQ(tables_.size(), 1u) << "a table outlives its TableSet";
}

// --- Checkpoint -------------------------------------------------------------

void TableSet::Freeze(uint64_t checkpoint) {
  CHECK(!writing_);
  CHECK_GT(checkpoint, checkpoint_);
  CHECK(list(frozen()).empty() && encoded_.empty());
  active_ = frozen();
  dirty_bytes_ = 0;
  ++cut_;
  checkpoint_ = checkpoint;
  writing_ = true;
  complete_ = false;
  whole_ = std::exchange(whole_next_, false);
  if (!whole_) return;
  walked_ = {};
  obsolete_ = {};  // Of an image that will be dropped as it is.
}

bool TableSet::EncodeSlice(size_t rows_max, size_t bytes_max,
                           std::vector<EncodedRow>& rows) {
  CHECK(writing_);
  CHECK_GT(rows_max, 0u);
  size_t steps = 0;
  size_t bytes = 0;
  const auto is_over = [&] { return steps >= rows_max || bytes >= bytes_max; };
  const auto step = [&](std::optional<EncodedRow> row) {
    ++steps;
    if (row.has_value()) {
      bytes += row->key.size() + row->value.size();
      rows.push_back(*std::move(row));
    }
    return !is_over();
  };
  while (!is_over() && !complete_) {
    if (!encoded_.empty()) {
      step(std::move(encoded_.back()));
      encoded_.pop_back();
    } else if (!list(frozen()).empty()) {
      step(EncodeLast());
    } else if (!cleared_.empty() && CutSkips(*cleared_.front().store)) {
      Account(cleared_.front());
      cleared_.pop_front();
      step(std::nullopt);
    } else if (whole_ && !walked_.done) {
      Walk(step);
    } else {
      Complete();
    }
  }
  return complete_;
}

// The last row of the cut's list, unless it was encoded early or is not part of
// the cut any more.
std::optional<EncodedRow> TableSet::EncodeLast() {
  const Changed last = list(frozen()).back();
  std::optional<EncodedRow> row;
  if (last.node != nullptr) {
    if (CutSkips(*last.store)) {
      last.node->list = RowList::kNone;
    } else {
      row = Encode(*last.store, *last.node);
      if (last.node->ghost) last.store->FreeGhost(*last.node);
    }
  }
  list(frozen()).pop_back();
  return row;
}

// Encodes the present version of a row of the cut, or its tombstone.
std::optional<EncodedRow> TableSet::Encode(RowStore& store, RowNode& node) {
  CHECK(IsInCut(node));
  CHECK_LT(node.written, checkpoint_);
  if (node.list == frozen()) list(frozen())[node.slot].node = nullptr;
  node.list = RowList::kNone;
  if (node.damaged) ForgetDamage(node);

  EncodedRow row{.table = store.table, .checkpoint = checkpoint_};
  row.key = KeyPrefix(store.owner, store.epoch);
  store.EncodeKey(node, row.key);
  row.erased = node.ghost;
  if (!node.ghost) store.EncodeRow(node, row.value);

  uint64_t hash = 0;
  if (!node.ghost) {
    hash = store.Hash(absl::string_view(row.key).substr(kKeyPrefixBytes),
                      row.value);
  }
  store.digest += hash - node.hash;
  if (store.counted) sums_[store.table] += hash - node.hash;
  node.hash = hash;

  if (node.ghost) CHECK_NE(node.written, 0u);
  if (node.written != 0 && !whole_) {
    obsolete_.versions.push_back({store.table, row.key, node.written});
    if (node.ghost) {
      obsolete_.versions.push_back({store.table, row.key, checkpoint_});
    }
  }
  node.written = node.ghost ? 0 : checkpoint_;
  store.in_image = true;
  if (node.ghost && whole_) return std::nullopt;
  return row;
}

void TableSet::EncodeEarly(RowStore& store, RowNode& node) {
  if (auto row = Encode(store, node)) encoded_.push_back(*std::move(row));
}

// The cut is the first without the rows of this store.
void TableSet::Account(const Cleared& cleared) {
  const RowStore& store = *cleared.store;
  if (store.counted) sums_[store.table] -= store.digest;
  if (store.in_image && !whole_) {
    obsolete_.ranges.push_back(
        {store.table, KeyPrefix(store.owner, store.epoch)});
  }
  if (cleared.gone) gone_.push_back({{store.table, store.owner}, store.epoch});
}

void TableSet::Complete() {
  complete_ = true;
  SumUp();
}

void TableSet::SumUp() {
  digest_ = 0;
  table_digests_.clear();
  for (const auto& [table, sum] : sums_) {
    digest_ += sum;
    // A table that lost its rows looks like one that never had any.
    if (sum != 0) table_digests_.emplace_back(table, sum);
  }
}

TableSet::Obsolete TableSet::ImageDurable() {
  CHECK(writing_ && complete_);
  writing_ = false;
  // Whoever loads the next image finds no rows of these tables: they are
  // removed before its pointer is written.
  for (const auto& [key, epoch] : gone_) {
    const EpochRow* row = epochs_->table.Find(key);
    if (row != nullptr && row->gone && row->epoch == epoch) {
      epochs_->table.Erase(key);
    }
  }
  gone_.clear();
  return std::exchange(obsolete_, {});
}

// --- Changes ----------------------------------------------------------------

void TableSet::Changes(RowStore& store, RowNode& node, size_t size) {
  if (IsInCut(node)) EncodeEarly(store, node);
  ChangedList& changed = list(active_);
  CHECK_LT(changed.size(), UINT32_MAX);
  node.list = active_;
  node.slot = static_cast<uint32_t>(changed.size());
  changed.push_back({&store, &node});
  dirty_bytes_ += size;
}

void TableSet::Forget(RowNode& node, size_t size) {
  CHECK(node.list == active_);
  ChangedList& changed = list(active_);
  changed[node.slot] = changed.back();
  changed[node.slot].node->slot = node.slot;
  changed.pop_back();
  node.list = RowList::kNone;
  dirty_bytes_ -= size;
}

uint64_t TableSet::Retire(std::shared_ptr<RowStore> store, bool gone) {
  const TableKey key(store->table, store->owner);
  if (key.first == TableId::kEpochs) return 0;
  rows_ -= store->size();
  size_bytes_ -= store->size_bytes;
  store->cleared_cut = cut_ + 1;
  // Rows in the cut that is being encoded will be in an image, too.
  const bool in_image = store->in_image || !complete_;
  const uint64_t epoch = store->epoch;
  reclaim_.push_back(store);
  if (gone) {
    if (in_image || epochs_->table.Find(key) != nullptr) {
      epochs_->table.Put(key, {.epoch = epoch, .gone = true});
      cleared_.push_back({.store = std::move(store), .gone = true});
    }
    return epoch;
  }
  if (!in_image) return epoch;
  epochs_->table.Put(key, {.epoch = epoch + 1});
  cleared_.push_back({.store = std::move(store)});
  return epoch + 1;
}

bool TableSet::Reclaim(size_t rows_max) {
  while (!reclaim_.empty()) {
    RowStore& store = *reclaim_.front();
    const size_t freed =
        store.Free(rows_max, [&](RowNode& node) { Release(store, node); });
    rows_max -= freed;
    if (rows_max == 0) return true;
    reclaim_.pop_front();
  }
  return false;
}

// A row of a cleared table is about to be freed: no list may know it.
void TableSet::Release(RowStore& store, RowNode& node) {
  if (node.damaged) ForgetDamage(node);
  if (node.list == active_) {
    Forget(node, store.SizeOf(node));
  } else if (!CutSkips(store)) {
    if (IsInCut(node)) EncodeEarly(store, node);
  } else if (node.list == frozen()) {
    list(frozen())[node.slot].node = nullptr;
  }
}

// --- Tables and epochs ------------------------------------------------------

TableBase::TableBase(TableSet& tables, TableId id, uint64_t owner)
    : tables_(tables), id_(id), owner_(owner) {}

uint64_t TableSet::Register(TableBase& table, TableKey key) {
  const bool is_new = tables_.insert({key, &table}).second;
  CHECK(is_new) << "a second table " << static_cast<int>(key.first) << " of "
                << key.second;
  return key.first == TableId::kEpochs ? 0 : StartEpoch(key);
}

// The epoch for the rows of a table that is new to this TableSet.
uint64_t TableSet::StartEpoch(TableKey key) {
  const EpochRow* row = epochs_->table.Find(key);
  if (row == nullptr) return 0;
  if (!row->gone) return row->epoch;
  const uint64_t epoch = row->epoch + 1;
  epochs_->table.Put(key, {.epoch = epoch});
  return epoch;
}

bool TableSet::IsOfClearedEpoch(TableKey key, uint64_t epoch) const {
  const EpochRow* row = epochs_->table.Find(key);
  if (row == nullptr) return false;
  return epoch < row->epoch || (row->gone && epoch == row->epoch);
}

// --- Load -------------------------------------------------------------------

absl::Status TableSet::LoadRow(const EncodedRow& row) {
  if (row.erased) return BadRow(row, "a tombstone is no part of an image");
  base::Reader reader(row.key);
  const TableKey key(row.table, reader.U64());
  const uint64_t epoch = reader.U64();
  if (!reader.ok()) return BadRow(row, "its key is too short");

  if (IsOfClearedEpoch(key, epoch)) {
    const std::string prefix = KeyPrefix(key.second, epoch);
    auto& ranges = obsolete_.ranges;
    if (ranges.empty() || ranges.back().table != row.table ||
        ranges.back().prefix != prefix) {
      ranges.push_back({row.table, prefix});
    }
    return absl::OkStatus();
  }
  auto it = tables_.find(key);
  if (it == tables_.end()) return BadRow(row, "no table wants it");
  RowStore& store = it->second->store();
  if (epoch != store.epoch) {
    return BadRow(row, absl::StrCat("its table is in epoch ", store.epoch));
  }
  RETURN_IF_ERROR(LoadInto(store, row, reader.rest()));
  if (row.table == TableId::kEpochs) EpochLoaded(reader.rest());
  return absl::OkStatus();
}

absl::Status TableSet::LoadInto(RowStore& store, const EncodedRow& row,
                                absl::string_view row_key) {
  const char* why = nullptr;
  RowNode* node = store.Load(row_key, row.value, why);
  if (node == nullptr) return BadRow(row, why);
  node->written = row.checkpoint;
  node->hash = store.Hash(row_key, row.value);
  store.digest += node->hash;
  store.in_image = true;
  if (store.counted) sums_[store.table] += node->hash;
  CountRows(store, 1, store.SizeOf(*node));
  checkpoint_ = std::max(checkpoint_, row.checkpoint);
  return absl::OkStatus();
}

// A table that exists already takes the epoch its rows will have.
void TableSet::EpochLoaded(absl::string_view row_key) {
  TableKey key;
  CHECK(DecodeRowKey(row_key, key));
  const EpochRow* row = epochs_->table.Find(key);
  if (row->gone) gone_.push_back({key, row->epoch});
  auto it = tables_.find(key);
  if (it != tables_.end()) it->second->store().epoch = StartEpoch(key);
}

absl::Status TableSet::FinishLoad(uint64_t digest) {
  SumUp();
  if (digest_ == digest) return absl::OkStatus();
  std::string sums;
  for (const auto& [table, sum] : sums_) {
    absl::StrAppend(&sums, ", table ", static_cast<int>(table), ": ",
                    absl::Hex(sum, absl::kZeroPad16));
  }
  return absl::DataLossError(absl::StrCat(
      "image rows sum up to ", absl::Hex(digest_, absl::kZeroPad16),
      " and not to the pointer's ", absl::Hex(digest, absl::kZeroPad16), sums));
}

uint64_t TableSet::FullDigest() const {
  uint64_t digest = 0;
  for (const auto& [key, table] : tables_) {
    const RowStore& store = table->store();
    if (!store.counted) continue;
    std::string row_key;
    std::string value;
    store.ForEachRow([&](const RowNode& node) {
      row_key.clear();
      value.clear();
      store.EncodeKey(node, row_key);
      store.EncodeRow(node, value);
      digest += store.Hash(row_key, value);
    });
  }
  return digest;
}

}  // namespace session
