// ImageSender is a leader's side of image transfers: it keeps the image that
// the core offered to a follower pinned, and answers that follower's requests
// with its rows.
//
// A pin belongs to one transfer: a newer checkpoint never changes what is sent
// (P40). It ends when the follower has the image, with the leadership, or when
// the follower has asked for nothing further for 2 * `image_idle_ns` (U19:
// progress counts, not the time it takes altogether; a follower that was
// restarted may begin again three times).
// What it costs while it goes on is bounded by who owns this (FailOldest).
//
// The rows are hashed again as they are sent: a leader with a damaged image
// notices before the follower gets its end (P37).
//
// Not thread-safe: used on its partition's executor; completions of the store
// come back through `post`.

#ifndef PARTITION_IMAGE_SENDER_H_
#define PARTITION_IMAGE_SENDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "partition/image_message.h"
#include "partition/partition.h"
#include "raft/raft.h"
#include "raft/ready.h"
#include "raft/types.h"
#include "session/image_sum.h"
#include "storage/image.h"
#include "storage/log_store.h"

namespace partition {

class ImageSender {
 public:
  enum class Stage : uint8_t { kStarted, kCompleted, kAborted };

  struct Hooks {
    // Runs a task in a later turn of the partition. Thread-safe.
    std::function<void(absl::AnyInvocable<void()>)> post;
    // What a completion that the store gets keeps: all that it refers to.
    std::function<std::shared_ptr<const void>()> hold;
    std::function<void(ImageMessage)> send;
    // The transfer of the image at `image` ended without success. May be called
    // from within Start.
    std::function<void(raft::ReplicaId follower, raft::Index image)> failed;
    // The image on this disk is not what its pointer says, or cannot be read:
    // nobody must get it. Of this generation; none: it could not be pinned, so
    // it is the present one. `failed` comes next.
    std::function<void(const absl::Status& why,
                       std::optional<uint64_t> generation)>
        damaged;
    // For those who watch. May be null.
    std::function<void(Stage stage, raft::ReplicaId follower,
                       raft::Index image)>
        told;
  };

  // The references outlive this. Answers are from `self`.
  ImageSender(const Options& options, raft::ReplicaId self,
              storage::LogStore& store, Hooks hooks);

  // The core offered its image to a follower; it replaces what was offered to
  // it before, unless that is the same one.
  void Start(const raft::SnapshotSend& send, uint64_t now_ns);

  // The same for a follower whose state is to be replaced: the core knows
  // nothing of it. It ends when the follower asks no more. If the core has
  // offered that follower an image, this is left to it.
  void Reseed(const raft::SnapshotSend& send, uint64_t now_ns);

  // A follower asks; it is told if what it asks for is not pinned for it.
  void Handle(const ImageRequest& request, uint64_t now_ns);

  // Ends transfers that are done, or make no progress. `followers` is what the
  // core knows of them.
  void Tick(const std::vector<raft::FollowerStatus>& followers,
            uint64_t now_ns);

  // Gives up the transfer of the oldest image. REQUIRES: transfers() > 0.
  void FailOldest(const absl::Status& why);

  // Leadership is lost, or the partition stops.
  void EndAll();

  // The lowest index of an image under way: entries behind it must stay in the
  // log, or the image is of no use once it has arrived (U18).
  std::optional<raft::Index> oldest_image() const;

  size_t transfers() const { return transfers_.size(); }
  // Keys and values handed over to be sent so far.
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  struct Transfer {
    raft::Position position;
    bool is_reseed = false;  // Reseed began it, and the core did not ask since.
    bool last_sent = false;  // All of it has been.
    uint64_t number = 0;     // Names it in completions of the store.
    uint64_t progress_ns = 0;

    bool pinned = false;
    storage::ImagePin pin{};
    storage::ImagePointer pointer;

    bool reading = false;
    ImageRequest answering;               // If `reading`.
    std::optional<ImageRequest> waiting;  // The newest that is not answered.
    // That was asked behind, since it began or was begun again.
    std::optional<ImageRowId> furthest;
    uint32_t begun_again = 0;

    session::ImageSum sum;  // Of the rows up to `summed_to`.
    std::optional<ImageRowId> summed_to;
  };
  using Transfers = std::map<raft::ReplicaId, Transfer>;

  // Begins a transfer in place of one under way.
  void Begin(const raft::SnapshotSend& send, bool is_reseed, uint64_t now_ns);
  void Pinned(raft::ReplicaId follower, uint64_t number,
              absl::StatusOr<storage::PinnedImage> image);
  void Read(raft::ReplicaId follower, Transfer& transfer);
  void Answer(raft::ReplicaId follower, uint64_t number,
              absl::StatusOr<storage::ImageSlice> slice);
  // Whether the rows sent so far are what the pointer says; adds `slice`.
  absl::Status Sum(Transfer& transfer, const storage::ImageSlice& slice);
  void SendGone(const ImageRequest& request);

  uint64_t RetryNs() const {
    return options_.image_retry_ticks * options_.raft.tick_ns;
  }
  // Null if that transfer has ended.
  Transfer* Find(raft::ReplicaId follower, uint64_t number);
  Transfers::iterator End(Transfers::iterator transfer, Stage how);
  void Tell(Stage stage, raft::ReplicaId follower, raft::Index image) const;
  void Fail(raft::ReplicaId follower, const absl::Status& why);

  const Options& options_;
  const raft::ReplicaId self_;
  storage::LogStore& store_;
  const Hooks hooks_;

  Transfers transfers_;  // One a follower.
  uint64_t last_number_ = 0;
  uint64_t sent_bytes_ = 0;
};

}  // namespace partition

#endif  // PARTITION_IMAGE_SENDER_H_
