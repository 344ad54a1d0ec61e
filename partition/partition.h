// Partition drives one Raft group on one node: it alone decides when disk,
// network and apply happen, and answers callers when their command is applied.
//
// Threads: public methods are thread-safe and only fill the mailbox (bounded by
// bytes; KeepAlives have a share of their own, so that a flood of commands
// expires nobody). Everything else runs in turns on its executor:
//
//   mailbox -> one append to the core -> Ready -> { write, send, apply }
//           -> callers finished last, so that they overlap the next sync.
//
// Ports: Clock, Executor, LogStore, Transport, and a seed. Nothing here knows
// gRPC, RocksDB or a thread, so sim/ runs it as it is.

#ifndef PARTITION_PARTITION_H_
#define PARTITION_PARTITION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "partition/caller.h"
#include "partition/disk_gate.h"
#include "partition/executor.h"
#include "partition/membership.h"
#include "partition/replica_event.h"
#include "partition/transport.h"
#include "partition/undurable.h"
#include "raft/raft.h"
#include "session/registry.h"
#include "session/state_machine.h"
#include "storage/log_store.h"

namespace partition {

// Defaults are those of the flags (server/flags.cc).
struct Options {
  base::PartitionId id;
  base::NodeId node;

  // Timing of the core. One tick is `raft.tick_ns`.
  raft::Config raft;
  session::Limits limits;
  // Not a flag: the same on every replica and at every start.
  session::Limits apply_limits = session::ApplyLimits();

  // Requests waiting for their turn. Above: Unavailable, not proposed.
  uint64_t mailbox_bytes_max = 32 << 20;
  uint64_t mailbox_keep_alive_bytes_max = 8 << 20;

  // Committed and not yet on this disk (D1); and of all partitions of the node.
  // REQUIRES: below raft.uncommitted_bytes_max, which counts these bytes too.
  uint64_t undurable_bytes_max = 64 << 20;
  uint64_t undurable_node_bytes_max = 256 << 20;

  // A turn ends after this many entries or this long; what is left, or is more
  // than that from the start, goes on in turns that are pieces of long work
  // (Executor::PostLater).
  uint64_t turn_entries_max = 256;
  uint64_t turn_ns_max = 2'000'000;

  // A checkpoint is due at this much log, this long behind the last one if
  // anything changed, or this much unwritten change.
  uint64_t checkpoint_log_bytes = 64 << 20;
  uint64_t checkpoint_interval_ns = 60'000'000'000;
  uint64_t checkpoint_dirty_bytes = 256 << 20;
  // One slice of image work, and how much of it may wait for the disk.
  uint64_t checkpoint_slice_rows = 128;
  uint64_t checkpoint_slice_bytes = 128 << 10;
  uint64_t checkpoint_inflight_bytes = 1 << 20;

  // Log kept behind the image in any case (D3).
  uint64_t log_keep_bytes = 64 << 20;
  // And for members that were heard from since so long ago, and are behind, up
  // to so much.
  uint64_t log_behind_ns_max = 600'000'000'000;
  uint64_t log_behind_bytes_max = 1 << 30;

  // Images for followers that need older entries than there are. A leader sends
  // to so many followers at once; a follower asks for so much at once, takes in
  // so much a second, and holds so much that is not on its disk.
  uint64_t image_transfers_max = 2;
  uint64_t image_chunk_bytes = 256 << 10;
  uint64_t image_bytes_per_second = 64 << 20;
  uint64_t image_inflight_bytes = 4 << 20;
  // It asks again after so many ticks, and gives up when nothing new has come
  // for so long (U19).
  uint64_t image_retry_ticks = 10;
  uint64_t image_idle_ns = 30'000'000'000;

  // A new member that is silent for so long is waited for no longer.
  uint64_t member_silent_ns = 60'000'000'000;

  // While the partition is at an older version than this replica knows, its
  // leader asks the others so often, and raises it when all have known a newer
  // one so often in a row.
  uint64_t version_ask_ns = 1'000'000'000;
  uint32_t version_settle_rounds = 5;

  // All rows are read through and compared with their hashes in about so long
  // (scrubber.h). 0: never.
  uint64_t scrub_period_ns = 3'600'000'000'000;

  // Who has not heard what a majority sums up to asks again after so long.
  uint64_t digest_retry_ns = 5'000'000'000;

  // Partitions that start without applying anything, because an entry ended the
  // process again and again, unless their image has it. `on_resumed`, from an
  // executor, when one of them applies again; may be null.
  std::map<base::PartitionId, raft::Index> quarantined;
  std::function<void(base::PartitionId)> on_resumed;

