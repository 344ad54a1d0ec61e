#include "server/transport/peer_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace server::transport {
namespace {

int Millis(uint64_t ns) { return static_cast<int>(ns / 1'000'000); }

}  // namespace

absl::StatusOr<std::unique_ptr<PeerServer>> PeerServer::Start(
    const std::string& address, const Options& options,
    const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  // Otherwise a second server takes half of the connections (measured).
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Pings as lanes send them; a peer that is gone is noticed here too.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Millis(options.keep_alive_ns) / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Millis(options.keep_alive_ns));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Millis(options.keep_alive_timeout_ns));
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.receive_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* const service : services) {
    builder.RegisterService(service);
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address, " (--peer_listen)"));
  }
  const std::string host = address.substr(0, address.rfind(':'));
  return std::unique_ptr<PeerServer>(
      new PeerServer(std::move(server), absl::StrCat(host, ":", port)));
}

PeerServer::PeerServer(std::unique_ptr<grpc::Server> server,
                       std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

PeerServer::~PeerServer() { Stop(0); }

void PeerServer::Stop(uint64_t drain_timeout_ns) {
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::nanoseconds(drain_timeout_ns));
  server_->Wait();
}

}  // namespace server::transport
