// LockHistory is what the clients of one lock know of it: when somebody held it
// for certain, and what readers saw meanwhile.
//
// A hold is certain from the answer to its Acquire to the call of a Release
// that succeeds: its session was alive all the time. One that ended otherwise,
// with its session say, is in no comparison.
//
// Not thread-safe: the whole simulation runs on one thread.

#ifndef SIM_LOCK_HISTORY_H_
#define SIM_LOCK_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/judge.h"

namespace sim {

class LockHistory {
 public:
  // An Acquire was answered with `token`. Returns the hold's number.
  size_t Acquired(uint64_t token, uint64_t stamp);
  // A Release of it, called at `called`, succeeded.
  void Released(size_t hold, uint64_t called);
  // A reader saw `token`; 0: that nobody holds it.
  void Read(uint64_t token, uint64_t called, uint64_t returned);

  // No two hold it at once; later holds have larger tokens, each its own (P53);
  // whoever read while somebody held it saw that one.
  void Check(const std::string& name, Judge& judge) const;

  size_t size() const { return holds_.size() + reads_.size(); }

 private:
  struct Hold {
    uint64_t token = 0;
    uint64_t from = 0;   // Stamps.
    uint64_t until = 0;  // 0: not known.
  };
  struct OneRead {
    uint64_t token = 0;
    uint64_t called = 0;
    uint64_t returned = 0;
  };

  std::vector<Hold> holds_;
  std::vector<OneRead> reads_;
};

}  // namespace sim

#endif  // SIM_LOCK_HISTORY_H_
