// The driver's part in what the core wants done: send, write, fetch, apply.

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {

void Driver::ProcessReady() {
  turn_start_ns_ = Now();
  while (!standing_.has_failed()) {
    while (core_->HasReady()) {
      raft::Ready ready = core_->TakeReady();
      if (ready.configuration.has_value()) TellMembers();
      if (ready.soft_state.has_value()) OnSoftState(*ready.soft_state);
      if (ready.removed) OnRemoved();
      if (!ready.messages.empty()) {
        ports_.transport.Send(options_.id, std::move(ready.messages));
      }
      QueueWrite(ready);
      if (!ready.committed.empty()) member_changes_.Look(*core_);
      undurable_.Committed(ready.committed, core_->persisted_index());
      for (raft::Entry& entry : ready.committed) {
        to_apply_.push_back(std::move(entry));
      }
      for (const raft::FetchRequest& fetch : ready.fetches) Fetch(fetch);
      HandleSnapshots(ready);
      for (const raft::ReadState& read : ready.reads) {
        if (read.index.has_value()) {
          reads_.Confirm(read.context, *read.index);
          continue;
        }
        for (QueryItem& item : reads_.Drop(read.context)) {
          HoldOrRefuse(std::move(item), Busy("no leader confirmed the read"));
        }
      }
    }
    DropWhilePaused();
    if (ApplyIsHeld() || to_apply_.empty() || !standing_.may_apply()) return;
    if (!FitsThisTurn()) break;
    ApplySome();
    if (Now() - turn_start_ns_ >= options_.turn_ns_max) break;
  }
  if (!to_apply_.empty() || core_->HasReady()) GoOnLater();
}

// What a tick, a message or a request brings is short, and done at once. A log
// that is replayed, or a large backlog, is applied in pieces, or a round of
// turns would be as long as a piece for each partition (P54).
bool Driver::FitsThisTurn() const {
  return is_piece_ ||
         (!piece_ahead_ && to_apply_.size() <= options_.turn_entries_max);
}

void Driver::GoOnLater() {
  if (std::exchange(piece_ahead_, true)) return;
  PostLater([this] {
    piece_ahead_ = false;
    is_piece_ = true;
  });
}

void Driver::QueueWrite(raft::Ready& ready) {
  if (!ready.persist.has_value()) {
    if (ready.messages_after_persist.empty()) return;
    if (writes_.empty()) {
      ports_.transport.Send(options_.id,
                            std::move(ready.messages_after_persist));
      return;
    }
    for (raft::Message& message : ready.messages_after_persist) {
      writes_.back().messages.push_back(std::move(message));
    }
    return;
  }
  writes_.push_back({.token = *ready.persist,
                     .messages = std::move(ready.messages_after_persist)});
  storage::LogWrite write;
  write.partition = options_.id;
  write.hard_state = ready.hard_state;
  write.entries = std::move(ready.entries);
  write.done = [self = shared_from_this()](absl::Status status) {
    auto& driver = static_cast<Driver&>(*self);
    driver.Post(
        [&driver, status = std::move(status)] { driver.WriteDone(status); });
  };
  ports_.store.Write(std::move(write));
}

// Writes complete in the order they were queued.
void Driver::WriteDone(absl::Status status) {
  CHECK(!writes_.empty());
  Write write = std::move(writes_.front());
  writes_.pop_front();
  if (!status.ok()) return FailOfDisk(std::move(status));
  if (standing_.has_failed()) return;
  core_->Persisted(write.token);
  undurable_.Durable(core_->persisted_index());
  // The vote, or the acknowledgement, may leave now: a crash from here on
  // cannot take back what it promises (P1, P25).
  if (!write.messages.empty()) {
    ports_.transport.Send(options_.id, std::move(write.messages));
  }
}

// Entries a follower needs and memory no longer has; the core never waits.
void Driver::Fetch(const raft::FetchRequest& request) {
  ports_.store.ReadEntries(
      options_.id, request.from, request.bytes_max,
      [self = shared_from_this(),
       request](absl::StatusOr<std::vector<raft::Entry>> entries) mutable {
        auto& driver = static_cast<Driver&>(*self);
        driver.Post([&driver, request, entries = std::move(entries)]() mutable {
          driver.core_->Fetched(request, std::move(entries));
        });
      });
}

void Driver::ApplySome() {
  raft::Index last;
  for (uint64_t count = 0; count < options_.turn_entries_max &&
                           !to_apply_.empty() && standing_.may_apply();
       ++count) {
    if (count % 16 == 15 && Now() - turn_start_ns_ >= options_.turn_ns_max) {
      break;
    }
    raft::Entry entry = std::move(to_apply_.front());
    to_apply_.pop_front();
    last = entry.index;
    ApplyOne(entry);
  }
  if (!standing_.may_apply()) return;
  core_->Applied(last);
  callers_.Handle(state_machine_->TakeEffects());
  if (replay_end_ != raft::Index{} && last >= replay_end_) {
    replay_end_ = raft::Index{};
    checkpointer_.set_replaying(false);
  }
  // What one entry was not allowed to finish goes on at once.
  if (core_->role() == raft::Role::kLeader) ProposeTick();
}

void Driver::ApplyOne(const raft::Entry& entry) {
  // The payload is what entered, bit for bit (D7).
  if (base::Crc32c(entry.bytes()) != entry.payload_crc) {
    return Fail(absl::DataLossError(absl::StrCat(
        "partition ", options_.id.value(), ": entry ", entry.index.value(),
        " changed in memory or on disk: its "
        "checksum does not match")));
  }
  session::LogEntry log_entry{.log_index = entry.index.value(),
                              .term = entry.term.value(),
                              .time_ns = entry.time_ns};
  if (entry.type == raft::EntryType::kConfChange) {
    absl::StatusOr<raft::Configuration> configuration =
        raft::DecodeConfiguration(entry.bytes());
    if (!configuration.ok()) return Fail(configuration.status());
    applied_configuration_ = *std::move(configuration);
    Tell(ReplicaEvent::Kind::kMembersChanged, raft::Index{});
  } else {
    log_entry.payload = entry.bytes();
  }
  session::Applied applied = Apply(log_entry);
  if (applied.outcome == session::Applied::Outcome::kCannotApply) {
    return Fail(absl::FailedPreconditionError(
        absl::StrCat("partition ", options_.id.value(), ": cannot apply entry ",
                     entry.index.value(), ": ", applied.message)));
  }
  checkpointer_.Applied(entry, applied_configuration_, last_now_ns_);

  // Whoever waited at a lower index was overwritten by another leader's
  // entries: it did not happen.
  while (!pending_.empty() && pending_.front().index <= entry.index) {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    pending_bytes_ -= pending.bytes;
    if (pending.index == entry.index && pending.term == entry.term) {
      Answer(std::move(pending.item), std::move(applied));
    } else {
      RefuseItem(std::move(pending.item),
                 Busy("another leader took over before it was replicated"));
    }
  }
}

}  // namespace partition
