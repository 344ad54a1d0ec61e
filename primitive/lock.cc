// Rows and timers are those of KeyLocks (key_locks.cc), with the key "".

#include "primitive/lock.h"

#include <optional>
#include <string>

#include "atomix/multiraft/lock/v1/fsm.pb.h"
#include "primitive/input.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::lock::v1;
using session::CommandContext;
using session::CommandKey;
using session::Failure;
using session::OperationStatus;
using session::PrimitiveContext;
using session::Result;
using session::SessionId;

// Fields of LockInput. Do not change: on disk.
enum : uint32_t {
  kAcquire = 1,
  kRelease = 2,
  kGet = 3,
};

// Do not change: on disk.
constexpr char kKey[] = "";

absl::Status CheckAcquire(const pb::AcquireInput& input,
                          const session::Limits&) {
  return CheckDuration("timeout", input.timeout());
}

Result Granted(uint64_t index) {
  pb::AcquireOutput output;
  output.set_index(index);
  return Answer(output);
}

}  // namespace

Lock::Lock(session::TableSet& tables, session::PrimitiveId id)
    : locks_(tables, id,
             {.hold_table = session::TableId::kLockHold,
              .waiter_table = session::TableId::kLockWaiter,
              .granted = Granted}) {}

void Lock::Command(CommandContext& context, uint32_t operation,
                   absl::string_view bytes) {
  switch (operation) {
    case kAcquire:
      return HandleCommand<pb::AcquireInput, CheckAcquire>(
          context, bytes, [&](const auto& input) {
            std::optional<google::protobuf::Duration> timeout;
            if (input.has_timeout()) timeout = input.timeout();
            locks_.Acquire(context, {kKey}, timeout);
          });
    case kRelease:
      return HandleCommand<pb::ReleaseInput>(context, bytes, [&](const auto&) {
        if (!locks_.Release(context, context.command().session, {kKey})) {
          return Failure(OperationStatus::kConflict,
                         "session does not hold the lock");
        }
        return Answer(pb::ReleaseOutput());
      });
    default:
      return context.Answer(NotSupported());
  }
}

Result Lock::Query(uint32_t operation, absl::string_view bytes) const {
  if (operation != kGet) return NotSupported();
  return HandleQuery<pb::GetInput>(bytes, [&](const auto&) {
    const LockHold* hold = locks_.Find(kKey);
    if (hold == nullptr) {
      return Failure(OperationStatus::kNotFound, "nobody holds the lock");
    }
    pb::GetOutput output;
    output.set_index(hold->index);
    return Answer(output);
  });
}

void Lock::TimerFired(PrimitiveContext& context, absl::string_view key) {
  locks_.TimerFired(context, key);
}

void Lock::WaiterCancelled(PrimitiveContext& context, CommandKey command) {
  locks_.WaiterCancelled(context, command);
}

bool Lock::SessionClosed(PrimitiveContext& context, SessionId session,
                         size_t items_max) {
  return locks_.ReleaseAll(context, session, items_max);
}

void Lock::Loaded(PrimitiveContext& context) { locks_.Loaded(context); }

session::PrimitiveType LockType() {
  using enum session::OperationKind;
  constexpr bool kGrows = true;
  constexpr bool kDoesNotGrow = false;
  return {
      .name = "lock",
      .service = "atomix.multiraft.lock.v1.Lock",
      .type_strings = {"atomix.runtime.lock.v1.Lock",
                       "atomix.multiraft.lock.v1.Lock"},
      .operations =
          {
              {kAcquire, "Acquire", kCommand, kGrows,
               CheckInput<pb::AcquireInput, CheckAcquire>},
              {kRelease, "Release", kCommand, kDoesNotGrow,
               CheckInput<pb::ReleaseInput>},
              {kGet, "Get", kQuery, kDoesNotGrow, CheckInput<pb::GetInput>},
          },
      .create = CreatePrimitive<Lock>,
  };
}

}  // namespace primitive
