// StrongInt is an integer with a type of its own: Term{3} == Index{3} does not
// compile, and neither does passing one for the other.
//
//   using Term = base::StrongInt<struct TermTag>;
//
// It supports what positions and ids need: comparison, ++, adding a plain
// count, and the difference of two as a plain count.

#ifndef BASE_STRONG_INT_H_
#define BASE_STRONG_INT_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <utility>

namespace base {

template <class Tag, class Int = uint64_t>
class StrongInt {
 public:
  using value_type = Int;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Int value) : value_(value) {}

  constexpr Int value() const { return value_; }

  constexpr auto operator<=>(const StrongInt&) const = default;

  constexpr StrongInt& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongInt operator+(Int count) const {
    return StrongInt(value_ + count);
  }
  constexpr StrongInt operator-(Int count) const {
    return StrongInt(value_ - count);
  }
  constexpr Int operator-(StrongInt other) const {
    return value_ - other.value_;
  }

  template <class H>
  friend H AbslHashValue(H h, StrongInt v) {
    return H::combine(std::move(h), v.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, StrongInt v) {
    return out << v.value_;
  }

 private:
  Int value_ = 0;
};

}  // namespace base

#endif  // BASE_STRONG_INT_H_
