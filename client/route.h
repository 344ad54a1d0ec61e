// Route says where the attempts of calls go: Server is one server and the
// channel to it; a Route picks one of them for each attempt, and is told which
// attempts failed.
//
// Implementations: the one server of a Connection, and Topology's way to a
// partition of a cluster. Thread-safe.

#ifndef CLIENT_ROUTE_H_
#define CLIENT_ROUTE_H_

#include <memory>
#include <string>

namespace grpc {
class ChannelInterface;
}

namespace client {

// Connects when first used, and again whenever that breaks.
class Server {
 public:
  explicit Server(std::string address);

  const std::string& address() const { return address_; }  // host:port.
  const std::shared_ptr<grpc::ChannelInterface>& channel() const {
    return channel_;
  }

 private:
  const std::string address_;  // Constant after construction.
  const std::shared_ptr<grpc::ChannelInterface> channel_;
};

// How an attempt failed that may be made again.
struct AttemptFailure {
  // The server was there, and refused. Else nobody knows whether it is there.
  bool answered = false;
  // Where it thinks the leader is, host:port, or "".
  std::string leader;
};

class Route {
 public:
  virtual ~Route() = default;

  // Where an attempt that starts now goes. Never null; does not block.
  virtual std::shared_ptr<const Server> Pick() = 0;

  // An attempt at `server` failed. Does not block.
  virtual void Failed(const Server& server, const AttemptFailure& failure) = 0;
};

}  // namespace client

#endif  // CLIENT_ROUTE_H_
