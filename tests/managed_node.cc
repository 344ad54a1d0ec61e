#include "tests/managed_node.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/wait_until.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "tests/raw_session.h"

namespace tests {
namespace {

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::string RoleName(multiraft::admin::v1::Role role) {
  switch (role) {
    case multiraft::admin::v1::ROLE_LEADER:
      return "leader";
    case multiraft::admin::v1::ROLE_FOLLOWER:
      return "follower";
    default:
      return "candidate";
  }
}

}  // namespace

ManagedNode::ManagedNode(const std::string& listen)
    : options_(TestServer::DefaultOptions()) {
  options_.listen = listen;
  options_.managed = true;
  options_.node = base::NodeId{};
  options_.partitions = 0;
  options_.peer_listen = "127.0.0.1:0";
  options_.data_dir = directory_.path() + "/data";
  options_.service.limits = options_.partition.limits;
  options_.service.entry_bytes_max = options_.partition.raft.entry_bytes_max;
  options_.service.stream_hold_ns = options_.partition.stream_hold_ns;
  Start();
}

void ManagedNode::Start() {
  auto server = server::Server::Start(options_, [](absl::Status status) {
    LOG(FATAL) << "the node cannot go on: " << status;
  });
  CHECK(server.ok()) << server.status();
  server_ = *std::move(server);
  // A controller knows its nodes by their addresses.
  options_.listen = server_->client_address();
  options_.peer_listen = server_->peer_address();
}

std::string ManagedNode::address() const {
  return absl::StrCat("127.0.0.1:",
                      options_.listen.substr(options_.listen.rfind(':') + 1));
}

void ManagedNode::Wipe() {
  CHECK(server_ == nullptr);
  std::filesystem::remove_all(options_.data_dir);
}

bool ManagedNode::has_directory() const {
  return std::filesystem::exists(options_.data_dir);
}

std::unique_ptr<v1::Node::Stub> ManagedNode::Stub() const {
  return v1::Node::NewStub(ConnectTo(address()));
}

grpc::Status ManagedNode::Bootstrap(const GroupConfig& group) const {
  Call call;
  v1::BootstrapRequest request;
  *request.mutable_group() = group;
  v1::BootstrapResponse response;
  return Stub()->Bootstrap(&call, request, &response);
}

grpc::Status ManagedNode::Join(const GroupConfig& group) const {
  return JoinWithin(std::chrono::seconds(60), group);
}

grpc::Status ManagedNode::JoinWithin(std::chrono::seconds timeout,
                                     const GroupConfig& group) const {
  Call call;
  call->set_deadline(std::chrono::system_clock::now() + timeout);
  v1::JoinRequest request;
  *request.mutable_group() = group;
  v1::JoinResponse response;
  return Stub()->Join(&call, request, &response);
}

grpc::Status ManagedNode::Leave(uint32_t group_id) const {
  Call call;
  v1::LeaveRequest request;
  request.set_group_id(group_id);
  v1::LeaveResponse response;
  return Stub()->Leave(&call, request, &response);
}

multiraft::admin::v1::StatusResponse ManagedNode::Status() const {
  Call call;
  multiraft::admin::v1::StatusResponse response;
  const grpc::Status status =
      multiraft::admin::v1::Admin::NewStub(ConnectTo(address()))
          ->Status(&call, {}, &response);
  CHECK(status.ok()) << status.error_message();
  return response;
}

std::string ManagedNode::Replica(uint32_t group_id) const {
  const auto status = Status();
  for (const auto& partition : status.partitions()) {
    if (partition.partition_id() != group_id) continue;
    std::string text = RoleName(partition.role());
    for (const auto& member : partition.members()) {
      const bool votes = member.vote() != multiraft::admin::v1::VOTE_NONE;
      absl::StrAppend(&text, votes ? " " : " (", member.node().node_id(),
                      votes ? "" : ")");
    }
    return text;
  }
  return "";
}

v1::GroupConfig GroupOn(uint32_t group_id, uint32_t member_id,
                        const std::vector<const ManagedNode*>& nodes) {
  v1::GroupConfig group;
  group.set_group_id(group_id);
  group.set_member_id(member_id);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::string& address = nodes[i]->peer_address();
    const size_t colon = address.rfind(':');
    v1::MemberConfig& member = *group.add_members();
    member.set_member_id(static_cast<uint32_t>(i + 1));
    member.set_host(address.substr(0, colon));
    member.set_port(std::stoi(address.substr(colon + 1)));
  }
  return group;
}

NodeWatcher::NodeWatcher(const ManagedNode& node)
    : stub_(v1::Node::NewStub(ConnectTo(node.address()))) {
  const size_t before = node.server().open_streams();
  reader_ = stub_->Watch(&context_, {});
  // From here on it misses nothing.
  CHECK(base::WaitUntil([&] { return node.server().open_streams() > before; }));
  thread_ = std::thread([this] {
    Event event;
    while (reader_->Read(&event)) {
      base::MutexLock lock(mu_);
      events_.push_back(event);
    }
  });
}

NodeWatcher::~NodeWatcher() {
  context_.TryCancel();
  thread_.join();
}

bool NodeWatcher::Await(const std::function<bool(const Event&)>& fits) {
  return base::WaitUntil(
      [&] {
        base::MutexLock lock(mu_);
        while (!events_.empty()) {
          const Event event = std::move(events_.front());
          events_.pop_front();
          if (fits(event)) return true;
        }
        return false;
      },
      {.timeout_ns = 20'000'000'000});
}

}  // namespace tests
