// Fence is the one-way switch of a store: after the first failed write, sync or
// background error nothing may be acknowledged any more (D5, P32), because what
// a later success would say cannot be trusted.
//
// Thread-safe.

#ifndef STORAGE_FENCE_H_
#define STORAGE_FENCE_H_

#include <atomic>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace storage {

class Fence {
 public:
  // `on_raised` is called once, on the thread that raises the fence, before
  // anything completes with an error; it may be empty.
  explicit Fence(absl::AnyInvocable<void(absl::Status)> on_raised);

  // Raises the fence for `cause`; the first cause is kept. REQUIRES: an error.
  void Raise(absl::Status cause);

  bool raised() const { return raised_.load(std::memory_order_acquire); }

  // OK, or the Unavailable that everything behind the fence gets.
  absl::Status status() const;

 private:
  std::atomic<bool> raised_{false};  // Never goes back.

  mutable base::Mutex mu_;
  absl::Status cause_ ABSL_GUARDED_BY(mu_);
  absl::AnyInvocable<void(absl::Status)> on_raised_ ABSL_GUARDED_BY(mu_);
};

}  // namespace storage

#endif  // STORAGE_FENCE_H_