  // A query waits this long for max_received_index; then Unavailable.
  uint64_t query_wait_ns = 5'000'000'000;
  // Stream requests wait this long for a leader before Unavailable (a driver
  // re-opens streams without a pause: semantics 8.4).
  uint64_t stream_hold_ns = 1'500'000'000;
};

struct Ports {
  base::Clock& clock;
  Executor& executor;
  storage::LogStore& store;
  Transport& transport;
  const session::Registry& registry;
  const DiskGate* disk = nullptr;  // Null: there is always space.
  // Ends the load of what is large, and frees it. Null: the executor does.
  Executor* loader = nullptr;
  std::shared_ptr<NodeUndurable> undurable;  // Null: it is the only partition.
};

// A command, ready for the log.
struct CommandRequest {
  enum class Kind : uint8_t {
    kOpenSession,
    kKeepAlive,
    kCloseSession,
    kUnary,   // Answered by its first output.
    kStream,  // OpenStream only.
  };
  Kind kind = Kind::kUnary;
  session::CommandKey key;  // kUnary and kStream.
  std::string bytes;        // disk.v1.Command.
};

struct QueryRequest {
  session::Query query;
  uint64_t max_received_index = 0;
};

// Who leads, as this replica knows it.
struct LeaderInfo {
  raft::Term term;
  raft::ReplicaId leader;  // 0: unknown.
  base::NodeId leader_node;
  std::string peer_address;  // Of the leader's node, as its configuration says.
  std::string api_address;
  bool is_self = false;

  bool operator==(const LeaderInfo&) const = default;
};

struct PartitionStatus {
  base::PartitionId id;
  raft::ReplicaId replica;
  raft::SoftState soft_state;
  raft::Index first_index, last_index, commit_index, applied_index,
      durable_index, image_index;
  uint32_t machine_version = 0;        // Of the partition.
  uint32_t machine_version_max = 0;    // What this replica knows.
  uint64_t machine_version_since = 0;  // StateMachine::version_since.
  uint64_t index = 0;                  // The client-visible one.
  uint64_t log_time_ns = 0;
  uint64_t state_bytes = 0;
  uint64_t undurable_bytes = 0;  // Committed, and not on this disk yet.
  session::Counts counts;
  std::string problem;  // Empty: healthy.
  // What an operator should know of it, though it serves: the states of the
  // replicas differ.
  std::string alarm;
  // The newest checkpoint at which a majority had this state; 0: none since the
  // start.
  raft::Index verified_index;
  // The newest checkpoint at which this state was summed up, and to what; 0 and
  // 0: none since the start.
  raft::Index digest_index;
  uint64_t digest = 0;
  raft::Configuration configuration;
  // The others, as the leader sees them; empty elsewhere.
  std::vector<raft::FollowerStatus> followers;
  uint64_t tick_ns = 0;  // What their silent_ticks count.
};

// Some sessions, as a replica has them.
struct SessionPage {
  std::vector<session::SessionInfo> sessions;  // By id.
  uint64_t log_time_ns = 0;  // What their deadlines are compared with.
};
using SessionsDone = absl::AnyInvocable<void(absl::StatusOr<SessionPage>) &&>;

enum class StreamId : uint64_t {};

// Gets the end of a transfer of leadership, once.
using TransferDone = absl::AnyInvocable<void(absl::Status) &&>;

// Gets the end of a change of members, once.
using MembersDone =
    absl::AnyInvocable<void(absl::StatusOr<raft::Configuration>) &&>;

// Why a replica stopped for good on this node.
struct Failure {
  absl::Status status;
  // A write failed: nothing that shares the disk may go on (D5). Otherwise it
  // is about this partition alone, and the node's others do: entries that do
  // not decode or that this binary does not know.
  bool of_disk = false;
};

// What the owner of a replica learns of it; the calls come from its executor.
struct OwnerHooks {
  // At most once: it cannot go on, and refuses everything from now on.
  absl::AnyInvocable<void(Failure)> on_failure;
  // At most once: it is no member of its partition any more, for good (P45). It
  // is to be stopped, and its data dropped.
  absl::AnyInvocable<void()> on_removed;
  OnReplicaEvent on_event;  // May be null.
  // Let go of when the replica is destroyed and nothing of it is on its way
  // through the store: nothing refers to its data any more.
  std::shared_ptr<const void> life;
};

// Why a replica is told to stop.
enum class StopReason : uint8_t {
  kShutdown,  // The node ends.
  kRemoved,   // Others go on without this replica.
};

class Partition : public std::enable_shared_from_this<Partition> {
 public:
  // Loads the partition from the store: its image, then the log behind it.
  // Runs on the caller's thread (the loader).
  static absl::StatusOr<std::shared_ptr<Partition>> Open(const Options& options,
                                                         const Ports& ports,
                                                         uint64_t seed,
                                                         OwnerHooks hooks);
  virtual ~Partition() = default;

  // Starts elections and serving. Once.
  virtual void Start() = 0;

