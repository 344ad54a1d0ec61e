// MergedStream is the streams of several partitions as one. Items of one
// partition come in its order; those of different ones as they arrive.
//
// An item type with Kind::kRestarted is that of a watch: when one of the
// streams restarts, or its session is lost, all of them begin anew, after one
// such item. Any other stream ends, for good, as soon as one of its parts does.
//
// One thread for each part, from the first Next on. Next by one thread at a
// time; Cancel by any. Destroying it may take as long as opening a session may.

#ifndef CLIENT_MERGED_STREAM_H_
#define CLIENT_MERGED_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "client/status.h"
#include "client/stream.h"

namespace client {

template <class Item>
class MergedStream : public Stream<Item> {
 public:
  // Opens the stream of a part, again after each restart. Called by the part's
  // thread.
  using Opener = std::function<absl::StatusOr<std::unique_ptr<Stream<Item>>>()>;

  explicit MergedStream(std::vector<Opener> parts)
      : openers_(std::move(parts)), streams_(openers_.size()) {}

  ~MergedStream() override {
    Cancel();
    for (std::thread& thread : threads_) thread.join();
  }

  absl::StatusOr<std::optional<Item>> Next() override {
    if (threads_.empty()) {
      for (size_t i = 0; i < openers_.size(); ++i) {
        threads_.emplace_back([this, i] { Read(i); });
      }
    }
    base::MutexLock lock(mu_);
    while (queue_.empty() && ended_.ok()) changed_.Wait(mu_);
    if (queue_.empty()) return ended_;
    std::optional<Item> item = std::move(queue_.front());
    queue_.pop_front();
    changed_.SignalAll();
    return item;
  }

  void Cancel() override {
    base::MutexLock lock(mu_);
    queue_.clear();
    EndLocked(absl::CancelledError("the stream was cancelled"));
  }

 private:
  // Items that wait for Next; then the parts wait.
  static constexpr size_t kQueueMax = 256;

  static constexpr bool kRestarts = requires { Item::Kind::kRestarted; };

  static bool IsRestart(const Item& item) {
    if constexpr (kRestarts) return item.kind == Item::Kind::kRestarted;
    return false;
  }

  void Read(size_t part) {
    while (true) {
      uint64_t generation = 0;
      {
        base::MutexLock lock(mu_);
        if (!ended_.ok()) return;
        generation = generation_;
      }
      auto opened = openers_[part]();
      if (!opened.ok()) {
        if (!EndOf(opened.status(), generation)) return;
        continue;
      }
      std::unique_ptr<Stream<Item>> stream = *std::move(opened);
      {
        base::MutexLock lock(mu_);
        if (!ended_.ok()) return;
        if (generation != generation_) continue;
        streams_[part] = stream.get();
      }
      const absl::Status end = Forward(part, *stream, generation);
      {
        base::MutexLock lock(mu_);
        streams_[part] = nullptr;
      }
      if (!EndOf(end, generation)) return;
    }
  }

  // Passes on what `stream` brings, of the generation and, if it is the one
  // that restarts all, of the next ones. Returns why it ended.
  absl::Status Forward(size_t part, Stream<Item>& stream,
                       uint64_t& generation) {
    while (true) {
      absl::StatusOr<std::optional<Item>> item = stream.Next();
      if (!item.ok()) return item.status();
      if (!item->has_value()) return absl::CancelledError("a part has ended");
      base::MutexLock lock(mu_);
      while (ended_.ok() && generation == generation_ &&
             queue_.size() >= kQueueMax) {
        changed_.Wait(mu_);
      }
      if (!ended_.ok()) return ended_;
      if (generation != generation_) return absl::OkStatus();
      if (IsRestart(**item)) {
        RestartLocked(part);
        generation = generation_;
      } else {
        queue_.push_back(*std::move(*item));
        changed_.SignalAll();
      }
    }
  }

  // A part's stream has ended, or could not be opened. True: open it again.
  bool EndOf(const absl::Status& why, uint64_t generation) {
    base::MutexLock lock(mu_);
    if (!ended_.ok()) return false;
    if (generation != generation_) return true;  // Another part's doing.
    if (kRestarts && IsSessionLost(why)) {
      RestartLocked(openers_.size());
      return true;
    }
    EndLocked(why);
    return false;
  }

  // All parts begin anew, except for one that does so by itself.
  void RestartLocked(size_t except) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ++generation_;
    queue_.clear();
    if constexpr (kRestarts) {
      queue_.push_back(Item{.kind = Item::Kind::kRestarted});
    }
    for (size_t i = 0; i < streams_.size(); ++i) {
      if (i != except && streams_[i] != nullptr) streams_[i]->Cancel();
    }
    changed_.SignalAll();
  }

  void EndLocked(absl::Status why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!ended_.ok()) return;
    ended_ = std::move(why);
    for (Stream<Item>* stream : streams_) {
      if (stream != nullptr) stream->Cancel();
    }
    changed_.SignalAll();
  }

  const std::vector<Opener> openers_;  // Constant after construction.

  base::Mutex mu_;  // Before any Call's.
  base::CondVar changed_;
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;  // Restarts so far.
  std::deque<Item> queue_ ABSL_GUARDED_BY(mu_);   // Of this generation.
  absl::Status ended_ ABSL_GUARDED_BY(mu_);       // OK: more may come.
  // Where each part reads; null: it does not.
  std::vector<Stream<Item>*> streams_ ABSL_GUARDED_BY(mu_);

  std::vector<std::thread> threads_;  // Of the thread that calls Next.
};

}  // namespace client

#endif  // CLIENT_MERGED_STREAM_H_
