#include "partition/image_receiver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace partition {
namespace {

// What a row costs beside key and value.
constexpr uint64_t kRowOverheadBytes = 64;
// Rows that are loaded between two looks at the clock.
constexpr size_t kRowsPerLook = 16;
// After a damaged image the next is tried so much later, doubled each time.
constexpr uint64_t kDamagedPauseNs = 1'000'000'000;
constexpr uint64_t kDamagedDoublingsMax = 6;

uint64_t BytesOf(const storage::ImageRow& row) {
  return row.key.size() + row.value.size() + kRowOverheadBytes;
}

}  // namespace

ImageReceiver::ImageReceiver(const Options& options, raft::ReplicaId self,
                             storage::LogStore& store,
                             const session::Registry& registry, Hooks hooks)
    : options_(options),
      self_(self),
      store_(store),
      registry_(registry),
      hooks_(std::move(hooks)) {}

// --- Beginning and end ------------------------------------------------------

void ImageReceiver::Offer(const raft::SnapshotInstall& install,
                          raft::Index applied) {
  if (stopped_) return;
  if (transfer_ != nullptr && transfer_->sealed) {
    // Offered again it is the same offer: refusing the first would refuse both,
    // and the core would not know the image that is installed then.
    if (next_.has_value() && next_->position != install.position) {
      hooks_.refused(next_->position);
    }
    next_ = install;
    return;
  }
  if (transfer_ != nullptr) {
    const raft::Position dropped = Drop(absl::AbortedError(absl::StrCat(
        "the one at ", install.position.index.value(), " is offered")));
    if (dropped != install.position) hooks_.refused(dropped);
  }
  if (install.position.index <= applied || hooks_.now_ns() < refuse_until_ns_) {
    return hooks_.refused(install.position);
  }
  Begin(install, /*keeps_log=*/false);
}

void ImageReceiver::Reseed(const raft::SnapshotInstall& install) {
  CHECK(transfer_ == nullptr);
  if (stopped_ || hooks_.now_ns() < refuse_until_ns_) return;
  Begin(install, /*keeps_log=*/true);
}

void ImageReceiver::Begin(const raft::SnapshotInstall& install,
                          bool keeps_log) {
  ++number_;
  transfer_ = std::make_unique<Transfer>();
  transfer_->install = install;
  transfer_->keeps_log = keeps_log;
  transfer_->generation = hooks_.generation() + 1;
  transfer_->state_machine = std::make_unique<session::StateMachine>(
      registry_, options_.limits, options_.apply_limits);
  transfer_->progress_ns = hooks_.now_ns();
  LOG(INFO) << "partition " << options_.id << ": installing the image at "
            << install.position.index << " of replica " << install.leader;
  Ask();
}

void ImageReceiver::GiveUp(const absl::Status& why) {
  hooks_.refused(Drop(why));
}

raft::Position ImageReceiver::Drop(const absl::Status& why) {
  CHECK(transfer_ != nullptr && !transfer_->sealed);
  const raft::Position position = transfer_->install.position;
  LOG(WARNING) << "partition " << options_.id << ": the image at "
               << position.index << " is not installed: " << why;
  if (transfer_->cleared) {
    storage::ImageBatch batch;
    batch.partition = options_.id;
    batch.generation = transfer_->generation;
    batch.clears_generation = true;
    // A failure shows at the next write.
    batch.done = [hold = hooks_.hold()](absl::Status) {};
    store_.WriteImage(std::move(batch));
  }
  FreeLater(std::move(transfer_->state_machine));
  ++number_;
  transfer_ = nullptr;
  return position;
}

void ImageReceiver::Stop() {
  stopped_ = true;
  ++number_;
  if (transfer_ != nullptr) FreeLater(std::move(transfer_->state_machine));
  transfer_ = nullptr;
  next_.reset();
}

// --- Asking -----------------------------------------------------------------

void ImageReceiver::Ask() {
  Transfer& transfer = *transfer_;
  if (transfer.asked || transfer.all_arrived) return;
  // Loading and the disk set the pace, whatever the network could do.
  if (transfer.rows_bytes + transfer.loaded_bytes + transfer.writing_bytes >
      options_.image_inflight_bytes) {
    return;
  }
  // What the rate allows up to the next tick may be asked for at once.
  if (ask_from_ns_ > hooks_.now_ns() + options_.raft.tick_ns) return;
  SendRequest();
}

void ImageReceiver::SendRequest() {
  transfer_->asked = true;
  transfer_->asked_ns = hooks_.now_ns();
  hooks_.send(ImageRequest{.from = self_,
                           .to = transfer_->install.leader,
                           .position = transfer_->install.position,
                           .after = transfer_->after,
                           .bytes_max = options_.image_chunk_bytes});
}

