// Topology is what a client knows of a cluster: its nodes, its partitions, and
// who leads each. It finds them out by asking the servers (Admin.Status): all
// that are given at first, one of them now and then, and all of them when
// something has failed; a server that does not answer is left alone until it
// answers again.
//
// All of it is a hint. Any node takes any request and passes it on, so a client
// that knows too little is slower, not wrong.
//
// Thread-safe. One background thread.

#ifndef CLIENT_TOPOLOGY_H_
#define CLIENT_TOPOLOGY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/route.h"
#include "client/timer.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace client {

struct TopologyOptions {
  // host:port of servers of the cluster. The others are found.
  std::vector<std::string> servers;

  // While all goes well, one server is asked so often.
  absl::Duration period = absl::Seconds(10);

  // A server that takes longer to answer counts as gone.
  absl::Duration answer_timeout = absl::Seconds(2);

  Timer* timer = nullptr;  // Outlives it.

  // Of the server that is asked first, so that clients spread over them.
  uint64_t seed = 0;
};

class Topology : public std::enable_shared_from_this<Topology> {
 public:
  // REQUIRES: there are servers.
  static std::shared_ptr<Topology> Start(TopologyOptions options);
  ~Topology();

  // The ids of all partitions, ascending. Waits until some server has told;
  // kUnavailable with what they said instead when that takes until
  // `deadline_ns`.
  absl::StatusOr<std::vector<uint32_t>> Partitions(int64_t deadline_ns);

  // The way to whoever leads `partition`. Keeps the topology.
  std::shared_ptr<Route> RouteTo(uint32_t partition);

  // host:port of the server that leads it, as far as is known, or "".
  std::string LeaderOf(uint32_t partition) const;

  // Ends the thread and every question; routes go on with what is known.
  void Stop();

 private:
  class Question;
  class PartitionRoute;
  struct Known {
    std::shared_ptr<const Server> server;
    bool is_down = false;
    bool is_asked = false;  // A question is on its way.
    bool was_heard = false;
  };
  struct Lead {
    uint64_t term = 0;
    std::string address;  // "": nobody, or who is down.
  };

  explicit Topology(TopologyOptions options);
  void Run();

  // What came of a question to `address`.
  void Learn(const std::string& address, const absl::Status& status,
             const multiraft::admin::v1::StatusResponse& answer);
  void LearnLocked(const std::string& address,
                   const multiraft::admin::v1::StatusResponse& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Known& KnowLocked(const std::string& address)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // When the next questions are due, and to those whose turn it is.
  int64_t DueLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::shared_ptr<Question>> AskLocked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Forget(const Question& question);

  std::shared_ptr<const Server> Pick(uint32_t partition);
  std::string NextLocked(const std::string& address) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Failed(uint32_t partition, const Server& server,
              const AttemptFailure& failure);

  const TopologyOptions options_;  // Constant after construction.
  Timer& timer_;

  mutable base::Mutex mu_;  // Held briefly.
  base::CondVar changed_;   // Anything below.
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // All are to be asked, as soon as it is not too soon after the last time.
  bool in_doubt_ ABSL_GUARDED_BY(mu_) = true;
  int64_t asked_ns_ ABSL_GUARDED_BY(mu_) = 0;  // The last time.
  size_t next_ ABSL_GUARDED_BY(mu_);           // In turn, while all goes well.
  std::map<std::string, Known> servers_ ABSL_GUARDED_BY(mu_);   // By address.
  std::map<uint32_t, std::string> nodes_ ABSL_GUARDED_BY(mu_);  // Addresses.
  std::set<uint32_t> partitions_ ABSL_GUARDED_BY(mu_);
  // All partitions are known, and not only those of some nodes.
  bool is_complete_ ABSL_GUARDED_BY(mu_) = false;
  std::map<uint32_t, Lead> leads_ ABSL_GUARDED_BY(mu_);  // By partition.
  // Where calls to a partition go while no leader of it is known.
  std::map<uint32_t, std::string> current_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);  // The last one.
  std::map<const Question*, std::shared_ptr<Question>> questions_
      ABSL_GUARDED_BY(mu_);  // Under way.

  std::thread thread_;  // Started last, ended by Stop.
};

}  // namespace client

#endif  // CLIENT_TOPOLOGY_H_
