#include "server/cluster/join.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "server/cluster/introduce_codec.h"
#include "server/transport/peer_channel.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

constexpr auto kAnswerTimeout = std::chrono::milliseconds(1000);
constexpr int64_t kAskAgainNs = 100'000'000;

// What the node at `address` said. Unavailable: nothing.
absl::StatusOr<v1::IntroduceResponse> AskOne(const JoinRequest& request,
                                             const std::string& address) {
  const auto stub = v1::Bootstrap::NewStub(transport::PeerChannel(address));
  v1::IntroduceRequest question;
  question.set_cluster_name(request.cluster_name);
  question.set_from_node(request.node.value());
  v1::IntroduceResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kAnswerTimeout);
  const grpc::Status status = stub->Introduce(&context, question, &response);
  if (status.ok()) return response;
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    return absl::FailedPreconditionError(
        absl::StrCat("at ", address, " (--join): ", status.error_message()));
  }
  return absl::UnavailableError(status.error_message());
}

// Whoever has the number must be gone: two that call themselves the same would
// take turns in what others know of them.
absl::Status CheckNumber(const JoinRequest& request,
                         const v1::IntroduceResponse& response) {
  for (const v1::KnownNode& known : response.nodes()) {
    if (known.node() != request.node.value() || !known.connected()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "node ", known.node(), " of cluster ", response.initial().id(),
        " is up, at ", known.peer_address(),
        ", with another data directory: take a number that is free (--node), "
        "or stop that one first"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<storage::InitialCluster> AskToJoin(
    const JoinRequest& request, const std::function<bool()>& stop,
    const std::function<void(const std::string&)>& on_wait) {
  std::string waited_for;
  base::Mutex mu;
  base::CondVar never;
  while (!stop()) {
    std::vector<std::string> silent;
    for (const std::string& address : request.addresses) {
      if (stop()) break;
      const absl::StatusOr<v1::IntroduceResponse> response =
          AskOne(request, address);
      if (absl::IsUnavailable(response.status())) {
        silent.push_back(address);
        continue;
      }
      RETURN_IF_ERROR(response.status());
      if (!response->has_initial()) continue;
      RETURN_IF_ERROR(CheckNumber(request, *response));
      return FromProto(response->initial());
    }
    const std::string waiting_for =
        silent.size() == request.addresses.size()
            ? absl::StrCat("nobody answers at ", absl::StrJoin(silent, ", "))
            : "the cluster has not begun yet";
    if (waiting_for != waited_for) {
      waited_for = waiting_for;
      on_wait(absl::StrCat("joining cluster ", request.cluster_name, ": ",
                           waiting_for));
    }
    base::MutexLock lock(mu);
    never.WaitFor(mu, kAskAgainNs);
  }
  return absl::CancelledError("stopped while waiting for other nodes");
}

}  // namespace server::cluster
