// A node that asks others who they are, over real gRPC.

#include "server/cluster/introductions.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "base/wait_until.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "multiraft/peer/v1/bootstrap.grpc.pb.h"
#include "server/cluster/introduce_codec.h"
#include "server/worker.h"

namespace server::cluster {
namespace {

namespace v1 = ::multiraft::peer::v1;
using base::WaitUntil;
using base::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;

// Another node, which knows whom the test says.
class Other : public v1::Bootstrap::CallbackService {
 public:
  explicit Other(uint32_t number) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    self_ = {.node = base::NodeId(number),
             .incarnation = 100 * number,
             .peer_address = absl::StrCat("127.0.0.1:", port),
             .api_address = absl::StrCat("api:", number)};
    Knows(self_, 0);
  }
  ~Other() override {
    Release();
    server_->Shutdown();
  }

  void Knows(const KnownNode& node, uint64_t heard_ms_ago) {
    base::MutexLock lock(mu_);
    v1::KnownNode& known = *response_.add_nodes();
    known = ToProto(node);
    known.set_heard_ms_ago(heard_ms_ago);
  }
  void Refuse(std::string why) {
    base::MutexLock lock(mu_);
    refusal_ = std::move(why);
  }
  // It answers nobody any more.
  void Hold() { hold_ = true; }

  const KnownNode& self() const { return self_; }
  const std::string& address() const { return self_.peer_address; }
  int asked() const { return asked_; }
  v1::IntroduceRequest last_request() {
    base::MutexLock lock(mu_);
    return last_request_;
  }

 private:
  grpc::ServerUnaryReactor* Introduce(
      grpc::CallbackServerContext* context, const v1::IntroduceRequest* request,
      v1::IntroduceResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    base::MutexLock lock(mu_);
    ++asked_;
    last_request_ = *request;
    if (hold_) {
      held_.push_back(reactor);
    } else if (!refusal_.empty()) {
      reactor->Finish(
          grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, refusal_));
    } else {
      *response = response_;
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }
  void Release() {
    base::MutexLock lock(mu_);
    for (grpc::ServerUnaryReactor* reactor : held_) {
      reactor->Finish(grpc::Status::CANCELLED);
    }
    held_.clear();
  }

  KnownNode self_;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> hold_ = false;
  std::unique_ptr<grpc::Server> server_;

  base::Mutex mu_;
  v1::IntroduceResponse response_ ABSL_GUARDED_BY(mu_);
  v1::IntroduceRequest last_request_ ABSL_GUARDED_BY(mu_);
  std::string refusal_ ABSL_GUARDED_BY(mu_);
  std::vector<grpc::ServerUnaryReactor*> held_ ABSL_GUARDED_BY(mu_);
};

class IntroductionsTest : public ::testing::Test {
 protected:
  IntroductionsTest() { timer_.Start(); }
  ~IntroductionsTest() override {
    introductions_.Stop();
    timer_.Stop();
  }

  void Start(std::vector<std::string> named) {
    introductions_.Start([named] { return named; }, [this] { ++rounds_; });
  }
  // Numbers of those that are known beside this node.
  std::vector<uint32_t> Known() {
    std::vector<uint32_t> known;
    for (const NodeBook::Heard& heard : book_.All()) {
      if (heard.node.node != book_.self().node) {
        known.push_back(heard.node.node.value());
      }
    }
    return known;
  }
  absl::StatusOr<v1::IntroduceResponse> Ask(const std::string& address,
                                            uint64_t timeout_ns = kSecond) {
    std::promise<absl::StatusOr<v1::IntroduceResponse>> answer;
    introductions_.Ask(address, timeout_ns, [&](auto result) {
      answer.set_value(std::move(result));
    });
    return answer.get_future().get();
  }

