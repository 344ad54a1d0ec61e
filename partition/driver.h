// Driver is the Partition: the one place that orders the effects of the core,
// the disk, the network and the state machine. Internal to partition/.

#ifndef PARTITION_DRIVER_H_
#define PARTITION_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "partition/callers.h"
#include "partition/checkpointer.h"
#include "partition/divergence.h"
#include "partition/held_streams.h"
#include "partition/image_receiver.h"
#include "partition/image_sender.h"
#include "partition/log_retention.h"
#include "partition/mailbox.h"
#include "partition/member_changes.h"
#include "partition/partition.h"
#include "partition/reads.h"
#include "partition/replayer.h"
#include "partition/scrubber.h"
#include "partition/standing.h"
#include "partition/transfers.h"
#include "partition/undurable.h"
#include "partition/versions.h"
#include "partition/write_pacer.h"
#include "raft/raft.h"
#include "session/state_machine.h"
#include "storage/log_store.h"

namespace multiraft::disk::v1 {
class Command;
}

namespace partition {

// What Open found and made on the loader thread.
struct Loaded {
  storage::StoredPartition stored;  // Its entries went into `core`.
  raft::ReplicaId self;
  uint64_t seed = 0;
  std::unique_ptr<session::StateMachine> state_machine;
  std::unique_ptr<raft::Raft> core;
};

class Driver : public Partition {
 public:
  Driver(const Options& options, const Ports& ports, Loaded loaded,
         OwnerHooks hooks);
  ~Driver() override;

  void Start() override;
  void Retire() override;
  void Stop(StopReason reason) override;
  void Tick() override;
  void Step(std::vector<raft::Message> messages) override;
  void StepImage(ImageMessage message) override;
  void StepNote(Note note) override;
  void HearOf(raft::ReplicaId leader) override;
  void Propose(CommandRequest request,
               Completion<session::Applied> completion) override;
  StreamId OpenStream(CommandRequest request,
                      std::shared_ptr<StreamSink> sink) override;
  void RunQuery(QueryRequest request,
                Completion<session::QueryAnswer> completion) override;
  StreamId OpenQuery(QueryRequest request,
                     std::shared_ptr<StreamSink> sink) override;
  void StreamWritable(StreamId stream) override;
  void CloseStream(StreamId stream) override;
  uint64_t AddLeaderListener(
      absl::AnyInvocable<void(const LeaderInfo&)> listener) override;
  void RemoveLeaderListener(uint64_t id) override;
  void TransferLeadership(raft::ReplicaId target, TransferDone done) override;
  void ChangeMembers(MemberChange change, MembersDone done) override;
  void ResumeApplying(absl::AnyInvocable<void(absl::Status) &&> done) override;
  void GetStatus(absl::AnyInvocable<void(PartitionStatus) &&> done) override;
  void ListSessions(session::SessionId after, size_t max,
                    SessionsDone done) override;
  bool serving() const override {
    return serving_.load(std::memory_order_acquire);
  }
  bool available() const override {
    return available_.load(std::memory_order_acquire);
  }
  bool out_of_service() const override { return standing_.has_failed(); }
  bool paused() const override { return standing_.is_paused(); }
  base::PartitionId id() const override { return options_.id; }
  raft::ReplicaId replica() const override { return self_; }

 private:
  // A proposal on its way through the log.
  struct Pending {
    raft::Index index;
    raft::Term term;
    uint64_t bytes = 0;
    ProposeItem item;
  };
  // A queued write, and the messages that must not leave before it is durable.
  struct Write {
    raft::PersistToken token;
    std::vector<raft::Message> messages;
  };

  // --- Any thread -----------------------------------------------------------
  void Add(MailboxItem item);
  void Post(TaskItem task);
  // What a completion that the store gets must keep, since it refers to this.
  std::shared_ptr<const void> Hold() { return shared_from_this(); }
  // As Post, for a piece of long work: behind the short tasks of all partitions
  // of this executor (P54).
  void PostLater(TaskItem task);
  void ScheduleTurn();

  // --- On the executor ------------------------------------------------------
  void Turn();
  void OnTick();
  void OnSoftState(const raft::SoftState& state);
  void TellMembers();
  void OnRemoved();
  // Tells the core and those who look from outside what standing_ allows.
  void StandingChanged();
  void UpdateServing();
  static bool NeedsSpace(const raft::Message& message);
  static bool AddsEntries(const raft::Message& message);
  void Fail(absl::Status status) { Fail(Failure{.status = std::move(status)}); }
  void FailOfDisk(absl::Status status) {
    Fail(Failure{.status = std::move(status), .of_disk = true});
  }
  void Fail(Failure failure);
  void EndAll();
  LeaderInfo leader_info() const;
  // Where clients reach the leader, or empty.
  std::string LeaderAddress() const;
  // What LeaderAddress says changes here.
  void TellLeaderAddress() ABSL_LOCKS_EXCLUDED(door_mu_);
  uint64_t Now() {
    return static_cast<uint64_t>(ports_.clock.MonotonicNanos());
  }

