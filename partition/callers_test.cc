#include "partition/callers.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace partition {
namespace {

using session::SequenceNum;
using session::testing::Replica;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Sink : public StreamSink {
 public:
  void Write(session::CommandOutput output) override {
    numbers.push_back(output.number);
  }
  void End(Refusal refusal) override { ended = refusal.status.code(); }

  std::vector<uint64_t> numbers;
  std::optional<absl::StatusCode> ended;
};

// Two replicas of one history: one is where the callers are, the other, further
// on, is what an installed image holds.
class InstalledImageTest : public ::testing::Test {
 protected:
  struct History {
    Replica replica;
    session::SessionId reader = replica.Open();
    session::SessionId writer = replica.Open();
    session::PrimitiveId box = replica.Create(reader, 1, "box");

    History() {
      replica.Create(writer, 1, "box");
      replica.Run(reader, 2, box, session::testing::kEvents);
      replica.Run(writer, 2, box, session::testing::kLock);
      replica.Run(reader, 3, box, session::testing::kLock);
      Put(3);
    }
    void Put(uint64_t sequence) {
      replica.Run(writer, sequence, box, session::testing::kPut, "a x");
    }
  };

  void Write(StreamId stream) {
    callers_.Finish();
    callers_.Writable(stream);
    callers_.Finish();
  }

  History old_;
  History image_;
  Callers callers_{old_.replica.machine()};
};

// U22: neither a gap nor a step back.
TEST_F(InstalledImageTest, CommandStreamGoesOnFromTheCachedOutputs) {
  auto sink = std::make_shared<Sink>();
  callers_.Open(StreamId{1}, sink);
  callers_.Attach(StreamId{1}, {old_.reader, SequenceNum(2)});
  callers_.Finish();
  EXPECT_THAT(sink->numbers, ElementsAre(1));

  image_.Put(4);
  image_.Put(5);
  callers_.Writable(StreamId{1});
  callers_.Replace(image_.replica.machine());
  Write(StreamId{1});
  EXPECT_THAT(sink->numbers, ElementsAre(1, 2, 3));
  EXPECT_FALSE(sink->ended.has_value());

  image_.Put(6);
  callers_.Handle(image_.replica.machine().TakeEffects());
  Write(StreamId{1});
  EXPECT_THAT(sink->numbers, ElementsAre(1, 2, 3, 4));
}

TEST_F(InstalledImageTest, StreamOfASessionThatEndedMeanwhileEnds) {
  auto sink = std::make_shared<Sink>();
  callers_.Open(StreamId{1}, sink);
  callers_.Attach(StreamId{1}, {old_.reader, SequenceNum(2)});
  Write(StreamId{1});
  image_.replica.Close(image_.reader);
  callers_.Replace(image_.replica.machine());
  callers_.Finish();
  EXPECT_EQ(sink->ended, absl::StatusCode::kOk);
}

TEST_F(InstalledImageTest, QueryStreamEndsAndItsClientListsAgain) {
  auto sink = std::make_shared<Sink>();
  callers_.Open(StreamId{1}, sink);
  callers_.Attach(StreamId{1},
                  old_.replica.List(old_.reader, 9, old_.box, "watch").id);
  callers_.Finish();
  callers_.Replace(image_.replica.machine());
  callers_.Finish();
  EXPECT_EQ(sink->ended, absl::StatusCode::kUnavailable);
  EXPECT_EQ(old_.replica.machine().counts().query_streams, 0u);
  EXPECT_EQ(callers_.streams(), 0u);
}

TEST_F(InstalledImageTest, WhoeverWaitsIsAnsweredWhenTheImageHasTheAnswer) {
  std::optional<std::string> answer;
  callers_.Wait(
      {old_.reader, SequenceNum(3)},
      Completion<session::Applied>([&](Reply<session::Applied> reply) {
        answer = reply.value.output.result.output;
      }));
  // Nothing happened in between: it waits on.
  callers_.Replace(image_.replica.machine());
  callers_.Finish();
  EXPECT_FALSE(answer.has_value());

  History further;
  further.replica.Run(further.writer, 4, further.box,
                      session::testing::kUnlock);
  callers_.Replace(further.replica.machine());
  callers_.Finish();
  EXPECT_EQ(answer, "locked");
  EXPECT_EQ(callers_.waiting(), 0u);
}

}  // namespace
}  // namespace partition
