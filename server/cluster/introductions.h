// Introductions asks other nodes who they are and whom they know, and tells
// them of this one: the nodes that are named by flags and configurations at
// regular times, each that is learned of at once, and whom an operator names.
//
// Thread-safe.

#ifndef SERVER_CLUSTER_INTRODUCTIONS_H_
#define SERVER_CLUSTER_INTRODUCTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "multiraft/peer/v1/bootstrap.pb.h"
#include "partition/executor.h"
#include "server/cluster/node_book.h"

namespace server::cluster {

class Introductions {
 public:
  struct Options {
    std::string cluster;  // The cluster's id.
    std::string cluster_name;
    uint64_t interval_ns = 5'000'000'000;
  };

  // `book`, which learns what is answered, and `timer` outlive it.
  Introductions(Options options, NodeBook& book, partition::Executor& timer);
  // REQUIRES: stopped.
  ~Introductions();

  // From now on everybody at `addresses()` (host:port) and in the book is asked
  // at regular times; `after_round` is called after each time, on the timer.
  void Start(std::function<std::vector<std::string>()> addresses,
             std::function<void()> after_round);

  // Asks whoever is at `address`, for so long at most. `done` is called once,
  // on a thread of gRPC's or, if it has stopped, on this one; Unavailable says
  // in a few words why there is no answer, FailedPrecondition is theirs.
  using Done = absl::AnyInvocable<
      void(absl::StatusOr<multiraft::peer::v1::IntroduceResponse>) &&>;
  void Ask(const std::string& address, uint64_t timeout_ns, Done done);

  // Ends the calls under way; nothing is called after it has returned.
  void Stop();

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;  // The timer may hold it a little longer.
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_INTRODUCTIONS_H_
