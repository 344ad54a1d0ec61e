#include "server/service/forwarded_unary.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_callback.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/service/byte_buffer.h"
#include "server/service/luggage.h"

namespace server::service {
namespace {

using transport::Route;

// Deletes itself when it is answered.
class ForwardedUnary final : public grpc::ClientUnaryReactor,
                             public OutboundCall {
 public:
  ForwardedUnary(OutboundCalls& calls, std::shared_ptr<UnaryCall> call,
                 ForwardedRequest request, const Route& route)
      : calls_(calls),
        call_(std::move(call)),
        method_(std::move(request.method)),
        route_(route),
        request_(BufferOf(request.bytes)) {
    Luggage(call_->context()).PutInto(context_);
  }

  void Start() {
    const auto channel =
        calls_.Enter(*this, request_.Length(), route_.peer_address);
    if (!channel.ok()) {
      call_->Fail({.refusal = {.status = channel.status(),
                               .outcome = partition::Outcome::kNotProposed}});
      delete this;
      return;
    }
    {
      base::MutexLock lock(link_->mu);
      link_->call = this;
    }
    call_->OnCancelled([link = link_] {
      base::MutexLock lock(link->mu);
      if (link->call != nullptr) link->call->Cancel();
    });
    grpc::GenericStub(*channel).PrepareUnaryCall(&context_, method_, {},
                                                 &request_, &response_, this);
    StartCall();
  }

  void Cancel() override { context_.TryCancel(); }

 private:
  // The client may leave at any time, before and behind this call's end.
  struct Link {
    base::Mutex mu;
    ForwardedUnary* call ABSL_GUARDED_BY(mu) = nullptr;
  };

  void OnDone(const grpc::Status& status) override {
    if (status.ok()) {
      call_->Answer(BytesOf(response_));
    } else {
      call_->Fail(calls_.Failed(status, context_, route_));
    }
    {
      base::MutexLock lock(link_->mu);
      link_->call = nullptr;
    }
    OutboundCalls& calls = calls_;
    calls.Forget(*this);
    delete this;
    calls.Leave();
  }

  OutboundCalls& calls_;
  const std::shared_ptr<UnaryCall> call_;
  const std::string method_;
  const Route route_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();
};

}  // namespace

void ForwardUnary(OutboundCalls& calls, const std::shared_ptr<UnaryCall>& call,
                  ForwardedRequest request, const Route& route) {
  (new ForwardedUnary(calls, call, std::move(request), route))->Start();
}

}  // namespace server::service
