#include "client/session_pool.h"

#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace client {

SessionPool::SessionPool(std::vector<Partition> partitions,
                         SessionPoolOptions options)
    : options_(std::move(options)) {
  for (Partition& partition : partitions) {
    slots_.push_back({.partition = std::move(partition)});
  }
}

SessionPool::~SessionPool() { Close().IgnoreError(); }

absl::StatusOr<std::shared_ptr<Session>> SessionPool::Get(size_t position) {
  CHECK_LT(position, slots_.size());
  Slot& slot = slots_[position];
  std::shared_ptr<Session> ended;  // Let go of without the lock.
  {
    base::MutexLock lock(mu_);
    const uint64_t tries = slot.tries;
    while (!closed_ && slot.is_opening) changed_.Wait(mu_);
    if (closed_) return absl::CancelledError("the client is closed");
    if (slot.session != nullptr) {
      if (slot.session->status().ok()) return slot.session;
      ended = std::move(slot.session);
      slot.session = nullptr;
    } else if (slot.tries != tries) {
      return slot.failure;  // Of the try that this one has waited for.
    }
    slot.is_opening = true;
  }
  absl::StatusOr<std::shared_ptr<Session>> opened = Open(slot.partition);
  bool is_late = false;
  {
    base::MutexLock lock(mu_);
    slot.is_opening = false;
    ++slot.tries;
    slot.failure = opened.status();
    is_late = closed_;
    if (opened.ok() && !is_late) slot.session = *opened;
    changed_.SignalAll();
  }
  if (!is_late) return opened;
  if (opened.ok()) (*opened)->Close().IgnoreError();
  return absl::CancelledError("the client is closed");
}

absl::StatusOr<std::shared_ptr<Session>> SessionPool::Open(
    const Partition& partition) {
  SessionOptions options{.partition = partition.id,
                         .timeout = options_.timeout,
                         .keep_alive = options_.keep_alive};
  if (options_.on_lost) {
    options.on_lost = [on_lost = options_.on_lost, id = partition.id](
                          const absl::Status& why) { on_lost(id, why); };
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                   Session::Open(*partition.connection, options));
  // What was opened in the session keeps it, and so its connection.
  return std::shared_ptr<Session>(
      session.release(),
      [connection = partition.connection](Session* ended) { delete ended; });
}

absl::Status SessionPool::Close() {
  std::vector<std::shared_ptr<Session>> sessions;
  {
    base::MutexLock lock(mu_);
    closed_ = true;
    for (Slot& slot : slots_) {
      if (slot.session != nullptr) sessions.push_back(std::move(slot.session));
      slot.session = nullptr;
    }
    changed_.SignalAll();
    // Who opens one looks at the slot when it has.
    for (Slot& slot : slots_) {
      while (slot.is_opening) changed_.Wait(mu_);
    }
  }
  // Side by side: when no server answers, each takes a call's time.
  std::vector<absl::Status> closed(sessions.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < sessions.size(); ++i) {
    threads.emplace_back([&, i] { closed[i] = sessions[i]->Close(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& one : closed) {
    if (!one.ok()) return one;
  }
  return absl::OkStatus();
}

}  // namespace client
