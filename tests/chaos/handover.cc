#include "tests/chaos/handover.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/wait_until.h"
#include "client/client.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "tests/chaos/percentile.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr int64_t kPatienceNs = 60'000'000'000;
constexpr uint64_t kLookEveryNs = 50'000'000;
// A replica further behind may not lead at once.
constexpr uint64_t kLagMax = 1000;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

// Which entry of a map, by position.
template <class Map>
auto At(Map& map, uint64_t position) {
  return std::next(map.begin(), static_cast<int64_t>(position));
}

}  // namespace

std::map<int, std::vector<uint32_t>> Handover::Leaders() {
  const auto statuses =
      client::NodeStatuses(cluster_.addresses(), absl::Seconds(2));
  std::map<int, std::vector<uint32_t>> leaders;
  std::map<uint32_t, uint64_t> committed;
  std::set<uint32_t> led;
  for (const auto& status : statuses) {
    if (!status.ok()) return {};
    for (const admin::PartitionStatus& one : status->partitions()) {
      uint64_t& commit = committed[one.partition_id()];
      commit = std::max<uint64_t>(commit, one.commit_index());
      if (one.role() != admin::ROLE_LEADER) continue;
      if (!led.insert(one.partition_id()).second) return {};
      leaders[static_cast<int>(status->node_id())].push_back(
          one.partition_id());
    }
  }
  for (const auto& status : statuses) {
    if (status->partitions_size() != static_cast<int>(led.size())) return {};
    for (const admin::PartitionStatus& one : status->partitions()) {
      const uint64_t commit = committed[one.partition_id()];
      if (!one.healthy() || one.applied_index() + kLagMax < commit) return {};
    }
  }
  return leaders;
}

std::map<int, std::vector<uint32_t>> Handover::AwaitLeaders() {
  std::map<int, std::vector<uint32_t>> leaders;
  const auto there_are = [&] {
    leaders = Leaders();
    return !leaders.empty();
  };
  base::WaitUntil(there_are,
                  {.timeout_ns = kPatienceNs, .look_every_ns = kLookEveryNs});
  if (leaders.empty()) std::printf("the cluster is not healthy in a minute\n");
  return leaders;
}

bool Handover::Kills(int times) {
  std::vector<int64_t> took;
  for (int i = 1; i <= times; ++i) {
    const auto leaders = AwaitLeaders();
    if (leaders.empty()) return false;
    const auto [node, partitions] = *At(leaders, random_.Below(leaders.size()));
    const int64_t killed_ns = NowNs();
    cluster_.Kill(node);
    // Until here it might have answered.
    const int64_t ended_ns = NowNs();
    for (int64_t one : load_.TimeToWrite(partitions, kPatienceNs)) {
      if (one < 0) {
        std::printf("kill %d: of node %d: no write in a minute\n", i, node);
        return false;
      }
      took.push_back(ended_ns - killed_ns + one);
    }
    if (!cluster_.Restart(node)) {
      std::printf("kill %d: node %d did not come back: %s\n", i, node,
                  cluster_.errors(node).c_str());
      return false;
    }
    if (i % 10 == 0) Print("kills", i, took);
  }
  Print("kills", times, took);
  return true;
}

bool Handover::Transfers(int times) {
  std::vector<int64_t> took;
  std::vector<int64_t> answered;
  int refused = 0;
  for (int i = 1; i <= times; ++i) {
    const auto leaders = AwaitLeaders();
    if (leaders.empty()) return false;
    const auto [node, partitions] = *At(leaders, random_.Below(leaders.size()));
    const uint32_t partition = partitions[random_.Below(partitions.size())];
    const auto others = static_cast<uint64_t>(cluster_.size()) - 1;
    const auto next = static_cast<int>(random_.Below(others));
    const int target = 1 + (node + next) % cluster_.size();
    client::Connection connection(
        {.server = cluster_.addresses()[static_cast<size_t>(node) - 1]});
    // Connects.
    if (!client::NodeStatus(connection).ok()) continue;
    const int64_t asked_ns = NowNs();
    const auto leads = client::TransferLeader(connection, partition,
                                              static_cast<uint32_t>(target));
    const int64_t answered_ns = NowNs();
    const std::vector<int64_t> one =
        load_.TimeToWrite({partition}, kPatienceNs);
    if (one[0] < 0) {
      std::printf("transfer %d: partition %u: no write in a minute\n", i,
                  partition);
      return false;
    }
    if (!leads.ok()) {
      ++refused;
      std::printf("transfer %d: partition %u from node %d to %d: %s\n", i,
                  partition, node, target, leads.status().ToString().c_str());
      continue;
    }
    answered.push_back(answered_ns - asked_ns);
    took.push_back(answered_ns - asked_ns + one[0]);
  }
  Print("transfers, to their answer", times - refused, answered);
  Print("transfers", times - refused, took);
  return true;
}

void Handover::Print(const char* what, int times,
                     const std::vector<int64_t>& took) {
  std::printf(
      "%d %s, %zu partitions: to the first write median %.0f p99 %.0f max "
      "%.0f ms\n",
      times, what, took.size(), PercentileMs(took, 0.5),
      PercentileMs(took, 0.99), PercentileMs(took, 1));
  std::fflush(stdout);
}

}  // namespace tests