  // --- driver_propose.cc ----------------------------------------------------
  void Handle(ProposeItem item);
  void ProposeGathered();
  Refusal Admit(const CommandRequest& request, bool keep_alive);
  void ProposeAll(std::vector<ProposeItem> items);
  void ProposeTick();
  void ProposeTickNow();
  void ProposeCheckpoint();
  void ProposeInternal(const std::string& bytes, raft::Index& in_flight);
  void Answer(ProposeItem item, session::Applied applied);

  // --- driver_effects.cc ----------------------------------------------------
  void ProcessReady();
  bool FitsThisTurn() const;
  void GoOnLater();
  void QueueWrite(raft::Ready& ready);
  void WriteDone(absl::Status status);
  void Fetch(const raft::FetchRequest& request);
  void ApplySome();
  void ApplyOne(const raft::Entry& entry);

  // --- driver_reads.cc ------------------------------------------------------
  void Handle(QueryItem item);
  void AddRead(QueryItem item);
  void AskReads();
  void RunReads();
  void RunRead(QueryItem item);
  void GoOnListing();

  // --- driver_refuse.cc -----------------------------------------------------
  // The core says that this replica leads, and may propose.
  bool Leads() const;
  bool IsServing() const;
  // Whether log time does. Where it does not, nothing expires.
  bool TimeMoves() const;
  // Why nothing can be proposed here now; OK if it can.
  Refusal NotServing() const;
  // The same for reads.
  Refusal NotReading() const;
  // Holds a stream whose refusal passes with time.
  template <class Item>
  void HoldOrRefuse(Item item, Refusal refusal);
  void ReleaseHeld();
  void RefuseItem(ProposeItem item, Refusal refusal);
  void RefuseItem(QueryItem item, Refusal refusal);
  void RefuseItems(HeldStreams::Items items, const Refusal& refusal);
  // Who waits for what is in the log. `refusal` has an unknown outcome.
  void RefusePending(const Refusal& refusal);
  // Everybody who waits, whatever for. REQUIRES: !standing_.may_read().
  void RefuseAll();

  // --- driver_images.cc -----------------------------------------------------
  ImageSender::Hooks SenderHooks();
  ImageReceiver::Hooks ReceiverHooks();
  void HandleSnapshots(const raft::Ready& ready);
  void TickImages();
  void StopImages();
  LogNeeds NeedsOfLog() const;
  // Log that stays for an image at `index` while it is under way.
  uint64_t LogBehind(raft::Index image) const;
  void SendImage(const raft::SnapshotSend& send);
  void ImageDamaged(const absl::Status& why,
                    std::optional<uint64_t> generation);
  void ImageDurable(raft::Index index);
  void ImageInstalled(std::unique_ptr<session::StateMachine> state_machine,
                      const storage::ImagePointer& image);
  // On the loader's thread, if there is one: to end the load of a large state,
  // or to free it, takes long.
  void Load(TaskItem task);

  // --- driver_events.cc -----------------------------------------------------
  void Tell(ReplicaEvent::Kind kind, raft::Index index,
            raft::ReplicaId peer) const;
  // It is about no other replica.
  void Tell(ReplicaEvent::Kind kind, raft::Index index) const;
  void TellStart();
  void TellIfReady();
  void TellLogStart(raft::Index first);
  void TellInstalled(raft::Index image, const raft::Configuration& before);
  void TellLeader();
  // The same as before, unless it is somewhere else.
  void TellLeaderPlace();

  // --- driver_members.cc ----------------------------------------------------
  MemberChanges::Limits MemberLimits() const;
  void TickMembers();

  // --- driver_doubt.cc ------------------------------------------------------
  DigestReport ReportOf(raft::Index index, uint32_t machine_version,
                        uint64_t digest) const;
  void ReportImage();
  void Report(DigestReport report);
  void LookForContradiction();
  void Pause(PauseReason reason, std::string why);
  void SetPaused(PauseReason reason, std::string why);
  void Resume();
  session::Applied Apply(const session::LogEntry& entry);
  // What the core hands out is not applied now.
  bool ApplyIsHeld() const;
  void DropWhilePaused();
  bool HasTooMuchToApply() const;
  void Replay();
  Replayer::Hooks ReplayHooks();
  void Distrust(raft::Index index, const std::string& what);
  void StartInDoubt();
  void StartQuarantined(raft::Index index);
  void TickDoubt();
  void Reseeded(std::unique_ptr<session::StateMachine> state_machine,
                const storage::ImagePointer& image);

