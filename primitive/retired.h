// Retired is the derived trees of cleared primitives, which are freed some
// at a time: to free a million entries at once would stall the partition.
//
// What is here is nobody's state, so it does not matter when it goes.

#ifndef PRIMITIVE_RETIRED_H_
#define PRIMITIVE_RETIRED_H_

#include <cstddef>
#include <deque>
#include <utility>

namespace primitive {

// Tree: an ordered container of absl or std.
template <class Tree>
class Retired {
 public:
  // Entries that one FreeSome frees at most.
  static constexpr size_t kSlice = 256;

  void Add(Tree tree) {
    if (!tree.empty()) trees_.push_back(std::move(tree));
  }

  // To be called with each command.
  void FreeSome() { FreeSome(kSlice); }
  // Frees at most `entries_max`. To be called for each entry that comes, where
  // one command brings more than kSlice: 2 keeps ahead of what may be retired.
  void FreeSome(size_t entries_max) {
    if (trees_.empty()) return;
    Tree& tree = trees_.front();
    auto end = tree.begin();
    for (size_t i = 0; i < entries_max && end != tree.end(); ++i) ++end;
    tree.erase(tree.begin(), end);
    if (tree.empty()) trees_.pop_front();
  }

  bool empty() const { return trees_.empty(); }

 private:
  std::deque<Tree> trees_;  // None is empty.
};

}  // namespace primitive

#endif  // PRIMITIVE_RETIRED_H_
