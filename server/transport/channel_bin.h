// ChannelBin keeps channels that are not needed any more until a thread that is
// not gRPC's lets them go: destroying the last channel of a process joins
// gRPC's threads, which none of them survives (seen: a reference count below
// 0).
//
// Thread-safe.

#ifndef SERVER_TRANSPORT_CHANNEL_BIN_H_
#define SERVER_TRANSPORT_CHANNEL_BIN_H_

#include <grpcpp/channel.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace server::transport {

class ChannelBin {
 public:
  void Add(std::shared_ptr<grpc::Channel> channel) ABSL_LOCKS_EXCLUDED(mu_) {
    base::MutexLock lock(mu_);
    channels_.push_back(std::move(channel));
  }

  // REQUIRES: not on a thread of gRPC.
  void Empty() ABSL_LOCKS_EXCLUDED(mu_) {
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    base::MutexLock lock(mu_);
    channels.swap(channels_);
  }

 private:
  base::Mutex mu_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mu_);
};

}  // namespace server::transport

#endif  // SERVER_TRANSPORT_CHANNEL_BIN_H_
