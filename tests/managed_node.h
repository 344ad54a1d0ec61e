// A node that waits for a controller, and what a controller says to it: for
// tests of managed clusters, in the test's own process.

#ifndef TESTS_MANAGED_NODE_H_
#define TESTS_MANAGED_NODE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "atomix/multiraft/v1/node.grpc.pb.h"
#include "base/mutex.h"
#include "multiraft/admin/v1/admin.pb.h"
#include "server/options.h"
#include "server/server.h"
#include "tests/server_fixture.h"

namespace tests {

class ManagedNode {
 public:
  // Starts, with a directory of its own, and listens for clients there.
  explicit ManagedNode(const std::string& listen = "127.0.0.1:0");

  void Stop() { server_ = nullptr; }
  // At the same addresses; the process ends if that fails.
  void Start();
  void Restart() {
    Stop();
    Start();
  }
  // Its directory is gone. REQUIRES: it was stopped.
  void Wipe();
  bool has_directory() const;
  const std::string& data_dir() const { return options_.data_dir; }

  const server::Server& server() const { return *server_; }
  // Where clients reach it.
  std::string address() const;
  const std::string& peer_address() const { return options_.peer_listen; }

  // A controller's words.
  using GroupConfig = atomix::multiraft::v1::GroupConfig;
  grpc::Status Bootstrap(const GroupConfig& group) const;
  grpc::Status Join(const GroupConfig& group) const;
  grpc::Status JoinWithin(std::chrono::seconds timeout,
                          const GroupConfig& group) const;
  grpc::Status Leave(uint32_t group_id) const;

  multiraft::admin::v1::StatusResponse Status() const;
  // "leader 1 2 (3)": the role of the replica here, and who takes part, in
  // brackets who does not vote; "": there is none.
  std::string Replica(uint32_t group_id) const;

 private:
  std::unique_ptr<atomix::multiraft::v1::Node::Stub> Stub() const;

  TempDir directory_;
  server::Options options_;
  std::unique_ptr<server::Server> server_;
};

// `group_id` on `nodes`, as member `member_id` (from 1) of them is told.
atomix::multiraft::v1::GroupConfig GroupOn(
    uint32_t group_id, uint32_t member_id,
    const std::vector<const ManagedNode*>& nodes);

// What one Node.Watch gets, as it comes.
class NodeWatcher {
 public:
  // Returns when the node has the call.
  explicit NodeWatcher(const ManagedNode& node);
  ~NodeWatcher();

  using Event = atomix::multiraft::v1::Event;
  // Waits until one fits, and forgets all that came before it. False: none did
  // in time.
  bool Await(const std::function<bool(const Event&)>& fits);

 private:
  grpc::ClientContext context_;
  std::unique_ptr<atomix::multiraft::v1::Node::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<Event>> reader_;

  base::Mutex mu_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // Last: it uses the above.
};

}  // namespace tests

#endif  // TESTS_MANAGED_NODE_H_
