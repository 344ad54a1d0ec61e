#include "partition/image_sender.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace partition {
namespace {

// How often a transfer is begun again by its follower.
constexpr uint32_t kBeginAgainMax = 3;

// Whatever a follower asks for, a message has no more than this and a row.
constexpr uint64_t kChunkBytesMax = 4 << 20;
// A row is not above some MiB (session::RecordBlock): a value and its key. One
// that no message carries would be asked for again and again.
constexpr uint64_t kRowBytesMax = 32 << 20;

}  // namespace

ImageSender::ImageSender(const Options& options, raft::ReplicaId self,
                         storage::LogStore& store, Hooks hooks)
    : options_(options), self_(self), store_(store), hooks_(std::move(hooks)) {}

void ImageSender::Start(const raft::SnapshotSend& send, uint64_t now_ns) {
  const auto old = transfers_.find(send.follower);
  if (old != transfers_.end() && old->second.position == send.position) {
    // Offered again: what the follower has of it stays good (P40).
    old->second.is_reseed = false;
    return;
  }
  Begin(send, /*is_reseed=*/false, now_ns);
}

void ImageSender::Reseed(const raft::SnapshotSend& send, uint64_t now_ns) {
  const auto old = transfers_.find(send.follower);
  if (old != transfers_.end() &&
      (!old->second.is_reseed || old->second.position == send.position)) {
    return;
  }
  Begin(send, /*is_reseed=*/true, now_ns);
}

void ImageSender::Begin(const raft::SnapshotSend& send, bool is_reseed,
                        uint64_t now_ns) {
  const raft::ReplicaId follower = send.follower;
  if (auto old = transfers_.find(follower); old != transfers_.end()) {
    End(old, Stage::kAborted);
  }
  if (transfers_.size() >= options_.image_transfers_max) {
    // It is offered again when the follower gives a sign of life.
    return hooks_.failed(follower, send.position.index);
  }
  Transfer& transfer = transfers_[follower];
  transfer.position = send.position;
  transfer.is_reseed = is_reseed;
  transfer.number = ++last_number_;
  transfer.progress_ns = now_ns;
  Tell(Stage::kStarted, follower, send.position.index);
  store_.PinImage(options_.id, [this, follower, number = transfer.number,
                                post = hooks_.post, hold = hooks_.hold()](
                                   absl::StatusOr<storage::PinnedImage> image) {
    post([this, follower, number, image = std::move(image)]() mutable {
      Pinned(follower, number, std::move(image));
    });
  });
}

void ImageSender::Pinned(raft::ReplicaId follower, uint64_t number,
                         absl::StatusOr<storage::PinnedImage> image) {
  Transfer* transfer = Find(follower, number);
  if (transfer == nullptr) {
    if (image.ok()) store_.UnpinImage(image->pin);
    return;
  }
  if (!image.ok()) return Fail(follower, image.status());
  transfer->pinned = true;
  transfer->pin = image->pin;
  transfer->pointer = std::move(image->pointer);
  if (transfer->pointer.position != transfer->position) {
    // A checkpoint came between; the core offers the new image next.
    return Fail(follower, absl::UnavailableError(absl::StrCat(
                              "the image at ", transfer->position.index.value(),
                              " was replaced before it was pinned")));
  }
  if (transfer->waiting.has_value()) Read(follower, *transfer);
}

void ImageSender::Handle(const ImageRequest& request, uint64_t now_ns) {
  const auto found = transfers_.find(request.from);
  if (found == transfers_.end() || found->second.position != request.position) {
    return SendGone(request);
  }
  Transfer& transfer = found->second;
  // A follower that was restarted begins again. That is progress of its own a
  // few times, not for ever.
  if (!request.after.has_value() && transfer.furthest.has_value() &&
      transfer.begun_again < kBeginAgainMax) {
    ++transfer.begun_again;
    transfer.furthest.reset();
    transfer.progress_ns = now_ns;
  }
  if (request.after > transfer.furthest) {
    transfer.furthest = request.after;
    transfer.progress_ns = now_ns;
  }
  if (transfer.reading && transfer.answering.after == request.after) return;
  transfer.waiting = request;
  if (transfer.pinned && !transfer.reading) Read(request.from, transfer);
}

void ImageSender::Read(raft::ReplicaId follower, Transfer& transfer) {
  transfer.answering = *std::exchange(transfer.waiting, std::nullopt);
  transfer.reading = true;
  store_.ReadImage(
      transfer.pin, transfer.answering.after,
      std::min(transfer.answering.bytes_max, kChunkBytesMax),
      [this, follower, number = transfer.number, post = hooks_.post,
       hold = hooks_.hold()](absl::StatusOr<storage::ImageSlice> slice) {
        post([this, follower, number, slice = std::move(slice)]() mutable {
          Answer(follower, number, std::move(slice));
        });
      });
}

