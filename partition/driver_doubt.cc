// The driver's part in what is done about a state that is not to be trusted: a
// replica that is paused applies and serves nothing and does not lead, but
// votes, and keeps and acknowledges entries as any other.
//
// A state may be wrong (divergence), or an entry that it cannot survive be next
// (quarantine). For the latter there is nothing to do but to wait for a newer
// binary or an operator.
//
// Why it is safe, and enough, for a state that is wrong. What other replicas
// count on is this one's votes and its log: the hard state and the entries on
// its disk. Both are guarded by checksums and chains of their own and are not
// made from the state, so a wrong state says nothing against them; and to drop
// them would take back acknowledgements that commits may rest on. So the log
// stays, also what is in front of the new image, and only the state is
// replaced: by an image that a majority has confirmed, at an index that is
// committed and in this log. From there the log is applied again, which makes
// the state of the majority, since apply is a function of both. Nothing that
// was told to clients by the wrong state can be taken back; everything
// acknowledged is in the log, and so is applied.
//
//   doubt -> paused; the image on disk is marked suspect, so that a restart
//            finds it so
//         -> ImageWanted to the leader, again and again
//         -> ImageOffered: an image at or behind the checkpoint where it was
//            wrong, pinned there -> ImageReceiver, as for any image
//         -> one synced write: pointer to the new generation, without the mark,
//            and the log left as it is
//         -> the log behind it applied again -> serving

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crash_note.h"
#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {
namespace {

// A leader without a confirmed image makes another one so often.
constexpr uint64_t kMakeImageNs = 5'000'000'000;

template <class Sums>
std::vector<TableDigest> TablesOf(const Sums& sums) {
  std::vector<TableDigest> tables;
  for (const auto& [table, sum] : sums) {
    tables.push_back({.table = static_cast<uint16_t>(table), .digest = sum});
  }
  return tables;
}

}  // namespace

// --- Reports ----------------------------------------------------------------

DigestReport Driver::ReportOf(raft::Index index, uint32_t machine_version,
                              uint64_t digest) const {
  DigestReport report{
      .index = index, .machine_version = machine_version, .digest = digest};
  report.tables = TablesOf(state_machine_->table_digests());
  AddTo(report, TablesOf(state_machine_->damage()));
  return report;
}

// At start: what the disk has. Who was away learns whether it was right.
void Driver::ReportImage() {
  const storage::ImagePointer& image = checkpointer_.image();
  if (image.position.index == raft::Index{} || standing_.is_paused()) {
    return;
  }
  Report(ReportOf(image.position.index, image.machine_version, image.digest));
}

void Driver::Report(DigestReport report) {
  if (!standing_.may_apply()) return;
  std::vector<Note> notes;
  divergence_.Add(std::move(report), core_->configuration(), notes);
  SendNotes(std::move(notes));
  LookForContradiction();
}

void Driver::Handle(raft::ReplicaId from, const DigestReport& report) {
  std::vector<Note> notes;
  divergence_.Handle(from, report, core_->configuration(), notes);
  SendNotes(std::move(notes));
  LookForContradiction();
}

void Driver::LookForContradiction() {
  const auto& contradiction = divergence_.contradiction();
  if (!contradiction.has_value() || standing_.is_paused()) return;
  // The state that is wrong is about to be replaced, and the pointer of the new
  // image may be on its way to the disk: the old one must not follow it.
  if (image_receiver_.is_sealed()) return;
  Distrust(contradiction->index, contradiction->what);
}

// --- Paused -----------------------------------------------------------------

void Driver::Pause(PauseReason reason, std::string why) {
  SetPaused(reason, std::move(why));
  image_sender_.EndAll();
  replayer_.Stop();
  RefuseAll();
  member_changes_.EndAll(standing_.WhyNotReading(Outcome::kUnknown).status);
  // It leads, perhaps: somebody else should, at once.
  if (core_->role() == raft::Role::kLeader) transfers_.GiveUp(*core_);
}

void Driver::SetPaused(PauseReason reason, std::string why) {
  standing_.Pause(reason, std::move(why));
  LOG(ERROR) << "partition " << options_.id << " term " << core_->term()
             << ": serves nothing: " << standing_.problem();
  handed_out_ =
      std::max(handed_out_, raft::Index{state_machine_->applied_log_index()});
  StandingChanged();
}

