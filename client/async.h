// Async makes any call of the client asynchronous: it runs the call on one of
// its threads and tells a callback what came of it.
//
//   client::Async async({.threads = 8});
//   async.Start([&] { return users.Put("ann", "admin"); },
//               [](absl::StatusOr<client::MapWritten> put) { ... });
//
// A call keeps its thread until it has ended, so `threads` is how many are
// under way at once; the others wait in line, in the order of Start. Those that
// are under way at once end in any order: what has to come after something is
// started by its callback. A call that waits on purpose (Lock::Acquire,
// Election::Lead) occupies its thread for as long: give those an Async of their
// own, or a thread.
//
// Callbacks run on the threads, no lock held; they may start calls, and must
// not destroy the Async.
//
// Thread-safe.

#ifndef CLIENT_ASYNC_H_
#define CLIENT_ASYNC_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace client {

struct AsyncOptions {
  size_t threads = 8;           // REQUIRES: > 0.
  size_t waiting_max = 10'000;  // Calls in line.
};

class Async {
 public:
  explicit Async(const AsyncOptions& options);

  // Lets those that are under way end. Those in line are not made: their
  // callbacks get kCancelled.
  ~Async();

  // Runs `call()`, which returns an absl::Status or StatusOr, and then
  // `done(what it returned)`. Does not block. If the line is full, or the Async
  // is being destroyed, it returns kResourceExhausted or kCancelled, and calls
  // neither.
  template <class Call, class Done>
  absl::Status Start(Call call, Done done) {
    using Result = std::invoke_result_t<Call&>;
    // A std::function has to be copied, which what is moved in may not be.
    struct Both {
      Call call;
      Done done;
    };
    auto both = std::make_shared<Both>(Both{std::move(call), std::move(done)});
    return Push([both = std::move(both)](const absl::Status& refused) {
      both->done(refused.ok() ? both->call() : Result(refused));
    });
  }

 private:
  // Told OK when its turn has come, or why it has none.
  using Work = std::function<void(const absl::Status& refused)>;

  absl::Status Push(Work work);
  void Run();

  const AsyncOptions options_;  // Constant after construction.

  base::Mutex mu_;
  base::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Work> line_ ABSL_GUARDED_BY(mu_);

  std::vector<std::thread> threads_;  // Last: they use the others.
};

}  // namespace client

#endif  // CLIENT_ASYNC_H_
