// ServiceTest is the services of both generations over real gRPC, in front of a
// partition that the test plays.

#ifndef SERVER_SERVICE_TESTING_SERVICE_FIXTURE_H_
#define SERVER_SERVICE_TESTING_SERVICE_FIXTURE_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "atomix/multiraft/counter/v1/service.pb.h"
#include "atomix/multiraft/map/v1/service.pb.h"
#include "atomix/multiraft/v1/headers.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "gtest/gtest.h"
#include "multiraft/disk/v1/command.pb.h"
#include "primitive/registry.h"
#include "server/service/admin_service.h"
#include "server/service/authorizer.h"
#include "server/service/gateway.h"
#include "server/service/health_service.h"
#include "server/service/member_handler.h"
#include "server/service/partition_service.h"
#include "server/service/primitive_service.h"
#include "server/service/session_service.h"
#include "server/service/testing/fake_partition.h"
#include "server/service/testing/manual_executor.h"
#include "session/registry.h"
#include "session/types.h"

namespace server::service {

namespace v1 = ::atomix::multiraft::v1;
namespace counter = ::atomix::multiraft::counter::v1;
namespace map = ::atomix::multiraft::map::v1;
using session::Applied;

// Refuses one RPC, and remembers what it was asked.
class RefuseOne : public Authorizer {
 public:
  absl::Status Check(const Caller& caller,
                     const DecodedOperation& operation) override {
    base::MutexLock lock(mu_);
    request_id = caller.request_id;
    primitive = operation.primitive;
    writes = operation.writes;
    if (operation.rpc != refused) return absl::OkStatus();
    return absl::PermissionDeniedError("not you");
  }

  base::Mutex mu_;
  std::string refused;
  std::string request_id;
  session::PrimitiveId primitive;
  bool writes = false;
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest()
      : gateway_(
            Options{.watches_max = 2},
            {.find =
                 [this](base::PartitionId id) {
                   return id == partition_->id() ? partition_ : nullptr;
                 },
             .all =
                 [this] {
                   return std::vector<std::shared_ptr<partition::Partition>>{
                       partition_};
                 }},
            authorizer_, timer_, base::SystemClock()) {
    const session::Registry& registry = primitive::BuiltinRegistry();
    for (const session::Generation generation :
         {session::Generation::kMultiRaft, session::Generation::kRsm}) {
      services_.push_back(
          std::make_unique<PartitionService>(generation, gateway_));
      services_.push_back(
          std::make_unique<SessionService>(generation, registry, gateway_));
      for (const auto& type : registry.types()) {
        if (type.ServiceIn(generation).empty()) continue;
        services_.push_back(
            std::make_unique<PrimitiveService>(type, generation, gateway_));
      }
    }
    services_.push_back(std::make_unique<AdminService>(
        AdminService::Node{
            .describe = [](auto& response) { response.set_node_id(3); },
            .ask =
                [this](const std::string& address, auto done) {
                  const auto found = identities_.find(address);
                  if (found == identities_.end()) {
                    return std::move(done)(
                        absl::UnavailableError("no answer in time"));
                  }
                  std::move(done)(found->second);
                },
            .keep_leading = [](base::PartitionId) {}},
        gateway_));
    services_.push_back(std::make_unique<HealthService>(
        std::set<std::string>{"atomix.multiraft.v1.Partition"}, gateway_));
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    for (auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials());
  }

  ~ServiceTest() override {
    gateway_.Close();
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }

  static counter::IncrementRequest Increment(uint64_t sequence = 5) {
    counter::IncrementRequest request;
    Address(*request.mutable_headers()->mutable_operation());
    request.mutable_headers()->set_sequence_num(sequence);
    request.mutable_input()->set_delta(3);
    return request;
  }
  static void Address(v1::OperationRequestHeaders& operation) {
    auto& primitive = *operation.mutable_session();
    primitive.set_primitive_id(11);
    primitive.mutable_session()->set_session_id(9);
    primitive.mutable_session()->mutable_partition()->set_partition_id(1);
  }
  static map::EventsRequest Events() {
    map::EventsRequest request;
    Address(*request.mutable_headers()->mutable_operation());
    request.mutable_headers()->set_sequence_num(8);
    request.mutable_input();
    return request;
  }

  // Answers the next proposal with `applied` while `call` runs.
  template <class Call>
  grpc::Status Answering(Applied applied, Call call) {
    auto status = std::async(std::launch::async, call);
    FakePartition::Proposed proposed = partition_->TakeProposal();
    EXPECT_TRUE(command_.ParseFromString(proposed.request.bytes));
    kind_ = proposed.request.kind;
    std::move(proposed.completion).Complete(std::move(applied));
    return status.get();
  }
  template <class Call>
  grpc::Status Refusing(partition::Refusal refusal, Call call) {
    auto status = std::async(std::launch::async, call);
    std::move(partition_->TakeProposal().completion).Refuse(std::move(refusal));
    return status.get();
  }
  std::string Trailer(const char* key) {
    const auto& trailers = context_.GetServerTrailingMetadata();
    auto found = trailers.find(key);
    return found == trailers.end()
               ? ""
               : std::string(found->second.data(), found->second.size());
  }

  std::shared_ptr<FakePartition> partition_ =
      std::make_shared<FakePartition>(base::PartitionId(1));
  std::map<std::string, NodeIdentity> identities_;  // By peer address.
  RefuseOne authorizer_;
  ManualExecutor timer_;
  Gateway gateway_;
  std::vector<std::unique_ptr<RawService>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  ::multiraft::disk::v1::Command command_;
  partition::CommandRequest::Kind kind_{};
};

}  // namespace server::service

#endif  // SERVER_SERVICE_TESTING_SERVICE_FIXTURE_H_