void Driver::Resume() {
  LOG(WARNING) << "partition " << options_.id
               << ": no longer: " << standing_.problem();
  const bool was_quarantined =
      standing_.pause_reason() == PauseReason::kQuarantined;
  standing_.Resume();
  dropped_bytes_ = 0;
  if (was_quarantined && options_.on_resumed) options_.on_resumed(options_.id);
}

bool Driver::ApplyIsHeld() const {
  return standing_.is_paused() || replayer_.active();
}

// What the core hands out to a replica that is paused is let go, so that memory
// does not grow: it is read again from the log.
void Driver::DropWhilePaused() {
  if (!standing_.is_paused() || to_apply_.empty()) return;
  for (const raft::Entry& entry : to_apply_) {
    dropped_bytes_ += entry.bytes().size() + sizeof(raft::Entry);
  }
  handed_out_ = to_apply_.back().index;
  to_apply_.clear();
  core_->Applied(handed_out_);
}

// The log of a replica that is paused grows, and nothing is trimmed. Behind so
// much of it no more entries are taken: the leader keeps no more for a follower
// that is behind, so it sends an image then, which also ends the pause. And a
// start loads no more.
bool Driver::HasTooMuchToApply() const {
  return standing_.is_paused() &&
         dropped_bytes_ + LogBehind(checkpointer_.image().position.index) >
             options_.log_behind_bytes_max;
}

// The state goes on from where it stands, up to what the core has handed out.
void Driver::Replay() {
  const raft::Index applied{state_machine_->applied_log_index()};
  if (handed_out_ < applied) handed_out_ = applied;
  replay_end_ = raft::Index{};
  checkpointer_.set_replaying(true);
  replayer_.Begin(applied + 1, handed_out_);
}

Replayer::Hooks Driver::ReplayHooks() {
  return {
      .post = [this](TaskItem task) { PostLater(std::move(task)); },
      .hold = [this] { return Hold(); },
      .durable = [this] { return core_->persisted_index(); },
      .apply =
          [this](const raft::Entry& entry) {
            if (standing_.has_ended()) return false;
            ApplyOne(entry);
            return standing_.may_apply();
          },
      .done =
          [this] {
            checkpointer_.set_replaying(false);
            callers_.Handle(state_machine_->TakeEffects());
            LOG(INFO) << "partition " << options_.id
                      << ": has applied its log again up to "
                      << state_machine_->applied_log_index();
          },
      .failed =
          [this](absl::Status status) {
            Fail(absl::Status(status.code(),
                              absl::StrCat("partition ", options_.id.value(),
                                           ": cannot apply its log again: ",
                                           status.message())));
          },
  };
}

// --- The replica whose state is wrong ---------------------------------------

void Driver::Distrust(raft::Index index, const std::string& what) {
  Pause(PauseReason::kDiverged,
        absl::StrCat(what, "; it waits for the image of another replica"));
  checkpointer_.Abandon();
  storage::ImagePointer image = checkpointer_.image();
  // An image in front of its own would need entries that are trimmed.
  wrong_since_ = std::max(index, image.position.index);
  image.suspect = true;
  storage::LogWrite write;
  write.partition = options_.id;
  write.image = std::move(image);
  write.done = [self = shared_from_this()](absl::Status status) {
    auto& driver = static_cast<Driver&>(*self);
    driver.Post([&driver, status = std::move(status)] {
      if (!status.ok()) driver.FailOfDisk(status);
    });
  };
  ports_.store.Write(std::move(write));
}

// Of the process before: the disk says so.
void Driver::StartInDoubt() {
  SetPaused(PauseReason::kDiverged,
            "its image is not that of the majority of the voters; it waits for "
            "the image of another replica");
  wrong_since_ = checkpointer_.image().position.index;
  checkpointer_.Abandon();
}

void Driver::TickDoubt() {
  std::vector<Note> notes;
  divergence_.Tick(core_->configuration(), notes);
  replayer_.Tick();
  LookForContradiction();
  const raft::ReplicaId leader = core_->leader();
  if (standing_.may_lead()) doubt_ticks_ = 0;
  if (!standing_.may_lead() && leader != self_ && leader != raft::ReplicaId{} &&
      doubt_ticks_++ % options_.image_retry_ticks == 0) {
    notes.push_back({.from = self_, .to = leader, .body = ServesNothing{}});
    if (standing_.pause_reason() == PauseReason::kDiverged &&
        !image_receiver_.is_receiving()) {
      notes.push_back({.from = self_,
                       .to = leader,
                       .body = ImageWanted{.index = wrong_since_}});
    }
  }
  if (standing_.is_paused() && core_->role() == raft::Role::kLeader) {
    transfers_.GiveUp(*core_);
  }
  SendNotes(std::move(notes));
}

