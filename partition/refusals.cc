#include "partition/refusals.h"

#include "absl/strings/str_cat.h"

namespace partition {
namespace {

constexpr uint32_t kBusyRetryMs = 100;
constexpr uint32_t kDiskLowRetryMs = 1000;

}  // namespace

Refusal Busy(absl::string_view what) {
  return {.status = absl::UnavailableError(what),
          .retry_after_ms = kBusyRetryMs};
}

Refusal ShuttingDown(Outcome outcome) {
  return {.status = absl::UnavailableError("the server is shutting down"),
          .outcome = outcome};
}

Refusal NotHere(base::PartitionId id, Outcome outcome) {
  return {.status = absl::UnavailableError(
              absl::StrCat("partition ", id.value(), " is not on this node")),
          .outcome = outcome,
          .retry_after_ms = kBusyRetryMs};
}

Refusal OutOfService(base::PartitionId id, absl::string_view problem,
                     Outcome outcome) {
  return {.status = absl::UnavailableError(absl::StrCat(
              "partition ", id.value(), " is out of service: ", problem)),
          .outcome = outcome};
}

Refusal DiskLow(base::PartitionId id, const DiskGate& disk) {
  return {.status = absl::UnavailableError(absl::StrCat(
              "partition ", id.value(), ": the disk of this node has ",
              disk.free_bytes(), " bytes free, less than its reserve of ",
              disk.reserve_bytes(), " (--disk_reserve)")),
          .retry_after_ms = kDiskLowRetryMs};
}

Refusal DiskBehind(base::PartitionId id, uint64_t bytes) {
  return Busy(absl::StrCat(
      "partition ", id.value(), ": the disk of this node is behind: ", bytes,
      " bytes of this partition are committed and not on it "
      "(--undurable_bytes_max, --undurable_node_bytes_max)"));
}

Refusal Replaying(base::PartitionId id) {
  return Busy(
      absl::StrCat("partition ", id.value(), ": starting, replaying the log"));
}

Refusal NotLeader(base::PartitionId id, bool leader_is_known,
                  uint32_t retry_after_ms) {
  return {.status = absl::UnavailableError(
              absl::StrCat("partition ", id.value(),
                           leader_is_known ? ": this node is not the leader"
                                           : ": no leader yet")),
          .retry_after_ms = retry_after_ms};
}

}  // namespace partition
