// Histogram of latencies: buckets of 1/32 relative width, so percentiles are
// within about 3 %.
//
// Not thread-safe; merge one of each thread.

#ifndef BENCH_HISTOGRAM_H_
#define BENCH_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace bench {

class Histogram {
 public:
  Histogram();

  void Add(uint64_t nanos);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  // The smallest latency that `fraction` of all do not exceed; 0 if empty.
  uint64_t Percentile(double fraction) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
};

}  // namespace bench

#endif  // BENCH_HISTOGRAM_H_
