#include "server/service/member_handler.h"

#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server::service {
namespace {

using base::testing::StatusIs;
using testing::HasSubstr;
using Request = multiraft::admin::v1::ChangeMembersRequest;

Request Of(uint32_t partition) {
  Request request;
  request.set_partition_id(partition);
  return request;
}

void ExpectWrong(const Request& request, const char* field) {
  EXPECT_THAT(CheckRequest(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field)));
}

TEST(MemberHandlerTest, AWrongRequestNamesItsField) {
  ExpectWrong(Of(0), "partition_id");
  ExpectWrong(Of(1), "change");

  Request add = Of(1);
  add.mutable_add()->set_peer_address("a:1");
  ExpectWrong(add, "add.node_id");
  add.mutable_add()->set_node_id(4);
  EXPECT_OK(CheckRequest(add));
  for (const char* wrong : {"", "a", "a:", ":1", "a:0", "a:65536", "a:b"}) {
    add.mutable_add()->set_peer_address(wrong);
    ExpectWrong(add, "add.peer_address");
  }

  Request promote = Of(1);
  promote.mutable_promote();
  ExpectWrong(promote, "promote.node_id");
  Request remove = Of(1);
  remove.mutable_remove();
  ExpectWrong(remove, "remove.node_id");

  Request replace = Of(1);
  replace.mutable_replace()->set_peer_address("a:1");
  ExpectWrong(replace, "replace.node_id");
  replace.mutable_replace()->set_node_id(2);
  ExpectWrong(replace, "replace.new_node_id");
  // A node may take its own place.
  replace.mutable_replace()->set_new_node_id(2);
  EXPECT_OK(CheckRequest(replace));

  Request update = Of(1);
  update.mutable_update();
  ExpectWrong(update, "update.node_id");
  update.mutable_update()->set_node_id(2);
  EXPECT_OK(CheckRequest(update));
  update.mutable_update()->set_api_address("");
  ExpectWrong(update, "update.api_address");
}

}  // namespace
}  // namespace server::service
