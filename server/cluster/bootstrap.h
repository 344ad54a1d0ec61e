// Bootstrap is how the nodes of a static cluster agree on its beginning: which
// data directories (incarnations) its first members are. Without that a wiped
// directory could come back as the old voter and vote again (U8).
//
// The lowest-numbered node decides, once every other has answered that it is
// empty too; the decision is durable there before anybody learns of it. The
// others take it over. A node whose directory is not the one that was decided
// on has been wiped, and is refused.
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
#include "storage/store.h"

namespace server::cluster {

class Bootstrap final : public multiraft::peer::v1::Bootstrap::CallbackService {
 public:
  // `store` is open, and outlives it.
  Bootstrap(const ClusterSpec& spec, base::NodeId self, storage::Store& store);

  // The cluster's id.
  const std::string& cluster_id() const { return id_; }

  // What the waiting is about, for people; called when that changes.
  using OnWait = std::function<void(const std::string& what)>;

  // Waits until the beginning is known, and returns it; it is then in the
  // store. Cancelled: `stop` says so, which is asked several times a second.
  // FailedPrecondition, in one sentence that says what to do: this directory
  // was wiped, or others began another cluster.
  absl::StatusOr<storage::InitialCluster> Run(const std::function<bool()>& stop,
                                              const OnWait& on_wait);

 private:
  struct Answer;

  grpc::ServerUnaryReactor* Introduce(
      grpc::CallbackServerContext* context,
      const multiraft::peer::v1::IntroduceRequest* request,
      multiraft::peer::v1::IntroduceResponse* response) override;

  // Everybody else's answer, asked at the same time.
  std::vector<Answer> AskAll() const;
  // Takes `initial` over, or says why not.
  absl::StatusOr<storage::InitialCluster> Adopt(
      const storage::InitialCluster& initial);
  absl::StatusOr<storage::InitialCluster> Keep(
      const storage::InitialCluster& initial);

  const ClusterSpec spec_;
  const std::string id_;  // Of the cluster.
  const base::NodeId self_;
  const uint64_t incarnation_;
  storage::Store& store_;

  base::Mutex mu_;
  std::optional<storage::InitialCluster> initial_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_BOOTSTRAP_H_