void ImageReceiver::Tick(raft::ReplicaId leader) {
  if (transfer_ == nullptr || transfer_->sealed) return;
  const uint64_t now = hooks_.now_ns();
  if (leader != transfer_->install.leader) {
    return GiveUp(absl::UnavailableError("its leader is lost"));
  }
  // While rows wait here it is not the leader who is slow (U19).
  if (!transfer_->rows.empty() || transfer_->writing_bytes > 0 ||
      transfer_->state_machine == nullptr) {
    transfer_->progress_ns = now;
  }
  if (now >= transfer_->progress_ns + options_.image_idle_ns) {
    return GiveUp(absl::DeadlineExceededError("its leader sends nothing"));
  }
  if (transfer_->asked) {
    if (now >= transfer_->asked_ns +
                   options_.image_retry_ticks * options_.raft.tick_ns) {
      SendRequest();
    }
    return;
  }
  Ask();
}

void ImageReceiver::Handle(ImageChunk chunk) {
  if (transfer_ == nullptr || transfer_->all_arrived) return;
  Transfer& transfer = *transfer_;
  if (chunk.to != self_ || chunk.from != transfer.install.leader ||
      chunk.position != transfer.install.position) {
    return;
  }
  if (chunk.gone) {
    return GiveUp(
        absl::UnavailableError("its leader does not have it any more"));
  }
  if (absl::Status known =
          transfer.state_machine->CanLoad(chunk.machine_version);
      !known.ok()) {
    GiveUp(known);
    return hooks_.unknown(std::move(known));
  }
  // Only the answer to the last question.
  if (!transfer.asked || chunk.after != transfer.after) return;
  if (chunk.rows.empty() && !chunk.last) return;

  const uint64_t now = hooks_.now_ns();
  uint64_t bytes = 0;
  for (storage::ImageRow& row : chunk.rows) {
    bytes += BytesOf(row);
    transfer.rows.push_back(std::move(row));
  }
  transfer.asked = false;
  transfer.progress_ns = now;
  transfer.rows_bytes += bytes;
  received_bytes_ += bytes;
  ask_from_ns_ = std::max(ask_from_ns_, now) +
                 bytes * 1'000'000'000 / options_.image_bytes_per_second;
  if (!transfer.rows.empty()) {
    transfer.after =
        ImageRowId{transfer.rows.back().table, transfer.rows.back().key};
  }
  if (chunk.last) {
    transfer.all_arrived = true;
    transfer.pointer = std::move(chunk.pointer);
  }
  PostLoad();
  Ask();
}

// --- Loading ----------------------------------------------------------------

void ImageReceiver::PostLoad() {
  if (transfer_->load_posted) return;
  transfer_->load_posted = true;
  hooks_.post([this, number = number_] {
    if (number != number_) return;
    transfer_->load_posted = false;
    Load();
  });
}

void ImageReceiver::Load() {
  if (transfer_->state_machine == nullptr) return;
  if (absl::Status loaded = LoadSlice(); !loaded.ok()) {
    return GiveUpDamaged(loaded);
  }
  WriteLoaded();
  if (!transfer_->rows.empty()) return PostLoad();
  if (!transfer_->all_arrived) return Ask();
  if (absl::Status right = CheckPointer(); !right.ok()) {
    return GiveUpDamaged(right);
  }
  Finish();
}

void ImageReceiver::GiveUpDamaged(const absl::Status& why) {
  // The same rows would come again, at full length: not at once.
  refuse_until_ns_ = hooks_.now_ns() + (kDamagedPauseNs << std::min(
                                            damaged_++, kDamagedDoublingsMax));
  GiveUp(why);
}

absl::Status ImageReceiver::LoadSlice() {
  Transfer& transfer = *transfer_;
  const uint64_t until_ns = hooks_.now_ns() + options_.turn_ns_max / 2;
  for (size_t count = 0; !transfer.rows.empty(); ++count) {
    if (count % kRowsPerLook == kRowsPerLook - 1 &&
        hooks_.now_ns() >= until_ns) {
      return absl::OkStatus();
    }
    storage::ImageRow row = std::move(transfer.rows.front());
    transfer.rows.pop_front();
    const uint64_t bytes = BytesOf(row);
    transfer.rows_bytes -= bytes;
    session::EncodedRow encoded{.table = session::TableId{row.table},
                                .key = std::move(row.key),
                                .checkpoint = row.checkpoint,
                                .erased = row.erased,
                                .value = std::move(row.value)};
    RETURN_IF_ERROR(transfer.state_machine->LoadRow(encoded));
    row.key = std::move(encoded.key);
    row.value = std::move(encoded.value);
    transfer.loaded.push_back(std::move(row));
    transfer.loaded_bytes += bytes;
  }
  return absl::OkStatus();
}

