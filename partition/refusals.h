// What a partition says when it cannot serve a request now: the words, the
// outcome and the hint when to retry, in one place.

#ifndef PARTITION_REFUSALS_H_
#define PARTITION_REFUSALS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "partition/caller.h"
#include "partition/disk_gate.h"

namespace partition {

// Passes with time: `what` says what is full, or not ready.
Refusal Busy(absl::string_view what);

Refusal ShuttingDown(Outcome outcome);

// Other nodes have this partition.
Refusal NotHere(base::PartitionId id, Outcome outcome);

// This replica has stopped for good; `problem` says why.
Refusal OutOfService(base::PartitionId id, absl::string_view problem,
                     Outcome outcome);

// The disk is about to be full: nothing is taken until there is space.
Refusal DiskLow(base::PartitionId id, const DiskGate& disk);

// What is committed reaches this node's disk too slowly: `bytes` of this
// partition wait for it.
Refusal DiskBehind(base::PartitionId id, uint64_t bytes);

// It leads, and has not applied yet what was in the log before.
Refusal Replaying(base::PartitionId id);

// Another replica leads, or none that is known. An election may have decided
// after `retry_after_ms`.
Refusal NotLeader(base::PartitionId id, bool leader_is_known,
                  uint32_t retry_after_ms);

}  // namespace partition

#endif  // PARTITION_REFUSALS_H_
