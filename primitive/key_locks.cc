// Rows of locks:
//
//   hold, by key:      version u8 = 1 | session u64 | index u64
//   waiter, by index:  version u8 = 1 | session u64 | sequence u64 |
//                      deadline u64 | keys: each size u32, bytes

#include "primitive/key_locks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "primitive/input.h"

namespace primitive {
namespace {

using session::CommandKey;
using session::Failure;
using session::OperationStatus;
using session::PrimitiveContext;
using session::SequenceNum;
using session::SessionId;

constexpr uint8_t kRowVersion = 1;

}  // namespace

void LockHold::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, session.value());
  base::AppendU64(out, index);
}

bool LockHold::Decode(absl::string_view bytes, LockHold& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.session = SessionId(reader.U64());
  row.index = reader.U64();
  return reader.done() && version == kRowVersion;
}

void LockWaiter::Encode(std::string& out) const {
  base::AppendU8(out, kRowVersion);
  base::AppendU64(out, command.session.value());
  base::AppendU64(out, command.sequence.value());
  base::AppendU64(out, deadline_ns);
  for (const std::string& key : keys) {
    base::AppendU32(out, static_cast<uint32_t>(key.size()));
    out.append(key);
  }
}

bool LockWaiter::Decode(absl::string_view bytes, LockWaiter& row) {
  base::Reader reader(bytes);
  const uint8_t version = reader.U8();
  row.command.session = SessionId(reader.U64());
  row.command.sequence = SequenceNum(reader.U64());
  row.deadline_ns = reader.U64();
  row.keys.clear();
  while (reader.ok() && !reader.rest().empty()) {
    const uint32_t size = reader.U32();
    row.keys.emplace_back(reader.Bytes(size));
  }
  return reader.done() && version == kRowVersion;
}

size_t LockWaiter::size_bytes() const {
  size_t size = 25;
  for (const std::string& key : keys) size += 4 + key.size();
  return size;
}

KeyLocks::KeyLocks(session::TableSet& tables, session::PrimitiveId owner,
                   const Config& config)
    : config_(config),
      holds_(tables, config.hold_table, owner.value()),
      waiters_(tables, config.waiter_table, owner.value()) {}

void KeyLocks::Acquire(session::CommandContext& context,
                       std::vector<std::string> keys,
                       std::optional<google::protobuf::Duration> timeout) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());

  const CommandKey command = context.command();
  const uint64_t index = context.index();
  if (auto it = sessions_.find(command.session); it != sessions_.end()) {
    const size_t used = it->second.held.size() + it->second.wanted;
    if (used + keys.size() > kSessionKeysMax) {
      context.Answer(Failure(
          OperationStatus::kConflict,
          absl::StrCat("session holds or waits for ", used, " keys, at most ",
                       kSessionKeysMax, " allowed")));
      return;
    }
  }

  if (CountBlocked(keys) == 0) {
    for (const std::string& key : keys) {
      AddHold(key, {.session = command.session, .index = index});
    }
    context.Answer(config_.granted(index));
    return;
  }
  if (timeout.has_value() && !IsPositive(*timeout)) {
    context.Answer(Failure(OperationStatus::kConflict, "locked"));
    return;
  }

  LockWaiter waiter{.command = command, .keys = std::move(keys)};
  if (timeout.has_value()) {
    waiter.deadline_ns = Deadline(context.time_ns(), *timeout);
  }
  if (waiter.deadline_ns != session::kNever) {
    context.SetTimer(TimerKey(index), waiter.deadline_ns);
  }
  Enqueue(index, waiters_.Insert(index, std::move(waiter)));
  context.KeepOpen();
}

bool KeyLocks::Release(PrimitiveContext& context, SessionId session,
                       std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const std::string& key : keys) {
    const LockHold* hold = holds_.Find(key);
    if (hold == nullptr || hold->session != session) return false;
  }
  for (const std::string& key : keys) {
    RemoveHold(key, session);
    Offer(key);
  }
  GrantReady(context);
  return true;
}

bool KeyLocks::ReleaseAll(PrimitiveContext& context, SessionId session,
                          size_t items_max) {
  auto it = sessions_.find(session);
  if (it == sessions_.end()) return true;
  std::vector<std::string> keys;
  for (const std::string& key : it->second.held) {
    if (keys.size() == items_max) break;
    keys.push_back(key);
  }
  const bool all = keys.size() == it->second.held.size();
  context.Charge(keys.size());
  CHECK(Release(context, session, std::move(keys)));
  return all;
}

void KeyLocks::TimerFired(PrimitiveContext& context, absl::string_view key) {
  if (key.size() == 1) return GrantReady(context);
  base::Reader reader(key);
  reader.U8();
  const uint64_t index = reader.U64();
  const LockWaiter* waiter = waiters_.Find(index);
  if (waiter == nullptr) return;
  // Its keys were free in time.
  if (ready_.contains(index)) {
    Grant(context, index);
    if (ready_.empty()) context.CancelTimer(ReadyTimer());
    return;
  }
  const CommandKey command = waiter->command;
  Leave(context, index);
  context.Complete(command,
                   Failure(OperationStatus::kConflict, "locked: timed out"));
}

