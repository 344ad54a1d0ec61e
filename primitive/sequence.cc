#include "primitive/sequence.h"

#include <utility>

#include "base/check.h"

namespace primitive {
namespace {

// Neighbours that are together no larger than this become one. Above half of a
// node and below a whole one: neither insertions nor removals alone make the
// next operation restructure again.
constexpr size_t kMergedMax = Sequence::kNodeMax * 3 / 4;

}  // namespace

struct Sequence::Child {
  size_t size = 0;  // Numbers below.
  std::unique_ptr<Node> node;
};

// A leaf has numbers, an inner node children; none is empty. All leaves are at
// the same depth.
struct Sequence::Node {
  bool is_leaf() const { return children.empty(); }
  size_t width() const { return is_leaf() ? numbers.size() : children.size(); }
  size_t Sum() const {
    if (is_leaf()) return numbers.size();
    size_t sum = 0;
    for (const Child& child : children) sum += child.size;
    return sum;
  }
  // The child that has `position`, which becomes its position there. A position
  // between two is the second's first: so a leaf is only appended to at the
  // very end of the sequence.
  size_t Descend(size_t& position) const {
    size_t i = 0;
    for (; i + 1 < children.size() && position >= children[i].size; ++i) {
      position -= children[i].size;
    }
    return i;
  }

