// Matchers for absl::Status and absl::StatusOr.
//
//   EXPECT_OK(store.Open());
//   EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("7")));
//   ASSERT_OK_AND_ASSIGN(auto image, store.Load());

#ifndef BASE_TESTING_STATUS_MATCHERS_H_
#define BASE_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace absl {

// Found by name lookup: lets gtest print a status.
inline void PrintTo(const Status& status, std::ostream* out) {
  *out << status.ToString();
}

}  // namespace absl

namespace base {
namespace testing {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <class T>
absl::Status StatusOf(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code, "has code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message,
           "has code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::ExplainMatchResult(
             message, std::string(StatusOf(arg).message()), result_listener);
}

}  // namespace testing
}  // namespace base

#define EXPECT_OK(expr) EXPECT_THAT((expr), ::base::testing::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT((expr), ::base::testing::IsOk())

#define ASSERT_OK_AND_ASSIGN(lhs, expr)                                      \
  BASE_ASSERT_OK_AND_ASSIGN_IMPL(BASE_MATCHERS_CONCAT(status_or_, __LINE__), \
                                 lhs, expr)
#define BASE_ASSERT_OK_AND_ASSIGN_IMPL(status_or, lhs, expr) \
  auto status_or = (expr);                                   \
  ASSERT_OK(status_or);                                      \
  lhs = *std::move(status_or)
#define BASE_MATCHERS_CONCAT(a, b) BASE_MATCHERS_CONCAT_INNER(a, b)
#define BASE_MATCHERS_CONCAT_INNER(a, b) a##b

#endif  // BASE_TESTING_STATUS_MATCHERS_H_