  // --- driver_scrub.cc ------------------------------------------------------
  void TickScrub();
  void Scrub();
  std::string Alarm() const;

  // --- driver_notes.cc ------------------------------------------------------
  void Handle(raft::ReplicaId from, const VersionAsked& asked);
  void Handle(raft::ReplicaId from, const VersionKnown& known);
  void Handle(raft::ReplicaId from, const DigestReport& report);
  void Handle(raft::ReplicaId from, const ImageWanted& wanted);
  void Handle(raft::ReplicaId from, const ImageOffered& offered);
  void Handle(raft::ReplicaId from, const ServesNothing&);
  void SendNotes(std::vector<Note> notes);
  void TickVersions();

  const std::shared_ptr<const void> life_;  // First: destroyed last.
  const Options options_;
  const Ports ports_;
  const raft::ReplicaId self_;
  absl::AnyInvocable<void(Failure)> on_failure_;
  absl::AnyInvocable<void()> on_removed_;
  const OnReplicaEvent on_event_;

  Mailbox mailbox_;                       // Thread-safe.
  std::atomic<uint64_t> next_stream_{1};  // Any thread.
  std::atomic<uint64_t> next_listener_{1};
  std::atomic<bool> serving_{false};    // Written on the executor.
  std::atomic<bool> available_{false};  // Written on the executor.

  // For those who are refused before the executor sees them.
  base::Mutex door_mu_;
  std::string leader_at_door_ ABSL_GUARDED_BY(door_mu_);

  // On the executor only, but for what standing.h says.
  Undurable undurable_;
  Standing standing_;
  std::unique_ptr<session::StateMachine> state_machine_;
  std::unique_ptr<raft::Raft> core_;
  raft::Configuration applied_configuration_;
  Checkpointer checkpointer_;
  ImageSender image_sender_;
  ImageReceiver image_receiver_;
  WritePacer write_pacer_;
  Callers callers_;
  Reads reads_;
  Transfers transfers_;
  MemberChanges member_changes_;
  Versions versions_;
  Divergence divergence_;
  Replayer replayer_;
  Scrubber scrubber_;
  HeldStreams held_;

  std::vector<MailboxItem> turn_items_;
  std::vector<ProposeItem> gathered_;
  std::deque<Pending> pending_;  // By index.
  uint64_t pending_bytes_ = 0;
  std::deque<raft::Entry> to_apply_;  // Committed.
  std::deque<Write> writes_;          // Queued at the store.
  std::map<uint64_t, absl::AnyInvocable<void(const LeaderInfo&)>> listeners_;
  LeaderInfo told_leader_;
  raft::Index told_log_start_;
  raft::Index ready_from_;  // Ready is who has applied up to here.
  bool told_ready_ = false;

  std::unique_ptr<multiraft::disk::v1::Command> admit_command_;  // Reused.

  raft::Index replay_end_;    // Checkpoints are held up to here; 0: not.
  raft::Index leader_start_;  // The last entry when leadership began.
  uint64_t last_now_ns_ = 0;  // Of the clock, at the last turn.
  uint64_t turn_start_ns_ = 0;
  bool ticked_ = false;  // In this turn.
  // What is too much for one turn goes on in others, each a piece of long work.
  bool is_piece_ = false;       // This turn is one.
  bool listing_ahead_ = false;  // A piece that goes on with listings will come.
  bool piece_ahead_ = false;    // One is on its way.
  // Our own last proposals; not above applied: none is on its way.
  raft::Index tick_in_flight_;
  raft::Index checkpoint_in_flight_;
  raft::Index version_in_flight_;
  // The image on disk is damaged (empty: not that we know): no follower gets
  // it before all of it is written anew (P37).
  std::string image_damage_;
  // Rows that memory has changed (empty: none that we know): what is served is
  // not what is on disk. Until the state is replaced.
  std::string state_damage_;
  bool scrub_ahead_ = false;  // A slice will come.
  bool started_ = false;

  // By the core, while what it did was not applied.
  raft::Index handed_out_;
  uint64_t dropped_bytes_ = 0;  // Of entries, since this replica was paused.
  // If it has diverged: an image in front of it is no help.
  raft::Index wrong_since_;
  uint64_t doubt_ticks_ = 0;    // With a leader to tell, since it may not lead.
  uint64_t make_image_ns_ = 0;  // Not before, for others.
};

}  // namespace partition

#endif  // PARTITION_DRIVER_H_
