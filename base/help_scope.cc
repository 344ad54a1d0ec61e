#include "base/help_scope.h"

#include <utility>

namespace base {

thread_local HelpScope* HelpScope::current_ = nullptr;

HelpScope::HelpScope(int errands_max)
    : outermost_(current_ == nullptr), errands_left_(errands_max) {
  if (outermost_) current_ = this;
}

HelpScope::~HelpScope() {
  if (!outermost_) return;
  while (promised_ != nullptr) std::exchange(promised_, nullptr)->Help();
  current_ = nullptr;
}

bool HelpScope::Promise(Helped& helped) {
  HelpScope* scope = current_;
  if (scope == nullptr) return false;
  if (scope->promised_ == &helped) return true;
  if (scope->promised_ != nullptr || scope->errands_left_ == 0) return false;
  --scope->errands_left_;
  scope->promised_ = &helped;
  return true;
}

}  // namespace base
