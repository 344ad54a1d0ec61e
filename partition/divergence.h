// Divergence compares the states of a partition's replicas (U7, P37). At each
// checkpoint every replica sums up the same cut, the state behind the same log
// entry, and tells all others the sum. Only what a majority of the voters has
// (of both halves while the configuration is joint) is the truth. Each replica
// judges itself: if a majority agrees on another state than its own, its state
// is wrong, and it says which tables. Without a majority nobody is judged, and
// there is an alarm.
//
// Reports are statements about one committed entry, so they stay true whoever
// leads and whatever happens meanwhile. They may be lost: who has not heard
// enough asks again.
//
// Pure; used on its partition's executor.

#ifndef PARTITION_DIVERGENCE_H_
#define PARTITION_DIVERGENCE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "partition/note.h"
#include "raft/configuration.h"
#include "raft/types.h"

namespace partition {

class Divergence {
 public:
  // A majority has another state than this replica.
  struct Contradiction {
    raft::Index index;
    std::string what;  // For people: which tables, and who agrees.
  };

  // Who has not heard enough asks again after `retry_ticks`, and then twice as
  // long each time, up to kRetryDoublingsMax times.
  Divergence(raft::ReplicaId self, uint32_t retry_ticks);

  // This replica's own state at a checkpoint. Adds to `out` what the others are
  // to be told. One that is not above the last is of a state that was replaced
  // since, and ignored.
  void Add(DigestReport own, const raft::Configuration& configuration,
           std::vector<Note>& out);

  // What this replica has of the newest state that it reported is not what it
  // reported: rows were damaged in memory since, which adds `differences` to
  // the sums of their tables. So its report is taken back and made anew: with a
  // majority it is wrong, and without one the others learn that states differ.
  void Damaged(const std::vector<TableDigest>& differences,
               const raft::Configuration& configuration,
               std::vector<Note>& out);

  void Handle(raft::ReplicaId from, const DigestReport& report,
              const raft::Configuration& configuration, std::vector<Note>& out);

  void Tick(const raft::Configuration& configuration, std::vector<Note>& out);

  // The state was replaced: what was said about it is over.
  void Forget();

  // A majority had this replica's state at that checkpoint.
  bool IsVerified(raft::Index index) const;
  // The newest such checkpoint of this process; 0: none.
  raft::Index verified_index() const { return verified_; }
  // What was added last; null: nothing since Forget.
  const DigestReport* newest() const {
    return own_.empty() ? nullptr : &own_.back().report;
  }

  // Stays until Forget.
  const std::optional<Contradiction>& contradiction() const {
    return contradiction_;
  }

  // What an operator should know, or "": the states differ and there is no
  // majority; or another replica has left it.
  std::string Alarm() const;

 private:
  struct Own {
    DigestReport report;
    bool verified = false;
  };
  using Reports = std::deque<DigestReport>;  // By index.

  const DigestReport* Find(raft::ReplicaId replica, raft::Index index) const;
  void Judge(Own& own, const raft::Configuration& configuration);
  // What a majority reported at `index`, if that is known; `is_possible`: it
  // may still become known.
  const DigestReport* Truth(raft::Index index,
                            const raft::Configuration& configuration,
                            bool& is_possible) const;
  void LookAtOthers(const DigestReport& truth,
                    const raft::Configuration& configuration);
  void Send(const DigestReport& report, raft::ReplicaId to, bool wants_answer,
            std::vector<Note>& out) const;
  void SendToAll(const DigestReport& report, bool wants_answer,
                 const raft::Configuration& configuration,
                 std::vector<Note>& out) const;

  const raft::ReplicaId self_;
  const uint32_t retry_ticks_;

  std::deque<Own> own_;                        // By index.
  std::map<raft::ReplicaId, Reports> others_;  // Of members.
  raft::Index verified_;
  std::optional<Contradiction> contradiction_;

  uint32_t silent_ticks_ = 0;  // Since the last report was told.
  uint32_t retries_ = 0;

  // The newest checkpoint at which states differ and no majority is known; 0:
  // none. An alarm once it has stayed so for a while.
  raft::Index disputed_;
  uint32_t disputed_ticks_ = 0;
  bool no_majority_ = false;
  // Who was outside the majority, and at which checkpoint last.
  std::map<raft::ReplicaId, raft::Index> outside_;
};

// "map, counter": the tables in which two states differ.
std::string DifferingTables(const DigestReport& a, const DigestReport& b);

// Adds to the sums of a report, for rows that are not what they were.
void AddTo(DigestReport& report, const std::vector<TableDigest>& differences);

}  // namespace partition

#endif  // PARTITION_DIVERGENCE_H_
