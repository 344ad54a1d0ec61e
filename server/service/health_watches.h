// HealthWatches is the open Health.Watch calls: each gets the state of what it
// watches now, and then each new one.
//
// A partition tells nobody when it begins to serve, so it is looked at: ten
// times a second as long as there is a watch, once for each name that is
// watched, however many watch it.
//
// Thread-safe.

#ifndef SERVER_SERVICE_HEALTH_WATCHES_H_
#define SERVER_SERVICE_HEALTH_WATCHES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.pb.h"
#include "partition/executor.h"
#include "server/service/stream_call.h"

namespace server::service {

class HealthWatch;

class HealthWatches : public std::enable_shared_from_this<HealthWatches> {
 public:
  using Status = ::grpc::health::v1::HealthCheckResponse::ServingStatus;
  using StatusOf = std::function<Status(const std::string& service)>;

  // `status_of` and `timer` must outlive the watches, and `status_of` may be
  // called on any thread.
  static std::shared_ptr<HealthWatches> Make(StatusOf status_of,
                                             partition::Executor& timer);

  // Opens a watch of `service`; `place` is given back with it.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext& context, OpenStreams& streams,
      const std::string& service, std::shared_ptr<const void> place)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  HealthWatches(StatusOf status_of, partition::Executor& timer)
      : status_of_(std::move(status_of)), timer_(timer) {}

  void LookLater();
  void Look() ABSL_LOCKS_EXCLUDED(mu_);

  const StatusOf status_of_;
  partition::Executor& timer_;

  base::Mutex mu_;
  bool looking_ ABSL_GUARDED_BY(mu_) = false;  // A look is on its way.
  std::map<std::string, std::vector<std::weak_ptr<HealthWatch>>> watches_
      ABSL_GUARDED_BY(mu_);  // By service.
};

}  // namespace server::service

#endif  // SERVER_SERVICE_HEALTH_WATCHES_H_
