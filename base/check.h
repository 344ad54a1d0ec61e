// CHECK for what only a bug can cause: it stays on in release builds, because
// a replica that goes on with a broken invariant spreads it.
//
// What the outside world can cause is an absl::Status instead.

#ifndef BASE_CHECK_H_
#define BASE_CHECK_H_

#include "glog/logging.h"  // IWYU pragma: export

#endif  // BASE_CHECK_H_
