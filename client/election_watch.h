// ElectionWatch is Election::Watch: the changes that the server tells, made
// whole by reading the term now and then.
//
// The server tells watchers of changes only, and nobody of the moment from
// which on it does. So what changes between a reading and that moment, or while
// the connection is broken, would be missed; the next reading finds it. What is
// told may be older than what was read: a term never goes back to an earlier
// leader.

#ifndef CLIENT_ELECTION_WATCH_H_
#define CLIENT_ELECTION_WATCH_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "client/election_term.h"
#include "client/stream.h"
#include "client/timer.h"

namespace client {

class ElectionWatch : public Stream<ElectionTerm> {
 public:
  // A change, or nothing: the connection broke, and some may be missing.
  using Change = std::optional<ElectionTerm>;
  struct Options {
    std::unique_ptr<Stream<Change>> changes;
    // Asks the server; ends early with kCancelled when asked to stop.
    std::function<absl::StatusOr<ElectionTerm>(std::stop_token stop)> read;
    Timer* timer = nullptr;
    // Between two readings. The second follows the first after `settle_ns`,
    // in which the server should have begun to tell.
    int64_t period_ns = 0;
    int64_t settle_ns = 1'000'000'000;
  };
  explicit ElectionWatch(Options options);
  ~ElectionWatch() override;

  absl::StatusOr<std::optional<ElectionTerm>> Next() override;
  // The same; kDeadlineExceeded when it takes longer.
  absl::StatusOr<ElectionTerm> NextUntil(int64_t deadline_ns);
  void Cancel() override;

 private:
  void ReadChanges();

  // The next term, told or read.
  absl::StatusOr<ElectionTerm> Await(int64_t deadline_ns)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Asks the server; nothing if it cannot say now.
  std::optional<absl::StatusOr<ElectionTerm>> Read() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether `term` is news, and not old.
  bool Show(const ElectionTerm& term);

  const Options options_;  // Constant after construction.
  std::stop_source stop_;  // Own synchronization.

  // The thread that calls Next.
  std::optional<ElectionTerm> shown_;

  base::Mutex mu_;
  base::CondVar changed_;
  std::deque<ElectionTerm> told_ ABSL_GUARDED_BY(mu_);
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // OK: changes may follow.
  // When the next reading is due, and whether one was made since the server
  // began, or may have begun anew, to tell.
  int64_t read_at_ns_ ABSL_GUARDED_BY(mu_) = 0;
  bool settled_ ABSL_GUARDED_BY(mu_) = false;

  std::thread reader_;  // Last: it uses the others.
};

}  // namespace client

#endif  // CLIENT_ELECTION_WATCH_H_
