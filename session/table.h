// Table is an ordered map of rows that knows which of them changed since the
// last checkpoint. Everything replicated lives in tables, so an image is their
// rows, written as they change, and nothing else needs to know about images.
//
// A table belongs to a TableSet, the tables of one partition. Its identity
// there is (id, owner): all maps share one id, each owner (primitive) has a
// table of its own, 0 owns the session layer's.
//
// Checkpoints: TableSet::Freeze makes the set of changed rows the consistent
// cut, in O(1). The rows of the cut are encoded later, in slices; a row of it
// that is about to change is encoded first (copy on write). See table_set.h.
//
// Not thread-safe: used on its partition's worker only.
//
// Key: one of the types EncodeRowKey (row_key.h) takes. Row: a value type
// with a default constructor and
//   void Encode(std::string& out) const;          // the same bytes for ever
//   static bool Decode(absl::string_view bytes, Row& row);
//   size_t size_bytes() const;  // For the state bound: of what is in it alone,
//                               // so that it is the same on every replica.

#ifndef SESSION_TABLE_H_
#define SESSION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "session/row_key.h"
#include "session/row_store.h"
#include "session/table_set.h"

namespace session {

template <class Key, class Row>
class Table final : public TableBase {
 public:
  // `tables` must outlive the table. REQUIRES: it has none of that id and
  // owner.
  Table(TableSet& tables, TableId id, uint64_t owner = 0);

  // Its rows are removed as by Clear.
  ~Table();

  // The row at `key`, or null. Valid until that row changes or goes.
  const Row* Find(const Key& key) const;

  // Adds a row. REQUIRES: `key` is absent.
  const Row& Insert(const Key& key, Row row);

  // Adds or replaces a row.
  const Row& Put(const Key& key, Row row);

  // Changes a row in place: `change` is called with a Row&. REQUIRES: `key` is
  // present.
  template <class Change>
  void Update(const Key& key, Change change);

  // Removes a row; false if it was absent.
  bool Erase(const Key& key);

  // Removes all rows in O(1); they are reclaimed at leisure.
  void Clear();

  size_t size() const { return store_->rows.size(); }
  bool empty() const { return size() == 0; }
  // Its share of TableSet::size_bytes.
  uint64_t size_bytes() const { return store_->size_bytes; }

  // Calls `visit(key, row)` in key order, from the first key not below (After:
  // above) `key`, until it returns false. The table must not change meanwhile.
  template <class Visit>
  void Scan(Visit visit) const;
  template <class Visit>
  void ScanFrom(const Key& key, Visit visit) const;
  template <class Visit>
  void ScanAfter(const Key& key, Visit visit) const;
  // The same in descending order, from the last key, or the last below `key`.
  template <class Visit>
  void ScanDown(Visit visit) const;
  template <class Visit>
  void ScanDownBefore(const Key& key, Visit visit) const;

 private:
  class Store;
  struct Node;

  RowStore& store() override { return *store_; }

  static size_t SizeOf(const Node& node);
  // The ghost at `key`, no longer one of the ghosts, or null.
  Node* TakeGhost(const Key& key);
  template <class Action>
  void Alter(Node& node, Action&& action);
  template <class Iterator, class Visit>
  void Walk(Iterator from, Visit& visit) const;
  template <class Iterator, class Visit>
  void WalkDown(Iterator end, Visit& visit) const;

  std::shared_ptr<Store> store_;  // Never null.
};

// --- Implementation ---------------------------------------------------------

// A row's home: it never moves, so lists and callers may point to it.
template <class Key, class Row>
struct Table<Key, Row>::Node : RowNode {
  Key key;
  Row row;
};

template <class Key, class Row>
class Table<Key, Row>::Store final : public RowStore {
 public:
  // The tree holds, of each row, the front of its key and where it is: most
  // comparisons never leave the tree.
  struct Entry {
    uint64_t prefix;
    Node* node;

    const Key& key() const { return node->key; }
  };
  struct Probe {
    explicit Probe(const Key& k) : prefix(RowKey<Key>::Prefix(k)), wanted(k) {}

    uint64_t prefix;
    const Key& wanted;

    const Key& key() const { return wanted; }
  };
  struct Less {
    using is_transparent = void;

    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      if constexpr (RowKey<Key>::kPrefixIsKey) {
        return false;
      } else {
        return a.key() < b.key();
      }
    }
  };
  using Tree = absl::btree_set<Entry, Less>;