void ImageSender::Answer(raft::ReplicaId follower, uint64_t number,
                         absl::StatusOr<storage::ImageSlice> slice) {
  Transfer* transfer = Find(follower, number);
  if (transfer == nullptr) return;
  if (!slice.ok()) return Fail(follower, slice.status());
  if (absl::Status sum = Sum(*transfer, *slice); !sum.ok()) {
    return Fail(follower, sum);
  }
  for (const storage::ImageRow& row : slice->rows) {
    const uint64_t bytes = row.key.size() + row.value.size();
    if (bytes > kRowBytesMax) {
      return Fail(follower, absl::ResourceExhaustedError(absl::StrCat(
                                "a row of table ", row.table, " has ", bytes,
                                " bytes, more than a message carries")));
    }
    sent_bytes_ += bytes;
  }
  transfer->reading = false;
  ImageChunk chunk{.from = self_,
                   .to = follower,
                   .position = transfer->position,
                   .after = std::move(transfer->answering.after),
                   .rows = std::move(slice->rows),
                   .machine_version = transfer->pointer.machine_version,
                   .last = slice->last};
  if (chunk.last) {
    chunk.pointer = transfer->pointer;
    transfer->last_sent = true;
  }
  hooks_.send(std::move(chunk));
  if (transfer->waiting.has_value()) Read(follower, *transfer);
}

absl::Status ImageSender::Sum(Transfer& transfer,
                              const storage::ImageSlice& slice) {
  // A slice that is sent again has been counted.
  if (transfer.answering.after != transfer.summed_to) return absl::OkStatus();
  for (const storage::ImageRow& row : slice.rows) {
    RETURN_IF_ERROR(
        transfer.sum.Add(session::TableId{row.table}, row.key, row.value));
  }
  if (!slice.rows.empty()) {
    transfer.summed_to =
        ImageRowId{slice.rows.back().table, slice.rows.back().key};
  }
  if (slice.last && transfer.sum.digest() != transfer.pointer.digest) {
    return absl::DataLossError(absl::StrCat(
        "the rows of the image at ", transfer.position.index.value(),
        " on this disk do not sum up to what its pointer says"));
  }
  return absl::OkStatus();
}

void ImageSender::SendGone(const ImageRequest& request) {
  hooks_.send(ImageChunk{.from = self_,
                         .to = request.from,
                         .position = request.position,
                         .after = request.after,
                         .gone = true});
}

void ImageSender::Tick(const std::vector<raft::FollowerStatus>& followers,
                       uint64_t now_ns) {
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    const raft::ReplicaId replica = it->first;
    const auto follower = std::find_if(followers.begin(), followers.end(),
                                       [&](const raft::FollowerStatus& status) {
                                         return status.replica == replica;
                                       });
    const Transfer& transfer = it->second;
    const bool is_member = follower != followers.end();
    const bool has_it =
        is_member &&
        (transfer.is_reseed ? transfer.last_sent &&
                                  now_ns >= transfer.progress_ns + 3 * RetryNs()
                            : follower->match_index >= transfer.position.index);
    const bool needs_it =
        is_member && (transfer.is_reseed ||
                      follower->state == raft::ProgressState::kSnapshot);
    if (has_it || !needs_it) {
      it = End(it, has_it ? Stage::kCompleted : Stage::kAborted);
    } else {
      ++it;
    }
  }
  std::vector<raft::ReplicaId> idle;
  for (const auto& [replica, transfer] : transfers_) {
    // The follower, who knows better, gives up first.
    if (now_ns >= transfer.progress_ns + 2 * options_.image_idle_ns) {
      idle.push_back(replica);
    }
  }
  for (raft::ReplicaId replica : idle) {
    Fail(replica,
         absl::DeadlineExceededError("the follower makes no progress"));
  }
}

void ImageSender::FailOldest(const absl::Status& why) {
  const auto oldest = std::min_element(transfers_.begin(), transfers_.end(),
                                       [](const auto& one, const auto& other) {
                                         return one.second.position.index <
                                                other.second.position.index;
                                       });
  CHECK(oldest != transfers_.end());
  Fail(oldest->first, why);
}

void ImageSender::EndAll() {
  for (auto it = transfers_.begin(); it != transfers_.end();) {
    it = End(it, Stage::kAborted);
  }
}

std::optional<raft::Index> ImageSender::oldest_image() const {
  std::optional<raft::Index> oldest;
  for (const auto& [replica, transfer] : transfers_) {
    const raft::Index index = transfer.position.index;
    if (!oldest.has_value() || index < *oldest) oldest = index;
  }
  return oldest;
}

ImageSender::Transfer* ImageSender::Find(raft::ReplicaId follower,
                                         uint64_t number) {
  const auto found = transfers_.find(follower);
  if (found == transfers_.end() || found->second.number != number) {
    return nullptr;
  }
  return &found->second;
}

void ImageSender::Tell(Stage stage, raft::ReplicaId follower,
                       raft::Index image) const {
  if (hooks_.told != nullptr) hooks_.told(stage, follower, image);
}

ImageSender::Transfers::iterator ImageSender::End(Transfers::iterator transfer,
                                                  Stage how) {
  if (transfer->second.pinned) store_.UnpinImage(transfer->second.pin);
  Tell(how, transfer->first, transfer->second.position.index);
  return transfers_.erase(transfer);
}

void ImageSender::Fail(raft::ReplicaId follower, const absl::Status& why) {
  const auto found = transfers_.find(follower);
  CHECK(found != transfers_.end());
  const Transfer& transfer = found->second;
  const raft::Index image = transfer.position.index;
  std::optional<uint64_t> generation;
  if (transfer.pinned) generation = transfer.pointer.generation;
  LOG(WARNING) << "partition " << options_.id << ": sending the image at "
               << image << " to replica " << follower << ": " << why;
  if (transfer.waiting.has_value()) {
    SendGone(*transfer.waiting);
  } else if (transfer.reading) {
    SendGone(transfer.answering);
  }
  End(found, Stage::kAborted);
  if (absl::IsDataLoss(why)) hooks_.damaged(why, generation);
  hooks_.failed(follower, image);
}

}  // namespace partition
