// OutputCursor decides which numbered outputs of a stream command are passed
// on: each once, in order, whatever is repeated or lost between server and
// client.
//
// Not thread-safe: owned by one stream.

#ifndef CLIENT_OUTPUT_CURSOR_H_
#define CLIENT_OUTPUT_CURSOR_H_

#include <cstdint>

namespace client {

class OutputCursor {
 public:
  enum class Verdict {
    kPassOn,  // The next one; now the last.
    kSeen,    // Passed on before: a replay.
    kGap,     // One before it is missing: asking again brings both.
  };

  Verdict Accept(uint64_t number) {
    if (number <= last_) return Verdict::kSeen;
    if (number != last_ + 1) return Verdict::kGap;
    last_ = number;
    return Verdict::kPassOn;
  }

  // The last one passed on; 0: none.
  uint64_t last() const { return last_; }

 private:
  uint64_t last_ = 0;
};

}  // namespace client

#endif  // CLIENT_OUTPUT_CURSOR_H_
