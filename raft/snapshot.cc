// What memory no longer has: entries fetched from disk, and the image for
// followers that need entries which no longer exist (paper 7).

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/conf_change.h"
#include "raft/raft_impl.h"

namespace raft {

// --- The leader: old entries ------------------------------------------------

void Raft::Impl::FetchOrSendImage(ReplicaId replica, Progress& progress,
                                  Index from) {
  if (from < log_.disk_first_index()) return SendImage(replica, progress);
  progress.fetching = from;
  out_.fetches.push_back({.follower = replica,
                          .from = from,
                          .bytes_max = config_.message_bytes_max});
}

void Raft::Impl::Fetched(const FetchRequest& request,
                         absl::StatusOr<std::vector<Entry>> entries) {
  Progress* progress = FindProgress(request.follower);
  if (progress == nullptr || progress->fetching != request.from) return;
  progress->fetching.reset();
  appends_due_ = true;
  if (progress->state() == ProgressState::kSnapshot) return;
  if (!entries.ok() || entries->empty() ||
      entries->front().index != request.from) {
    return SendImage(request.follower, *progress);
  }

  const Index next = progress->next_index();
  std::optional<Position> previous = log_.PositionAt(next - 1);
  if (!previous.has_value()) previous = progress->fetched;
  std::vector<Entry> wanted;
  for (Entry& entry : *entries) {
    // Only what memory let go is certain never to be replaced on disk.
    if (entry.index >= log_.memory_first_index()) break;
    if (entry.index + 1 == next) previous = PositionOf(entry);
    if (entry.index >= next) wanted.push_back(std::move(entry));
  }
  if (!previous.has_value() || previous->index != next - 1) return;
  progress->fetched = previous;
  if (wanted.empty() || !progress->can_send()) return;
  if (wanted.front().index != next || !log_.Fits(*previous, wanted)) {
    return SendImage(request.follower, *progress);
  }
  progress->fetched = PositionOf(wanted.back());
  SendEntries(request.follower, *progress, *previous, std::move(wanted));
}

// --- The leader: images -----------------------------------------------------

void Raft::Impl::SendImage(ReplicaId replica, Progress& progress) {
  const Position& image = log_.image();
  // No image helps who has what it contains: the disk may recover.
  if (image.index <= progress.match_index()) return progress.Pause();
  progress.BecomeSnapshot(image.index);
  out_.snapshot_sends.push_back({.follower = replica, .position = image});
  offers_[replica] = {image,
                      EncodeConfiguration(configurations_.At(image.index))};
  OfferImage(replica);
}

// Repeated until the follower answers: one lost message must not lose the
// transfer. It names the image that is pinned, not a newer one (P40).
void Raft::Impl::OfferImage(ReplicaId replica) {
  Send(replica, offers_.at(replica));
}

void Raft::Impl::Compacted(const Position& image,
                           const Configuration& configuration,
                           Index first_index) {
  if (image.index > log_.image().index) {
    configurations_.Compact(image.index, configuration);
  }
  log_.Compact(image, first_index);
}

void Raft::Impl::SnapshotSent(ReplicaId follower, Index image, bool delivered) {
  Progress* progress = FindProgress(follower);
  if (progress == nullptr || progress->pending_image() != image) return;
  progress->SnapshotEnded(delivered);
  appends_due_ = true;
}

void Raft::Impl::Handle(ReplicaId from, Term, InstallSnapshotReply& reply) {
  Progress* progress = HeardFrom(from);
  // An acknowledgement of anything but the offered image credits nothing (P40).
  if (progress == nullptr || progress->offered_image() != reply.index ||
      reply.index == Index{0}) {
    return;
  }
  appends_due_ = true;
  if (!reply.installed) {
    if (progress->pending_image() == reply.index) {
      progress->SnapshotEnded(/*delivered=*/false);
    }
    return;
  }
  if (progress->Accepted(reply.index)) MaybeCommit();
}

// --- The follower -----------------------------------------------------------

void Raft::Impl::Handle(ReplicaId from, Term, InstallSnapshot& request) {
  FollowLeader(from);
  const Position& image = request.position;
  const auto answer = [&](bool installed) {
    SendAfterPersist(from, InstallSnapshotReply{.index = image.index,
                                                .installed = installed});
  };
  if (image.index <= log_.commit_index()) return answer(true);
  const std::optional<Position> mine = log_.PositionAt(image.index);
  if (mine.has_value() && *mine == image) {
    // Everything in the image is here: keep the log behind it (P38).
    if (is_installing()) return;
    log_.CommitTo(image.index);
    return answer(true);
  }

  absl::StatusOr<Configuration> configuration =
      DecodeConfiguration(request.configuration);
  if (!configuration.ok() || image.term > term_ ||
      !ValidateConfiguration(*configuration).ok()) {
    return;
  }
  // A replica that is not in the image's configuration was removed, unless it
  // is so new that the entry that adds it comes later (P39).
  if (configuration->FindMember(config_.self) == nullptr &&
      image.index.value() >= config_.self.value()) {
    return answer(false);
  }
  if (is_installing()) {
    SnapshotInstall& install = installs_.at(*installing_);
    if (install.leader == from && image.index < *installing_) return;  // Late.
    if (image.index == *installing_) {
      install.leader = from;
      return;
    }
  }
  const SnapshotInstall install{.leader = from,
                                .position = image,
                                .configuration = *std::move(configuration)};
  installs_[image.index] = install;
  installing_ = image.index;
  out_.snapshot_install = install;
}

// The term stays our own: the image's is that of its last entry (P41).
void Raft::Impl::SnapshotInstalled(const Position& image, bool installed) {
  const auto it = installs_.find(image.index);
  if (it == installs_.end() || it->second.position != image) return;
  const SnapshotInstall install = it->second;
  if (installing_ == image.index) installing_.reset();
  if (!installed) {
    installs_.erase(it);
  } else {
    CHECK_GT(image.index, log_.commit_index());
    log_.Reset(image);
    writes_.Truncate(Index{1});
    configurations_ = ConfigurationHistory(image.index, install.configuration);
    OnConfigurationChanged();
    // Of two in quick succession the newer may have come first (P42).
    installs_.erase(installs_.begin(), installs_.upper_bound(image.index));
    if (is_installing() && *installing_ <= image.index) installing_.reset();
  }
  election_elapsed_ = 0;
  if (install.leader != leader_) return;
  SendAfterPersist(leader_, InstallSnapshotReply{.index = image.index,
                                                 .installed = installed});
}

}  // namespace raft
