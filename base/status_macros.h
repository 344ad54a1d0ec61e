// Early return for absl::Status and absl::StatusOr.
//
//   RETURN_IF_ERROR(store.Write(batch));
//   ASSIGN_OR_RETURN(auto image, store.LoadImage(partition));

#ifndef BASE_STATUS_MACROS_H_
#define BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expr)                                         \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr)                                           \
  BASE_ASSIGN_OR_RETURN_IMPL(BASE_STATUS_MACROS_CONCAT(status_or_, __LINE__), \
                             lhs, expr)

#define BASE_ASSIGN_OR_RETURN_IMPL(status_or, lhs, expr)     \
  auto status_or = (expr);                                   \
  if (!status_or.ok()) return std::move(status_or).status(); \
  lhs = *std::move(status_or)

#define BASE_STATUS_MACROS_CONCAT(a, b) BASE_STATUS_MACROS_CONCAT_INNER(a, b)
#define BASE_STATUS_MACROS_CONCAT_INNER(a, b) a##b

#endif  // BASE_STATUS_MACROS_H_