  using RowStore::RowStore;

  ~Store() override {
    for (const Entry& entry : rows) delete entry.node;
    for (const Entry& entry : ghosts) delete entry.node;
  }

  void EncodeKey(const RowNode& node, std::string& out) const override {
    EncodeRowKey(static_cast<const Node&>(node).key, out);
  }

  void EncodeRow(const RowNode& node, std::string& out) const override {
    static_cast<const Node&>(node).row.Encode(out);
  }

  size_t SizeOf(const RowNode& node) const override {
    return Table::SizeOf(static_cast<const Node&>(node));
  }

  void FreeGhost(RowNode& node) override {
    Node& ghost = static_cast<Node&>(node);
    CHECK_EQ(ghosts.erase(Probe(ghost.key)), 1u);
    delete &ghost;
  }

  size_t Free(size_t max, absl::FunctionRef<void(RowNode&)> release) override {
    const size_t freed = FreeFront(rows, max, release);
    return freed + FreeFront(ghosts, max - freed, release);
  }

  RowNode* Load(absl::string_view key_bytes, absl::string_view value,
                const char*& why) override {
    auto node = std::make_unique<Node>();
    if (!DecodeRowKey(key_bytes, node->key)) {
      why = "its key does not decode";
      return nullptr;
    }
    if (!Row::Decode(value, node->row)) {
      why = "its value does not decode";
      return nullptr;
    }
    const size_t before = rows.size();
    rows.insert(rows.end(), {RowKey<Key>::Prefix(node->key), node.get()});
    if (rows.size() == before) {
      why = "it is there already";
      return nullptr;
    }
    return node.release();
  }

  void ForEachRow(
      absl::FunctionRef<void(const RowNode&)> visit) const override {
    for (const Entry& entry : rows) visit(*entry.node);
  }

  bool VisitAfter(const std::optional<std::string>& after,
                  absl::FunctionRef<bool(RowNode&)> visit) override {
    auto it = rows.begin();
    if (after.has_value()) {
      Key key;
      CHECK(DecodeRowKey(*after, key));
      it = rows.upper_bound(Probe(key));
    }
    for (; it != rows.end(); ++it) {
      if (!visit(*it->node)) return false;
    }
    return true;
  }

  size_t size() const override { return rows.size(); }

  Tree rows;
  Tree ghosts;  // Every one is in a list of its TableSet.

 private:
  static size_t FreeFront(Tree& tree, size_t max,
                          absl::FunctionRef<void(RowNode&)> release) {
    size_t freed = 0;
    auto it = tree.begin();
    for (; it != tree.end() && freed < max; ++it, ++freed) {
      release(*it->node);
      delete it->node;
    }
    tree.erase(tree.begin(), it);
    return freed;
  }
};

template <class Key, class Row>
Table<Key, Row>::Table(TableSet& tables, TableId id, uint64_t owner)
    : TableBase(tables, id, owner) {
  const uint64_t epoch = Register();
  store_ = std::make_shared<Store>(id, owner, epoch);
}

template <class Key, class Row>
Table<Key, Row>::~Table() {
  Unregister();
  Retire(std::move(store_), /*gone=*/true);
}

template <class Key, class Row>
size_t Table<Key, Row>::SizeOf(const Node& node) {
  return kRowOverhead + RowKey<Key>::Size(node.key) + node.row.size_bytes();
}

template <class Key, class Row>
const Row* Table<Key, Row>::Find(const Key& key) const {
  auto it = store_->rows.find(typename Store::Probe(key));
  return it == store_->rows.end() ? nullptr : &it->node->row;
}

template <class Key, class Row>
const Row& Table<Key, Row>::Insert(const Key& key, Row row) {
  Node* node = TakeGhost(key);
  if (node == nullptr) {
    node = new Node{{}, key, std::move(row)};
    Changes(*store_, *node, SizeOf(*node));
  } else {
    // The version in the image is now this row's: its successor replaces it.
    const size_t ghost_size = SizeOf(*node);
    Changes(*store_, *node, ghost_size);
    node->ghost = false;
    node->row = std::move(row);
    DirtyResized(ghost_size, SizeOf(*node));
  }
  const bool is_new =
      store_->rows.insert({RowKey<Key>::Prefix(key), node}).second;
  CHECK(is_new) << "insert of a row that is there already, table "
                << static_cast<int>(id()) << " of " << owner();
  Added(*store_, SizeOf(*node));
  return node->row;
}

