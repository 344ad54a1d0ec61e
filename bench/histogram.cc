#include "bench/histogram.h"

#include <algorithm>
#include <bit>

namespace bench {
namespace {

constexpr int kSubBits = 5;  // 32 buckets for each power of two.
constexpr uint64_t kSubBuckets = 1 << kSubBits;

size_t BucketOf(uint64_t nanos) {
  if (nanos < kSubBuckets) return nanos;
  const int shift = static_cast<int>(std::bit_width(nanos)) - 1 - kSubBits;
  return (static_cast<size_t>(shift + 1) << kSubBits) +
         ((nanos >> shift) & (kSubBuckets - 1));
}

uint64_t UpperBoundOf(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const int shift = static_cast<int>(bucket >> kSubBits) - 1;
  const uint64_t base = kSubBuckets | (bucket & (kSubBuckets - 1));
  return ((base + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(size_t{64} << kSubBits) {}

void Histogram::Add(uint64_t nanos) {
  ++buckets_[BucketOf(nanos)];
  ++count_;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

uint64_t Histogram::Percentile(double fraction) const {
  if (count_ == 0) return 0;
  const uint64_t rank = std::max<uint64_t>(
      1, static_cast<uint64_t>(fraction * static_cast<double>(count_) + 0.5));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return UpperBoundOf(i);
  }
  return UpperBoundOf(buckets_.size() - 1);
}

}  // namespace bench
