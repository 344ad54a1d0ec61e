// The driver's part in what replicas tell each other by notes.

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "multiraft/disk/v1/command.pb.h"
#include "partition/driver.h"

namespace partition {

void Driver::StepNote(Note note) {
  Post([this, note = std::move(note)]() mutable {
    if (!started_ || standing_.has_ended() || note.to != self_) return;
    std::visit([&](const auto& body) { Handle(note.from, body); }, note.body);
  });
}

void Driver::SendNotes(std::vector<Note> notes) {
  for (Note& note : notes) {
    ports_.transport.SendNote(options_.id, std::move(note));
  }
}

// --- Versions ---------------------------------------------------------------

void Driver::TickVersions() {
  if (core_->role() != raft::Role::kLeader || !core_->committed_in_term() ||
      standing_.is_paused()) {
    return versions_.NotLeading();
  }
  std::vector<Note> notes;
  const std::optional<uint32_t> version =
      versions_.Tick(core_->term(), core_->configuration(),
                     state_machine_->machine_version(), notes);
  SendNotes(std::move(notes));
  if (!version.has_value()) return;
  multiraft::disk::v1::Command command;
  command.mutable_set_version()->set_machine_version(*version);
  ProposeInternal(command.SerializeAsString(), version_in_flight_);
}

void Driver::Handle(raft::ReplicaId from, const VersionAsked& asked) {
  SendNotes({{.from = self_, .to = from, .body = versions_.Answer(asked)}});
}

void Driver::Handle(raft::ReplicaId from, const ServesNothing&) {
  // Until it has not said so three times.
  transfers_.Spare(from, static_cast<uint32_t>(3 * options_.image_retry_ticks));
}

void Driver::Handle(raft::ReplicaId from, const VersionKnown& known) {
  versions_.Handle(from, known);
}

}  // namespace partition
