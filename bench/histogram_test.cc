#include "bench/histogram.h"

#include "gtest/gtest.h"

namespace bench {
namespace {

TEST(HistogramTest, PercentilesAreWithinAboutThreePercent) {
  Histogram histogram;
  for (uint64_t i = 1; i <= 100'000; ++i) histogram.Add(i * 10);
  for (double fraction : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    EXPECT_NEAR(static_cast<double>(histogram.Percentile(fraction)),
                fraction * 1e6, fraction * 1e6 * 0.033);
  }
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t i = 0; i < 32; ++i) histogram.Add(i);
  EXPECT_EQ(histogram.Percentile(0.5), 15u);
  EXPECT_EQ(histogram.Percentile(1.0), 31u);
}

TEST(HistogramTest, MergeAddsUp) {
  Histogram a, b;
  a.Add(10);
  b.Add(20);
  a.Merge(b);
  EXPECT_EQ(a.count(), 2u);
  EXPECT_EQ(a.Percentile(1.0), 20u);
  EXPECT_EQ(Histogram().Percentile(0.5), 0u);
}

}  // namespace
}  // namespace bench