  Worker timer_{"timer", base::SystemClock()};
  std::atomic<int> rounds_ = 0;
  NodeBook book_{{.node = base::NodeId(1),
                  .incarnation = 100,
                  .peer_address = "127.0.0.1:1",
                  .api_address = "api:1"},
                 base::SystemClock(),
                 [] {}};
  Introductions introductions_{
      {.cluster = "c-1", .cluster_name = "c", .interval_ns = 2'000'000},
      book_,
      timer_};
};

TEST_F(IntroductionsTest, WhoIsNamedIsAskedAgainAndAgain) {
  Other two(2);
  Start({two.address()});
  EXPECT_TRUE(WaitUntil([&] { return two.asked() > 3 && rounds_ > 3; }));
  EXPECT_THAT(Known(), ElementsAre(2));
  // It is told who asks.
  const v1::IntroduceRequest request = two.last_request();
  EXPECT_EQ(request.cluster(), "c-1");
  EXPECT_EQ(request.cluster_name(), "c");
  EXPECT_EQ(request.from_node(), 1u);
  EXPECT_EQ(FromProto(request.from()), book_.self());
}

// Not at the next round: a node that joins is to be known soon.
TEST_F(IntroductionsTest, WhoIsLearnedOfIsAskedAtOnce) {
  Other two(2), three(3);
  KnownNode old = three.self();
  old.incarnation = 1;  // As node 2 knew it.
  two.Knows(old, 1000);
  Start({two.address()});
  EXPECT_TRUE(WaitUntil([&] { return three.asked() > 0; }));
  // What it says of itself counts.
  EXPECT_TRUE(WaitUntil([&] {
    const auto all = book_.All();
    return all.size() == 3 && all[2].node == three.self();
  }));
}

TEST_F(IntroductionsTest, NobodyAsksItself) {
  Other self(1);
  KnownNode here = self.self();
  NodeBook book(here, base::SystemClock(), [] {});
  Introductions introductions({.cluster = "c-1", .interval_ns = 1'000'000},
                              book, timer_);
  std::atomic<int> rounds = 0;
  introductions.Start(
      [&] {
        return std::vector<std::string>{here.peer_address, ""};
      },
      [&] { ++rounds; });
  EXPECT_TRUE(WaitUntil([&] { return rounds > 3; }));
  introductions.Stop();
  EXPECT_EQ(self.asked(), 0);
}

TEST_F(IntroductionsTest, WhoRefusesIsNotLearnedOf) {
  Other two(2);
  two.Refuse("here is node 2 of cluster d, not cluster c");
  Start({two.address()});
  EXPECT_TRUE(WaitUntil([&] { return two.asked() > 2; }));
  EXPECT_THAT(Known(), ElementsAre());
  EXPECT_THAT(Ask(two.address()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "here is node 2 of cluster d, not cluster c"));
}

TEST_F(IntroductionsTest, AnOperatorsQuestionIsAnsweredOnce) {
  Other two(2);
  ASSERT_OK_AND_ASSIGN(const v1::IntroduceResponse answer, Ask(two.address()));
  EXPECT_EQ(FromProto(answer.nodes(0)), two.self());
  EXPECT_THAT(Known(), ElementsAre(2));

  std::string gone;
  {
    Other three(3);
    gone = three.address();
  }
  EXPECT_THAT(Ask(gone).status(), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr("Connection refused")));
  two.Hold();
  EXPECT_THAT(Ask(two.address(), 20'000'000).status(),
              StatusIs(absl::StatusCode::kUnavailable, "no answer in time"));
}

TEST_F(IntroductionsTest, StopEndsWhatIsUnderWay) {
  Other two(2);
  two.Hold();
  std::promise<absl::Status> ended;
  introductions_.Ask(two.address(), 600 * kSecond,
                     [&](auto answer) { ended.set_value(answer.status()); });
  ASSERT_TRUE(WaitUntil([&] { return two.asked() == 1; }));
  introductions_.Stop();
  std::future<absl::Status> result = ended.get_future();
  // It has returned: so this was called.
  ASSERT_EQ(result.wait_for(std::chrono::seconds(0)),
            std::future_status::ready);
  EXPECT_THAT(result.get(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(
      Ask(two.address()).status(),
      StatusIs(absl::StatusCode::kUnavailable, "the server is shutting down"));
}

}  // namespace
}  // namespace server::cluster
