#include "partition/write_pacer.h"

#include <algorithm>

#include "base/check.h"

namespace partition {
namespace {

constexpr double kSecond = 1e9;
// How much of the rate is old news after this long.
constexpr double kSmoothNs = 2e9;

}  // namespace

WritePacer::WritePacer(uint64_t bound_bytes, uint64_t idle_ns)
    : bound_bytes_(bound_bytes),
      floor_(std::max<uint64_t>(
          1, static_cast<uint64_t>(static_cast<double>(bound_bytes) * kSecond /
                                   static_cast<double>(idle_ns)))) {
  CHECK_GT(idle_ns, 0u);
}

uint64_t WritePacer::bytes_per_second() const {
  return std::max(floor_, rate_ / 2);
}

void WritePacer::Tick(uint64_t behind_bytes, uint64_t sent_bytes,
                      uint64_t now_ns) {
  const uint64_t sent = sent_bytes - last_sent_bytes_;
  last_sent_bytes_ = sent_bytes;
  const auto elapsed = static_cast<double>(now_ns - last_ns_);
  const bool first = last_ns_ == 0;
  last_ns_ = now_ns;
  slows_ = behind_bytes > bound_bytes_;
  if (first || elapsed == 0) return;
  const double weight = std::min(1.0, elapsed / kSmoothNs);
  const double now_rate = static_cast<double>(sent) * kSecond / elapsed;
  rate_ = static_cast<uint64_t>(static_cast<double>(rate_) * (1 - weight) +
                                now_rate * weight);
  // What was not used is lost: no bursts.
  budget_ = static_cast<uint64_t>(static_cast<double>(bytes_per_second()) *
                                  std::min(elapsed, kSecond) / kSecond);
}

bool WritePacer::Admit(uint64_t bytes) {
  if (!slows_) return true;
  // Whatever its size, one passes.
  if (budget_ == 0) return false;
  budget_ -= std::min(budget_, bytes);
  return true;
}

}  // namespace partition
