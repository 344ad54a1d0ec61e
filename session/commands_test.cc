// Commands run exactly once: records, replays, marks and KeepAlives.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "session/state_machine.h"
#include "session/testing/box.h"
#include "session/testing/replica.h"

namespace session {
namespace {

using testing::BoxOperation;
using testing::kSecond;
using testing::Replica;
using Outcome = Applied::Outcome;

class CommandsTest : public ::testing::Test {
 protected:
  CommandsTest() {
    session_ = replica_.Open();
    box_ = replica_.Create(session_, 1, "b");
  }

  Applied Add(uint64_t sequence) {
    return replica_.Run(session_, sequence, box_, testing::kAdd);
  }

  Replica replica_;
  SessionId session_;
  PrimitiveId box_;
};

TEST_F(CommandsTest, IdsAreIndexesAndEveryClientCommandIsOne) {
  EXPECT_EQ(session_, SessionId(1));
  EXPECT_EQ(box_, PrimitiveId(2));
  EXPECT_EQ(Add(2).index, 3u);
  EXPECT_EQ(replica_.KeepAlive(session_, 1).index, 4u);
  EXPECT_EQ(replica_.Tick().index, 4u);
  EXPECT_EQ(replica_.NoOp().index, 4u);
  EXPECT_EQ(replica_.Checkpoint().index, 4u);
  EXPECT_EQ(replica_.Close(session_).index, 5u);
  EXPECT_EQ(replica_.Close(session_).index, 6u);  // Even if it fails.
}

TEST_F(CommandsTest, ARepeatedCommandGetsTheFirstAnswerAndTheNewIndex) {
  const Applied first = Add(2);
  EXPECT_EQ(first.outcome, Outcome::kAnswered);
  EXPECT_EQ(first.output.number, 1u);
  EXPECT_EQ(first.output.index, 3u);
  EXPECT_EQ(first.output.result.output, "1");
  Add(3);
  const Applied again = Add(2);
  EXPECT_EQ(again.outcome, Outcome::kAnswered);
  EXPECT_EQ(again.output.number, 1u);
  EXPECT_EQ(again.output.index, 5u);
  EXPECT_EQ(again.output.result.output, "1");
}

TEST_F(CommandsTest, ImageRoundTrip) {
  Add(2);
  replica_.Checkpoint();
  replica_.WriteImage();
  Replica loaded = Replica::Load(replica_.image());
  EXPECT_EQ(loaded.machine().FullDigest(), replica_.machine().FullDigest());
  EXPECT_EQ(loaded.Run(session_, 2, box_, testing::kAdd).output.result.output,
            "1");
  EXPECT_EQ(loaded.Run(session_, 3, box_, testing::kAdd).output.result.output,
            "2");
}

}  // namespace
}  // namespace session
