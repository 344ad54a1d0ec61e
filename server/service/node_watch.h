// NodeWatch is one Node.Watch call: it sends what it is given, in order, and
// ends when too much waits.
//
// Thread-safe.

#ifndef SERVER_SERVICE_NODE_WATCH_H_
#define SERVER_SERVICE_NODE_WATCH_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/service/stream_call.h"

namespace server::service {

class NodeWatch : public StreamCall {
 public:
  // `place` is given back with the call.
  NodeWatch(grpc::CallbackServerContext& context, OpenStreams& streams,
            size_t waiting_max, std::shared_ptr<const void> place)
      : StreamCall(context, streams),
        waiting_max_(waiting_max),
        place_(std::move(place)) {}

  // An encoded event; those that it begins with count for nothing. Sends
  // nothing yet, so that it may be called with a lock held. False: the call is
  // over, and needs no more.
  bool Add(std::shared_ptr<const std::string> event, bool begins_with_it)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Sends what can be sent, or ends the call if it has fallen behind.
  void Pump() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Writable() override ABSL_LOCKS_EXCLUDED(mu_);
  void Gone() override ABSL_LOCKS_EXCLUDED(mu_);

  const size_t waiting_max_;

  base::Mutex mu_;
  std::shared_ptr<const void> place_ ABSL_GUARDED_BY(mu_);  // Until Gone.
  std::deque<std::shared_ptr<const std::string>> waiting_ ABSL_GUARDED_BY(mu_);
  size_t exempt_ ABSL_GUARDED_BY(mu_) = 0;  // In front of waiting_.
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool behind_ ABSL_GUARDED_BY(mu_) = false;  // More came than may wait.
  bool over_ ABSL_GUARDED_BY(mu_) = false;    // Gone, or ended.
};

}  // namespace server::service

#endif  // SERVER_SERVICE_NODE_WATCH_H_
