#include "client/backoff.h"

#include <algorithm>

namespace client {

int64_t Backoff::NextNanos(int64_t at_least_ns) {
  const int64_t spread_ns = random_.Below(wait_ns_ + 1);
  const int64_t wait_ns = wait_ns_ / 2 + spread_ns;
  wait_ns_ = std::min(2 * wait_ns_, kMaxNs);
  return std::max(wait_ns, at_least_ns);
}

}  // namespace client