void KeyLocks::WaiterCancelled(PrimitiveContext& context, CommandKey command) {
  auto it = indexes_.find(command);
  if (it == indexes_.end()) return;
  const uint64_t index = it->second;
  context.CancelTimer(TimerKey(index));
  Leave(context, index);
}

void KeyLocks::Loaded(PrimitiveContext& context) {
  CHECK(sessions_.empty() && indexes_.empty());
  holds_.Scan([&](const std::string& key, const LockHold& hold) {
    sessions_[hold.session].held.insert(key);
    return true;
  });
  waiters_.Scan([&](uint64_t index, const LockWaiter& waiter) {
    Enqueue(index, waiter);
    if (waiter.deadline_ns != session::kNever) {
      context.SetTimer(TimerKey(index), waiter.deadline_ns);
    }
    return true;
  });
  if (!ready_.empty()) context.SetTimer(ReadyTimer(), session::kAtOnce);
}

void KeyLocks::AddHold(const std::string& key, const LockHold& hold) {
  holds_.Insert(key, hold);
  sessions_[hold.session].held.insert(key);
}

void KeyLocks::RemoveHold(const std::string& key, SessionId session) {
  CHECK(holds_.Erase(key));
  auto it = sessions_.find(session);
  it->second.held.erase(key);
  if (it->second.held.empty() && it->second.wanted == 0) sessions_.erase(it);
}

size_t KeyLocks::CountBlocked(const std::vector<std::string>& keys) const {
  return std::count_if(keys.begin(), keys.end(), [&](const std::string& key) {
    return holds_.Find(key) != nullptr || queues_.contains(key);
  });
}

void KeyLocks::Enqueue(uint64_t index, const LockWaiter& waiter) {
  const size_t blocked = CountBlocked(waiter.keys);
  blocked_[index] = blocked;
  if (blocked == 0) ready_.insert(index);
  indexes_[waiter.command] = index;
  sessions_[waiter.command.session].wanted += waiter.keys.size();
  for (const std::string& key : waiter.keys) queues_[key].insert(index);
}

void KeyLocks::Grant(PrimitiveContext& context, uint64_t index) {
  const LockWaiter waiter = *waiters_.Find(index);
  const CommandKey command = waiter.command;
  context.Charge(waiter.keys.size());
  for (const std::string& key : waiter.keys) {
    auto queue = queues_.find(key);
    CHECK(*queue->second.begin() == index);
    queue->second.erase(queue->second.begin());
    if (queue->second.empty()) queues_.erase(queue);
    AddHold(key, {.session = command.session, .index = index});
  }
  sessions_[command.session].wanted -= waiter.keys.size();
  blocked_.erase(index);
  ready_.erase(index);
  indexes_.erase(command);
  waiters_.Erase(index);
  if (waiter.deadline_ns != session::kNever) {
    context.CancelTimer(TimerKey(index));
  }
  context.Complete(command, config_.granted(index));
}

void KeyLocks::Offer(const std::string& key) {
  auto queue = queues_.find(key);
  if (queue == queues_.end()) return;
  const uint64_t first = *queue->second.begin();
  if (--blocked_[first] == 0) ready_.insert(first);
}

void KeyLocks::GrantReady(PrimitiveContext& context) {
  for (size_t granted = 0; !ready_.empty() && granted < kGrantSlice;) {
    const uint64_t index = *ready_.begin();
    granted += waiters_.Find(index)->keys.size();
    Grant(context, index);
  }
  if (ready_.empty()) {
    context.CancelTimer(ReadyTimer());
  } else {
    context.SetTimer(ReadyTimer(), session::kAtOnce);
  }
}

void KeyLocks::Leave(PrimitiveContext& context, uint64_t index) {
  const LockWaiter waiter = *waiters_.Find(index);
  context.Charge(waiter.keys.size());
  std::vector<std::string> turns;  // Keys that were this waiter's, if free.
  for (const std::string& key : waiter.keys) {
    auto queue = queues_.find(key);
    if (*queue->second.begin() == index && holds_.Find(key) == nullptr) {
      turns.push_back(key);
    }
    queue->second.erase(index);
    if (queue->second.empty()) queues_.erase(queue);
  }
  auto it = sessions_.find(waiter.command.session);
  it->second.wanted -= waiter.keys.size();
  if (it->second.held.empty() && it->second.wanted == 0) sessions_.erase(it);
  blocked_.erase(index);
  ready_.erase(index);
  indexes_.erase(waiter.command);
  waiters_.Erase(index);
  for (const std::string& key : turns) Offer(key);
  GrantReady(context);
}

std::string KeyLocks::ReadyTimer() const {
  return std::string(1, config_.timer_prefix);
}

std::string KeyLocks::TimerKey(uint64_t index) const {
  std::string key(1, config_.timer_prefix);
  base::AppendU64(key, index);
  return key;
}

}  // namespace primitive
