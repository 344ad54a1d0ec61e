// Mailbox is where any thread leaves work for a partition's next turn. It is
// bounded by bytes; KeepAlives have a share of their own.
//
// Thread-safe.

#ifndef PARTITION_MAILBOX_H_
#define PARTITION_MAILBOX_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "partition/caller.h"
#include "partition/partition.h"

namespace partition {

// A command to propose; of its two callers exactly one is set.
struct ProposeItem {
  CommandRequest request;
  Completion<session::Applied> completion;
  StreamId stream{};
  std::shared_ptr<StreamSink> sink;
  uint64_t held_until_ns = 0;  // Set by HeldStreams; 0: not held yet.
};

// A query to run; of its two callers exactly one is set.
struct QueryItem {
  QueryRequest request;
  Completion<session::QueryAnswer> completion;
  StreamId stream{};
  std::shared_ptr<StreamSink> sink;
  uint64_t held_until_ns = 0;  // Set by HeldStreams; 0: not held yet.
};

// Everything else: ticks, completions of the disk, messages, streams.
using TaskItem = absl::AnyInvocable<void()>;

using MailboxItem = std::variant<ProposeItem, QueryItem, TaskItem>;

class Mailbox {
 public:
  Mailbox(uint64_t bytes_max, uint64_t keep_alive_bytes_max)
      : bytes_max_(bytes_max), keep_alive_bytes_max_(keep_alive_bytes_max) {}

  enum class Push : uint8_t {
    kQueued,  // A turn is on its way.
    kFirst,   // Queued; the caller schedules a turn.
    kFull,    // Nothing was taken from `item`.
    kClosed,  // Nothing was taken from `item`.
  };

  // Requests count against their bound until the turn that takes them; tasks
  // always fit, since each is caused by something that is bounded itself.
  Push Add(MailboxItem&& item) ABSL_LOCKS_EXCLUDED(mu_);

  // Takes everything; `items` is empty before. The next Add is the first again.
  void TakeAll(std::vector<MailboxItem>& items) ABSL_LOCKS_EXCLUDED(mu_);

  // Requests are turned away from now on; tasks still pass.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Share {
    uint64_t* bytes;
    uint64_t bytes_max;
  };
  Share ShareOf(const MailboxItem& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t bytes_max_;
  const uint64_t keep_alive_bytes_max_;

  base::Mutex mu_;
  std::vector<MailboxItem> items_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t keep_alive_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool scheduled_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace partition

#endif  // PARTITION_MAILBOX_H_
