#include "partition/checkpointer.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/check.h"

namespace partition {
namespace {

// What an entry costs on disk beside its payload: key and header.
constexpr uint64_t kEntryOverheadBytes = 60;
// What one task removes of a replaced image.
constexpr size_t kCleanSliceRows = 4096;

storage::ImageRow ToStorage(session::EncodedRow row) {
  return {.table = static_cast<uint16_t>(row.table),
          .key = std::move(row.key),
          .checkpoint = row.checkpoint,
          .erased = row.erased,
          .value = std::move(row.value)};
}

uint64_t BytesOf(const std::vector<session::EncodedRow>& rows) {
  uint64_t bytes = 0;
  for (const session::EncodedRow& row : rows) {
    bytes += row.key.size() + row.value.size() + kEntryOverheadBytes;
  }
  return bytes;
}

}  // namespace

Checkpointer::Checkpointer(const Options& options,
                           session::StateMachine& state_machine,
                           storage::LogStore& store,
                           const storage::ImagePointer& image,
                           raft::Index first_index, Hooks hooks)
    : options_(options),
      state_machine_(&state_machine),
      store_(store),
      hooks_(std::move(hooks)),
      image_(image),
      log_(options, image.position.index, first_index) {}

void Checkpointer::Applied(const raft::Entry& entry,
                           const raft::Configuration& configuration,
                           uint64_t now_ns) {
  if (abandoned_) return;
  const uint64_t bytes = entry.bytes().size() + kEntryOverheadBytes;
  log_.Add(entry.index, bytes);
  log_bytes_since_ += bytes;
  if (!changed_since_) {
    // The interval runs from the first change: an idle partition writes
    // nothing.
    changed_since_ = true;
    last_ns_ = now_ns;
  }

  if (cut_.has_value() || !state_machine_->writing_checkpoint()) return;
  const bool is_whole = state_machine_->cut_is_whole();
  cut_ = Cut{.position = raft::PositionOf(entry),
             .configuration = configuration,
             .generation = image_.generation + (is_whole ? 1 : 0)};
  log_bytes_since_ = 0;
  changed_since_ = false;
  Continue();
}

bool Checkpointer::IsDue(uint64_t now_ns) const {
  if (cut_.has_value() || abandoned_) return false;
  if (rewriting_ && !is_replaying_) return true;
  if (!changed_since_) return false;
  return log_bytes_since_ >= options_.checkpoint_log_bytes ||
         state_machine_->dirty_bytes() >= options_.checkpoint_dirty_bytes ||
         (state_machine_->dirty_rows() > 0 &&
          now_ns - last_ns_ >= options_.checkpoint_interval_ns);
}

void Checkpointer::set_replaying(bool replaying) {
  is_replaying_ = replaying;
  HoldCuts();
}

void Checkpointer::HoldCuts() {
  state_machine_->set_hold_checkpoints(is_cleaning_ || is_replaying_);
}

void Checkpointer::Rewrite() {
  CHECK(!rewriting_);
  if (abandoned_ || stopped_) return;  // What is installed replaces it.
  rewriting_ = true;
  state_machine_->RewriteImage();
  // An install that was broken off may have left rows there.
  storage::ImageBatch batch;
  batch.partition = options_.id;
  batch.generation = newest_generation();
  batch.clears_generation = true;
  batch.done = WhenWritten([] {});
  store_.WriteImage(std::move(batch));
}

// One slice of encoding; the next comes in a task of its own, so that commands
// run in between.
void Checkpointer::Continue() {
  if (stopped_ || !cut_.has_value() || cut_->pointer_queued) return;
  if (cut_->encoded) {
    if (inflight_bytes_ == 0) WritePointer();
    return;
  }
  if (inflight_bytes_ >= options_.checkpoint_inflight_bytes) return;

  std::vector<session::EncodedRow> rows;
  cut_->encoded = state_machine_->EncodeSlice(
      options_.checkpoint_slice_rows, options_.checkpoint_slice_bytes, rows);
  if (cut_->encoded) {
    hooks_.summed(cut_->position.index, state_machine_->image_header());
  }
  if (!rows.empty()) {
    const uint64_t bytes = BytesOf(rows);
    inflight_bytes_ += bytes;
    storage::ImageBatch batch;
    batch.partition = options_.id;
    batch.generation = cut_->generation;
    batch.rows.reserve(rows.size());
    for (session::EncodedRow& row : rows) {
      batch.rows.push_back(ToStorage(std::move(row)));
    }
    batch.done = WhenWritten([this, bytes] {
      inflight_bytes_ -= bytes;
      Continue();
    });
    store_.WriteImage(std::move(batch));
  }
  if (cut_->encoded && inflight_bytes_ == 0) return WritePointer();
  if (continue_posted_) return;
  continue_posted_ = true;
  hooks_.post([this] {
    continue_posted_ = false;
    Continue();
  });
}

void Checkpointer::WritePointer() {
  cut_->pointer_queued = true;
  const session::ImageHeader& header = state_machine_->image_header();
  CHECK_EQ(header.log_index, cut_->position.index.value());
  storage::ImagePointer pointer{.position = cut_->position,
                                .command_index = header.command_index,
                                .configuration = cut_->configuration,
                                .generation = cut_->generation,
                                .checkpoint = header.checkpoint,
                                .machine_version = header.machine_version,
                                .digest = header.digest};
  const raft::Index target =
      log_.Target(pointer.position.index, hooks_.needs());
  std::optional<raft::Index> trim_below;
  if (target > log_.first_index()) trim_below = target;
  cut_->pointer = pointer;

  storage::LogWrite write;
  write.partition = options_.id;
  write.image = pointer;
  write.keeps_log = pointer.generation != image_.generation;
  write.trim_below = trim_below;
  write.done = WhenWritten(
      [this, pointer, trim_below] { PointerDurable(pointer, trim_below); });
  store_.Write(std::move(write));
}

absl::AnyInvocable<void(absl::Status)> Checkpointer::WhenWritten(
    std::function<void()> action) {
  return [this, life = life_, post = hooks_.post, hold = hooks_.hold(),
          action = std::move(action)](absl::Status status) {
    post([this, life, action, status = std::move(status)] {
      if (!status.ok()) return hooks_.failed(status);
      if (life == life_) action();
    });
  };
}

void Checkpointer::PointerDurable(const storage::ImagePointer& pointer,
                                  std::optional<raft::Index> trim_below) {
  replaced_ = image_.position.index;
  if (pointer.generation != image_.generation) rewriting_ = false;
  image_ = pointer;
  if (trim_below.has_value()) log_.Trimmed(*trim_below);
  hooks_.durable(image_.position, image_.configuration, log_.first_index());
  // Another cut may begin when the last of it is handed over: what replaces a
  // version must come behind its removal.
  obsolete_ = state_machine_->ImageDurable();
  is_cleaning_ = true;
  HoldCuts();
  Clean();
}

void Checkpointer::Clean() {
  if (stopped_) return;
  storage::ImageBatch batch;
  batch.partition = options_.id;
  batch.generation = image_.generation;
  std::deque<session::ObsoleteVersion>& versions = obsolete_.versions;
  const size_t count = std::min(versions.size(), kCleanSliceRows);
  batch.obsolete.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    session::ObsoleteVersion& version = versions.front();
    batch.obsolete.push_back({.table = static_cast<uint16_t>(version.table),
                              .key = std::move(version.key),
                              .checkpoint = version.checkpoint});
    versions.pop_front();
  }
  if (!versions.empty()) {
    hooks_.post([this, life = life_] {
      if (life == life_) Clean();
    });
  } else {
    for (session::ObsoleteRange& range : obsolete_.ranges) {
      batch.obsolete_prefixes.push_back(
          {.table = static_cast<uint16_t>(range.table),
           .prefix = std::move(range.prefix)});
    }
    obsolete_ = {};
    cut_.reset();
    is_cleaning_ = false;
    HoldCuts();
    if (replaced_ != raft::Index{}) hooks_.replaced(replaced_);
  }
  if (batch.obsolete.empty() && batch.obsolete_prefixes.empty()) return;
  batch.done = WhenWritten([] {});
  store_.WriteImage(std::move(batch));
}

void Checkpointer::Abandon() {
  abandoned_ = true;
  ++life_;
  if (is_pointer_queued()) image_ = cut_->pointer;
  cut_.reset();
  obsolete_ = {};
  inflight_bytes_ = 0;
}

void Checkpointer::Installed(session::StateMachine& state_machine,
                             const storage::ImagePointer& image) {
  CHECK(abandoned_);
  abandoned_ = false;
  state_machine_ = &state_machine;
  is_cleaning_ = is_replaying_ = rewriting_ = false;
  image_ = image;
  log_.Reset(image.position.index + 1);
  log_bytes_since_ = 0;
  changed_since_ = false;
}

}  // namespace partition
