// The driver's part in images: what the core offers and is offered, and the
// moment when an installed one takes the place of the state.

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "partition/driver.h"

namespace partition {
namespace {

ReplicaEvent::Kind KindOf(ImageSender::Stage stage) {
  switch (stage) {
    case ImageSender::Stage::kStarted:
      return ReplicaEvent::Kind::kImageSendStarted;
    case ImageSender::Stage::kCompleted:
      return ReplicaEvent::Kind::kImageSendCompleted;
    case ImageSender::Stage::kAborted:
      break;
  }
  return ReplicaEvent::Kind::kImageSendAborted;
}

}  // namespace

ImageSender::Hooks Driver::SenderHooks() {
  return {
      .post = [this](TaskItem task) { PostLater(std::move(task)); },
      .hold = [this] { return Hold(); },
      .send =
          [this](ImageMessage message) {
            ports_.transport.SendImage(options_.id, std::move(message));
          },
      .failed =
          [this](raft::ReplicaId follower, raft::Index image) {
            core_->SnapshotSent(follower, image, /*delivered=*/false);
          },
      .damaged =
          [this](const absl::Status& why, std::optional<uint64_t> generation) {
            ImageDamaged(why, generation);
          },
      .told = [this](
                  ImageSender::Stage stage, raft::ReplicaId follower,
                  raft::Index image) { Tell(KindOf(stage), image, follower); },
  };
}

ImageReceiver::Hooks Driver::ReceiverHooks() {
  return {
      .post = [this](TaskItem task) { PostLater(std::move(task)); },
      .hold = [this] { return Hold(); },
      .load = [this](TaskItem task) { Load(std::move(task)); },
      .now_ns = [this] { return Now(); },
      .send =
          [this](ImageMessage message) {
            ports_.transport.SendImage(options_.id, std::move(message));
          },
      .generation = [this] { return checkpointer_.newest_generation(); },
      .sealed = [this] { checkpointer_.Abandon(); },
      .installed =
          [this](std::unique_ptr<session::StateMachine> state_machine,
                 const storage::ImagePointer& image, bool keeps_log) {
            if (keeps_log) return Reseeded(std::move(state_machine), image);
            ImageInstalled(std::move(state_machine), image);
          },
      .refused =
          [this](const raft::Position& image) {
            core_->SnapshotInstalled(image, /*installed=*/false);
          },
      .unknown =
          [this](absl::Status status) {
            Fail(absl::FailedPreconditionError(absl::StrCat(
                "partition ", options_.id.value(), ": ", status.message())));
          },
      .failed = [this](absl::Status status) { FailOfDisk(std::move(status)); },
  };
}

void Driver::HandleSnapshots(const raft::Ready& ready) {
  for (const raft::SnapshotSend& send : ready.snapshot_sends) SendImage(send);
  if (ready.snapshot_install.has_value()) {
    image_receiver_.Offer(*ready.snapshot_install,
                          raft::Index{state_machine_->applied_log_index()});
  }
}

void Driver::SendImage(const raft::SnapshotSend& send) {
  // A newer image may become durable before this one is pinned, and take the
  // log behind this one with it: the core offers that one next (U18). So it
  // does when there is too much log behind this one, or when it is damaged. And
  // from a state that is wrong nobody gets any (P37).
  const bool damaged = !image_damage_.empty();
  if (checkpointer_.is_pointer_queued() || damaged || standing_.is_paused() ||
      write_pacer_.IsTooMuch(LogBehind(send.position.index))) {
    core_->SnapshotSent(send.follower, send.position.index,
                        /*delivered=*/false);
    // Another leader may have one for it.
    if (damaged) transfers_.Suggest(*core_);
    return;
  }
  image_sender_.Start(send, Now());
}

// What is in memory is right as far as anybody knows, and its log, too: so this
// replica serves on. The next checkpoint writes all of it again, elsewhere:
// what cannot be read is not read any more, and goes.
void Driver::ImageDamaged(const absl::Status& why,
                          std::optional<uint64_t> generation) {
  const uint64_t present = checkpointer_.image().generation;
  // One that is received takes its place anyway.
  if (!image_damage_.empty() || image_receiver_.is_receiving() ||
      generation.value_or(present) < present) {
    return;
  }
  image_damage_ = absl::StrCat(
      "the image on this disk is damaged, and no member gets it until it is "
      "written anew: ",
      why.message());
  LOG(ERROR) << "partition " << options_.id << " term " << core_->term() << ": "
             << image_damage_;
  checkpointer_.Rewrite();
  ProposeCheckpoint();
  transfers_.Suggest(*core_);
}

void Driver::ImageDurable(raft::Index index) {
  if (image_damage_.empty() || checkpointer_.is_rewriting()) return;
  image_damage_.clear();
  LOG(WARNING) << "partition " << options_.id << ": the image at " << index
               << " was written anew completely";
}

void Driver::StepImage(ImageMessage message) {
  Post([this, message = std::move(message)]() mutable {
    if (standing_.has_ended()) return;
    if (auto* chunk = std::get_if<ImageChunk>(&message)) {
      if (standing_.disk_is_low()) return;  // It is asked for again.
      return image_receiver_.Handle(std::move(*chunk));
    }
    const auto& request = std::get<ImageRequest>(message);
    if (request.to == self_) image_sender_.Handle(request, Now());
  });
}

void Driver::TickImages() {
  image_receiver_.Tick(core_->leader());
  image_sender_.Tick(core_->followers(), Now());
  uint64_t behind = 0;
  while (const auto oldest = image_sender_.oldest_image()) {
    behind = LogBehind(*oldest);
    if (!write_pacer_.IsTooMuch(behind)) break;
    image_sender_.FailOldest(absl::ResourceExhaustedError(
        absl::StrCat(behind, " bytes of log have gathered behind it (U18)")));
    behind = 0;
  }
  write_pacer_.Tick(behind, image_sender_.sent_bytes(), Now());
}

void Driver::StopImages() {
  image_sender_.EndAll();
  image_receiver_.Stop();
  replayer_.Stop();
}

LogNeeds Driver::NeedsOfLog() const {
  return NeedsOf(core_->followers(), image_sender_.oldest_image(),
                 options_.log_behind_ns_max / options_.raft.tick_ns);
}

uint64_t Driver::LogBehind(raft::Index image) const {
  return checkpointer_.log_bytes_behind(image);
}

// The image is durable: all that was known of the log and of the state is over.
void Driver::ImageInstalled(
    std::unique_ptr<session::StateMachine> state_machine,
    const storage::ImagePointer& image) {
  // No leader sends an image to itself, and who follows has nothing proposed.
  CHECK(pending_.empty());
  CHECK(to_apply_.empty() || to_apply_.back().index < image.position.index);
  to_apply_.clear();
  replayer_.Stop();
  undurable_.Durable(image.position.index);
  replay_end_ = raft::Index{};
  const raft::Configuration before =
      std::exchange(applied_configuration_, image.configuration);
  image_damage_.clear();
  state_damage_.clear();
  checkpointer_.Installed(*state_machine, image);
  callers_.Replace(*state_machine);
  std::swap(state_machine_, state_machine);
  core_->SnapshotInstalled(image.position, /*installed=*/true);
  TellInstalled(image.position.index, before);
  divergence_.Forget();
  if (standing_.is_paused()) Resume();
  ReportImage();
  Load([old = std::move(state_machine)] {});
}

void Driver::Load(TaskItem task) {
  if (ports_.loader == nullptr) return task();
  ports_.loader->Post(std::move(task));
}

}  // namespace partition
