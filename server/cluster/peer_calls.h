// PeerCalls is the unary calls that this node makes to others' peer ports, and
// their end.
//
// Thread-safe.

#ifndef SERVER_CLUSTER_PEER_CALLS_H_
#define SERVER_CLUSTER_PEER_CALLS_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "atomix/multiraft/v1/node.pb.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "multiraft/peer/v1/bootstrap.pb.h"
#include "multiraft/peer/v1/founding.pb.h"

namespace server::cluster {

class PeerCalls {
 public:
  PeerCalls();
  // REQUIRES: stopped, if it was used.
  ~PeerCalls();

  // Each asks the node at `address` (host:port), for so long at most. `done` is
  // called once, on a thread of gRPC's or, if this has stopped, on the
  // caller's. The error is what the callee said; Unavailable, in a few words,
  // also if there is no answer.
  template <class Response>
  using Done = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;
  void Introduce(const std::string& address,
                 const multiraft::peer::v1::IntroduceRequest& request,
                 uint64_t timeout_ns,
                 Done<multiraft::peer::v1::IntroduceResponse> done);
  void AskGroup(const std::string& address,
                const multiraft::peer::v1::AskGroupRequest& request,
                uint64_t timeout_ns,
                Done<multiraft::peer::v1::AskGroupResponse> done);
  void ChangeMembers(const std::string& address,
                     const multiraft::admin::v1::ChangeMembersRequest& request,
                     uint64_t timeout_ns,
                     Done<multiraft::admin::v1::ChangeMembersResponse> done);

  // Has it join a group, as a controller does; an empty answer.
  void JoinGroup(const std::string& address,
                 const atomix::multiraft::v1::JoinRequest& request,
                 uint64_t timeout_ns,
                 Done<atomix::multiraft::v1::JoinResponse> done);

  // Closes the connections to all others but these.
  void KeepOnly(const std::set<std::string>& addresses);

  // Ends the calls under way; nothing is called after it has returned. May be
  // called again.
  void Stop();

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace server::cluster

#endif  // SERVER_CLUSTER_PEER_CALLS_H_