void Driver::Handle(raft::ReplicaId from, const ImageOffered& offered) {
  const raft::Position& position = offered.position;
  if (standing_.pause_reason() != PauseReason::kDiverged ||
      from != core_->leader() || image_receiver_.is_receiving() ||
      standing_.disk_is_low()) {
    return;
  }
  // It must be behind the fault, committed here, and followed by entries that
  // are here. What is not so yet will be: it is asked for again.
  if (position.index < wrong_since_ || position.index > handed_out_ ||
      position.index + 1 < core_->first_index()) {
    return;
  }
  const std::optional<raft::Position> here = core_->PositionAt(position.index);
  if (here.has_value() && *here != position) {
    LOG(ERROR) << "partition " << options_.id << ": replica " << from
               << " offers an image of another history, at " << position.index;
    return;
  }
  image_receiver_.Reseed({.leader = from,
                          .position = position,
                          .configuration = offered.configuration});
}

// The majority's image is durable and loaded; the log is still there.
void Driver::Reseeded(std::unique_ptr<session::StateMachine> state_machine,
                      const storage::ImagePointer& image) {
  CHECK(standing_.pause_reason() == PauseReason::kDiverged);
  const raft::Configuration before =
      std::exchange(applied_configuration_, image.configuration);
  image_damage_.clear();
  state_damage_.clear();
  checkpointer_.Installed(*state_machine, image);
  callers_.Replace(*state_machine);
  std::swap(state_machine_, state_machine);
  core_->Compacted(image.position, image.configuration, core_->first_index());
  TellInstalled(image.position.index, before);
  divergence_.Forget();
  Resume();
  ReportImage();
  Replay();
  Load([old = std::move(state_machine)] {});
}

// --- Quarantine -------------------------------------------------------------

// If it ends the process, it says what it was.
session::Applied Driver::Apply(const session::LogEntry& entry) {
  const base::CrashScope scope(options_.id.value(), entry.log_index);
  return state_machine_->Apply(entry);
}

void Driver::StartQuarantined(raft::Index index) {
  if (index.value() <= state_machine_->applied_log_index()) {
    // Somebody else applied it, and this is the state behind it.
    if (options_.on_resumed) options_.on_resumed(options_.id);
    return;
  }
  SetPaused(
      PauseReason::kQuarantined,
      absl::StrCat(
          "quarantined: applying entry ", index.value(),
          " ended the process twice; install a newer multiraft on this node, "
          "or try again with multiraftctl partition resume ",
          options_.id.value()));
}

void Driver::ResumeApplying(absl::AnyInvocable<void(absl::Status) &&> done) {
  Post([this, done = std::move(done)]() mutable {
    if (standing_.has_ended()) {
      return std::move(done)(NotServing().status);
    }
    if (standing_.pause_reason() != PauseReason::kQuarantined) {
      return std::move(done)(absl::FailedPreconditionError(absl::StrCat(
          "partition ", options_.id.value(), " is not quarantined here")));
    }
    Resume();
    ReportImage();
    Replay();
    std::move(done)(absl::OkStatus());
  });
}

// --- The leader that helps --------------------------------------------------

// Only what a majority has confirmed is passed on.
void Driver::Handle(raft::ReplicaId from, const ImageWanted& wanted) {
  if (standing_.is_paused() || core_->role() != raft::Role::kLeader) return;
  const storage::ImagePointer& image = checkpointer_.image();
  const raft::Index index = image.position.index;
  if (!checkpointer_.is_pointer_queued() && image_damage_.empty() &&
      index >= wanted.index && divergence_.IsVerified(index)) {
    image_sender_.Reseed({.follower = from, .position = image.position}, Now());
    return SendNotes(
        {{.from = self_,
          .to = from,
          .body = ImageOffered{.position = image.position,
                               .configuration = image.configuration}}});
  }
  if (checkpointer_.is_writing() || Now() < make_image_ns_) return;
  make_image_ns_ = Now() + kMakeImageNs;
  ProposeCheckpoint();
}

}  // namespace partition
