#include "partition/standing.h"

#include <utility>

#include "base/check.h"
#include "partition/refusals.h"

namespace partition {

void Standing::Pause(PauseReason reason, std::string why) {
  CHECK(!is_paused());
  CHECK(reason != PauseReason::kNone);
  pause_reason_ = reason;
  paused_ = std::move(why);
  is_paused_.store(true);
}

void Standing::Resume() {
  CHECK(is_paused());
  pause_reason_ = PauseReason::kNone;
  paused_.clear();
  is_paused_.store(false);
}

void Standing::Fail(std::string problem) {
  CHECK(!has_failed());
  CHECK(!problem.empty());
  problem_ = std::move(problem);
  has_failed_.store(true);
}

Refusal Standing::WhyNotReading(Outcome outcome) const {
  CHECK(!may_read());
  if (has_failed()) return OutOfService(id_, problem_, outcome);
  if (is_stopped_) return Stopped(outcome);
  return OutOfService(id_, paused_, outcome);
}

Refusal Standing::WhyHeldBack() const {
  CHECK(is_held_back());
  return disk_is_low_ ? DiskLow(id_, *disk_)
                      : DiskBehind(id_, undurable_.bytes());
}

Refusal Standing::Stopped(Outcome outcome) const {
  return is_removed_.load() ? NotHere(id_, outcome) : ShuttingDown(outcome);
}

}  // namespace partition