  std::vector<uint64_t> numbers;
  std::vector<Child> children;
};

namespace {

// Moves the upper part of `from`, from `begin` on, to the end of `to`.
template <class T>
void MoveTail(std::vector<T>& from, size_t begin, std::vector<T>& to) {
  for (size_t i = begin; i < from.size(); ++i) to.push_back(std::move(from[i]));
  from.resize(begin);
}

}  // namespace

Sequence::Sequence() = default;
Sequence::~Sequence() = default;

Sequence::Sequence(Sequence&& other) { *this = std::move(other); }

Sequence& Sequence::operator=(Sequence&& other) {
  size_ = std::exchange(other.size_, 0);
  root_ = std::move(other.root_);
  cleared_ = std::exchange(other.cleared_, {});
  return *this;
}

uint64_t Sequence::At(size_t position) const {
  CHECK_LT(position, size_);
  const Node* node = root_.get();
  while (!node->is_leaf()) {
    node = node->children[node->Descend(position)].node.get();
  }
  return node->numbers[position];
}

void Sequence::Insert(size_t position, uint64_t number) {
  CHECK_LE(position, size_);
  FreeSome();
  if (root_ == nullptr) root_ = std::make_unique<Node>();
  std::unique_ptr<Node> second = InsertBelow(*root_, position, number);
  ++size_;
  if (second == nullptr) return;
  auto root = std::make_unique<Node>();
  const size_t size = second->Sum();
  root->children.push_back({.size = size_ - size, .node = std::move(root_)});
  root->children.push_back({.size = size, .node = std::move(second)});
  root_ = std::move(root);
}

// If `node` had to be split: its new right neighbour, which is in no tree yet.
std::unique_ptr<Sequence::Node> Sequence::InsertBelow(Node& node,
                                                      size_t position,
                                                      uint64_t number) {
  if (node.is_leaf()) {
    if (node.numbers.size() < kNodeMax) {
      node.numbers.insert(node.numbers.begin() + position, number);
      return nullptr;
    }
    auto right = std::make_unique<Node>();
    if (position == kNodeMax) {
      // Behind the last of all: what is only appended to stays full.
      right->numbers.push_back(number);
      return right;
    }
    MoveTail(node.numbers, kNodeMax / 2, right->numbers);
    const bool is_left = position <= kNodeMax / 2;
    InsertBelow(is_left ? node : *right,
                is_left ? position : position - kNodeMax / 2, number);
    return right;
  }

  const size_t i = node.Descend(position);
  Child& child = node.children[i];
  std::unique_ptr<Node> second = InsertBelow(*child.node, position, number);
  ++child.size;
  if (second == nullptr) return nullptr;
  const size_t size = second->Sum();
  child.size -= size;
  const bool is_end = i + 1 == node.children.size();
  node.children.insert(node.children.begin() + i + 1,
                       {.size = size, .node = std::move(second)});
  if (node.children.size() <= kNodeMax) return nullptr;
  auto right = std::make_unique<Node>();
  MoveTail(node.children, is_end ? kNodeMax : kNodeMax / 2, right->children);
  return right;
}

uint64_t Sequence::Erase(size_t position) {
  CHECK_LT(position, size_);
  FreeSome();
  const uint64_t number = EraseBelow(*root_, position);
  if (--size_ == 0) {
    root_ = nullptr;
    return number;
  }
  while (root_->children.size() == 1) {
    root_ = std::exchange(root_->children[0].node, nullptr);
  }
  return number;
}

uint64_t Sequence::EraseBelow(Node& node, size_t position) {
  if (node.is_leaf()) {
    const uint64_t number = node.numbers[position];
    node.numbers.erase(node.numbers.begin() + position);
    return number;
  }
  const size_t i = node.Descend(position);
  Child& child = node.children[i];
  const uint64_t number = EraseBelow(*child.node, position);
  if (--child.size == 0) {
    node.children.erase(node.children.begin() + i);
    return number;
  }
  MergeAround(node, i);
  return number;
}

// Child `i` has become smaller: joins it with a neighbour if both are small.
void Sequence::MergeAround(Node& node, size_t i) {
  for (const size_t right : {i + 1, i}) {
    if (right == 0 || right == node.children.size()) continue;
    const size_t left = right - 1;
    Child& into = node.children[left];
    Child& from = node.children[right];
    if (into.node->width() + from.node->width() > kMergedMax) continue;
    MoveTail(from.node->numbers, 0, into.node->numbers);
    MoveTail(from.node->children, 0, into.node->children);
    into.size += from.size;
    node.children.erase(node.children.begin() + right);
    return;
  }
}

void Sequence::Clear() {
  if (root_ != nullptr) cleared_.push_back(std::move(root_));
  size_ = 0;
}

void Sequence::Discard(Sequence other) {
  other.Clear();
  for (std::unique_ptr<Node>& node : other.cleared_) {
    cleared_.push_back(std::move(node));
  }
}

void Sequence::FreeSome() {
  if (cleared_.empty()) return;
  std::unique_ptr<Node> node = std::move(cleared_.back());
  cleared_.pop_back();
  for (Child& child : node->children) cleared_.push_back(std::move(child.node));
}

void Sequence::ScanFrom(size_t position,
                        absl::FunctionRef<bool(uint64_t)> visit) const {
  if (position < size_) ScanBelow(*root_, position, visit);
}

bool Sequence::ScanBelow(const Node& node, size_t position,
                         absl::FunctionRef<bool(uint64_t)> visit) {
  if (node.is_leaf()) {
    for (size_t i = position; i < node.numbers.size(); ++i) {
      if (!visit(node.numbers[i])) return false;
    }
    return true;
  }
  for (size_t i = node.Descend(position); i < node.children.size(); ++i) {
    if (!ScanBelow(*node.children[i].node, position, visit)) return false;
    position = 0;
  }
  return true;
}

size_t Sequence::CheckShape() const {
  if (root_ == nullptr) {
    CHECK_EQ(size_, 0u);
    return 0;
  }
  CHECK_EQ(root_->Sum(), size_);
  return CheckBelow(*root_, /*is_root=*/true);
}

size_t Sequence::CheckBelow(const Node& node, bool is_root) {
  CHECK_GT(node.width(), 0u);
  CHECK_LE(node.width(), kNodeMax);
  CHECK(node.numbers.empty() || node.children.empty());
  if (node.is_leaf()) return 1;
  CHECK(!is_root || node.children.size() > 1);
  size_t height = 0;
  for (const Child& child : node.children) {
    CHECK_EQ(child.node->Sum(), child.size);
    const size_t below = CheckBelow(*child.node, /*is_root=*/false);
    CHECK(height == 0 || height == below) << "leaves at different depths";
    height = below;
  }
  return height + 1;
}

}  // namespace primitive
