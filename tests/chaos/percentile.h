// Of measured times.

#ifndef TESTS_CHAOS_PERCENTILE_H_
#define TESTS_CHAOS_PERCENTILE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tests {

// In milliseconds; 0 of none. REQUIRES: 0 <= p <= 1.
inline double PercentileMs(std::vector<int64_t> values_ns, double p) {
  if (values_ns.empty()) return 0;
  std::sort(values_ns.begin(), values_ns.end());
  const auto last = static_cast<double>(values_ns.size() - 1);
  return static_cast<double>(values_ns[static_cast<size_t>(p * last)]) / 1e6;
}

}  // namespace tests

#endif  // TESTS_CHAOS_PERCENTILE_H_
