#include "server/cluster/bootstrap.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "server/cluster/introduce_codec.h"
#include "server/transport/peer_channel.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

// How long one node is waited for, and how long until all are asked again.
constexpr auto kAnswerTimeout = std::chrono::milliseconds(1000);
constexpr int64_t kAskAgainNs = 100'000'000;

// So often those that are missing are asked in vain before a forced beginning.
constexpr int kForceRounds = 3;

constexpr uint64_t kNanosPerMilli = 1'000'000;

}  // namespace

absl::Status CheckSaysTheSame(const ClusterSpec& spec,
                              const storage::InitialCluster& initial) {
  // The id has all of it (ClusterId), and a mark if the beginning was forced or
  // recovered (recover.cc).
  const std::string id = ClusterId(spec);
  if (initial.id == id || absl::StartsWith(initial.id, id + "-") ||
      absl::StrContains(initial.id, "+r")) {
    return absl::OkStatus();
  }
  const auto numbers = [](const auto& nodes) {
    return absl::StrJoin(nodes, ", ", [](std::string* out, const auto& node) {
      absl::StrAppend(out, node.node.value());
    });
  };
  return absl::FailedPreconditionError(absl::StrCat(
      "cluster ", initial.id, " began with nodes ", numbers(initial.members),
      " and ", initial.replication,
      " replicas of each partition, and now --cluster names nodes ",
      numbers(spec.nodes), " and --replication is ", spec.replication,
      ": they say how it began, and only addresses may change; start the node "
      "with what it began with, and change members with `multiraftctl "
      "member`"));
}

// What one node said.
struct Bootstrap::Answer {
  NodeAddress node;
  grpc::Status status;
  v1::IntroduceResponse response;
};

Bootstrap::Bootstrap(const ClusterSpec& spec, base::NodeId self,
                     storage::Store& store)
    : spec_(spec),
      spec_id_(ClusterId(spec)),
      self_(self),
      incarnation_(store.identity().incarnation),
      store_(store),
      initial_(store.initial_cluster()) {}

void Bootstrap::Acquaint(NodeBook& book, IsConnected is_connected) {
  book_ = &book;
  is_connected_ = std::move(is_connected);
}

absl::Status Bootstrap::Check(const v1::IntroduceRequest& request) {
  const auto refuse = [&](absl::string_view cluster, absl::string_view other) {
    std::string node;
    if (request.to_node() != 0) {
      node = absl::StrCat("node ", request.to_node(), " of ");
    }
    return absl::FailedPreconditionError(
        absl::StrCat("here is node ", self_.value(), " of cluster ", cluster,
                     ", not ", node, "cluster ", other));
  };
  std::string id = spec_id_;
  {
    base::MutexLock lock(mu_);
    if (initial_.has_value()) id = initial_->id;
  }
  if (request.cluster().empty()) {
    if (request.cluster_name() != spec_.name) {
      return refuse(spec_.name, request.cluster_name());
    }
  } else if (request.cluster() != id &&
             (request.has_from() || request.cluster() != spec_id_)) {
    // Who waits for the beginning knows what the flags say, which is not all if
    // that was forced. Who has a directory knows the id.
    return refuse(id, request.cluster());
  }
  if (request.to_node() != 0 && request.to_node() != self_.value()) {
    return refuse(id, request.cluster());
  }
  if (book_ == nullptr || !request.has_from()) return absl::OkStatus();
  if (request.from_node() != request.from().node() ||
      !IsComplete(FromProto(request.from()))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "node ", request.from_node(), " says that it is node ",
        request.from().node(), " with directory ", request.from().incarnation(),
        " at \"", absl::CHexEscape(request.from().peer_address()), "\""));
  }
  for (const NodeBook::Heard& known : book_->All()) {
    if (known.node.node.value() != request.from().node() ||
        known.node.incarnation == request.from().incarnation()) {
      continue;
    }
    if (known.node.node != self_ && !is_connected_(known.node)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "node ", request.from().node(), " of cluster ", id, " is up, at ",
        known.node.peer_address, ", with another data directory"));
  }
  return absl::OkStatus();
}

void Bootstrap::FillNodes(v1::IntroduceResponse& response) const {
  if (book_ == nullptr) return;
  for (const NodeBook::Heard& heard : book_->All()) {
    v1::KnownNode& node = *response.add_nodes();
    node = ToProto(heard.node);
    node.set_heard_ms_ago(heard.ago_ns / kNanosPerMilli);
    node.set_connected(heard.node.node == self_ || is_connected_(heard.node));
  }
}

