#include "storage/fence.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace storage {

Fence::Fence(absl::AnyInvocable<void(absl::Status)> on_raised)
    : on_raised_(std::move(on_raised)) {}

void Fence::Raise(absl::Status cause) {
  CHECK(!cause.ok());
  absl::AnyInvocable<void(absl::Status)> on_raised;
  {
    base::MutexLock lock(mu_);
    if (!cause_.ok()) return;
    cause_ = cause;
    on_raised = std::move(on_raised_);
    raised_.store(true, std::memory_order_release);
  }
  if (on_raised) on_raised(std::move(cause));
}

absl::Status Fence::status() const {
  if (!raised()) return absl::OkStatus();
  base::MutexLock lock(mu_);
  return absl::UnavailableError(
      absl::StrCat("the store is fenced: ", cause_.message()));
}

}  // namespace storage
