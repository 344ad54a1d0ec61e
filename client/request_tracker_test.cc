#include "client/request_tracker.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(RequestTrackerTest, NumbersCountFromOneOrBehindTheLast) {
  EXPECT_EQ(RequestTracker(0).Start(), 1u);
  EXPECT_EQ(RequestTracker(41).Start(), 42u);
}

TEST(RequestTrackerTest, WhatRunsIsOpenUntilItIsFinished) {
  RequestTracker requests(0);
  EXPECT_EQ(requests.Now().last_sequence, 0u);
  for (int i = 0; i < 4; ++i) requests.Start();
  requests.Finish(3);
  requests.Finish(1);
  EXPECT_EQ(requests.Now().last_sequence, 4u);
  EXPECT_THAT(requests.Now().open, ElementsAre(2, 4));
}

TEST(RequestTrackerTest, OutputsAreReportedOnceTheServerHasAnswered) {
  RequestTracker requests(0);
  const uint64_t stream = requests.Start();
  EXPECT_THAT(requests.Now().received, IsEmpty());
  requests.Received(stream, 1);
  requests.Received(stream, 2);
  const Progress lost = requests.Now();
  EXPECT_THAT(lost.received, ElementsAre(Pair(stream, 2)));
  // Its answer was lost: the next says the same.
  EXPECT_THAT(requests.Now().received, ElementsAre(Pair(stream, 2)));
  requests.Reported(lost);
  EXPECT_THAT(requests.Now().received, IsEmpty());
  requests.Received(stream, 3);
  EXPECT_THAT(requests.Now().received, ElementsAre(Pair(stream, 3)));
}

TEST(RequestTrackerTest, ALateAnswerChangesNothing) {
  RequestTracker requests(0);
  const uint64_t stream = requests.Start();
  requests.Received(stream, 1);
  const Progress early = requests.Now();
  requests.Received(stream, 2);
  requests.Reported(requests.Now());
  requests.Reported(early);
  EXPECT_THAT(requests.Now().received, IsEmpty());
  requests.Finish(stream);
  requests.Reported(early);
  EXPECT_THAT(requests.Now().open, IsEmpty());
}

}  // namespace
}  // namespace client
