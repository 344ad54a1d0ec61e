// FreeLater frees a state machine on a thread of the store that has time: to
// free a large state takes long, and must not happen between the turns of a
// partition.

#ifndef PARTITION_FREE_LATER_H_
#define PARTITION_FREE_LATER_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "base/ids.h"
#include "session/state_machine.h"
#include "storage/log_store.h"

namespace partition {

// Behind what was written to `generation` of `partition` so far. The store has
// `hold` until then, as every completion of the partition.
inline void FreeLater(std::unique_ptr<session::StateMachine> state_machine,
                      std::shared_ptr<const void> hold,
                      base::PartitionId partition, uint64_t generation,
                      storage::LogStore& store) {
  storage::ImageBatch nothing;
  nothing.partition = partition;
  nothing.generation = generation;
  nothing.done = [hold = std::move(hold),
                  old = std::move(state_machine)](absl::Status) {};
  store.WriteImage(std::move(nothing));
}

}  // namespace partition

#endif  // PARTITION_FREE_LATER_H_
