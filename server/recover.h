// Recover makes a new cluster, of this node alone, from what its data directory
// has: for when a majority of the replicas is lost for good. Offline, once, and
// loud: what the lost nodes had acknowledged and this one does not have is
// gone.
//
// The new cluster has an id of its own and each partition a new replica, so
// whatever is left of the old one is refused; client-visible indexes go up by
// 2^32, so nothing that was given out elsewhere is given out again.

#ifndef SERVER_RECOVER_H_
#define SERVER_RECOVER_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "server/options.h"

namespace server {

inline constexpr uint64_t kRecoverIndexStep = uint64_t{1} << 32;

// Says on `out` what `options.data_dir` has and what a recovery would do and
// lose; does it if `options.yes`. FailedPrecondition: the directory is in use,
// empty, or that of a node that is alone; or neither --yes nor --dry_run was
// said. DataLoss: something in it cannot be read, so another node must be it;
// but the last batch of its log, if a power cut left that damaged, is dropped,
// and said to be.
absl::Status Recover(const Options& options, std::ostream& out);

}  // namespace server

#endif  // SERVER_RECOVER_H_
