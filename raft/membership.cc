// Configuration changes (thesis chapter 4): in force when appended, one at a
// time, through joint consensus unless at most one voter comes or goes.

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {

absl::StatusOr<Index> Raft::Impl::ProposeConfChange(
    const Configuration& target) {
  if (!is_leader() || transferee_ != ReplicaId{0}) {
    return absl::UnavailableError(
        is_leader()
            ? "leadership is being transferred"
            : absl::StrCat("replica ", config_.self.value(), " does not lead"));
  }
  RETURN_IF_ERROR(ValidateConfiguration(target));
  if (target.is_joint()) {
    return absl::InvalidArgumentError("the target is a joint configuration");
  }
  // P43; without an entry of this term the change before may be uncommitted
  // and unknown (thesis 4.1, and its later correction).
  if (configuration().is_joint() ||
      configurations_.current_index() > log_.commit_index()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the configuration change at index ",
        configurations_.current_index().value(), " is still under way"));
  }
  if (!committed_in_term()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no entry of term ", term_.value(), " is committed yet"));
  }
  return AppendConfiguration(StepTowards(configuration(), target));
}

Index Raft::Impl::AppendConfiguration(const Configuration& configuration) {
  auto payload =
      std::make_shared<const std::string>(EncodeConfiguration(configuration));
  const uint32_t crc = base::Crc32c(*payload);
  AppendOwn(EntryType::kConfChange, std::move(payload), crc);
  configurations_.Append(log_.last_index(), configuration);
  OnConfigurationChanged();
  return log_.last_index();
}

void Raft::Impl::OnConfigurationChanged() {
  configuration_changed_ = true;
  if (is_leader()) TrackFollowers();
}

// Followers come and go with the configuration. A new learner is not spoken to
// before the entry that adds it is committed: it would be made on its node
// under a name that another entry at that index may give to somebody else.
void Raft::Impl::TrackFollowers() {
  const std::vector<ReplicaId> committed =
      ReplicasOf(configurations_.At(log_.commit_index()));
  learner_waits_ = false;
  std::map<ReplicaId, Progress> tracked;
  for (const ReplicaId replica : ReplicasOf(configuration())) {
    if (replica == config_.self) continue;
    if (!configuration().IsVoter(replica) &&
        std::count(committed.begin(), committed.end(), replica) == 0) {
      learner_waits_ = true;
      continue;
    }
    auto node = progress_.extract(replica);
    if (!node.empty()) {
      tracked.insert(std::move(node));
      continue;
    }
    const Inflights window(config_.inflight_messages_max,
                           config_.inflight_bytes_max);
    Progress& progress =
        tracked.emplace(replica, Progress(log_.last_index(), window))
            .first->second;
    // It had no chance yet to be heard from.
    progress.active = true;
  }
  progress_ = std::move(tracked);
  std::erase_if(offers_, [this](const auto& offer) {
    return FindProgress(offer.first) == nullptr;
  });
  appends_due_ = !progress_.empty();
  if (!configuration().IsVoter(transferee_)) transferee_ = ReplicaId{0};
}

// Whether `replica` was a member once and is none now. It was added by the
// entry that it is called after, or at the beginning; so if that much is
// committed and the newest committed configuration lacks it, it was removed
// since, and never comes back.
bool Raft::Impl::IsRemoved(ReplicaId replica) const {
  const Configuration& committed = configurations_.At(log_.commit_index());
  return replica.value() <= log_.commit_index().value() &&
         committed.FindMember(replica) == nullptr &&
         configuration().FindMember(replica) == nullptr &&
         !committed.members.empty();
}

// Believed only from somebody who was asked, about a configuration that is
// newer than all that this replica knows to be committed: nothing contradicts
// that. What its log has behind that may be this very configuration, or one
// that came to nothing. While it knows none at all, the entry that adds it
// comes first.
void Raft::Impl::Handle(ReplicaId from, Term, Removed& notice) {
  if (!configuration().IsVoter(from) && from != guide_) return;
  if (notice.index <= configurations_.IndexAt(log_.commit_index())) return;
  if (configuration().members.empty() &&
      notice.index.value() < config_.self.value()) {
    return;
  }
  BecomeFollower(term_, ReplicaId{0});
  removed_ = true;
  out_.removed = true;
}

// The leader's part when its newest configuration is committed.
void Raft::Impl::OnConfigurationCommitted() {
  if (configurations_.current_index() > log_.commit_index()) return;
  if (configuration().is_joint()) {
    // Whoever leads then, a joint configuration ends (P44).
    AppendConfiguration(LeaveJoint(configuration()));
    return;
  }
  if (learner_waits_) TrackFollowers();
  if (is_voter()) return;
  // This replica was removed or demoted: its work is done (P13). The others
  // learn what is committed, and one that has everything may stand at once.
  SendHeartbeats(/*wants_reply=*/false);
  for (const auto& [replica, progress] : progress_) {
    const Member* member = configuration().FindMember(replica);
    if (configuration().IsVoter(replica) &&
        (member == nullptr || member->priority > 0) &&
        progress.match_index() == log_.last_index()) {
      Send(replica, TimeoutNow{.last_index = log_.last_index()});
      break;
    }
  }
  BecomeFollower(term_, ReplicaId{0});
}

}  // namespace raft
