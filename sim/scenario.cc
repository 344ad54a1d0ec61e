#include "sim/scenario.h"

#include "base/random.h"

namespace sim {
namespace {

// Checkpoints so small and frequent, and slices so short, that every run meets
// them in every state.
void DrawPartition(base::Random& random, partition::Options& options) {
  options.raft.tick_ns = random.Between(10, 100) * kMillis;
  options.raft.election_ticks = static_cast<uint32_t>(random.Between(3, 10));
  options.turn_entries_max = random.Between(1, 64);
  options.turn_ns_max = random.Between(1, 1000) * kMicros;
  options.checkpoint_log_bytes = random.Between(200, 16'000);
  options.checkpoint_interval_ns = random.Between(100, 3000) * kMillis;
  options.checkpoint_dirty_bytes = random.Between(1'000, 64'000);
  options.checkpoint_slice_rows = random.Between(1, 16);
  options.checkpoint_slice_bytes = random.Between(64, 4096);
  options.checkpoint_inflight_bytes = random.Between(64, 8192);
  options.log_keep_bytes = random.OneIn(3) ? 0 : random.Below(8192);
  options.query_wait_ns = random.Between(100, 2000) * kMillis;
  options.stream_hold_ns = random.Between(100, 2000) * kMillis;
  // Logs so short that images have to travel, in small pieces.
  options.log_behind_ns_max =
      random.OneIn(2) ? 0 : random.Between(100, 5000) * kMillis;
  options.log_behind_bytes_max = random.Between(2'000, 100'000);
  options.image_transfers_max = random.Between(1, 3);
  options.image_chunk_bytes = random.Between(64, 4096);
  options.image_inflight_bytes = random.Between(256, 16'384);
  options.image_bytes_per_second =
      random.OneIn(2) ? 1 << 30 : random.Between(20'000, 1'000'000);
  options.image_retry_ticks = random.Between(1, 10);
  options.image_idle_ns = random.Between(500, 5000) * kMillis;
  // The core's own bounds, small enough to be met.
  options.raft.log_memory_bytes = random.OneIn(2)
                                      ? random.Between(100, 5'000)
                                      : random.Between(1'000, 1'000'000);
  options.raft.committed_bytes_max = random.Between(200, 1'000'000);
  options.limits.listing_rows_max = random.Between(1, 8);
  options.limits.reclaim_items_max = random.Between(1, 20);
  options.apply_limits = options.limits;
}

void DrawDisk(base::Random& random, DiskOptions& options) {
  options.sync_ns_min = random.Between(20, 200) * kMicros;
  options.sync_ns_max = options.sync_ns_min + random.Below(20) * kMillis / 4;
  options.image_ns_max = random.Between(0, 5'000) * kMicros;
  options.stall_one_in = random.OneIn(3) ? random.Between(20, 200) : 0;
  // Sometimes longer than elections take.
  options.stall_ns = random.Between(10, random.OneIn(3) ? 4000 : 400) * kMillis;
}

void DrawNetwork(base::Random& random, NetworkOptions& options) {
  options.delay_ns_max = options.delay_ns_min + random.Below(20) * kMillis;
  options.lose_one_in = random.OneIn(3) ? 0 : random.Between(10, 200);
  options.repeat_one_in = random.OneIn(3) ? 0 : random.Between(10, 200);
  options.late_one_in = random.OneIn(2) ? 0 : random.Between(20, 500);
  options.late_ns_max = random.Between(100, 5000) * kMillis;
}

void DrawLink(base::Random& random, LinkOptions& options) {
  options.delay_ns_max = options.delay_ns_min + random.Below(20) * kMillis;
  options.lose_one_in = random.OneIn(4) ? 0 : random.Between(5, 100);
  options.copy_one_in = random.OneIn(4) ? 0 : random.Between(3, 50);
  options.late_ns_max = random.Between(10, 3000) * kMillis;
  options.break_one_in = random.OneIn(4) ? 0 : random.Between(3, 50);
  options.timeout_ns = random.Between(200, 2000) * kMillis;
  options.any_node_one_in = random.OneIn(4) ? 0 : random.Between(1, 4);
}

}  // namespace

Scenario Scenario::Draw(uint64_t seed) {
  base::Random random(seed);
  Scenario scenario;
  scenario.nodes = random.OneIn(5) ? 1 : random.OneIn(4) ? 5 : 3;
  scenario.partitions = random.Between(1, scenario.nodes == 1 ? 4 : 2);
  scenario.workers = random.Between(1, 3);
  scenario.sleepers = random.Below(3);
  scenario.lock_users = random.OneIn(3) ? 0 : random.Between(1, 3);
  scenario.maps = random.Between(1, 2);
  scenario.executors = random.Between(1, 2);
  scenario.session_timeout_ns = random.Between(1500, 5000) * kMillis;
  scenario.give_up_one_in = random.OneIn(2) ? 0 : random.Between(10, 40);

  scenario.faulty_ns = random.Between(3, 10) * kSeconds;
  scenario.fault_ns_mean =
      random.OneIn(8) ? 0 : random.Between(100, 2000) * kMillis;
  scenario.down_ns_max = random.Between(10, 1500) * kMillis;
  scenario.pause_ns_max = random.Between(10, 3000) * kMillis;
  scenario.cut_ns_max = random.Between(10, 3000) * kMillis;
  scenario.disk_errors = random.OneIn(3);

  scenario.task_delay_ns_max = random.Between(0, 500) * kMicros;
  DrawPartition(random, scenario.partition);
  DrawDisk(random, scenario.disk);
  DrawNetwork(random, scenario.network);
  DrawLink(random, scenario.link);

  scenario.workload.think_ns_max = random.Between(1, 150) * kMillis;
  scenario.workload.lanes = random.Between(1, 4);
  scenario.workload.ttl_ns_max = random.Between(50, 2000) * kMillis;
  scenario.workload.lock.think_ns_max = random.Between(1, 300) * kMillis;
  scenario.workload.lock.hold_ns_max = random.Between(1, 300) * kMillis;
  scenario.workload.keys = random.Between(1, 6);
  scenario.workload.time.slack_ns = 2 * scenario.partition.raft.tick_ns;

  // So small that a disk that stalls makes leaders give up.
  if (random.OneIn(3)) {
    scenario.partition.undurable_bytes_max = random.Between(1'000, 30'000);
    scenario.partition.undurable_node_bytes_max = random.Between(1'000, 60'000);
  }
  if (scenario.nodes > 1 && random.OneIn(2)) {
    scenario.member_change_ns_mean = random.Between(100, 1500) * kMillis;
    scenario.partition.member_silent_ns = random.Between(100, 3000) * kMillis;
  }
  scenario.partition.scrub_period_ns =
      random.OneIn(4) ? 0 : random.Between(100, 5000) * kMillis;
  return scenario;
}

}  // namespace sim
