#include "session/limits.h"

#include "gtest/gtest.h"

namespace session {
namespace {

// A replay with other limits makes another state: two binaries that differ here
// diverge. Another figure needs a machine version (versions.h).
TEST(LimitsTest, WhatApplyEnforcesNeverChanges) {
  const Limits limits = ApplyLimits();
  EXPECT_EQ(limits.session_timeout_min_ns, 1u);
  EXPECT_EQ(limits.session_timeout_max_ns, UINT64_MAX);
  EXPECT_EQ(limits.sessions_max, 4'294'967'296u);
  EXPECT_EQ(limits.primitives_max, 4'294'967'296u);
  EXPECT_EQ(limits.session_cache_bytes_max, 1'073'741'824u);
  EXPECT_EQ(limits.session_records_max, 16'777'216u);
  EXPECT_EQ(limits.stream_outputs_max, 65'536u);
  EXPECT_EQ(limits.stream_bytes_max, 16'777'216u);
  EXPECT_EQ(limits.acknowledgements_max, 1'048'576u);
  EXPECT_EQ(limits.mark_step_max, 1'048'576u);
  EXPECT_EQ(limits.filter_hashes_max, 4096u);
  EXPECT_EQ(limits.filter_bytes_max, 268'435'456u);
  EXPECT_EQ(limits.reclaim_items_max, 1000u);
  EXPECT_EQ(limits.state_bytes_max, uint64_t{1} << 50);
  EXPECT_EQ(limits.name_bytes_max, 268'435'456u);
}

}  // namespace
}  // namespace session
