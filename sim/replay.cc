#include "sim/replay.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "multiraft/disk/v1/command.pb.h"

namespace sim {
namespace {

constexpr size_t kReadBytes = 4096;

bool IsCheckpoint(const raft::Entry& entry) {
  multiraft::disk::v1::Command command;
  const absl::string_view bytes = entry.bytes();
  return entry.type == raft::EntryType::kApp &&
         command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
         command.has_checkpoint();
}

session::LogEntry ToLogEntry(const raft::Entry& entry) {
  session::LogEntry result{.log_index = entry.index.value(),
                           .term = entry.term.value(),
                           .time_ns = entry.time_ns};
  if (entry.type != raft::EntryType::kConfChange) {
    result.payload = entry.bytes();
  }
  return result;
}

}  // namespace

Replay::Replay(base::PartitionId partition, const session::Registry& registry,
               const session::Limits& limits, Judge& judge)
    : partition_(partition),
      registry_(registry),
      limits_(limits),
      judge_(judge),
      state_machine_(registry, limits) {
  // Its cuts would never be written.
  state_machine_.set_hold_checkpoints(true);
}

void Replay::Fail(absl::string_view what) const {
  judge_.Fail(absl::StrCat("partition ", partition_.value(), ": ", what));
}

void Replay::OnQueued(const DiskWrite& write) {
  if (write.hard_state.has_value()) {
    const raft::HardState& next = *write.hard_state;
    const raft::HardState& last = queued_hard_state_;
    if (next.term < last.term) Fail("the term went back");
    if (next.term == last.term && last.voted_for != raft::ReplicaId{} &&
        next.voted_for != last.voted_for) {
      Fail("two votes in one term (P1)");
    }
    if (next.commit_index < last.commit_index) Fail("commit went back (P29)");
    queued_hard_state_ = next;
  }
  if (!write.entries.empty()) {
    const raft::Index first = write.entries.front().index;
    if (first > queued_last_ + 1) Fail("a hole in the log (P22)");
    if (first.value() <= chains_.size()) {
      Fail("a durable entry of a sole voter is overwritten (P29)");
    }
    queued_last_ = write.entries.back().index;
  }
  if (write.trim_below.has_value()) {
    const raft::Index image = write.image.has_value()
                                  ? write.image->position.index
                                  : image_.position.index;
    if (*write.trim_below > image + 1) {
      Fail("the log is trimmed beyond its image (P35)");
    }
  }
}

void Replay::OnSync() {
  if (!found_.has_value()) return;
  for (const raft::Entry& entry : found_->entries) Append(entry);
  durable_hard_state_ = found_->hard_state;
  image_ = found_->image;
  found_.reset();
}

void Replay::OnDurable(const DiskWrite& write) {
  if (write.hard_state.has_value()) durable_hard_state_ = *write.hard_state;
  for (const raft::Entry& entry : write.entries) Append(entry);
  if (write.trim_below.has_value()) ++trim_count_;
  if (!write.image.has_value()) return;
  image_ = *write.image;
  ++image_count_;
  const auto digest = digests_.find(image_.checkpoint);
  if (digest == digests_.end()) {
    Fail(absl::StrCat("an image of checkpoint ", image_.checkpoint,
                      ", which is not in the log"));
  } else if (digest->second != image_.digest) {
    Fail(absl::StrCat("the image of checkpoint ", image_.checkpoint,
                      " has not the digest that replay has (P51)"));
  }
}

void Replay::Append(const raft::Entry& entry) {
  if (entry.index.value() != chains_.size() + 1) {
    return Fail(absl::StrCat("entry ", entry.index.value(), " behind ",
                             chains_.size(), " (P22)"));
  }
  const uint64_t previous = chains_.empty() ? 0 : chains_.back();
  if (raft::ChainOf(previous, partition_, entry) != entry.chain) {
    return Fail(absl::StrCat("entry ", entry.index.value(),
                             " does not continue the chain (P22)"));
  }
  if (entry.time_ns < last_time_ns_) {
    Fail(absl::StrCat("log time went back at entry ", entry.index.value(),
                      " (P50)"));
  }
  last_time_ns_ = entry.time_ns;
  chains_.push_back(entry.chain);

  multiraft::disk::v1::Command command;
  const absl::string_view bytes = entry.bytes();
  const bool is_command =
      entry.type == raft::EntryType::kApp &&
      command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
      command.has_session_command();
  const session::Applied applied = state_machine_.Apply(ToLogEntry(entry));
  state_machine_.TakeEffects();
  if (is_command && applied.outcome == session::Applied::Outcome::kAnswered) {
    // The first one counts; a repeated command answers the same.
    const session::CommandKey key{
        .session = session::SessionId{command.session_command().session_id()},
        .sequence =
            session::SequenceNum{command.session_command().sequence_num()}};
    const auto [result, is_new] = results_.emplace(key, applied.output.result);
    if (!is_new && result->second != applied.output.result) {
      Fail(absl::StrCat("entry ", entry.index.value(), ": command ",
                        key.sequence.value(), " of session ",
                        key.session.value(),
                        " has another result than the first time (P52)"));
    }
  }
  if (IsCheckpoint(entry)) {
    digests_[entry.index.value()] = state_machine_.FullDigest();
  }
}

void Replay::OnAnswer(session::CommandKey command,
                      const session::Result& result) {
  const auto found = results_.find(command);
  if (found == results_.end()) {
    return Fail(
        absl::StrCat("command ", command.sequence.value(), " of session ",
                     command.session.value(),
                     " was acknowledged, and its entry is not durable (P27)"));
  }
  if (found->second != result) {
    Fail(absl::StrCat("command ", command.sequence.value(), " of session ",
                      command.session.value(),
                      " was answered otherwise than replay does (P51)"));
  }
}

void Replay::AuditRestart(storage::LogStore& store) { Audit(store, true); }
void Replay::AuditLive(storage::LogStore& store) { Audit(store, false); }

void Replay::Audit(storage::LogStore& store, bool is_restart) {
  ++audit_count_;
  absl::StatusOr<storage::StoredPartition> stored =
      store.LoadPartition(partition_);
  if (!stored.ok()) {
    return Fail(
        absl::StrCat("the disk does not load: ", stored.status().ToString()));
  }
  const raft::HardState& hard_state = stored->hard_state;
  if (hard_state.term < durable_hard_state_.term ||
      (hard_state.term == durable_hard_state_.term &&
       durable_hard_state_.voted_for != raft::ReplicaId{} &&
       hard_state.voted_for != durable_hard_state_.voted_for)) {
    Fail("a durable term or vote is gone (P1)");
  }
  if (stored->image.position.index < image_.position.index) {
    Fail("a durable image is gone");
  }
  raft::Index last = stored->image.position.index;
  std::vector<raft::Entry> beyond;
  for (const raft::Entry& entry : stored->entries) {
    last = entry.index;
    if (entry.index.value() <= chains_.size()) {
      if (chains_[entry.index.value() - 1] != entry.chain) {
        Fail(absl::StrCat("entry ", entry.index.value(),
                          " is not the one that was durable (P29)"));
      }
    } else {
      beyond.push_back(entry);
    }
  }
  if (last.value() < chains_.size()) {
    Fail(absl::StrCat("durable entries are gone: the log ends at ",
                      last.value(), ", it was durable up to ", chains_.size()));
  }
  if (is_restart) {
    queued_hard_state_ = hard_state;
    queued_last_ = last;
    found_ = {.hard_state = hard_state,
              .image = stored->image,
              .entries = std::move(beyond)};
  }
  // An image in the page cache may be ahead of what is durable.
  if (stored->image.position.index.value() > chains_.size()) return;

  absl::StatusOr<std::unique_ptr<session::StateMachine>> restored =
      Restore(store, *stored, raft::Index{chains_.size()});
  if (!restored.ok()) {
    return Fail(absl::StrCat("the image does not load: ",
                             restored.status().ToString()));
  }
  if ((*restored)->index() != state_machine_.index() ||
      (*restored)->time_ns() != state_machine_.time_ns() ||
      (*restored)->FullDigest() != state_machine_.FullDigest()) {
    Fail(absl::StrCat("image ", stored->image.position.index.value(),
                      " and the log up to ", chains_.size(),
                      " do not make the state that replay has (P51)"));
  }
}

absl::StatusOr<std::unique_ptr<session::StateMachine>> Replay::Restore(
    storage::LogStore& store, const storage::StoredPartition& stored,
    raft::Index last) const {
  auto state_machine =
      std::make_unique<session::StateMachine>(registry_, limits_);
  state_machine->set_hold_checkpoints(true);
  ASSIGN_OR_RETURN(std::unique_ptr<storage::ImageReader> reader,
                   store.OpenImage(partition_));
  while (true) {
    ASSIGN_OR_RETURN(std::vector<storage::ImageRow> rows,
                     reader->Next(kReadBytes));
    if (rows.empty()) break;
    for (storage::ImageRow& row : rows) {
      RETURN_IF_ERROR(
          state_machine->LoadRow({.table = session::TableId{row.table},
                                  .key = std::move(row.key),
                                  .checkpoint = row.checkpoint,
                                  .erased = row.erased,
                                  .value = std::move(row.value)}));
    }
  }
  const storage::ImagePointer& image = stored.image;
  RETURN_IF_ERROR(
      state_machine->FinishLoad({.log_index = image.position.index.value(),
                                 .term = image.position.term.value(),
                                 .time_ns = image.position.time_ns,
                                 .command_index = image.command_index,
                                 .machine_version = image.machine_version,
                                 .checkpoint = image.checkpoint,
                                 .digest = image.digest}));
  for (const raft::Entry& entry : stored.entries) {
    if (entry.index > last) break;
    state_machine->Apply(ToLogEntry(entry));
    state_machine->TakeEffects();
  }
  return state_machine;
}

}  // namespace sim
