// A gRPC channel to another node, for calls (streams of the transport bring
// channels of their own, lane.cc).
//
// A node that is down, hangs or cannot be reached is noticed within a second or
// two whoever calls it (U37): gRPC's own patience with a connection that does
// not come about is 20 seconds.

#ifndef SERVER_TRANSPORT_PEER_CHANNEL_H_
#define SERVER_TRANSPORT_PEER_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace server::transport {

// To `address`, "host:port". No message is too large for it, and no call is
// tried again.
std::shared_ptr<grpc::Channel> PeerChannel(const std::string& address);

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_PEER_CHANNEL_H_
