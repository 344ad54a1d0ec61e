#include "server/service/node_watch.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/service/error.h"

namespace server::service {

bool NodeWatch::Add(std::shared_ptr<const std::string> event,
                    bool begins_with_it) {
  base::MutexLock lock(mu_);
  if (over_ || behind_) return false;
  if (begins_with_it) {
    ++exempt_;
  } else if (waiting_.size() - exempt_ >= waiting_max_) {
    behind_ = true;
    waiting_.clear();
    exempt_ = 0;
    return true;
  }
  waiting_.push_back(std::move(event));
  return true;
}

void NodeWatch::Pump() {
  std::shared_ptr<const std::string> event;
  {
    base::MutexLock lock(mu_);
    if (over_) return;
    if (behind_) {
      over_ = true;
    } else {
      if (sending_ || waiting_.empty()) return;
      event = std::move(waiting_.front());
      waiting_.pop_front();
      if (exempt_ > 0) --exempt_;
      sending_ = true;
    }
  }
  if (event != nullptr) return Send(*event);
  // It leaves behind the event that is being written: as late as the client
  // reads that, but nothing waits for it.
  End({.refusal = {.status = absl::ResourceExhaustedError(absl::StrCat(
                       "this watch fell behind: more than ", waiting_max_,
                       " events waited for its client; watch again, which "
                       "begins with how things are"))}});
}

void NodeWatch::Writable() {
  {
    base::MutexLock lock(mu_);
    sending_ = false;
  }
  Pump();
}

void NodeWatch::Gone() {
  base::MutexLock lock(mu_);
  over_ = true;
  waiting_.clear();
  place_.reset();
}

}  // namespace server::service