  // This node will stop soon: the replica does not stand for election any more,
  // nor takes leadership from another one, as long as there are other voters.
  // What it leads it goes on with; it votes and acknowledges as ever. For good.
  virtual void Retire() = 0;

  // Refuses everything from now on and ends all streams; callers still waiting
  // are completed as outcome unknown, and listeners are destroyed. Posts to the
  // executor and returns.
  virtual void Stop(StopReason reason) = 0;

  // A tick of the node's timer, due every raft.tick_ns.
  virtual void Tick() = 0;

  // Messages from the node's peers.
  virtual void Step(std::vector<raft::Message> messages) = 0;
  virtual void StepImage(ImageMessage message) = 0;
  virtual void StepNote(Note note) = 0;

  // Its node hears that `leader` leads, which is no member that this replica
  // knows: it is asked whether this replica is one still, as long as no other
  // leader is heard from (raft::Raft::HearOf). The transport knows where it is.
  virtual void HearOf(raft::ReplicaId leader) = 0;

  // Proposes a command and completes when it was applied and answered, which
  // for a waiting command may be hours later. Sending the same key again
  // replaces the waiting caller (it gets Aborted).
  virtual void Propose(CommandRequest request,
                       Completion<session::Applied> completion) = 0;

  // Proposes a stream command, or attaches to it if it is open already, and
  // writes its unacknowledged outputs to `sink`.
  virtual StreamId OpenStream(CommandRequest request,
                              std::shared_ptr<StreamSink> sink) = 0;

  // A linearizable read, by any replica: as of some moment after this call.
  virtual void RunQuery(QueryRequest request,
                        Completion<session::QueryAnswer> completion) = 0;

  // A listing, perhaps followed by changes.
  virtual StreamId OpenQuery(QueryRequest request,
                             std::shared_ptr<StreamSink> sink) = 0;

  // The sink can take the next output.
  virtual void StreamWritable(StreamId stream) = 0;
  // The caller is gone. A stream command stays open in the state; a query
  // ends. The sink is not called after the turn that handles this.
  virtual void CloseStream(StreamId stream) = 0;

  // Calls `listener` with the present leader, and then at each change (also of
  // where it is), from the executor, until RemoveLeaderListener. Destroys it
  // then, or when the partition stops.
  virtual uint64_t AddLeaderListener(
      absl::AnyInvocable<void(const LeaderInfo&)> listener) = 0;
  virtual void RemoveLeaderListener(uint64_t id) = 0;

  // Hands leadership to `target`; 0: to the voter that can take it best. New
  // commands are refused until somebody has it, for an election timeout at most
  // (P15). `done`, from the executor: OK when this replica does not lead any
  // more, or is the target and leads. Unavailable: it
  // did not lead. FailedPrecondition: the target may not. DeadlineExceeded:
  // nobody took over, and this replica goes on.
  virtual void TransferLeadership(raft::ReplicaId target,
                                  TransferDone done) = 0;

  // Brings the members to what `change` says (membership.h), step by step, as
  // long as this replica leads; one change at a time. `done`, from the
  // executor: the configuration in force, committed, when it is so.
  // Unavailable: this replica does not lead (any more); asking the next leader
  // goes on with it. FailedPrecondition: see NextStep; or another change is
  // under way. DeadlineExceeded: the new replica was not heard from for
  // `options.member_silent_ns`; it stays a learner.
  virtual void ChangeMembers(MemberChange change, MembersDone done) = 0;

  // Applies again what was held back because it ended the process (quarantine).
  // `done`, from the executor. FailedPrecondition: nothing is held back here.
  virtual void ResumeApplying(
      absl::AnyInvocable<void(absl::Status) &&> done) = 0;

  virtual void GetStatus(absl::AnyInvocable<void(PartitionStatus) &&> done) = 0;

  // The first `max` sessions with ids above `after`, as this replica has them
  // now. `done`, from the executor. The work is that of `max` rows.
  virtual void ListSessions(session::SessionId after, size_t max,
                            SessionsDone done) = 0;

  // Serving as leader. Thread-safe, no mailbox.
  virtual bool serving() const = 0;
  // Serving as leader, or following one: what gRPC health says. Thread-safe, no
  // mailbox.
  virtual bool available() const = 0;
  // Stopped for good on this node, GetStatus says why. Thread-safe, no mailbox.
  virtual bool out_of_service() const = 0;

  // Serves nothing on this node for now, GetStatus says why: its state is to be
  // replaced, or an entry is not to be applied. Thread-safe, no mailbox.
  virtual bool paused() const { return false; }

  virtual base::PartitionId id() const = 0;
  // Which replica of it this is; 0: one that could not be loaded, and cannot
  // tell.
  virtual raft::ReplicaId replica() const = 0;
};

}  // namespace partition

#endif  // PARTITION_PARTITION_H_
