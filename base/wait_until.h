// WaitUntil looks again and again until something holds that nobody tells of:
// at start and stop, and in tests of whole processes. Who can be told waits for
// a base::CondVar instead.

#ifndef BASE_WAIT_UNTIL_H_
#define BASE_WAIT_UNTIL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace base {

struct Patience {
  uint64_t timeout_ns = 30'000'000'000;
  uint64_t look_every_ns = 1'000'000;
};

// False: it did not hold in time. Looks at least once; on this thread.
bool WaitUntil(absl::FunctionRef<bool()> holds, const Patience& patience = {});

}  // namespace base

#endif  // BASE_WAIT_UNTIL_H_
