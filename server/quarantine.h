// Quarantine keeps a node from dying again and again of one entry (design
// section 8). A crash while an entry is applied leaves a note {partition,
// index}; a node that finds the same note twice, from the same binary, starts
// without applying that partition: its replica votes and appends, and the
// node's other partitions serve. Another binary tries again, and so does an
// operator's `multiraftctl partition resume`.
//
// Two files in the data directory: `crash`, the note of the process that died,
// and `quarantine`, text that this class writes:
//
//   ran 0 0 BINARY                 what ran last
//   last PARTITION INDEX BINARY    the note that was found at the last start
//   held PARTITION INDEX BINARY    each partition that is held
//
// Thread-safe.

#ifndef SERVER_QUARANTINE_H_
#define SERVER_QUARANTINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/crash_note.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "raft/types.h"

namespace server {

class Quarantine {
 public:
  // Draws its conclusions from what `data_dir` has, and keeps notes there from
  // now on. `binary` names this one (BinaryFingerprint). What cannot be
  // written, because the disk is full say, is logged and keeps nobody from
  // starting.
  static std::unique_ptr<Quarantine> Open(const std::string& data_dir,
                                          uint64_t binary);

  // The entries that are not to be applied, by partition.
  std::map<base::PartitionId, raft::Index> held() const;

  // Somebody wants it to be tried again.
  void Release(base::PartitionId partition);

 private:
  struct Mark {
    uint64_t index = 0;
    uint64_t binary = 0;
  };

  explicit Quarantine(std::string path) : path_(std::move(path)) {}

  void ReadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The process that ran last died of `note`; this one is `binary`.
  void FoundLocked(const base::CrashNote& note, uint64_t binary)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;

  mutable base::Mutex mu_;  // Held while the file is written.
  uint64_t ran_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint32_t, Mark> held_ ABSL_GUARDED_BY(mu_);
  std::optional<std::pair<uint32_t, Mark>> last_ ABSL_GUARDED_BY(mu_);
};

// Tells this binary from any other one that is put in its place.
uint64_t BinaryFingerprint();

}  // namespace server

#endif  // SERVER_QUARANTINE_H_
