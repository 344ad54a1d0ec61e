#include "server/cluster/introductions.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "server/cluster/introduce_codec.h"
#include "server/cluster/peer_calls.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;

constexpr uint64_t kAnswerTimeoutNs = 1'000'000'000;
constexpr uint64_t kNanosPerMilli = 1'000'000;

// What an operator reads of one that said nothing.
absl::Status Silence(const absl::Status& status) {
  return absl::UnavailableError(absl::IsDeadlineExceeded(status)
                                    ? "no answer in time"
                                    : status.message());
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
    }
    calls_.Stop();
    // A round that has begun ends before this returns.
    base::MutexLock lock(round_mu_);
    base::MutexLock lock_too(mu_);
    addresses_ = nullptr;
    after_round_ = nullptr;
  }

 private:
  void Round() ABSL_LOCKS_EXCLUDED(round_mu_, mu_);
  // Unless it is being asked.
  void AskInRound(const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);
  void Learn(const v1::IntroduceResponse& response);

  const Options options_;
  NodeBook& book_;
  partition::Executor& timer_;
  PeerCalls calls_;

  base::Mutex round_mu_;  // Held by a round.

  base::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::function<std::vector<std::string>()> addresses_ ABSL_GUARDED_BY(mu_);
  std::function<void()> after_round_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> asking_ ABSL_GUARDED_BY(mu_);  // In rounds.
  std::set<std::string> answered_ ABSL_GUARDED_BY(mu_);
};

void Introductions::Impl::Ask(const std::string& address, uint64_t timeout_ns,
                              Done done) {
  v1::IntroduceRequest request;
  request.set_cluster(options_.cluster);
  request.set_cluster_name(options_.cluster_name);
  request.set_from_node(book_.self().node.value());
  *request.mutable_from() = ToProto(book_.self());
  calls_.Introduce(address, request, timeout_ns,
                   [self = shared_from_this(), done = std::move(done)](
                       absl::StatusOr<v1::IntroduceResponse> answer) mutable {
                     if (answer.ok()) {
                       self->Learn(*answer);
                     } else if (!absl::IsFailedPrecondition(answer.status())) {
                       answer = Silence(answer.status());
                     }
                     std::move(done)(std::move(answer));
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
    calls_.KeepOnly(wanted);
    {
      base::MutexLock lock(mu_);
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
