// Stubs makes the stub of a service on the channel that an attempt takes, and
// keeps it while attempts take the same one.
//
// Thread-safe.

#ifndef CLIENT_STUBS_H_
#define CLIENT_STUBS_H_

#include <memory>

#include "base/mutex.h"
#include "grpcpp/channel.h"

namespace client {

template <class Service>
class Stubs {
 public:
  using Stub = typename Service::Stub;

  std::shared_ptr<Stub> On(
      const std::shared_ptr<grpc::ChannelInterface>& channel) {
    base::MutexLock lock(mu_);
    if (channel_ != channel) {
      stub_ = Service::NewStub(channel);
      channel_ = channel;
    }
    return stub_;
  }

 private:
  base::Mutex mu_;
  std::shared_ptr<grpc::ChannelInterface> channel_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Stub> stub_ ABSL_GUARDED_BY(mu_);  // On channel_.
};

}  // namespace client

#endif  // CLIENT_STUBS_H_