grpc::ServerUnaryReactor* Bootstrap::Introduce(
    grpc::CallbackServerContext* context, const v1::IntroduceRequest* request,
    v1::IntroduceResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const absl::Status refused = Check(*request); !refused.ok()) {
    reactor->Finish(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                 std::string(refused.message())));
    return reactor;
  }
  response->set_incarnation(incarnation_);
  bool has_begun = false;
  {
    base::MutexLock lock(mu_);
    has_begun = initial_.has_value();
    if (has_begun) *response->mutable_initial() = ToProto(*initial_);
  }
  if (has_begun) {
    if (book_ != nullptr && request->has_from()) {
      book_->Learn(FromProto(request->from()), 0);
    }
    FillNodes(*response);
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
      auto stub = v1::Bootstrap::NewStub(
          transport::PeerChannel(answer.node.peer_address));
      v1::IntroduceRequest request;
      request.set_cluster(spec_id_);
      request.set_cluster_name(spec_.name);
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
        "cluster ", initial.id, " began with another data directory of node ",
        self_.value(),
        ", and this one is empty: start the node with the old directory, or, "
        "if that is lost, replace the member: start it with --join in the "
        "place of --cluster, then `multiraftctl member replace ",
        self_.value(), " ", self_.value(), " PEER-ADDRESS`"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "cluster ", initial.id, " began without node ", self_.value(),
      ": start it with --join in the place of --cluster"));
}

absl::StatusOr<storage::InitialCluster> Bootstrap::Run(
    const RunOptions& options, const std::function<bool()>& stop,
    const OnWait& on_wait) {
  if (store_.initial_cluster().has_value()) return *store_.initial_cluster();

  std::string waited_for;
  int rounds = 0;
  base::Mutex mu;
  base::CondVar never;
  while (!stop()) {
    storage::InitialCluster initial{.id = spec_id_,
                                    .partitions = spec_.partitions,
                                    .replication = spec_.replication};
    std::vector<std::string> missing;
    std::vector<Answer> answers = AskAll();
    for (const NodeAddress& node : spec_.nodes) {
      storage::InitialMember member{.node = node.node,
                                    .incarnation = incarnation_,
                                    .peer_address = node.peer_address,
                                    .api_address = node.api_address};
      for (const Answer& answer : answers) {
        if (answer.node.node != node.node) continue;
        if (answer.status.error_code() ==
            grpc::StatusCode::FAILED_PRECONDITION) {
          return absl::FailedPreconditionError(absl::StrCat(
              "at ", node.peer_address, ": ", answer.status.error_message(),
              "; --cluster, --cluster_name, --partitions and "
              "--replication must be the same on all nodes"));
        }
        if (!answer.status.ok()) {
          missing.push_back(absl::StrCat("node ", node.node.value(), " at ",
                                         node.peer_address));
          member.incarnation = 0;
        } else if (answer.response.has_initial()) {
          return Adopt(FromProto(answer.response.initial()));
        } else {
          member.incarnation = answer.response.incarnation();
        }
      }
      if (member.incarnation != 0) initial.members.push_back(member);
    }
    const bool is_lowest = initial.members.front().node == self_;
    const bool is_majority = 2 * initial.members.size() > spec_.nodes.size();
    if (missing.empty() && is_lowest) return Keep(initial);
    if (options.force && is_majority && is_lowest && ++rounds > kForceRounds) {
      initial.id = absl::StrFormat("%s-%016x", spec_id_, incarnation_);
      initial.replication = std::min<uint32_t>(
          initial.replication, static_cast<uint32_t>(initial.members.size()));
      LOG(WARNING) << "--force_bootstrap: cluster " << initial.id
                   << " begins without " << absl::StrJoin(missing, ", ")
                   << ", which must join it later (--join) and never be "
                      "started with --cluster";
      return Keep(initial);
    }
    if (missing.empty()) {
      missing.push_back(absl::StrCat("the decision of node ",
                                     initial.members.front().node.value()));
    }
    const std::string waiting_for = absl::StrJoin(missing, ", ");
    if (waiting_for != waited_for) {
      waited_for = waiting_for;
      on_wait(absl::StrCat(
          "a new cluster: waiting for ", waiting_for,
          !options.force ? ""
          : !is_majority
              ? "; --force_bootstrap: not without a majority of the nodes"
          : !is_lowest
              ? absl::StrCat("; --force_bootstrap is for node ",
                             initial.members.front().node.value())
              : "; --force_bootstrap: beginning without it in a few seconds"));
    }
    base::MutexLock lock(mu);
    never.WaitFor(mu, kAskAgainNs);
  }
  return absl::CancelledError("stopped while waiting for other nodes");
}

}  // namespace server::cluster
