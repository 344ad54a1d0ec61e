#include "sim/lock_history.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sim {

size_t LockHistory::Acquired(uint64_t token, uint64_t stamp) {
  holds_.push_back({.token = token, .from = stamp});
  return holds_.size() - 1;
}

void LockHistory::Released(size_t hold, uint64_t called) {
  holds_[hold].until = called;
}

void LockHistory::Read(uint64_t token, uint64_t called, uint64_t returned) {
  reads_.push_back({.token = token, .called = called, .returned = returned});
}

void LockHistory::Check(const std::string& name, Judge& judge) const {
  std::vector<Hold> holds = holds_;
  std::sort(holds.begin(), holds.end(),
            [](const Hold& a, const Hold& b) { return a.token < b.token; });
  uint64_t last_token = 0;
  uint64_t free_from = 0;
  for (const Hold& hold : holds) {
    if (hold.token == last_token) {
      judge.Fail(absl::StrCat(name, ": token ", hold.token,
                              " was given to two (P53)"));
    }
    last_token = hold.token;
    if (hold.until == 0) continue;
    if (hold.from < free_from) {
      judge.Fail(
          absl::StrCat(name, ": the hold of token ", hold.token,
                       " began before one with a smaller token ended (P53)"));
    }
    free_from = std::max(free_from, hold.until);
    for (const OneRead& read : reads_) {
      if (hold.from < read.called && read.returned < hold.until &&
          read.token != hold.token) {
        judge.Fail(absl::StrCat(name, ": a reader saw token ", read.token,
                                " while ", hold.token, " held it (P47)"));
      }
    }
  }
}

}  // namespace sim
