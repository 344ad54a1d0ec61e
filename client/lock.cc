#include "client/lock.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/lock/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::lock::v1;

using One = Primitive<api::Lock>;
using Stub = api::Lock::Stub;

}  // namespace

struct Lock::Rep {
  std::shared_ptr<Spread<api::Lock>> spread;
};

struct LockGuard::Rep {
  std::shared_ptr<One> one;  // In the session that holds it.
  uint64_t token = 0;
};

// --- LockGuard --------------------------------------------------------------

LockGuard::LockGuard(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
LockGuard::LockGuard(LockGuard&&) = default;
LockGuard& LockGuard::operator=(LockGuard&& other) {
  if (this == &other) return *this;
  Release().IgnoreError();
  rep_ = std::move(other.rep_);
  return *this;
}
LockGuard::~LockGuard() { Release().IgnoreError(); }

uint64_t LockGuard::fencing_token() const {
  return rep_ == nullptr ? 0 : rep_->token;
}

absl::Status LockGuard::Check() {
  if (rep_ == nullptr) return absl::AbortedError("the lock was released");
  const auto holder = rep_->one->Run(&Stub::Get, api::GetInput());
  if (absl::IsNotFound(holder.status())) {
    return absl::AbortedError("nobody holds the lock any more");
  }
  RETURN_IF_ERROR(holder.status());
  if (holder->index() == rep_->token) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(
      "the lock is held with token ", holder->index(), ", not ", rep_->token));
}

absl::Status LockGuard::Release() {
  if (rep_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<Rep> rep = std::move(rep_);
  return rep->one->Run(&Stub::Release, api::ReleaseInput()).status();
}

void LockGuard::Leave() && { rep_ = nullptr; }

// --- Lock -------------------------------------------------------------------

absl::StatusOr<Lock> Lock::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::Lock>::Open(session, name));
  return Lock(std::make_shared<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<Lock> Lock::Open(Client& client, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::Lock>::ByName(client.pool(), name));
  return Lock(std::make_shared<Rep>(Rep{std::move(spread)}));
}

Lock::Lock(std::shared_ptr<Rep> rep) : rep_(std::move(rep)) {}
Lock::Lock(Lock&&) = default;
Lock& Lock::operator=(Lock&&) = default;
Lock::~Lock() = default;

absl::StatusOr<LockGuard> Lock::Acquire(const WaitOptions& options) {
  api::AcquireInput input;
  if (options.limit.has_value()) {
    *input.mutable_timeout() = ToProto(*options.limit);
  }
  Spread<api::Lock>& spread = *rep_->spread;
  return spread.With(
      spread.home(),
      [&](const std::shared_ptr<One>& one) -> absl::StatusOr<LockGuard> {
        ASSIGN_OR_RETURN(const auto output,
                         one->Wait(&Stub::Acquire, input, options));
        return LockGuard(std::make_unique<LockGuard::Rep>(
            LockGuard::Rep{.one = one, .token = output.index()}));
      });
}

absl::StatusOr<uint64_t> Lock::Holder() {
  ASSIGN_OR_RETURN(const auto output,
                   rep_->spread->Run(&Stub::Get, api::GetInput()));
  return output.index();
}

absl::Status Lock::Release() {
  return rep_->spread->Run(&Stub::Release, api::ReleaseInput()).status();
}

absl::Status Lock::Close() { return rep_->spread->Close(); }

}  // namespace client
