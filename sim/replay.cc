#include "sim/replay.h"

#include <utility>

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
               const session::Limits& limits, const Consensus& consensus,
               Judge& judge)
    : partition_(partition),
      registry_(registry),
      limits_(limits),
      consensus_(consensus),
      judge_(judge),
      state_machine_(registry, limits) {
  // Its cuts would never be written.
  state_machine_.set_hold_checkpoints(true);
}

void Replay::Fail(absl::string_view what) const {
  judge_.Fail(absl::StrCat("partition ", partition_.value(), ": ", what));
}

void Replay::OnImage(const storage::ImagePointer& image) {
  ++image_count_;
  const auto digest = digests_.find(image.checkpoint);
  if (digest == digests_.end()) {
    Fail(absl::StrCat("an image of checkpoint ", image.checkpoint,
                      ", which is not in the log"));
  } else if (digest->second != image.digest) {
    Fail(absl::StrCat("the image of checkpoint ", image.checkpoint,
                      " has not the digest that replay has (P51)"));
  }
}

void Replay::Append(const raft::Entry& entry) {
  if (entry.time_ns < last_time_ns_) {
    Fail(absl::StrCat("log time went back at entry ", entry.index.value(),
                      " (P50)"));
  }
  last_time_ns_ = entry.time_ns;

  multiraft::disk::v1::Command command;
  const absl::string_view bytes = entry.bytes();
  const bool is_command =
      entry.type == raft::EntryType::kApp &&
      command.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
      command.has_session_command();
  const session::Applied applied = state_machine_.Apply(ToLogEntry(entry));
  // Commands that waited, and now have their answer.
  for (session::CommandKey key : state_machine_.TakeEffects().commands) {
    session::OutputRead read = state_machine_.ReadOutput(key, 0);
    if (read.kind == session::OutputRead::Kind::kOutput) {
      results_.emplace(key, std::move(read.output.result));
    }
  }
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

void Replay::Audit(storage::LogStore& store,
                   const storage::StoredPartition& stored) {
  ++audit_count_;
  const raft::Index chosen = consensus_.chosen();
  if (stored.image.position.index > chosen) {
    return Fail("an image of entries that are not chosen (P29)");
  }
  absl::StatusOr<std::unique_ptr<session::StateMachine>> restored =
      Restore(store, stored);
  if (!restored.ok()) {
    return Fail(absl::StrCat("the image does not load: ",
                             restored.status().ToString()));
  }
  if ((*restored)->index() != state_machine_.index() ||
      (*restored)->time_ns() != state_machine_.time_ns() ||
      (*restored)->FullDigest() != state_machine_.FullDigest()) {
    Fail(absl::StrCat("image ", stored.image.position.index.value(),
                      " and the log up to ", chosen.value(),
                      " do not make the state that replay has (P51)"));
  }
}

absl::StatusOr<std::unique_ptr<session::StateMachine>> Replay::Restore(
    storage::LogStore& store, const storage::StoredPartition& stored) const {
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
  raft::Index applied = image.position.index;
  const auto apply = [&](const raft::Entry& entry) {
    state_machine->Apply(ToLogEntry(entry));
    state_machine->TakeEffects();
    applied = entry.index;
  };
  for (const raft::Entry& entry : stored.entries) {
    if (entry.index > consensus_.chosen() ||
        entry.chain != consensus_.entry(entry.index).chain) {
      break;  // Not chosen: to be replaced.
    }
    apply(entry);
  }
  while (applied < consensus_.chosen()) apply(consensus_.entry(applied + 1));
  return state_machine;
}

}  // namespace sim
