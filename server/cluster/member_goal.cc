#include "server/cluster/member_goal.h"

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace server::cluster {
namespace {

namespace admin = ::multiraft::admin::v1;

// One at a time holds it: a call under way, or the timer.
class Pursuit : public std::enable_shared_from_this<Pursuit> {
 public:
  Pursuit(MemberGoal goal, PeerCalls& calls, partition::Executor& timer,
          absl::AnyInvocable<void(absl::Status) &&> done)
      : goal_(std::move(goal)),
        calls_(calls),
        timer_(timer),
        done_(std::move(done)) {
    CHECK(!goal_.addresses.empty());
  }

  void Next() {
    if (step_ == goal_.steps.size()) {
      return std::move(done_)(absl::OkStatus());
    }
    const std::string& address = goal_.addresses[address_];
    calls_.ChangeMembers(
        address, goal_.steps[step_], goal_.step_timeout_ns,
        [self = shared_from_this()](
            const absl::StatusOr<admin::ChangeMembersResponse>& answer) {
          self->Answered(answer.status());
        });
  }

 private:
  bool GoesOn() const {
    return goal_.is_wanted != nullptr ? goal_.is_wanted()
                                      : waited_ns_ < goal_.give_up_ns;
  }

  void Answered(const absl::Status& status) {
    if (status.ok()) {
      ++step_;
      waited_ns_ = 0;
      return Next();
    }
    // It does not lead it, has no replica of it, or is down.
    if (!absl::IsUnavailable(status)) return std::move(done_)(status);
    absl::StrAppend(&problems_, problems_.empty() ? "" : "; ",
                    goal_.addresses[address_], ": ", status.message());
    if (++address_ < goal_.addresses.size()) return Next();
    address_ = 0;
    const std::string waits_for =
        absl::StrCat("nobody is known to lead the group: ", problems_);
    if (!GoesOn()) return std::move(done_)(absl::UnavailableError(waits_for));
    if (goal_.on_wait != nullptr) goal_.on_wait(waits_for);
    problems_.clear();
    waited_ns_ += goal_.again_ns;
    timer_.PostAfter(goal_.again_ns,
                     [self = shared_from_this()] { self->Next(); });
  }

  const MemberGoal goal_;
  PeerCalls& calls_;
  partition::Executor& timer_;
  absl::AnyInvocable<void(absl::Status) &&> done_;

  size_t step_ = 0;
  size_t address_ = 0;
  uint64_t waited_ns_ = 0;  // Since something was done.
  std::string problems_;    // Of this round.
};

}  // namespace

void Pursue(MemberGoal goal, PeerCalls& calls, partition::Executor& timer,
            absl::AnyInvocable<void(absl::Status) &&> done) {
  std::make_shared<Pursuit>(std::move(goal), calls, timer, std::move(done))
      ->Next();
}

}  // namespace server::cluster
