// Consensus is the oracle that watches the disks and the messages of all
// replicas of one partition, and says when a promise of the protocol is broken.
//
// An entry is *chosen*, for ever, when a majority of voters has on its disk a
// log that ends in or behind it with an entry of term T, each while T is the
// term on its disk: then every later leader has it (paper 5.4). This is known
// from the disks alone, before any replica can know it; whatever a replica says
// or does about committed entries must be about chosen ones.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_CONSENSUS_H_
#define SIM_CONSENSUS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/types.h"
#include "sim/disk.h"
#include "sim/judge.h"
#include "storage/log_store.h"

namespace sim {

class Consensus {
 public:
  // `initial` is what the group is created with. `on_chosen` gets every chosen
  // entry once, in order.
  Consensus(base::PartitionId partition, const raft::Configuration& initial,
            Judge& judge, std::function<void(const raft::Entry&)> on_chosen);

  // What `replica` asks of its disk, and what became durable; in this order.
  void OnQueued(raft::ReplicaId replica, const DiskWrite& write);
  void OnDurable(raft::ReplicaId replica, const DiskWrite& write);

  // A new process found `stored`: what was durable, and perhaps some of the
  // writes that were queued, in order. All of it is durable now.
  void OnStart(raft::ReplicaId replica, const storage::StoredPartition& stored);
  // The same comparison at any other moment; nothing becomes durable by it.
  void Compare(raft::ReplicaId replica, const storage::StoredPartition& stored);

  // `message` leaves its sender.
  void OnSent(const raft::Message& message);

  // Whoever said that something is committed has had its chance to ask its disk
  // for what makes it so.
  void JudgeDoubts();

  // Entries 1 to chosen() are chosen.
  raft::Index chosen() const { return raft::Index{chosen_.size()}; }
  // REQUIRES: 0 < index <= chosen().
  const raft::Entry& entry(raft::Index index) const {
    return chosen_[index.value() - 1].entry;
  }
  // The newest configuration among the chosen entries.
  const raft::Configuration& configuration() const { return configuration_; }

  // The last index that is durable at `replica`.
  raft::Index durable_last(raft::ReplicaId replica) const;
  // What is durable where, for people.
  std::string ToString() const;

  uint64_t term_count() const { return leaders_.size(); }
  uint64_t trim_count() const { return trim_count_; }
  uint64_t install_count() const { return install_count_; }

 private:
  // A disk as it is, or will be when what was queued is durable.
  struct DiskState {
    raft::HardState hard_state;
    raft::Position image;
    uint64_t generation = 0;
    std::vector<raft::Term> terms;  // Of the entries 1, 2, ...

    raft::Index last() const { return raft::Index{terms.size()}; }
  };
  struct Replica {
    DiskState durable;
    DiskState queued;
    std::deque<DiskWrite> in_flight;  // From durable to queued.
    // The votes that it told anybody, itself included.
    std::map<raft::Term, raft::ReplicaId> votes;
    raft::Index commit;  // The highest it ever reported.
  };
  struct Chosen {
    raft::Entry entry;
    raft::Term term;  // In which it was chosen.
  };
  // A follower's question to its leader: what was known to be committed.
  using ReadKey = std::pair<raft::ReplicaId, uint64_t>;

  void Fail(raft::ReplicaId replica, absl::string_view what) const;
  void FailGroup(absl::string_view what) const;
  // Carries out `write`.
  void Change(DiskState& state, const DiskWrite& write) const;
  void CheckHardState(raft::ReplicaId id, const Replica& replica,
                      const raft::HardState& next) const;
  void CheckEntries(raft::ReplicaId id, const Replica& replica,
                    const DiskWrite& write);
  // Learns of an entry; false if the log matching property is broken.
  bool Know(const raft::Entry& entry);
  const raft::Entry* Find(raft::Index index, raft::Term term) const;
  uint64_t ChainAt(const DiskState& state, raft::Index index) const;
  bool Matches(const DiskState& state,
               const storage::StoredPartition& stored) const;
  // What `stored` is: `durable` and the first of the writes in flight. None:
  // something is gone, or was never asked for.
  std::optional<DiskState> Explain(
      const Replica& replica, const storage::StoredPartition& stored) const;
  // The log of `id` is durable up to here: what is chosen by it?
  void Accept(raft::ReplicaId id, const DiskState& durable);
  // What is chosen by what was accepted in `term`, as the log says that one of
  // its replicas has on disk.
  void Choose(raft::Term term, const DiskState& durable);
  void AcceptAsSaid(raft::ReplicaId id, raft::Term term, raft::Index index);
  // A configuration of `term` is in its leader's log.
  void ChooseAgain(raft::Term term);
  // The last entry that `term` has chosen in this log of it.
  raft::Index ChosenIn(raft::Term term, const DiskState& log) const;
  // `id` says that everything up to `commit` is committed. It may know more
  // than its disk: a leader counts by a configuration from the moment on in
  // which it appends it, and asks its disk to write it at the end of the same
  // turn. So what is not chosen then is doubted, and judged when somebody else
  // moves.
  void OnCommitSaid(raft::ReplicaId id, raft::Index commit,
                    absl::string_view where);
  // `mover` does something: were the others right?
  void JudgeDoubts(raft::ReplicaId mover);
  void OnLeaderSpoke(const raft::Message& message);
  void CheckVote(raft::ReplicaId voter, raft::Term term,
                 raft::ReplicaId candidate);
  // `id` has entries up to `index` on its disk, as it said in `term`.
  bool Holds(raft::ReplicaId id, raft::Term term, raft::Index index) const;

  void Check(const raft::Message& message, const raft::AppendEntries& body);
  void Check(const raft::Message& message,
             const raft::AppendEntriesReply& body);
  void Check(const raft::Message& message, const raft::Heartbeat& body);
  void Check(const raft::Message& message, const raft::RequestVote& body);
  void Check(const raft::Message& message, const raft::RequestVoteReply& body);
  void Check(const raft::Message& message, const raft::InstallSnapshot& body);
  void Check(const raft::Message& message,
             const raft::InstallSnapshotReply& body);
  void Check(const raft::Message& message, const raft::ReadIndexRequest& body);
  void Check(const raft::Message& message, const raft::ReadIndexReply& body);
  template <class Other>
  void Check(const raft::Message&, const Other&) {}

  const base::PartitionId partition_;
  const raft::Configuration initial_;
  Judge& judge_;
  const std::function<void(const raft::Entry&)> on_chosen_;

  std::map<raft::ReplicaId, Replica> replicas_;
  // Every entry that was ever queued anywhere, by index.
  std::vector<std::vector<raft::Entry>> known_;
  std::map<std::pair<raft::Index, raft::Term>, raft::Configuration>
      configurations_;
  // By term: the last index of that term that each replica accepted in it.
  std::map<raft::Term, std::map<raft::ReplicaId, raft::Index>> accepted_;
  std::vector<Chosen> chosen_;
  raft::Configuration configuration_;
  std::map<raft::Term, raft::ReplicaId> leaders_;
  raft::Index commit_;  // The highest that anybody reported.
  struct Doubt {
    raft::ReplicaId replica;
    raft::Index commit;
    std::string where;
  };
  std::vector<Doubt> doubts_;
  std::map<ReadKey, raft::Index> reads_;
  uint64_t trim_count_ = 0;
  uint64_t install_count_ = 0;  // Of another replica's image.
};

}  // namespace sim

#endif  // SIM_CONSENSUS_H_
