#include "client/lock.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/lock/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/duration.h"
#include "client/primitive.h"

namespace client {
namespace {

namespace api = atomix::multiraft::lock::v1;

using Stub = api::Lock::Stub;

}  // namespace

struct Lock::Rep {
  Primitive<api::Lock> primitive;

  absl::StatusOr<uint64_t> Holder() {
    ASSIGN_OR_RETURN(const auto output,
                     primitive.Run(&Stub::Get, api::GetInput()));
    return output.index();
  }
  absl::Status Release() {
    return primitive.Run(&Stub::Release, api::ReleaseInput()).status();
  }
};

struct LockGuard::Rep {
  std::shared_ptr<Lock::Rep> lock;
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
  const absl::StatusOr<uint64_t> holder = rep_->lock->Holder();
  if (absl::IsNotFound(holder.status())) {
    return absl::AbortedError("nobody holds the lock any more");
  }
  RETURN_IF_ERROR(holder.status());
  if (*holder == rep_->token) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("the lock is held with token ",
                                         *holder, ", not ", rep_->token));
}

absl::Status LockGuard::Release() {
  if (rep_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<Rep> rep = std::move(rep_);
  return rep->lock->Release();
}

void LockGuard::Leave() && { rep_ = nullptr; }

// --- Lock -------------------------------------------------------------------

absl::StatusOr<Lock> Lock::Open(Session& session, const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto primitive, Primitive<api::Lock>::Open(session, name));
  return Lock(std::make_shared<Rep>(Rep{std::move(primitive)}));
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
  ASSIGN_OR_RETURN(
      const auto output,
      rep_->primitive.Wait(&Stub::Acquire, std::move(input), options));
  return LockGuard(std::make_unique<LockGuard::Rep>(
      LockGuard::Rep{.lock = rep_, .token = output.index()}));
}

absl::StatusOr<uint64_t> Lock::Holder() { return rep_->Holder(); }

absl::Status Lock::Release() { return rep_->Release(); }

absl::Status Lock::Close() { return rep_->primitive.Close(); }

}  // namespace client
