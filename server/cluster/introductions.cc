#include "server/cluster/introductions.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "server/cluster/introduce_codec.h"
#include "server/transport/gate.h"
#include "server/transport/peer_channel.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

constexpr uint64_t kAnswerTimeoutNs = 1'000'000'000;
constexpr uint64_t kNanosPerMilli = 1'000'000;

// gRPC's text goes from the general to the cause.
std::string Cause(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return "no answer in time";
  }
  const std::string& text = status.error_message();
  const size_t colon = text.rfind(": ");
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

}  // namespace

class Introductions::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Options options, NodeBook& book, partition::Executor& timer)
      : options_(std::move(options)), book_(book), timer_(timer) {}

  void Start(std::function<std::vector<std::string>()> addresses,
             std::function<void()> after_round) {
    {
      base::MutexLock lock(mu_);
      addresses_ = std::move(addresses);
      after_round_ = std::move(after_round);
    }
    timer_.Post([self = shared_from_this()] { self->Round(); });
  }

  void Ask(const std::string& address, uint64_t timeout_ns, Done done);

  void Stop() {
    {
      base::MutexLock lock(mu_);
      stopped_ = true;
      for (const auto& call : open_) call->context.TryCancel();
    }
    calls_.WaitUntilEmpty();
    // A round that has begun ends before this returns.
    base::MutexLock lock(round_mu_);
    base::MutexLock lock_too(mu_);
    addresses_ = nullptr;
    after_round_ = nullptr;
    channels_.clear();
  }

 private:
  struct Call {
    grpc::ClientContext context;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::Bootstrap::Stub> stub;
    v1::IntroduceRequest request;
    v1::IntroduceResponse response;
    Done done;
  };

  void Round() ABSL_LOCKS_EXCLUDED(round_mu_, mu_);
  // Unless it is being asked.
  void AskInRound(const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);
  void Learn(const v1::IntroduceResponse& response);

  const Options options_;
  NodeBook& book_;
  partition::Executor& timer_;
  transport::Gate calls_;

  base::Mutex round_mu_;  // Held by a round.

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::function<std::vector<std::string>()> addresses_ ABSL_GUARDED_BY(mu_);
  std::function<void()> after_round_ ABSL_GUARDED_BY(mu_);
  std::set<std::shared_ptr<Call>> open_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_
      ABSL_GUARDED_BY(mu_);
  std::set<std::string> asking_ ABSL_GUARDED_BY(mu_);  // In rounds.
  std::set<std::string> answered_ ABSL_GUARDED_BY(mu_);
};

void Introductions::Impl::Ask(const std::string& address, uint64_t timeout_ns,
                              Done done) {
  auto call = std::make_shared<Call>();
  call->request.set_cluster(options_.cluster);
  call->request.set_cluster_name(options_.cluster_name);
  call->request.set_from_node(book_.self().node.value());
  *call->request.mutable_from() = ToProto(book_.self());
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::nanoseconds(timeout_ns));
  call->done = std::move(done);
  {
    base::MutexLock lock(mu_);
    if (!stopped_) {
      auto& channel = channels_[address];
      if (channel == nullptr) channel = transport::PeerChannel(address);
      call->channel = channel;
      open_.insert(call);
      calls_.Enter();
    }
  }
  if (call->channel == nullptr) {
    return std::move(call->done)(
        absl::UnavailableError("the server is shutting down"));
  }
  call->stub = v1::Bootstrap::NewStub(call->channel);
  call->stub->async()->Introduce(
      &call->context, &call->request, &call->response,
      [self = shared_from_this(), call](const grpc::Status& status) {
        {
          base::MutexLock lock(self->mu_);
          self->open_.erase(call);
        }
        if (status.ok()) {
          self->Learn(call->response);
          std::move(call->done)(std::move(call->response));
        } else if (status.error_code() ==
                   grpc::StatusCode::FAILED_PRECONDITION) {
          std::move(call->done)(
              absl::FailedPreconditionError(status.error_message()));
        } else {
          std::move(call->done)(absl::UnavailableError(Cause(status)));
        }
        self->calls_.Leave();
      });
}

void Introductions::Impl::Learn(const v1::IntroduceResponse& response) {
  for (const v1::KnownNode& node : response.nodes()) {
    book_.Learn(FromProto(node), node.heard_ms_ago() * kNanosPerMilli);
  }
}

void Introductions::Impl::AskInRound(const std::string& address) {
  {
    base::MutexLock lock(mu_);
    if (stopped_ || !asking_.insert(address).second) return;
  }
  Ask(address, kAnswerTimeoutNs,
      [self = shared_from_this(),
       address](absl::StatusOr<v1::IntroduceResponse> answer) {
        {
          base::MutexLock lock(self->mu_);
          self->asking_.erase(address);
          if (answer.ok()) self->answered_.insert(address);
        }
        if (!answer.ok()) return;
        // Whom they know and we have not met.
        for (const v1::KnownNode& node : answer->nodes()) {
          if (node.node() == self->book_.self().node.value()) continue;
          bool is_new = false;
          {
            base::MutexLock lock(self->mu_);
            is_new = !self->answered_.contains(node.peer_address());
          }
          if (is_new) self->AskInRound(node.peer_address());
        }
      });
}

void Introductions::Impl::Round() {
  {
    base::MutexLock round(round_mu_);
    std::function<std::vector<std::string>()> addresses;
    std::function<void()> after_round;
    {
      base::MutexLock lock(mu_);
      if (stopped_) return;
      addresses = addresses_;
      after_round = after_round_;
    }
    const std::vector<std::string> named = addresses();
    std::set<std::string> wanted(named.begin(), named.end());
    for (const NodeBook::Heard& heard : book_.All()) {
      wanted.insert(heard.node.peer_address);
    }
    wanted.erase(book_.self().peer_address);
    wanted.erase("");
    {
      base::MutexLock lock(mu_);
      std::erase_if(channels_, [&](const auto& one) {
        return !wanted.contains(one.first);
      });
      std::erase_if(answered_, [&](const std::string& one) {
        return !wanted.contains(one);
      });
    }
    for (const std::string& address : wanted) AskInRound(address);
    after_round();
  }
  timer_.PostAfter(options_.interval_ns,
                   [self = shared_from_this()] { self->Round(); });
}

Introductions::Introductions(Options options, NodeBook& book,
                             partition::Executor& timer)
    : impl_(std::make_shared<Impl>(std::move(options), book, timer)) {}

Introductions::~Introductions() = default;

void Introductions::Start(std::function<std::vector<std::string>()> addresses,
                          std::function<void()> after_round) {
  impl_->Start(std::move(addresses), std::move(after_round));
}

void Introductions::Ask(const std::string& address, uint64_t timeout_ns,
                        Done done) {
  impl_->Ask(address, timeout_ns, std::move(done));
}

void Introductions::Stop() { impl_->Stop(); }

}  // namespace server::cluster