template <class Key, class Row>
auto Table<Key, Row>::TakeGhost(const Key& key) -> Node* {
  if (store_->ghosts.empty()) return nullptr;
  auto it = store_->ghosts.find(typename Store::Probe(key));
  if (it == store_->ghosts.end()) return nullptr;
  Node* node = it->node;
  store_->ghosts.erase(it);
  return node;
}

template <class Key, class Row>
const Row& Table<Key, Row>::Put(const Key& key, Row row) {
  auto it = store_->rows.find(typename Store::Probe(key));
  if (it == store_->rows.end()) return Insert(key, std::move(row));
  Alter(*it->node, [&row](Row& present) { present = std::move(row); });
  return it->node->row;
}

template <class Key, class Row>
template <class Change>
void Table<Key, Row>::Update(const Key& key, Change change) {
  auto it = store_->rows.find(typename Store::Probe(key));
  CHECK(it != store_->rows.end())
      << "update of an absent row, table " << static_cast<int>(id()) << " of "
      << owner();
  Alter(*it->node, change);
}

template <class Key, class Row>
template <class Action>
void Table<Key, Row>::Alter(Node& node, Action&& action) {
  const size_t before = SizeOf(node);
  Changes(*store_, node, before);
  action(node.row);
  const size_t after = SizeOf(node);
  DirtyResized(before, after);
  Resized(*store_, before, after);
}

template <class Key, class Row>
bool Table<Key, Row>::Erase(const Key& key) {
  auto it = store_->rows.find(typename Store::Probe(key));
  if (it == store_->rows.end()) return false;
  Node* node = it->node;
  const size_t size = SizeOf(*node);
  Removed(*store_, size);
  Changes(*store_, *node, size);
  store_->rows.erase(it);
  if (node->written == 0) {
    // No image ever saw it: it goes without a trace.
    Forget(*node, size);
    delete node;
    return true;
  }
  node->ghost = true;
  node->row = Row();
  DirtyResized(size, SizeOf(*node));
  store_->ghosts.insert({RowKey<Key>::Prefix(node->key), node});
  return true;
}

template <class Key, class Row>
void Table<Key, Row>::Clear() {
  if (empty()) return;
  const uint64_t epoch = Retire(store_, /*gone=*/false);
  store_ = std::make_shared<Store>(id(), owner(), epoch);
}

template <class Key, class Row>
template <class Visit>
void Table<Key, Row>::Scan(Visit visit) const {
  Walk(store_->rows.begin(), visit);
}

template <class Key, class Row>
template <class Visit>
void Table<Key, Row>::ScanFrom(const Key& key, Visit visit) const {
  Walk(store_->rows.lower_bound(typename Store::Probe(key)), visit);
}

template <class Key, class Row>
template <class Visit>
void Table<Key, Row>::ScanAfter(const Key& key, Visit visit) const {
  Walk(store_->rows.upper_bound(typename Store::Probe(key)), visit);
}

template <class Key, class Row>
template <class Visit>
void Table<Key, Row>::ScanDown(Visit visit) const {
  WalkDown(store_->rows.end(), visit);
}

template <class Key, class Row>
template <class Visit>
void Table<Key, Row>::ScanDownBefore(const Key& key, Visit visit) const {
  WalkDown(store_->rows.lower_bound(typename Store::Probe(key)), visit);
}

template <class Key, class Row>
template <class Iterator, class Visit>
void Table<Key, Row>::Walk(Iterator from, Visit& visit) const {
  for (auto it = from; it != store_->rows.end(); ++it) {
    const Node& node = *it->node;
    if (!visit(node.key, node.row)) return;
  }
}

template <class Key, class Row>
template <class Iterator, class Visit>
void Table<Key, Row>::WalkDown(Iterator end, Visit& visit) const {
  for (auto it = end; it != store_->rows.begin();) {
    const Node& node = *(--it)->node;
    if (!visit(node.key, node.row)) return;
  }
}

}  // namespace session

#endif  // SESSION_TABLE_H_
