// The driver's part in what enters the log: what is refused before it costs
// anything, the one append of a turn, the partition's own commands, and the
// answers when they are applied.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {
namespace {

namespace disk = multiraft::disk::v1;

// What a waiting command costs beside its bytes.
constexpr uint64_t kPendingOverheadBytes = 256;

std::string TickCommand() {
  disk::Command command;
  command.mutable_tick();
  return command.SerializeAsString();
}

std::string CheckpointCommand() {
  disk::Command command;
  command.mutable_checkpoint();
  return command.SerializeAsString();
}

}  // namespace

void Driver::Handle(ProposeItem item) {
  if (item.sink != nullptr) callers_.Open(item.stream, item.sink);
  if (standing_.has_failed()) {
    return RefuseItem(std::move(item), NotServing());
  }
  gathered_.push_back(std::move(item));
}

// Everything of this turn becomes one append, hence one write. KeepAlives go
// first and by themselves: where the log takes no more, a flood of commands
// must not take their sessions along.
void Driver::ProposeGathered() {
  if (gathered_.empty()) return;
  const Refusal refusal = NotServing();
  std::vector<ProposeItem> keep_alives;
  std::vector<ProposeItem> others;
  for (ProposeItem& item : gathered_) {
    if (!refusal.status.ok()) {
      HoldOrRefuse(std::move(item), refusal);
      continue;
    }
    const bool keep_alive =
        item.request.kind == CommandRequest::Kind::kKeepAlive;
    Refusal not_admitted = Admit(item.request, keep_alive);
    if (!not_admitted.status.ok()) {
      HoldOrRefuse(std::move(item), std::move(not_admitted));
      continue;
    }
    (keep_alive ? keep_alives : others).push_back(std::move(item));
  }
  gathered_.clear();
  ProposeAll(std::move(keep_alives));
  ProposeAll(std::move(others));
}

// What a leader refuses before it costs anything. Each request by itself: one
// that is too large must not fail its neighbours.
Refusal Driver::Admit(const CommandRequest& request, bool keep_alive) {
  if (standing_.is_held_back()) return standing_.WhyHeldBack();
  if (request.bytes.size() > options_.raft.entry_bytes_max) {
    return {.status = absl::ResourceExhaustedError(absl::StrCat(
                "the command has ", request.bytes.size(), " bytes, more than ",
                options_.raft.entry_bytes_max))};
  }
  if (!keep_alive && pending_bytes_ > options_.mailbox_bytes_max) {
    return Busy(absl::StrCat("partition ", options_.id.value(),
                             ": too many commands wait to be applied"));
  }
  if (!keep_alive && !write_pacer_.Admit(request.bytes.size())) {
    return Busy(absl::StrCat("partition ", options_.id.value(),
                             ": a member gets the image, and until it has it "
                             "no more than ",
                             write_pacer_.bytes_per_second(),
                             " bytes a second are taken"));
  }
  CHECK(admit_command_->ParseFromString(request.bytes));
  absl::Status status = state_machine_->Admit(*admit_command_);
  if (status.ok()) return {};
  return {.status = std::move(status), .retry_after_ms = 100};
}

void Driver::ProposeAll(std::vector<ProposeItem> items) {
  if (items.empty()) return;
  // A transfer is under way, or the log takes no more for now. Asked while the
  // items are whole: a stream that is held is tried again (semantics 8.4).
  uint64_t bytes = 0;
  for (const ProposeItem& item : items) bytes += item.request.bytes.size();
  if (absl::Status can = core_->CanPropose(items.size(), bytes); !can.ok()) {
    for (ProposeItem& item : items) {
      HoldOrRefuse(std::move(item), {.status = can, .retry_after_ms = 100});
    }
    return;
  }
  std::vector<raft::Proposal> proposals;
  std::vector<uint64_t> sizes;
  proposals.reserve(items.size());
  sizes.reserve(items.size());
  for (ProposeItem& item : items) {
    sizes.push_back(kPendingOverheadBytes + item.request.bytes.size());
    auto payload =
        std::make_shared<const std::string>(std::move(item.request.bytes));
    const uint32_t crc = base::Crc32c(*payload);
    proposals.push_back({.payload = std::move(payload), .payload_crc = crc});
  }
  absl::StatusOr<raft::Index> first = core_->Propose(std::move(proposals));
  CHECK(first.ok()) << first.status();
  raft::Index index = *first;
  for (size_t i = 0; i < items.size(); ++i, ++index) {
    pending_bytes_ += sizes[i];
    pending_.push_back({.index = index,
                        .term = core_->term(),
                        .bytes = sizes[i],
                        .item = std::move(items[i])});
  }
}

// Something is due, and nothing else may move the log.
void Driver::ProposeTick() {
  if (state_machine_->next_due_ns() <= core_->log_time_ns()) ProposeTickNow();
}

void Driver::ProposeTickNow() {
  ProposeInternal(TickCommand(), tick_in_flight_);
}

void Driver::ProposeCheckpoint() {
  ProposeInternal(CheckpointCommand(), checkpoint_in_flight_);
}

// Proposes a command of the partition's own, unless the last of its kind is
// still on its way. A refusal is no loss: it is due again at the next tick.
void Driver::ProposeInternal(const std::string& bytes, raft::Index& in_flight) {
  if (in_flight.value() > state_machine_->applied_log_index()) return;
  if (!standing_.may_propose()) return;
  std::vector<raft::Proposal> proposals;
  proposals.push_back({.payload = std::make_shared<const std::string>(bytes),
                       .payload_crc = base::Crc32c(bytes)});
  absl::StatusOr<raft::Index> index = core_->Propose(std::move(proposals));
  if (index.ok()) in_flight = *index;
}

void Driver::Answer(ProposeItem item, session::Applied applied) {
  using AppliedOutcome = session::Applied::Outcome;
  if (item.sink == nullptr) {
    if (applied.outcome == AppliedOutcome::kOpen) {
      return callers_.Wait(item.request.key, std::move(item.completion));
    }
    return callers_.Complete(std::move(item.completion), std::move(applied));
  }
  switch (applied.outcome) {
    case AppliedOutcome::kOpen:
      return callers_.Attach(item.stream, item.request.key);
    case AppliedOutcome::kAnswered:
      return callers_.AnswerAndEnd(item.stream, std::move(applied.output));
    default:
      return callers_.End(item.stream, RefusalOf(applied));
  }
}

}  // namespace partition
