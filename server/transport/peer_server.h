// PeerServer is the gRPC server on --peer_listen, which only nodes of the
// cluster call.

#ifndef SERVER_TRANSPORT_PEER_SERVER_H_
#define SERVER_TRANSPORT_PEER_SERVER_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/transport/options.h"

namespace server::transport {

class PeerServer {
 public:
  // Listens at `address`, "host:port"; port 0 is any. `services` must outlive
  // it. FailedPrecondition: it cannot listen there.
  static absl::StatusOr<std::unique_ptr<PeerServer>> Start(
      const std::string& address, const Options& options,
      const std::vector<grpc::Service*>& services);
  ~PeerServer();

  // Lets calls end by themselves for so long, then cancels them. After
  // GrpcTransport::Stop, whose streams never end by themselves.
  void Stop(uint64_t drain_timeout_ns);

  // With the port that was found.
  const std::string& address() const { return address_; }

 private:
  PeerServer(std::unique_ptr<grpc::Server> server, std::string address);

  const std::unique_ptr<grpc::Server> server_;
  const std::string address_;
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_PEER_SERVER_H_
