#include "sim/judge.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sim {

void Judge::Fail(const std::string& what) {
  if (failures_.size() >= kFailuresMax) return;
  const double seconds = static_cast<double>(loop_.now_ns()) / kSeconds;
  failures_.push_back(absl::StrFormat("at %.6f s: %s", seconds, what));
}

}  // namespace sim
