#include "sim/lock_user.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/lock/v1/fsm.pb.h"
#include "base/check.h"

namespace sim {
namespace {

namespace lock = ::atomix::multiraft::lock::v1;
using session::OperationStatus;
using session::PrimitiveId;
using session::Result;

// The outputs of Acquire and Get have the token in the same field.
uint64_t TokenOf(const Result& result) {
  lock::AcquireOutput output;
  CHECK(output.ParseFromString(result.output));
  return output.index();
}

}  // namespace

LockUser::LockUser(EventLoop& loop, const session::PrimitiveType& type,
                   const Options& options, SharedLock& lock, Client& client,
                   uint64_t seed, Judge& judge)
    : loop_(loop),
      type_(type),
      options_(options),
      lock_(lock),
      client_(client),
      random_(seed),
      judge_(judge) {}

void LockUser::Start() {
  client_.Start([this] {
    client_.CreatePrimitive(type_.type_strings.front(), lock_.name,
                            [this](PrimitiveId id) { Next(id); });
  });
}

void LockUser::Next(PrimitiveId id) {
  loop_.After(random_.Below(options_.think_ns_max + 1),
              [this, id, session = client_.session()] {
                if (finished_ || client_.session() != session) return;
                if (random_.OneIn(3)) return Read(id);
                Acquire(id);
              });
}

void LockUser::Fail(absl::string_view rpc, const Result& result) {
  judge_.Fail(absl::StrCat(lock_.name, ": ", rpc, ": status ",
                           static_cast<int>(result.status), " ",
                           result.message));
}

void LockUser::Acquire(PrimitiveId id) {
  lock::AcquireInput input;
  const bool has_timeout = random_.OneIn(3);
  if (has_timeout) {
    input.mutable_timeout()->set_nanos(
        static_cast<int32_t>(random_.Below(200 * kMillis)));
  }
  client_.Command(id, type_, "Acquire", input.SerializeAsString(),
                  [this, id, has_timeout,
                   session = client_.session()](std::optional<Result> result) {
                    if (!result.has_value()) return;  // With its session.
                    if (result->status != OperationStatus::kOk) {
                      if (!has_timeout) Fail("Acquire", *result);
                      return Next(id);
                    }
                    const size_t hold = lock_.history.Acquired(
                        TokenOf(*result), loop_.NextStamp());
                    loop_.After(random_.Below(options_.hold_ns_max + 1),
                                [this, id, hold, session] {
                                  if (client_.session() == session)
                                    Release(id, hold);
                                });
                  });
}

void LockUser::Release(PrimitiveId id, size_t hold) {
  client_.Command(id, type_, "Release", "",
                  [this, id, hold,
                   called = loop_.NextStamp()](std::optional<Result> result) {
                    if (!result.has_value()) return;
                    if (result->status == OperationStatus::kOk) {
                      lock_.history.Released(hold, called);
                    } else {
                      Fail("Release of a lock that its session holds", *result);
                    }
                    Next(id);
                  });
}

void LockUser::Read(PrimitiveId id) {
  client_.Query(
      id, type_, "Get", "",
      [this, id, called = loop_.NextStamp()](std::optional<Result> result) {
        if (!result.has_value()) return;
        const bool held = result->status == OperationStatus::kOk;
        lock_.history.Read(held ? TokenOf(*result) : 0, called,
                           loop_.NextStamp());
        Next(id);
      });
}

}  // namespace sim