absl::Status ImageReceiver::CheckPointer() const {
  const storage::ImagePointer& pointer = transfer_->pointer;
  if (pointer.position != transfer_->install.position ||
      pointer.configuration != transfer_->install.configuration) {
    return absl::DataLossError("its pointer is not that of the offer");
  }
  return absl::OkStatus();
}

// All rows are loaded: whether they are the image. Before anything makes them
// visible (P37).
void ImageReceiver::Finish() {
  const storage::ImagePointer& pointer = transfer_->pointer;
  const session::ImageHeader header{.log_index = pointer.position.index.value(),
                                    .term = pointer.position.term.value(),
                                    .time_ns = pointer.position.time_ns,
                                    .command_index = pointer.command_index,
                                    .machine_version = pointer.machine_version,
                                    .checkpoint = pointer.checkpoint,
                                    .digest = pointer.digest};
  hooks_.load([this, number = number_, post = hooks_.post, hold = hooks_.hold(),
               header,
               state_machine = std::move(transfer_->state_machine)]() mutable {
    absl::Status loaded = state_machine->FinishLoad(header);
    post([this, number, loaded = std::move(loaded),
          state_machine = std::move(state_machine)]() mutable {
      if (number == number_) return Finished(std::move(state_machine), loaded);
      FreeLater(std::move(state_machine));  // Given up meanwhile.
    });
  });
}

void ImageReceiver::FreeLater(
    std::unique_ptr<session::StateMachine> state_machine) {
  if (state_machine == nullptr) return;
  hooks_.load([old = std::move(state_machine)] {});
}

void ImageReceiver::Finished(
    std::unique_ptr<session::StateMachine> state_machine,
    const absl::Status& loaded) {
  transfer_->state_machine = std::move(state_machine);
  if (!loaded.ok()) return GiveUpDamaged(loaded);
  transfer_->sealed = true;
  transfer_->pointer.generation = transfer_->generation;
  damaged_ = 0;
  hooks_.sealed();
  // Behind whatever the hook queued for the old generation.
  WriteLoaded();
}

// --- Writing ----------------------------------------------------------------

absl::AnyInvocable<void(absl::Status)> ImageReceiver::WhenWritten(
    std::function<void()> action) {
  return [this, number = number_, post = hooks_.post, hold = hooks_.hold(),
          action = std::move(action)](absl::Status status) {
    post([this, number, action, status = std::move(status)] {
      if (!status.ok()) return hooks_.failed(status);
      if (number == number_) action();
    });
  };
}

void ImageReceiver::WriteLoaded() {
  Transfer& transfer = *transfer_;
  // The last batch is written even if it is empty: its completion says that all
  // before it, the old generation's too, are done.
  if (transfer.loaded.empty() && !transfer.sealed) return;
  const uint64_t bytes = std::exchange(transfer.loaded_bytes, 0);
  storage::ImageBatch batch;
  batch.partition = options_.id;
  batch.generation = transfer.generation;
  batch.clears_generation = !std::exchange(transfer.cleared, true);
  batch.rows = std::exchange(transfer.loaded, {});
  transfer.writing_bytes += bytes;
  ++transfer.writes;
  batch.done = WhenWritten([this, bytes] {
    transfer_->writing_bytes -= bytes;
    --transfer_->writes;
    if (!transfer_->sealed) return Ask();
    if (transfer_->writes == 0) WritePointer();
  });
  store_.WriteImage(std::move(batch));
}

// In one write: the image, and nothing of the old one or, unless that is kept,
// of its log (P35, P38).
void ImageReceiver::WritePointer() {
  CHECK(!transfer_->pointer_queued);
  transfer_->pointer_queued = true;
  storage::LogWrite write;
  write.partition = options_.id;
  write.image = transfer_->pointer;
  write.keeps_log = transfer_->keeps_log;
  write.done = WhenWritten([this] { Installed(); });
  store_.Write(std::move(write));
}

void ImageReceiver::Installed() {
  const std::unique_ptr<Transfer> done = std::move(transfer_);
  ++number_;
  LOG(INFO) << "partition " << options_.id << ": installed the image at "
            << done->pointer.position.index;
  hooks_.installed(std::move(done->state_machine), done->pointer,
                   done->keeps_log);
  if (!next_.has_value()) return;
  const raft::SnapshotInstall next = *std::exchange(next_, std::nullopt);
  Offer(next, done->pointer.position.index);
}

}  // namespace partition
