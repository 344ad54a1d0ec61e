// Founder begins the groups that a controller bootstraps on this node:
//
//   Bootstrap -> kept on disk -> the other first members are asked, again and
//   again, until all were told the same and the lowest has decided
//   (group_beginning.h) -> how it began is on disk -> the partition is made
//
// What was begun is opened at each start like any partition; what waits goes on
// waiting there. It also answers the other members.
//
// Everything runs on the loader but what says otherwise.

#ifndef SERVER_CLUSTER_FOUNDER_H_
#define SERVER_CLUSTER_FOUNDER_H_

#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "multiraft/peer/v1/founding.grpc.pb.h"
#include "partition/executor.h"
#include "partition/host.h"
#include "raft/configuration.h"
#include "server/cluster/peer_calls.h"
#include "storage/group.h"
#include "storage/store.h"

namespace server::cluster {

class Founder final : public multiraft::peer::v1::Founding::CallbackService {
 public:
  struct Options {
    // The others are asked again after so long, and then less and less often.
    uint64_t interval_ns_min = 100'000'000;
    uint64_t interval_ns_max = 1'000'000'000;
    // How long one of them may take.
    uint64_t answer_timeout_ns = 1'000'000'000;
  };

  // Who this node is.
  struct Self {
    std::string cluster;  // The cluster's id.
    base::NodeId node;
    uint64_t incarnation = 0;
    std::string api_address;
    // Groups may begin here; otherwise there are only those that there are.
    bool may_begin = true;
  };

  // `calls` and `loader` outlive this. Until it is opened it knows of no group.
  Founder(const Options& options, PeerCalls& calls,
          partition::Executor& loader);

  // Takes up what was said before. The beginnings are those of partitions that
  // must be there. REQUIRES: `store` outlives this; nothing runs yet.
  absl::StatusOr<std::map<base::PartitionId, raft::Configuration>> Open(
      Self self, storage::Store& store);
  // The partitions, in `host` that outlives this, are open.
  void Begin(partition::Host& host);

  // OK: the group is here with these members (the first ones, or those it has
  // now), or has begun, or waits for its other members and is kept.
  // FailedPrecondition, with both sides: it is here with others; this node is
  // another member; its replica left. An error means that nothing is kept.
  using Done = absl::AnyInvocable<void(absl::Status) &&>;
  void Bootstrap(storage::Group group, Done done);

  // Forgets a group that has not begun. False: there is none.
  absl::StatusOr<bool> Forget(base::PartitionId id);

  // For people: groups that have not begun, and what they wait for.
  // Thread-safe.
  std::map<base::PartitionId, std::string> waiting() const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Known {
    storage::Group group;
    std::vector<Done> callers;
    bool is_asking = false;
    bool is_making = false;  // The partition.
    uint64_t interval_ns = 0;
    uint64_t asked = 0;     // So often: an older timer does nothing.
    std::string waits_for;  // For people.
  };
  struct Round;

  grpc::ServerUnaryReactor* AskGroup(
      grpc::CallbackServerContext* context,
      const multiraft::peer::v1::AskGroupRequest* request,
      multiraft::peer::v1::AskGroupResponse* response) override;
  absl::Status Answer(const multiraft::peer::v1::AskGroupRequest& request,
                      multiraft::peer::v1::AskGroupResponse& response) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // Null: there is none. What it points to is changed with mu_ held.
  Known* Find(base::PartitionId id) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Keep(const storage::Group& group) ABSL_LOCKS_EXCLUDED(mu_);

  void CompareWithPresent(partition::Partition& partition,
                          const storage::Group& group,
                          const storage::Group* first, Done done);
  void Ask(base::PartitionId id);
  void Asked(const std::shared_ptr<Round>& round);
  void AskLater(Known& known, std::string waits_for);
  void Refused(Known& known, absl::Status why);
  void BeginGroup(Known& known, raft::Configuration beginning);
  // Completes its callers. REQUIRES: it has begun.
  void MakePartition(Known& known);
  void Complete(Known& known, const absl::Status& status);

  const Options options_;
  PeerCalls& calls_;
  partition::Executor& loader_;

  storage::Store* store_ = nullptr;  // Once open.
  partition::Host* host_ = nullptr;  // Once begun.

  mutable base::Mutex mu_;
  Self self_ ABSL_GUARDED_BY(mu_);  // Written once.
  std::map<base::PartitionId, Known> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_FOUNDER_H_
