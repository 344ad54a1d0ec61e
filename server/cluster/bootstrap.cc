#include "server/cluster/bootstrap.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

// How long one node is waited for, and how long until all are asked again.
constexpr auto kAnswerTimeout = std::chrono::milliseconds(1000);
constexpr int64_t kAskAgainNs = 100'000'000;

v1::InitialCluster ToProto(const storage::InitialCluster& cluster) {
  v1::InitialCluster proto;
  proto.set_id(cluster.id);
  proto.set_partitions(cluster.partitions);
  proto.set_replication(cluster.replication);
  for (const storage::InitialMember& member : cluster.members) {
    v1::InitialMember& to = *proto.add_members();
    to.set_node(member.node.value());
    to.set_incarnation(member.incarnation);
    to.set_peer_address(member.peer_address);
    to.set_api_address(member.api_address);
  }
  return proto;
}

storage::InitialCluster FromProto(const v1::InitialCluster& proto) {
  storage::InitialCluster cluster{.id = proto.id(),
                                  .partitions = proto.partitions(),
                                  .replication = proto.replication()};
  for (const v1::InitialMember& member : proto.members()) {
    cluster.members.push_back({.node = base::NodeId(member.node()),
                               .incarnation = member.incarnation(),
                               .peer_address = member.peer_address(),
                               .api_address = member.api_address()});
  }
  return cluster;
}

}  // namespace

// What one node said.
struct Bootstrap::Answer {
  NodeAddress node;
  grpc::Status status;
  v1::IntroduceResponse response;
};

Bootstrap::Bootstrap(const ClusterSpec& spec, base::NodeId self,
                     storage::Store& store)
    : spec_(spec),
      id_(store.initial_cluster().has_value() ? store.initial_cluster()->id
                                              : ClusterId(spec)),
      self_(self),
      incarnation_(store.identity().incarnation),
      store_(store),
      initial_(store.initial_cluster()) {}

grpc::ServerUnaryReactor* Bootstrap::Introduce(
    grpc::CallbackServerContext* context, const v1::IntroduceRequest* request,
    v1::IntroduceResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (request->cluster() != id_ || request->to_node() != self_.value()) {
    reactor->Finish(grpc::Status(
        grpc::StatusCode::FAILED_PRECONDITION,
        absl::StrCat("here is node ", self_.value(), " of cluster ", id_,
                     ", not node ", request->to_node(), " of cluster ",
                     request->cluster())));
    return reactor;
  }
  response->set_incarnation(incarnation_);
  {
    base::MutexLock lock(mu_);
    if (initial_.has_value()) *response->mutable_initial() = ToProto(*initial_);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

std::vector<Bootstrap::Answer> Bootstrap::AskAll() const {
  std::vector<Answer> answers;
  for (const NodeAddress& node : spec_.nodes) {
    if (node.node != self_) answers.push_back({.node = node});
  }
  std::vector<std::thread> threads;
  for (Answer& answer : answers) {
    threads.emplace_back([this, &answer] {
      auto stub = v1::Bootstrap::NewStub(grpc::CreateChannel(
          answer.node.peer_address, grpc::InsecureChannelCredentials()));
      v1::IntroduceRequest request;
      request.set_cluster(id_);
      request.set_from_node(self_.value());
      request.set_to_node(answer.node.node.value());
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + kAnswerTimeout);
      context.set_wait_for_ready(true);
      answer.status = stub->Introduce(&context, request, &answer.response);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return answers;
}

absl::StatusOr<storage::InitialCluster> Bootstrap::Keep(
    const storage::InitialCluster& initial) {
  RETURN_IF_ERROR(store_.SetInitialCluster(initial));
  base::MutexLock lock(mu_);
  initial_ = initial;
  return initial;
}

absl::StatusOr<storage::InitialCluster> Bootstrap::Adopt(
    const storage::InitialCluster& initial) {
  for (const storage::InitialMember& member : initial.members) {
    if (member.node != self_) continue;
    if (member.incarnation == incarnation_) return Keep(initial);
    return absl::FailedPreconditionError(absl::StrCat(
        "cluster ", id_, " began with another data directory of node ",
        self_.value(),
        ", and this one is empty: start the node with the old directory, or, "
        "if that is lost, replace the member"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("cluster ", id_, " began without node ", self_.value()));
}

absl::StatusOr<storage::InitialCluster> Bootstrap::Run(
    const std::function<bool()>& stop, const OnWait& on_wait) {
  if (store_.initial_cluster().has_value()) return *store_.initial_cluster();

  const bool decides = spec_.nodes.front().node == self_;
  std::string waited_for;
  base::Mutex mu;
  base::CondVar never;
  while (!stop()) {
    storage::InitialCluster initial{.id = id_,
                                    .partitions = spec_.partitions,
                                    .replication = spec_.replication};
    const NodeAddress& own = *spec_.Find(self_);
    initial.members.push_back({.node = self_,
                               .incarnation = incarnation_,
                               .peer_address = own.peer_address,
                               .api_address = own.api_address});
    std::vector<std::string> missing;
    for (const Answer& answer : AskAll()) {
      const NodeAddress& node = answer.node;
      if (answer.status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
        return absl::FailedPreconditionError(absl::StrCat(
            "at ", node.peer_address, ": ", answer.status.error_message(),
            "; --cluster, --cluster_name, --partitions and "
            "--replication must be the same on all nodes"));
      }
      if (!answer.status.ok()) {
        missing.push_back(absl::StrCat("node ", node.node.value(), " at ",
                                       node.peer_address));
        continue;
      }
      if (answer.response.has_initial()) {
        return Adopt(FromProto(answer.response.initial()));
      }
      initial.members.push_back({.node = node.node,
                                 .incarnation = answer.response.incarnation(),
                                 .peer_address = node.peer_address,
                                 .api_address = node.api_address});
    }
    // Members come by node: this one first, since it decides only as the
    // lowest, then the others as they were asked.
    if (missing.empty() && decides) return Keep(initial);
    if (missing.empty()) {
      missing.push_back(absl::StrCat("the decision of node ",
                                     spec_.nodes.front().node.value()));
    }
    const std::string waiting_for = absl::StrJoin(missing, ", ");
    if (waiting_for != waited_for) {
      waited_for = waiting_for;
      on_wait(absl::StrCat("a new cluster: waiting for ", waiting_for));
    }
    base::MutexLock lock(mu);
    never.WaitFor(mu, kAskAgainNs);
  }
  return absl::CancelledError("stopped while waiting for other nodes");
}

}  // namespace server::cluster
