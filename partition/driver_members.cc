// The driver's part of changes of members (member_changes.h).

#include <utility>

#include "partition/driver.h"
#include "partition/refusals.h"

namespace partition {

MemberChanges::Limits Driver::MemberLimits() const {
  return {.reachable_ticks = options_.raft.election_ticks,
          .round_ticks = options_.raft.election_ticks,
          .silent_ticks = static_cast<uint32_t>(options_.member_silent_ns /
                                                options_.raft.tick_ns)};
}

void Driver::ChangeMembers(MemberChange change, MembersDone done) {
  Post([this, change = std::move(change), done = std::move(done)]() mutable {
    // Paused it would not go on with it.
    if (!standing_.may_read()) {
      return std::move(done)(NotServing().status);
    }
    member_changes_.Begin(*core_, std::move(change), std::move(done));
  });
}

void Driver::HearOf(raft::ReplicaId leader) {
  Post([this, leader] { core_->HearOf(leader); });
}

void Driver::TickMembers() {
  member_changes_.Tick(*core_);
  if (member_changes_.log_must_grow()) ProposeTickNow();
}

}  // namespace partition
