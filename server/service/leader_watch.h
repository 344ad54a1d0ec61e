// LeaderWatch is one Partition.Watch call: it sends who leads the partition
// now, then each change, until the partition leaves this node.
//
// A client that is slower than elections misses some of them, never the last.

#ifndef SERVER_SERVICE_LEADER_WATCH_H_
#define SERVER_SERVICE_LEADER_WATCH_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "partition/partition.h"
#include "server/service/stream_call.h"

namespace server::service {

class LeaderWatch : public StreamCall {
 public:
  // `clock` must outlive the call. `place` is given back with it.
  LeaderWatch(grpc::CallbackServerContext& context, OpenStreams& streams,
              const std::shared_ptr<partition::Partition>& partition,
              base::Clock& clock, std::shared_ptr<const void> place)
      : StreamCall(context, streams),
        id_(partition->id()),
        partition_(partition),
        clock_(clock),
        place_(std::move(place)) {}

  // Starts to listen. Once.
  void Subscribe();

 private:
  // `end`, when nobody holds it any more, ends the call.
  void Listen(raft::ReplicaId self, std::shared_ptr<const void> end);
  void Changed(raft::ReplicaId self, const partition::LeaderInfo& info);
  void PartitionLeft();
  void Writable() override;
  void Gone() override;

  const base::PartitionId id_;
  const std::weak_ptr<partition::Partition> partition_;
  base::Clock& clock_;
  std::shared_ptr<const void> place_;  // Until Gone.

  base::Mutex mu_;
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool gone_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<uint64_t> listener_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mu_);  // At most 16.
};

}  // namespace server::service

#endif  // SERVER_SERVICE_LEADER_WATCH_H_
