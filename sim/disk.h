// Disk is the disk of one simulated machine. It outlives the processes that use
// it, takes its time to sync, and is where crashes hurt: what was not synced is
// lost or kept in part, as after a power cut.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_DISK_H_
#define SIM_DISK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/random.h"
#include "raft/types.h"
#include "sim/event_loop.h"
#include "storage/image.h"
#include "storage/log_store.h"
#include "storage/memory_store.h"

namespace sim {

struct DiskOptions {
  // A sync, a slice of an image and a read take up to this long.
  uint64_t sync_ns_min = 50 * kMicros;
  uint64_t sync_ns_max = 2 * kMillis;
  uint64_t image_ns_max = 1 * kMillis;
  // One sync in so many stalls for so long. 0: none.
  uint64_t stall_one_in = 0;
  uint64_t stall_ns = 0;
  // A defect: it is not remembered which replica was dropped.
  bool forgets_tombstones = false;
};

// A storage::LogWrite without its completion.
struct DiskWrite {
  base::PartitionId partition;
  std::optional<raft::HardState> hard_state;
  std::vector<raft::Entry> entries;
  std::optional<storage::ImagePointer> image;
  bool keeps_log = false;
  std::optional<raft::Index> trim_below;
};

// Where a write is, when a machine may fail.
enum class DiskMoment : uint8_t {
  kQueued,      // In the process only.
  kAppended,    // In the page cache.
  kSynced,      // Durable, and the process does not know.
  kReported,    // Durable, and the process has been told.
  kImageSlice,  // A piece of an image is in the page cache.
};

// Watches a disk, for the oracles and for whoever makes it fail.
class DiskObserver {
 public:
  virtual ~DiskObserver() = default;

  // A process asks for `write`.
  virtual void OnQueued(const DiskWrite& write) = 0;
  // `write` is durable; the process is told next.
  virtual void OnDurable(const DiskWrite& write) = 0;
  // A replica that knows nobody was made, or one was dropped: durably.
  virtual void OnCreated(base::PartitionId partition,
                         raft::ReplicaId replica) = 0;
  virtual void OnDropped(base::PartitionId partition,
                         raft::ReplicaId replica) = 0;
  // Whether the machine fails at this moment: then the observer sees to it that
  // Die is called before anything else happens.
  virtual bool FailsHere(DiskMoment moment) = 0;
};

class Disk {
 public:
  // `loop` and `observer` must outlive it.
  Disk(EventLoop& loop, const DiskOptions& options, uint64_t seed,
       DiskObserver& observer);
  ~Disk();

  // Faults end: no stalls any more.
  void Calm() { options_.stall_one_in = 0; }

  // A process opens its store. REQUIRES: no store is open.
  storage::LogStore& Open();

  // The process closes its store in order: what is queued completes as
  // Unavailable.
  void Close();

  // The process dies: nothing that was queued is reported any more.
  enum class Loss : uint8_t {
    kNothing,   // Only the process died; the page cache goes on.
    kSome,      // The machine lost power: a prefix of the page cache is kept.
    kUnsynced,  // As kSome, and none of it is kept.
  };
  void Die(Loss loss);

  // The next sync of this process fails, and with it the store.
  void FailNextSync();

  bool is_open() const { return store_ != nullptr; }
  uint64_t sync_count() const { return disk_.sync_count(); }

 private:
  class Driven;

  EventLoop& loop_;
  DiskOptions options_;
  base::Random random_;
  DiskObserver& observer_;

  storage::MemoryDisk disk_;
  std::shared_ptr<Driven> store_;  // Of the process that lives now.
};

}  // namespace sim

#endif  // SIM_DISK_H_
