#include "server/cluster/peer_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "atomix/multiraft/v1/node.grpc.pb.h"
#include "base/mutex.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "multiraft/peer/v1/founding.grpc.pb.h"
#include "server/transport/gate.h"
#include "server/transport/peer_channel.h"

namespace server::cluster {
namespace {

namespace admin = ::multiraft::admin::v1;
namespace v1 = ::multiraft::peer::v1;

// Of channels kept open; more than a cluster has nodes.
constexpr size_t kChannelsMax = 64;

// gRPC's text goes from the general to the cause.
std::string Cause(const std::string& text) {
  const size_t colon = text.rfind(": ");
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

// The codes are the same numbers.
absl::Status StatusOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::UnavailableError(Cause(status.error_message()));
    case grpc::StatusCode::CANCELLED:
      return absl::UnavailableError("the call was cancelled");
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                          status.error_message());
  }
}

}  // namespace

class PeerCalls::Impl : public std::enable_shared_from_this<Impl> {
 public:
  // `start(call, callback)` begins the RPC on call.channel.
  template <class Service, class Request, class Response, class Begin>
  void Start(const std::string& address, const Request& request,
             uint64_t timeout_ns, PeerCalls::Done<Response> done, Begin begin);

  void KeepOnly(const std::set<std::string>& addresses) {
    base::MutexLock lock(mu_);
    std::erase_if(channels_, [&](const auto& one) {
      return !addresses.contains(one.first);
    });
  }

  void Stop() {
    {
      base::MutexLock lock(mu_);
      stopped_ = true;
      for (const auto& context : open_) context->TryCancel();
    }
    inside_.WaitUntilEmpty();
    base::MutexLock lock(mu_);
    channels_.clear();
  }

 private:
  template <class Service, class Request, class Response>
  struct Call {
    std::shared_ptr<grpc::ClientContext> context =
        std::make_shared<grpc::ClientContext>();
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<typename Service::Stub> stub;
    Request request;
    Response response;
    PeerCalls::Done<Response> done;
  };

  // Null: it has stopped. Otherwise inside_ was entered.
  std::shared_ptr<grpc::Channel> Enter(
      const std::string& address,
      const std::shared_ptr<grpc::ClientContext>& context) {
    base::MutexLock lock(mu_);
    if (stopped_) return nullptr;
    if (channels_.size() >= kChannelsMax) channels_.clear();
    auto& channel = channels_[address];
    if (channel == nullptr) channel = transport::PeerChannel(address);
    open_.insert(context);
    inside_.Enter();
    return channel;
  }

  transport::Gate inside_;

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::shared_ptr<grpc::ClientContext>> open_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_
      ABSL_GUARDED_BY(mu_);
};

template <class Service, class Request, class Response, class Begin>
void PeerCalls::Impl::Start(const std::string& address, const Request& request,
                            uint64_t timeout_ns, PeerCalls::Done<Response> done,
                            Begin begin) {
  auto call = std::make_shared<Call<Service, Request, Response>>();
  call->request = request;
  call->done = std::move(done);
  call->context->set_deadline(std::chrono::system_clock::now() +
                              std::chrono::nanoseconds(timeout_ns));
  call->channel = Enter(address, call->context);
  if (call->channel == nullptr) {
    return std::move(call->done)(
        absl::UnavailableError("the server is shutting down"));
  }
  call->stub = Service::NewStub(call->channel);
  begin(*call,
        [self = shared_from_this(), call](const grpc::Status& status) mutable {
          {
            base::MutexLock lock(self->mu_);
            self->open_.erase(call->context);
          }
          if (status.ok()) {
            std::move(call->done)(std::move(call->response));
          } else {
            std::move(call->done)(StatusOf(status));
          }
          // First what it has of a channel: behind Leave this may be the last
          // one, on a thread of gRPC's (transport/channel_bin.h).
          call = nullptr;
          self->inside_.Leave();
        });
}

PeerCalls::PeerCalls() : impl_(std::make_shared<Impl>()) {}

PeerCalls::~PeerCalls() = default;

void PeerCalls::Introduce(const std::string& address,
                          const v1::IntroduceRequest& request,
                          uint64_t timeout_ns,
                          Done<v1::IntroduceResponse> done) {
  impl_->Start<v1::Bootstrap>(address, request, timeout_ns, std::move(done),
                              [](auto& call, auto ended) {
                                call.stub->async()->Introduce(
                                    call.context.get(), &call.request,
                                    &call.response, std::move(ended));
                              });
}

void PeerCalls::AskGroup(const std::string& address,
                         const v1::AskGroupRequest& request,
                         uint64_t timeout_ns, Done<v1::AskGroupResponse> done) {
  impl_->Start<v1::Founding>(address, request, timeout_ns, std::move(done),
                             [](auto& call, auto ended) {
                               call.stub->async()->AskGroup(
                                   call.context.get(), &call.request,
                                   &call.response, std::move(ended));
                             });
}

void PeerCalls::ChangeMembers(const std::string& address,
                              const admin::ChangeMembersRequest& request,
                              uint64_t timeout_ns,
                              Done<admin::ChangeMembersResponse> done) {
  impl_->Start<admin::Admin>(address, request, timeout_ns, std::move(done),
                             [](auto& call, auto ended) {
                               call.stub->async()->ChangeMembers(
                                   call.context.get(), &call.request,
                                   &call.response, std::move(ended));
                             });
}

void PeerCalls::JoinGroup(const std::string& address,
                          const atomix::multiraft::v1::JoinRequest& request,
                          uint64_t timeout_ns,
                          Done<atomix::multiraft::v1::JoinResponse> done) {
  impl_->Start<atomix::multiraft::v1::Node>(
      address, request, timeout_ns, std::move(done),
      [](auto& call, auto ended) {
        call.stub->async()->Join(call.context.get(), &call.request,
                                 &call.response, std::move(ended));
      });
}

void PeerCalls::KeepOnly(const std::set<std::string>& addresses) {
  impl_->KeepOnly(addresses);
}

void PeerCalls::Stop() { impl_->Stop(); }

}  // namespace server::cluster
