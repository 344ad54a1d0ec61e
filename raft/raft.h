// Raft is the consensus core of one replica of one partition.
//
// It is a pure function from inputs to effects: it reads no clock, does no
// I/O, starts no thread, logs nothing, and draws random numbers only from its
// seed. Its owner (partition/) feeds it ticks, messages and proposals, and
// then takes a Ready that says what to send, persist, apply and fetch. There
// is no Advance: each effect reports back by itself, in any order relative to
// the others, by Persisted, Applied and Fetched.
//
// Not thread-safe: used on its partition's worker only.

#ifndef RAFT_RAFT_H_
#define RAFT_RAFT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "raft/ready.h"
#include "raft/types.h"

namespace raft {

struct Config {
  base::PartitionId partition;
  ReplicaId self;

  // Election timeout in ticks; each election draws from [election_ticks,
  // 2 * election_ticks). REQUIRES: election_ticks > heartbeat_ticks > 0.
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 1;

  // What one tick adds to log time is min(elapsed, 2 * tick_ns), so neither a
  // paused process nor a jumping clock expires anybody's session (P50).
  uint64_t tick_ns = 100'000'000;

  bool pre_vote = true;
  bool check_quorum = true;

  // Reads by lease (lease.cc): as a leader this replica answers reads without a
  // round while a majority has promised not to elect another one, and as a
  // voter it gives such promises. Each replica has its own setting: one without
  // it promises nothing, and then nobody relies on it. REQUIRES: check_quorum,
  // and that the owner calls SetClock.
  bool lease_reads = false;
  // No clock of a replica runs faster or slower than true time by more. Leases
  // are shorter than promises for the sake of two such clocks. REQUIRES: < 100.
  uint32_t clock_drift_percent = 10;

  uint64_t entry_bytes_max = 1536 * 1024;    // Payload; larger is refused.
  uint64_t message_bytes_max = 1024 * 1024;  // Of one AppendEntries.
  uint64_t inflight_messages_max = 256;      // Per follower.
  uint64_t inflight_bytes_max = 8 * 1024 * 1024;
  // Of entries that are not yet both committed and durable here: what the log
  // keeps for their sake.
  uint64_t uncommitted_bytes_max = 128 * 1024 * 1024;
  uint64_t committed_bytes_max = 4 * 1024 * 1024;  // Of one Ready.
  uint64_t log_memory_bytes = 16 * 1024 * 1024;    // Applied entries kept.

  // Another one at each start: answers to reads of an earlier life must not
  // pass for answers to new ones (P47).
  uint64_t seed = 0;
};

// What a replica finds on its disk when it starts. For a new group: `snapshot`
// zero, the initial configuration, no entries. A replica that joins later
// begins with an empty configuration, and waits for a leader to tell it more.
struct InitialState {
  HardState hard_state;
  Position snapshot;            // The image's position: entries begin behind.
  Configuration configuration;  // At `snapshot`.
  std::vector<Entry> entries;   // Contiguous, from snapshot.index + 1.
  Index first_index;            // Of the log on disk, <= snapshot.index + 1.
};

// A command for the log. `payload_crc` is Crc32c(*payload).
struct Proposal {
  std::shared_ptr<const std::string> payload;
  uint32_t payload_crc = 0;
};

// What a leader knows of one other replica.
struct FollowerStatus {
  ReplicaId replica;
  ProgressState state = ProgressState::kProbe;
  Index match_index;
  Index next_index;
  uint64_t inflight_messages = 0;
  uint64_t inflight_bytes = 0;
  // In this term of leadership; before that nobody can tell whether it is
  // there.
  bool was_heard = false;
  uint32_t silent_ticks = 0;  // Since then, or since this replica leads it.
};

class Raft {
 public:
  // Starts as a follower that has applied everything up to `snapshot`.
  // DataLoss if the entries have a hole or a term that goes back, or the hard
  // state contradicts them; or if nobody votes behind the entry that added this
  // replica. REQUIRES: the chain of the entries is right.
  static absl::StatusOr<std::unique_ptr<Raft>> Create(const Config& config,
                                                      InitialState initial);
  ~Raft();

  // --- Inputs -------------------------------------------------------------

  // One tick of the owner's timer; `elapsed_ns` is what the monotonic clock
  // moved since the last Tick or AdvanceTime.
  void Tick(uint64_t elapsed_ns);

  // Moves a leader's log time between ticks, by what the monotonic clock moved
  // since the last AdvanceTime or Tick; between two ticks by 2 * tick_ns at
  // most altogether. So what enters the log now carries the time of now, and no
  // session lives shorter than its timeout.
  void AdvanceTime(uint64_t elapsed_ns);

