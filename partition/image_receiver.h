// ImageReceiver is a follower's side of image transfers: it pulls the rows of
// the image that the core was offered, loads them into a new state machine and
// writes them as a new generation beside the old one, and switches to it in one
// write when they sum up to what the leader's pointer says (P37).
//
//   Offer -> requests and chunks -> all rows loaded
//         -> digest right, what is derived rebuilt: sealed
//         -> all rows written -> pointer written -> Hooks::installed
//
// To rebuild what is derived from a large state takes long, and so does to free
// one: that is done on the loader's thread, neither between the turns of the
// partition nor where the images of all partitions are written.
//
// Until it is sealed a transfer can be given up at any moment and leaves
// nothing behind; then it goes to its end, whatever the leader does, since the
// image is whole and committed. A crash before the pointer is durable leaves
// rows that no pointer names, removed at the next start or attempt (P33, P42).
//
// Requests are repeated, so no message need arrive; each names the row it wants
// to go on behind, so nothing is sent twice but what was lost (P40, U18).
//
// Not thread-safe: used on its partition's executor; completions of the store
// come back through `post`.

#ifndef PARTITION_IMAGE_RECEIVER_H_
#define PARTITION_IMAGE_RECEIVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "partition/image_message.h"
#include "partition/partition.h"
#include "raft/ready.h"
#include "raft/types.h"
#include "session/state_machine.h"
#include "storage/image.h"
#include "storage/log_store.h"

namespace partition {

class ImageReceiver {
 public:
  struct Hooks {
    // Runs a task in a later turn of the partition. Thread-safe.
    std::function<void(absl::AnyInvocable<void()>)> post;
    // What a completion that the store gets keeps: all that it refers to.
    std::function<std::shared_ptr<const void>()> hold;
    // Runs what takes long on a thread that has time. Thread-safe.
    std::function<void(absl::AnyInvocable<void()>)> load;
    std::function<uint64_t()> now_ns;
    std::function<void(ImageMessage)> send;
    // The generation on disk, behind every write queued so far.
    std::function<uint64_t()> generation;
    // The transfer will succeed. What still writes to the old generation must
    // be queued before this returns.
    std::function<void()> sealed;
    // The image is durable: `state_machine` holds it, and the log begins behind
    // it, unless it `keeps_log`.
    std::function<void(std::unique_ptr<session::StateMachine> state_machine,
                       const storage::ImagePointer& image, bool keeps_log)>
        installed;
    // The transfer is over without success.
    std::function<void(const raft::Position& image)> refused;
    // The image is of a version that this replica does not know.
    std::function<void(absl::Status)> unknown;
    // A write failed: this replica is fenced.
    std::function<void(absl::Status)> failed;
  };

  // The references outlive this. Requests are from `self`.
  ImageReceiver(const Options& options, raft::ReplicaId self,
                storage::LogStore& store, const session::Registry& registry,
                Hooks hooks);

  // The core was offered an image, ahead of all it has. A transfer under way is
  // given up for it, unless that is sealed: then this one comes next. One that
  // `applied` has overtaken is refused.
  void Offer(const raft::SnapshotInstall& install, raft::Index applied);

  // The state is to be replaced, and the log, which has the image's position,
  // stays (divergence). REQUIRES: !is_receiving().
  void Reseed(const raft::SnapshotInstall& install);

  // What the leader sent. Late, repeated and strange chunks are dropped.
  void Handle(ImageChunk chunk);

  // Asks again, or gives up: if the leader is another, or has sent nothing new
  // for `image_idle_ns`.
  void Tick(raft::ReplicaId leader);

  // The partition stops: nothing is asked or written any more.
  void Stop();

  bool is_receiving() const { return transfer_ != nullptr; }
  // It goes to its end whatever comes.
  bool is_sealed() const { return transfer_ != nullptr && transfer_->sealed; }

  // What arrived in this and earlier transfers, for status and tests.
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct Transfer {
    raft::SnapshotInstall install;
    bool keeps_log = false;
    uint64_t generation = 0;
    // Null while the load is being ended.
    std::unique_ptr<session::StateMachine> state_machine;

    // Asking. A request goes on behind `after`, the last row that arrived.
    std::optional<ImageRowId> after;
    bool asked = false;
    uint64_t asked_ns = 0;
    uint64_t progress_ns = 0;
    bool all_arrived = false;
    storage::ImagePointer pointer;  // If all_arrived.

    // Arrived, not loaded; in order.
    std::deque<storage::ImageRow> rows;
    uint64_t rows_bytes = 0;
    bool load_posted = false;

    // Loaded, not written.
    std::vector<storage::ImageRow> loaded;
    uint64_t loaded_bytes = 0;
    uint64_t writing_bytes = 0;
    uint64_t writes = 0;   // Under way.
    bool cleared = false;  // The first batch, which clears, was queued.
    bool sealed = false;
    bool pointer_queued = false;
  };

  void Begin(const raft::SnapshotInstall& install, bool keeps_log);
  // Asks for the next rows if there is room for them and it is their time.
  void Ask();
  void SendRequest();
  // Loads a slice of what arrived, and goes on in another turn.
  void Load();
  void PostLoad();
  absl::Status LoadSlice();
  // The image cannot be this one: gives it up, and the next must wait.
  void GiveUpDamaged(const absl::Status& why);
  absl::Status CheckPointer() const;
  void FreeLater(std::unique_ptr<session::StateMachine> state_machine);
  // Ends the load, elsewhere; then, with what came of it.
  void Finish();
  void Finished(std::unique_ptr<session::StateMachine> state_machine,
                const absl::Status& loaded);
  void WriteLoaded();
  void WritePointer();
  void Installed();
  // Ends the transfer, and returns which image it was of.
  raft::Position Drop(const absl::Status& why);
  // And tells the core.
  void GiveUp(const absl::Status& why);

  // Runs `action` with the status of a write in a later turn, unless the
  // transfer has ended then.
  absl::AnyInvocable<void(absl::Status)> WhenWritten(
      std::function<void()> action);

  const Options& options_;
  const raft::ReplicaId self_;
  storage::LogStore& store_;
  const session::Registry& registry_;
  const Hooks hooks_;

  std::unique_ptr<Transfer> transfer_;
  uint64_t number_ = 0;  // Of the transfer, for what was posted for it.
  std::optional<raft::SnapshotInstall> next_;  // Behind a sealed one.
  bool stopped_ = false;

  uint64_t ask_from_ns_ = 0;  // The rate allows the next request then.
  uint64_t damaged_ = 0;      // Images in a row that were not as they should.
  uint64_t refuse_until_ns_ = 0;  // After one.
  uint64_t received_bytes_ = 0;
};

}  // namespace partition

#endif  // PARTITION_IMAGE_RECEIVER_H_
