// ConfigurationHistory is the configuration at the image and every one that
// the log behind it holds. The newest is in force (thesis 4.1); truncating its
// entry brings the one before back.
//
// Not thread-safe: owned by one Raft.

#ifndef RAFT_CONFIGURATION_HISTORY_H_
#define RAFT_CONFIGURATION_HISTORY_H_

#include <vector>

#include "raft/configuration.h"
#include "raft/types.h"

namespace raft {

class ConfigurationHistory {
 public:
  // `configuration` is in force at `index`, the image's.
  ConfigurationHistory(Index index, Configuration configuration);

  const Configuration& current() const { return history_.back().configuration; }
  // The entry that brought it, or the image's index.
  Index current_index() const { return history_.back().index; }

  // The one in force at `index`. REQUIRES: `index` is not below the image's.
  const Configuration& At(Index index) const;

  // The entry that brought that one, or the image's index. REQUIRES: as At.
  Index IndexAt(Index index) const;

  // REQUIRES: `index` is above current_index().
  void Append(Index index, Configuration configuration);

  // Forgets what entries from `index` on brought. Returns whether another
  // configuration is in force now.
  bool TruncateFrom(Index index);

  // The image moved on to `index`, where `configuration` is in force; what
  // came later stays.
  void Compact(Index index, Configuration configuration);

 private:
  struct Version {
    Index index;
    Configuration configuration;
  };
  const Version& VersionAt(Index index) const;

  std::vector<Version> history_;  // Rising by index; never empty.
};

}  // namespace raft

#endif  // RAFT_CONFIGURATION_HISTORY_H_
