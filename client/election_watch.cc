#include "client/election_watch.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"

namespace client {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Whether the server may answer differently soon.
bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

ElectionWatch::ElectionWatch(Options options)
    : options_(std::move(options)), reader_([this] { ReadChanges(); }) {}

ElectionWatch::~ElectionWatch() {
  Cancel();
  reader_.join();
}

void ElectionWatch::Cancel() {
  stop_.request_stop();
  options_.changes->Cancel();
}

void ElectionWatch::ReadChanges() {
  while (true) {
    absl::StatusOr<std::optional<Change>> change = options_.changes->Next();
    base::MutexLock lock(mu_);
    if (!change.ok() || !change->has_value()) {
      ended_ = change.ok() ? absl::CancelledError("the stream ended")
                           : change.status();
      changed_.SignalAll();
      return;
    }
    if ((*change)->has_value()) {
      told_.push_back(*std::move(**change));
    } else {
      read_at_ns_ = 0;
      settled_ = false;
    }
    changed_.SignalAll();
  }
}

absl::StatusOr<std::optional<ElectionTerm>> ElectionWatch::Next() {
  ASSIGN_OR_RETURN(ElectionTerm term, NextUntil(kNever));
  return std::optional<ElectionTerm>(std::move(term));
}

absl::StatusOr<ElectionTerm> ElectionWatch::NextUntil(int64_t deadline_ns) {
  while (true) {
    ASSIGN_OR_RETURN(ElectionTerm term, Await(deadline_ns));
    if (Show(term)) return term;
  }
}

absl::StatusOr<ElectionTerm> ElectionWatch::Await(int64_t deadline_ns) {
  Timer& timer = *options_.timer;
  while (true) {
    {
      base::MutexLock lock(mu_);
      while (told_.empty() && ended_.ok()) {
        const int64_t now_ns = timer.NowNanos();
        if (now_ns >= read_at_ns_) break;
        if (now_ns >= deadline_ns) {
          return absl::DeadlineExceededError("nothing changed in time");
        }
        timer.WaitUntil(mu_, changed_, std::min(read_at_ns_, deadline_ns));
      }
      if (!ended_.ok()) return ended_;
      if (!told_.empty()) {
        ElectionTerm term = std::move(told_.front());
        told_.pop_front();
        return term;
      }
      // Before the reading begins: the connection may break during it.
      read_at_ns_ = kNever;
    }
    if (auto term = Read()) return *std::move(term);
  }
}

std::optional<absl::StatusOr<ElectionTerm>> ElectionWatch::Read() {
  absl::StatusOr<ElectionTerm> term = options_.read(stop_.get_token());
  base::MutexLock lock(mu_);
  const bool settle = !term.ok() || !std::exchange(settled_, true);
  read_at_ns_ = std::min(
      read_at_ns_, options_.timer->NowNanos() +
                       (settle ? options_.settle_ns : options_.period_ns));
  if (!term.ok() && IsTransient(term.status())) return std::nullopt;
  if (!term.ok() && ended_.ok()) ended_ = term.status();
  return term;
}

bool ElectionWatch::Show(const ElectionTerm& term) {
  if (shown_.has_value()) {
    if (term == *shown_ || term.number < shown_->number) return false;
    // Of one number it has a leader first, and then perhaps none.
    if (term.number == shown_->number && shown_->leader.empty()) return false;
  }
  shown_ = term;
  return true;
}

}  // namespace client