  // For lease reads: what a clock of this process shows that goes on while the
  // process stands still and the machine is suspended. To be called before the
  // inputs of a turn, and read when all of them have come in: a read counts as
  // asked for before that moment, and a message as sent before it.
  void SetClock(uint64_t now_ns);

  // A message from a peer. Messages to others, of strangers, and without a
  // term are dropped (P5).
  void Step(Message message);

  // Its owner hears elsewhere that `leader` leads. If that is nobody that this
  // replica knows, it is asked, too, as long as no leader is heard from: those
  // it knows may all be gone, and this replica removed (Removed).
  void HearOf(ReplicaId leader);

  // Starts an election now, without waiting for the timer. A sole voter with
  // nothing to ask becomes leader as soon as its vote is durable.
  void Campaign();

  // Appends `proposals` in order and returns the index of the first; all or
  // none. Unavailable: not the leader, or a transfer is under way.
  // ResourceExhausted: a payload above entry_bytes_max, or, transient,
  // Unavailable: uncommitted_bytes_max reached.
  absl::StatusOr<Index> Propose(std::vector<Proposal> proposals);
  // What Propose would say to `count` payloads of `bytes` in all, each within
  // entry_bytes_max: for who cannot give them away before.
  absl::Status CanPropose(size_t count, uint64_t bytes) const;

  // Asks for a read index. The answer is a ReadState with this context in a
  // later Ready: confirmed by a quorum round that began after this call, or by
  // a lease, and not before an entry of the term is committed (P18, P47).
  void ReadIndex(uint64_t context);

  // Appends the configuration `target` (or the joint one that leads to it).
  // FailedPrecondition: a change is already under way, or no entry of this
  // term is committed yet (P43). Unavailable: not the leader.
  absl::StatusOr<Index> ProposeConfChange(const Configuration& target);

  // A passive replica does not stand for election as long as there are other
  // voters: its owner has a reason not to lead (a full disk). It still votes.
  void SetPassive(bool passive);

  // Hands leadership to `target`, which must be a voter. Proposals are refused
  // until it is done or an election timeout has passed (P15).
  absl::Status TransferLeadership(ReplicaId target);

  // --- Completions --------------------------------------------------------

  // The entries and hard state of the Ready with this PersistToken are
  // durable. Tokens complete in the order they were handed out; one of an
  // older term never marks newer entries stable (P26).
  void Persisted(const PersistToken& token);

  // The state machine has applied everything up to `index`.
  void Applied(Index index);

  // Entries that a FetchRequest asked for; a status if they are gone or
  // unreadable, and then the follower gets the image.
  void Fetched(const FetchRequest& request,
               absl::StatusOr<std::vector<Entry>> entries);

  // An image at `image` is durable here; entries below `first_index` are no
  // longer on disk. REQUIRES: everything up to `image` was Applied.
  void Compacted(const Position& image, const Configuration& configuration,
                 Index first_index);

  // The image of a SnapshotInstall is durable and loaded (or was refused).
  void SnapshotInstalled(const Position& image, bool installed);

  // A transfer of the image at `image` to `follower` ended.
  void SnapshotSent(ReplicaId follower, Index image, bool delivered);

  // --- Effects ------------------------------------------------------------

  bool HasReady() const;

  // Everything that became due since the last call; never twice.
  Ready TakeReady();

  // --- State, for its owner, status and tests ------------------------------

  SoftState soft_state() const;
  HardState hard_state() const;
  Term term() const;
  Role role() const;
  ReplicaId leader() const;
  Index first_index() const;  // On disk or in memory.
  Index last_index() const;
  Index commit_index() const;
  Index applied_index() const;
  Index persisted_index() const;  // Own log, durable.
  const Configuration& configuration() const;
  // The entry that brought it, or the image's; it is committed if that is not
  // above commit_index().
  Index configuration_index() const;
  // The leader's log time: what the next entry carries. Elsewhere: that of the
  // last entry.
  uint64_t log_time_ns() const;
  // An entry of the leader's own term is committed.
  bool committed_in_term() const;
  // It leads, and nobody else can, by the last SetClock: reads need no round.
  bool has_lease() const;
  // The leader's view of the others, by replica; empty elsewhere.
  std::vector<FollowerStatus> followers() const;
  // None for entries that memory no longer holds.
  std::optional<Position> PositionAt(Index index) const;

 private:
  class Impl;
  explicit Raft(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace raft

#endif  // RAFT_RAFT_H_
