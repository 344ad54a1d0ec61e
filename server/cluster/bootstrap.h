// Bootstrap is how the nodes of a static cluster agree on its beginning: which
// data directories (incarnations) its first members are. Without that a wiped
// directory could come back as the old voter and vote again (U8).
//
// The lowest-numbered node decides, once every other has answered that it is
// empty too; the decision is durable there before anybody learns of it. The
// others take it over. A node whose directory is not the one that was decided
// on has been wiped, and is refused.
//
// It also answers nodes that come later: how the cluster began, and who is
// there (NodeBook).
//
// Thread-safe: the service answers while Run waits.

#ifndef SERVER_CLUSTER_BOOTSTRAP_H_
#define SERVER_CLUSTER_BOOTSTRAP_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "server/cluster/cluster_spec.h"
#include "server/cluster/node_book.h"
#include "storage/store.h"

namespace server::cluster {

// Whether `spec`, of a node that was started before, still says how its cluster
// began. FailedPrecondition, with both sides, if it names other nodes or
// another replication: members change at run time. Addresses may differ, and of
// a cluster that was recovered nothing is compared.
absl::Status CheckSaysTheSame(const ClusterSpec& spec,
                              const storage::InitialCluster& initial);

class Bootstrap final : public multiraft::peer::v1::Bootstrap::CallbackService {
 public:
  // `store` is open, and outlives it. Of a cluster that has begun, as far as
  // the store knows, only the name of `spec` counts.
  Bootstrap(const ClusterSpec& spec, base::NodeId self, storage::Store& store);

  // Before it serves: who introduces himself is noted in `book`, which outlives
  // it. `is_connected`: there is a stream to that node.
  using IsConnected = std::function<bool(const KnownNode&)>;
  void Acquaint(NodeBook& book, IsConnected is_connected);

  // What the waiting is about, for people; called when that changes.
  using OnWait = std::function<void(const std::string& what)>;

  struct RunOptions {
    // Begin also without those that do not answer in a few seconds, if a
    // majority is there and none of them knows of a beginning: for when one was
    // lost before the first start. They are no members then. The cluster gets
    // an id of its own, so that whatever else may have begun with these flags
    // and is out of reach never mixes with it (U8).
    bool force = false;
  };

  // Waits until the beginning is known, and returns it; it is then in the
  // store. Cancelled: `stop` says so, which is asked several times a second.
  // FailedPrecondition, in one sentence that says what to do: this directory
  // was wiped, or others began another cluster.
  absl::StatusOr<storage::InitialCluster> Run(const RunOptions& options,
                                              const std::function<bool()>& stop,
                                              const OnWait& on_wait);

 private:
  struct Answer;

  grpc::ServerUnaryReactor* Introduce(
      grpc::CallbackServerContext* context,
      const multiraft::peer::v1::IntroduceRequest* request,
      multiraft::peer::v1::IntroduceResponse* response) override;

  // OK, or why the callee does not talk to who asks.
  absl::Status Check(const multiraft::peer::v1::IntroduceRequest& request);
  void FillNodes(multiraft::peer::v1::IntroduceResponse& response) const;

  // Everybody else's answer, asked at the same time.
  std::vector<Answer> AskAll() const;
  // Takes `initial` over, or says why not.
  absl::StatusOr<storage::InitialCluster> Adopt(
      const storage::InitialCluster& initial);
  absl::StatusOr<storage::InitialCluster> Keep(
      const storage::InitialCluster& initial);

  const ClusterSpec spec_;
  const std::string spec_id_;  // What the flags say.
  const base::NodeId self_;
  const uint64_t incarnation_;
  storage::Store& store_;
  NodeBook* book_ = nullptr;
  IsConnected is_connected_;

  base::Mutex mu_;
  std::optional<storage::InitialCluster> initial_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_BOOTSTRAP_H_
