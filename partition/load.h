// Load brings a partition from disk into memory: the rows of its image, then
// the log behind it. Runs on the loader's thread, before anything is served.

#ifndef PARTITION_LOAD_H_
#define PARTITION_LOAD_H_

#include <memory>

#include "absl/status/statusor.h"
#include "partition/driver.h"

namespace partition {

// DataLoss, naming the partition: rows or entries that do not decode, or do not
// sum up to what their pointer says. FailedPrecondition: made by a newer
// version, or this node is no member.
//
// `life` is kept by what it leaves to the store to do.
absl::StatusOr<Loaded> Load(const Options& options, const Ports& ports,
                            uint64_t seed,
                            const std::shared_ptr<const void>& life);

}  // namespace partition

#endif  // PARTITION_LOAD_H_
