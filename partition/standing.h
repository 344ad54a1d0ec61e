// Standing is what a replica may do, apart from its role: the facts that stand
// against it, and the questions that they decide. A driver asks it, and looks
// at the facts by themselves only to say which one it was.
//
//              may lead   may propose   may apply   may read
//   held back     no          no           yes        yes
//   retired       no          yes          yes        yes
//   paused        no          no           no         no
//   stopped       no          no           yes        no
//   failed        no          no           no         no
//
// Whatever stands against it, a replica that has not failed votes, and keeps
// and acknowledges entries (while its disk is low: no entries).
//
// Used on its partition's executor, except what says "any thread".

#ifndef PARTITION_STANDING_H_
#define PARTITION_STANDING_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "base/ids.h"
#include "partition/caller.h"
#include "partition/disk_gate.h"
#include "partition/undurable.h"

namespace partition {

// Why a replica is paused: it applies and serves nothing, and does not lead.
enum class PauseReason : uint8_t {
  kNone,
  kDiverged,     // Its state is not that of the majority.
  kQuarantined,  // An entry ended the process.
};

class Standing {
 public:
  // `disk` may be null: there is always space. Both outlive this.
  Standing(base::PartitionId id, const DiskGate* disk,
           const Undurable& undurable)
      : id_(id), disk_(disk), undurable_(undurable) {}

  // --- What happens to it ---------------------------------------------------

  // A turn begins: during it the disk is low or not, whatever happens.
  void LookAtDisk() { disk_is_low_ = disk_ != nullptr && disk_->is_low(); }
  // For good: somebody else had better lead.
  void Retire() { is_retired_ = true; }
  // REQUIRES: !is_paused(), and a reason; `why` is for people.
  void Pause(PauseReason reason, std::string why);
  // REQUIRES: is_paused().
  void Resume();
  // For good. REQUIRES: !has_failed(), and a problem.
  void Fail(std::string problem);
  // For good. Any thread, before Stop: what is refused from now on hears that
  // the partition is not here, and not that the node stops.
  void Remove() { is_removed_.store(true); }
  void Stop() { is_stopped_ = true; }

  // --- What it may do -------------------------------------------------------

  bool may_lead() const {
    return !is_held_back() && !is_retired_ && may_read();
  }
  // Add to the log, if it leads.
  bool may_propose() const { return !is_held_back() && may_read(); }
  bool may_apply() const { return !has_failed() && !is_paused(); }
  // Answer from its state, if the leader confirms the moment.
  bool may_read() const { return may_apply() && !is_stopped_; }

  // --- Which fact it is -----------------------------------------------------

  bool has_failed() const { return has_failed_.load(); }  // Any thread.
  bool is_paused() const { return is_paused_.load(); }    // Any thread.
  PauseReason pause_reason() const { return pause_reason_; }
  bool is_stopped() const { return is_stopped_; }
  // Nothing can be asked of it any more.
  bool has_ended() const { return is_stopped_ || has_failed(); }
  bool disk_is_low() const { return disk_is_low_; }
  // Nothing may be added to the log here, and somebody else had better lead.
  bool is_held_back() const { return disk_is_low_ || undurable_.is_full(); }

  // --- In words -------------------------------------------------------------

  // Why there are no answers. REQUIRES: !may_read().
  Refusal WhyNotReading(Outcome outcome) const;
  // REQUIRES: is_held_back().
  Refusal WhyHeldBack() const;
  // What comes after Stop hears this. Any thread.
  Refusal Stopped(Outcome outcome) const;
  // Why it failed or is paused; empty: neither.
  const std::string& problem() const {
    return problem_.empty() ? paused_ : problem_;
  }

 private:
  const base::PartitionId id_;  // Constant after construction.
  const DiskGate* const disk_;

  std::atomic<bool> is_removed_{false};  // Written before Stop.
  std::atomic<bool> has_failed_{false};  // Written on the executor.
  std::atomic<bool> is_paused_{false};   // Written on the executor.

  // On the executor only.
  const Undurable& undurable_;
  bool disk_is_low_ = false;
  bool is_retired_ = false;
  bool is_stopped_ = false;
  PauseReason pause_reason_ = PauseReason::kNone;  // Not so: is_paused_.
  std::string paused_;                             // Empty: !is_paused_.
  std::string problem_;                            // Empty: !has_failed_.
};

}  // namespace partition

#endif  // PARTITION_STANDING_H_
