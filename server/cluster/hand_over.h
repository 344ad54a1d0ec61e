// HandOverAll gives away what this node leads, before it stops: so that nobody
// has to notice by a timeout that it is gone.

#ifndef SERVER_CLUSTER_HAND_OVER_H_
#define SERVER_CLUSTER_HAND_OVER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "partition/partition.h"

namespace server::cluster {

// Hands each of `partitions` that is led here to the voter that can take it
// best, all at the same time, and waits until that is done or refused, but for
// `timeout_ns` at most. Those that nobody else may lead stay.
void HandOverAll(
    const std::vector<std::shared_ptr<partition::Partition>>& partitions,
    uint64_t timeout_ns);

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_HAND_OVER_H_
