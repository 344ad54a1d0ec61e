// The end of write-ahead logs that are longer than what was written.
//
// A log is allocated ahead, at its full length at once: a sync then has no new
// length to write, which is a quarter of what it costs (bench/README.md). What
// was never written reads as zeros. RocksDB cuts them off when it closes a log;
// behind a crash they stay, and there a write that was torn looks like damage
// in the middle (D4). Without them it ends where the file ends, which is what a
// torn tail looks like.

#ifndef STORAGE_WAL_TAIL_H_
#define STORAGE_WAL_TAIL_H_

#include <string>

#include "absl/status/status.h"

namespace storage {

// Cuts the zeros off the end of each log in `directory`, but for those that
// belong to a fragment which is whole. Before RocksDB opens it. What is cut
// carries nothing, so it need not be durable.
absl::Status CutUnwrittenTails(const std::string& directory);

}  // namespace storage

#endif  // STORAGE_WAL_TAIL_H_
