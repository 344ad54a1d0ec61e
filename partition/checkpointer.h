// Checkpointer turns the frozen cut of a state machine into a durable image:
// slices of rows, written without sync, then the pointer, synced. It also says
// when the next checkpoint is due and how much log may go behind it.
//
// Crash safety: rows are invisible until the pointer is durable (D2), the log
// is trimmed only in the same write as the pointer or later (D3, P35), and
// replaced versions are removed only after it.
//
// Not thread-safe: used on its partition's executor; completions of the store
// come back through `post`.

#ifndef PARTITION_CHECKPOINTER_H_
#define PARTITION_CHECKPOINTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "partition/log_retention.h"
#include "partition/partition.h"
#include "raft/configuration.h"
#include "raft/types.h"
#include "session/state_machine.h"
#include "storage/log_store.h"

namespace partition {

class Checkpointer {
 public:
  struct Hooks {
    // Runs a task, a piece of long work, in a later turn of the partition.
    // Thread-safe.
    std::function<void(absl::AnyInvocable<void()>)> post;
    // What a completion that the store gets keeps: all that it refers to.
    std::function<std::shared_ptr<const void>()> hold;
    // The cut at `index` is encoded, so its sums are known.
    std::function<void(raft::Index index, const session::ImageHeader& header)>
        summed;
    // The image at `position` is durable; the log on disk begins at `first`.
    std::function<void(const raft::Position& position,
                       const raft::Configuration& configuration,
                       raft::Index first)>
        durable;
    // What the durable image has replaced of the one at `index` is removed.
    std::function<void(raft::Index index)> replaced;
    // What others need of the log.
    std::function<LogNeeds()> needs;
    // A write failed: this replica is fenced.
    std::function<void(absl::Status)> failed;
  };

  // `image` and `first_index` are what the store holds at start. The references
  // outlive this.
  Checkpointer(const Options& options, session::StateMachine& state_machine,
               storage::LogStore& store, const storage::ImagePointer& image,
               raft::Index first_index, Hooks hooks);

  // `entry` was applied under `configuration`. Starts writing if it froze a
  // cut.
  void Applied(const raft::Entry& entry,
               const raft::Configuration& configuration, uint64_t now_ns);

  // The leader should propose a Checkpoint entry.
  bool IsDue(uint64_t now_ns) const;

  // The log is applied again up to where it once was: the cuts that are met
  // merge into the first one behind it, as they do while this one still writes.
  void set_replaying(bool replaying);

  // The image on disk is damaged: the next cut is the whole state, and becomes
  // an image of the next generation, beside the damaged one and in place of it.
  // REQUIRES: !is_rewriting(), and no image is being received.
  void Rewrite();
  bool is_rewriting() const { return rewriting_; }

  // Writes nothing any more: what is under way is left to the next start.
  void Stop() { stopped_ = true; }

  // --- When another image is installed --------------------------------------

  // It will be, so the present one is written no further; image() is the last
  // one whose pointer was queued.
  void Abandon();
  // It is, and loaded into `state_machine`, which outlives this or the next
  // call, and is not replaying. REQUIRES: Abandon was called.
  void Installed(session::StateMachine& state_machine,
                 const storage::ImagePointer& image);

  // A newer image is on its way to be image(), and log may go with it.
  bool is_pointer_queued() const {
    return cut_.has_value() && cut_->pointer_queued;
  }

  // A cut is being written.
  bool is_writing() const { return cut_.has_value(); }

  const storage::ImagePointer& image() const { return image_; }
  // Above it there are no rows of any image, and will not be any from here.
  uint64_t newest_generation() const {
    return image_.generation + (rewriting_ ? 1 : 0);
  }
  uint64_t log_bytes_behind(raft::Index index) const {
    return log_.bytes_behind(index);
  }

 private:
  // The cut being written.
  struct Cut {
    raft::Position position;
    raft::Configuration configuration;
    uint64_t generation = 0;
    bool encoded = false;
    bool pointer_queued = false;
    storage::ImagePointer pointer;  // If pointer_queued.
  };

  // Tells the state machine whether it may begin a cut.
  void HoldCuts();
  void Continue();
  void WritePointer();
  void PointerDurable(const storage::ImagePointer& pointer,
                      std::optional<raft::Index> trim_below);
  // Hands the store a slice of what no reader needs any more; all of it before
  // the first row of the next cut.
  void Clean();
  // Runs `action` with the status of a write in a later turn, unless the image
  // that it was for is abandoned then.
  absl::AnyInvocable<void(absl::Status)> WhenWritten(
      std::function<void()> action);

  const Options& options_;
  session::StateMachine* state_machine_;
  storage::LogStore& store_;
  const Hooks hooks_;

  storage::ImagePointer image_;
  uint64_t life_ = 0;  // Of images: grows when one is abandoned.
  bool abandoned_ = false;
  bool rewriting_ = false;  // Until the image is durable.
  std::optional<Cut> cut_;
  session::TableSet::Obsolete obsolete_;  // What is left of the last image's.
  raft::Index replaced_;                  // That one; 0: there was none.
  // Why no cut may begin.
  bool is_cleaning_ = false;  // The last one is not over.
  bool is_replaying_ = false;
  bool stopped_ = false;
  uint64_t inflight_bytes_ = 0;
  bool continue_posted_ = false;

  LogRetention log_;
  uint64_t log_bytes_since_ = 0;
  uint64_t last_ns_ = 0;
  bool changed_since_ = false;
};

}  // namespace partition

#endif  // PARTITION_CHECKPOINTER_H_
