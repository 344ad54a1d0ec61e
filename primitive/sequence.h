// Sequence is numbers in an order that the caller makes: each is found,
// inserted and removed by its position, in O(log n). A tree whose nodes know
// how much is below them.
//
// Derived state: what it holds follows from rows, the shape of the tree from
// nothing.

#ifndef PRIMITIVE_SEQUENCE_H_
#define PRIMITIVE_SEQUENCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"

namespace primitive {

class Sequence {
 public:
  // Numbers in one leaf, and children of one inner node.
  static constexpr size_t kNodeMax = 64;

  Sequence();
  // What was moved from is empty.
  Sequence(Sequence&& other);
  Sequence& operator=(Sequence&& other);
  ~Sequence();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // REQUIRES: position < size().
  uint64_t At(size_t position) const;

  // What is at `position` and behind it moves up. REQUIRES: position <= size().
  void Insert(size_t position, uint64_t number);

  // What is behind it moves down; returns it. REQUIRES: position < size().
  uint64_t Erase(size_t position);

  // Empties it in O(1). The memory goes with later changes, a little with each.
  void Clear();
  // The same for what `other` holds.
  void Discard(Sequence other);

  // Calls `visit` with each number from `position` on, until it returns false.
  void ScanFrom(size_t position,
                absl::FunctionRef<bool(uint64_t number)> visit) const;

  // CHECKs the shape of the tree; for tests. Returns how high it is.
  size_t CheckShape() const;

 private:
  struct Node;
  struct Child;

  static std::unique_ptr<Node> InsertBelow(Node& node, size_t position,
                                           uint64_t number);
  static uint64_t EraseBelow(Node& node, size_t position);
  static void MergeAround(Node& node, size_t i);
  static bool ScanBelow(const Node& node, size_t position,
                        absl::FunctionRef<bool(uint64_t number)> visit);
  static size_t CheckBelow(const Node& node, bool is_root);
  void FreeSome();

  size_t size_ = 0;
  std::unique_ptr<Node> root_;                  // Null when empty.
  std::vector<std::unique_ptr<Node>> cleared_;  // To be freed.
};

}  // namespace primitive

#endif  // PRIMITIVE_SEQUENCE_H_
