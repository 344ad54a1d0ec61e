// A change of members on its way to whoever leads, over real gRPC.

#include "server/cluster/member_goal.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/admin/v1/admin.grpc.pb.h"
#include "server/worker.h"

namespace server::cluster {
namespace {

namespace admin = ::multiraft::admin::v1;
using base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A node that answers what the test says, and OK behind that.
class Node : public admin::Admin::Service {
 public:
  explicit Node(std::vector<grpc::Status> answers)
      : answers_(answers.begin(), answers.end()) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Node() override { server_->Shutdown(); }

  const std::string& address() const { return address_; }
  std::vector<uint32_t> asked() {
    base::MutexLock lock(mu_);
    return asked_;
  }

 private:
  grpc::Status ChangeMembers(grpc::ServerContext*,
                             const admin::ChangeMembersRequest* request,
                             admin::ChangeMembersResponse*) override {
    base::MutexLock lock(mu_);
    asked_.push_back(request->promote().node_id());
    if (answers_.empty()) return grpc::Status::OK;
    const grpc::Status answer = answers_.front();
    answers_.pop_front();
    return answer;
  }

  base::Mutex mu_;
  std::deque<grpc::Status> answers_ ABSL_GUARDED_BY(mu_);
  std::vector<uint32_t> asked_ ABSL_GUARDED_BY(mu_);
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

const grpc::Status kElsewhere(grpc::StatusCode::UNAVAILABLE,
                              "this node does not lead partition 3");

class MemberGoalTest : public ::testing::Test {
 protected:
  MemberGoalTest() { timer_.Start(); }
  ~MemberGoalTest() override {
    calls_.Stop();
    timer_.Stop();
  }

  // Two steps, which the nodes know by their numbers.
  static MemberGoal GoalFor(std::vector<std::string> addresses) {
    MemberGoal goal{.addresses = std::move(addresses),
                    .again_ns = 1'000'000,
                    .give_up_ns = 20'000'000};
    for (uint32_t step : {1, 2}) {
      goal.steps.emplace_back().mutable_promote()->set_node_id(step);
    }
    return goal;
  }
  absl::Status Run(MemberGoal goal) {
    std::promise<absl::Status> ended;
    Pursue(std::move(goal), calls_, timer_,
           [&](absl::Status status) { ended.set_value(std::move(status)); });
    return ended.get_future().get();
  }

  Worker timer_{"timer", base::SystemClock()};
  PeerCalls calls_;
};

TEST_F(MemberGoalTest, EachStepGoesToWhoeverLeads) {
  Node follower({kElsewhere});
  Node leader({});
  EXPECT_OK(Run(GoalFor({follower.address(), leader.address()})));
  EXPECT_THAT(follower.asked(), ElementsAre(1));
  EXPECT_THAT(leader.asked(), ElementsAre(1, 2));
}

TEST_F(MemberGoalTest, AStepIsOfferedAgainWhenTheLeaderChanges) {
  Node first({kElsewhere, grpc::Status::OK, kElsewhere});
  Node second({kElsewhere, kElsewhere});
  EXPECT_OK(Run(GoalFor({first.address(), second.address()})));
  EXPECT_THAT(first.asked(), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(second.asked(), ElementsAre(1, 2));
}

TEST_F(MemberGoalTest, ARefusalIsFinal) {
  Node leader({grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                            "it is the last voter")});
  EXPECT_THAT(
      Run(GoalFor({leader.address()})),
      StatusIs(absl::StatusCode::kFailedPrecondition, "it is the last voter"));
  EXPECT_THAT(leader.asked(), ElementsAre(1));
}

TEST_F(MemberGoalTest, NobodyIsLookedForForEver) {
  std::string gone;
  {
    Node node({});
    gone = node.address();
  }
  Node follower(std::vector<grpc::Status>(1000, kElsewhere));
  const absl::Status status = Run(GoalFor({gone, follower.address()}));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("nobody is known to lead the group: " +
                                         gone)));
  EXPECT_THAT(
      status.message(),
      HasSubstr(follower.address() + ": this node does not lead partition 3"));
}

TEST_F(MemberGoalTest, ItIsLookedForAsLongAsSomebodyWantsIt) {
  Node node(std::vector<grpc::Status>(10, kElsewhere));
  MemberGoal goal = GoalFor({node.address()});
  goal.give_up_ns = 0;
  std::string waits_for;
  goal.is_wanted = [] { return true; };
  goal.on_wait = [&](const std::string& what) { waits_for = what; };
  EXPECT_OK(Run(goal));
  EXPECT_EQ(waits_for,
            absl::StrCat("nobody is known to lead the group: ", node.address(),
                         ": this node does not lead partition 3"));
}

TEST_F(MemberGoalTest, NobodyIsLookedForThatNobodyWants) {
  Node node(std::vector<grpc::Status>(1000, kElsewhere));
  MemberGoal goal = GoalFor({node.address()});
  goal.is_wanted = [rounds = 0]() mutable { return ++rounds < 3; };
  EXPECT_THAT(Run(std::move(goal)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(node.asked(), ElementsAre(1, 1, 1));
}

TEST_F(MemberGoalTest, WhoStopsHearsNothingMore) {
  calls_.Stop();
  MemberGoal goal = GoalFor({"127.0.0.1:1"});
  goal.give_up_ns = 0;
  EXPECT_THAT(Run(std::move(goal)),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("the server is shutting down")));
}

}  // namespace
}  // namespace server::cluster
