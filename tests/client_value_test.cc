// client::Value on a server.

#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing/status_matchers.h"
#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client_fixture.h"

namespace tests {
namespace {

using ::base::testing::StatusIs;
using client::Value;
using client::ValueEvent;
using client::ValueUpdate;
using client::ValueVersion;
using client::ValueWritten;

class ClientValueTest : public RealClientTest {
 protected:
  static std::string Next(client::Stream<ValueEvent>& events) {
    auto event = events.Next();
    if (!event.ok()) return std::string(event.status().message());
    const char* const kinds[] = {"created ", "updated ", "deleted "};
    return absl::StrCat(
        (*event)->expired ? "expired, " : "",
        kinds[static_cast<int>((*event)->kind)], (*event)->value.value,
        (*event)->prev.has_value() ? " was " : "",
        (*event)->prev.has_value() ? (*event)->prev->value : "");
  }
  static std::string Next(client::Stream<ValueUpdate>& watch) {
    auto update = watch.Next();
    if (!update.ok()) return std::string(update.status().message());
    const char* const kinds[] = {"", "deleted ", "restarted "};
    return absl::StrCat(kinds[static_cast<int>((*update)->kind)],
                        (*update)->value.value);
  }

  Value value_ = Open<Value>("p");
};

TEST_F(ClientValueTest, WritesSayTheIndexAndWhatTheyReplaced) {
  ASSERT_OK_AND_ASSIGN(const ValueWritten first, value_.Set("1", {}));
  EXPECT_FALSE(first.prev.has_value());
  ASSERT_OK_AND_ASSIGN(const ValueWritten second, value_.Set("2", {}));
  EXPECT_GT(second.index, first.index);
  EXPECT_EQ(second.prev->value, "1");
  EXPECT_EQ(second.prev->index, first.index);
  ASSERT_OK_AND_ASSIGN(
      const ValueWritten third,
      value_.Update(std::string("\0\xff", 2), {.prev_index = second.index}));
  EXPECT_EQ(third.prev->value, "2");
  ASSERT_OK_AND_ASSIGN(const ValueVersion value, value_.Get());
  EXPECT_EQ(value.value, std::string("\0\xff", 2));
  EXPECT_EQ(value.index, third.index);
}

TEST_F(ClientValueTest, PreconditionsHaveTheirCodes) {
  EXPECT_THAT(value_.Get(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(value_.Update("1", {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(value_.Delete(0), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const ValueWritten written, value_.Insert("1", {}));
  EXPECT_THAT(value_.Insert("2", {}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(value_.Update("2", {.prev_index = written.index + 1}),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(value_.Delete(written.index + 1),
              StatusIs(absl::StatusCode::kAborted));
  ASSERT_OK_AND_ASSIGN(const ValueVersion deleted,
                       value_.Delete(written.index));
  EXPECT_EQ(deleted.value, "1");
}

TEST_F(ClientValueTest, EventsComeOnceAndInOrderOverARestart) {
  const auto events = value_.Events();
  std::thread writer([&] {
    AwaitOpenCommands(1);
    EXPECT_OK(value_.Set("1", {}).status());
    server_.RestartAtSameAddress();
    EXPECT_OK(value_.Set("2", {}).status());
    EXPECT_OK(value_.Delete(0).status());
    EXPECT_OK(value_.Set("3", absl::Milliseconds(1)).status());
  });
  EXPECT_EQ(Next(*events), "created 1");
  EXPECT_EQ(Next(*events), "updated 2 was 1");
  EXPECT_EQ(Next(*events), "deleted 2");
  EXPECT_EQ(Next(*events), "created 3");
  EXPECT_EQ(Next(*events), "expired, deleted 3");
  writer.join();
}

TEST_F(ClientValueTest, AWatchFollowsTheValueAndItsDeletion) {
  ASSERT_OK(value_.Set("1", {}).status());
  const auto watch = value_.Watch();
  EXPECT_EQ(Next(*watch), "1");
  ASSERT_OK(value_.Set("1", {}).status());
  EXPECT_EQ(Next(*watch), "1");
  ASSERT_OK(value_.Delete(0).status());
  EXPECT_EQ(Next(*watch), "deleted 1");
  ASSERT_OK(value_.Set("2", {}).status());
  EXPECT_EQ(Next(*watch), "2");
}

TEST_F(ClientValueTest, AWatchThatBrokeSaysThatItBeginsAnew) {
  ASSERT_OK(value_.Set("1", {}).status());
  const auto watch = value_.Watch();
  EXPECT_EQ(Next(*watch), "1");
  server_.RestartAtSameAddress();
  EXPECT_EQ(Next(*watch), "restarted ");
  EXPECT_EQ(Next(*watch), "1");
}

}  // namespace
}  // namespace tests
