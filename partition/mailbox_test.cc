#include "partition/mailbox.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace partition {
namespace {

constexpr uint64_t kBytesMax = 2000;
constexpr uint64_t kKeepAliveBytesMax = 1000;

MailboxItem Request(CommandRequest::Kind kind, size_t bytes) {
  ProposeItem item;
  item.request.kind = kind;
  item.request.bytes = std::string(bytes, 'x');
  item.completion =
      Completion<session::Applied>([](Reply<session::Applied>) {});
  return item;
}

MailboxItem Command(size_t bytes) {
  return Request(CommandRequest::Kind::kUnary, bytes);
}

MailboxItem KeepAlive(size_t bytes) {
  return Request(CommandRequest::Kind::kKeepAlive, bytes);
}

class MailboxTest : public ::testing::Test {
 protected:
  Mailbox::Push Add(MailboxItem item) { return mailbox_.Add(std::move(item)); }
  size_t TakeAll() {
    std::vector<MailboxItem> items;
    mailbox_.TakeAll(items);
    return items.size();
  }

  Mailbox mailbox_{kBytesMax, kKeepAliveBytesMax};
};

TEST_F(MailboxTest, OnlyTheFirstItemSchedulesATurn) {
  EXPECT_EQ(Add(Command(1)), Mailbox::Push::kFirst);
  EXPECT_EQ(Add(Command(1)), Mailbox::Push::kQueued);
  EXPECT_EQ(TakeAll(), 2u);
  EXPECT_EQ(Add(Command(1)), Mailbox::Push::kFirst);
}

TEST_F(MailboxTest, CommandsAreBoundedByBytes) {  // P56
  EXPECT_EQ(Add(Command(1500)), Mailbox::Push::kFirst);
  EXPECT_EQ(Add(Command(1500)), Mailbox::Push::kFull);
  EXPECT_EQ(TakeAll(), 1u);
  EXPECT_EQ(Add(Command(1500)), Mailbox::Push::kFirst);
}

TEST_F(MailboxTest, TinyCommandsAreBoundedToo) {  // P56
  int queued = 0;
  while (queued < 1000 && Add(Command(0)) != Mailbox::Push::kFull) ++queued;
  EXPECT_LT(queued, 10);
}

TEST_F(MailboxTest, AFloodOfCommandsLeavesRoomForKeepAlives) {
  EXPECT_EQ(Add(Command(1700)), Mailbox::Push::kFirst);
  EXPECT_EQ(Add(Command(1700)), Mailbox::Push::kFull);
  EXPECT_EQ(Add(KeepAlive(500)), Mailbox::Push::kQueued);
  EXPECT_EQ(Add(KeepAlive(500)), Mailbox::Push::kFull);
}

TEST_F(MailboxTest, WhatIsRefusedStaysWithTheCaller) {
  Add(Command(1700));
  MailboxItem item = Command(1700);
  EXPECT_EQ(mailbox_.Add(std::move(item)), Mailbox::Push::kFull);
  auto& propose = std::get<ProposeItem>(item);
  EXPECT_EQ(propose.request.bytes.size(), 1700u);
  EXPECT_TRUE(static_cast<bool>(propose.completion));
}

TEST_F(MailboxTest, TasksAlwaysFit) {
  Add(Command(1700));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Add(TaskItem([] {})), Mailbox::Push::kQueued);
  }
  mailbox_.Close();
  EXPECT_EQ(Add(TaskItem([] {})), Mailbox::Push::kQueued);
  EXPECT_EQ(Add(Command(1)), Mailbox::Push::kClosed);
  EXPECT_EQ(TakeAll(), 102u);
}

TEST(CompletionTest, AnAbandonedOneSaysThatTheOutcomeIsUnknown) {
  Refusal refusal;
  int calls = 0;
  {
    Completion<int> completion([&](Reply<int> reply) {
      ++calls;
      refusal = reply.refusal;
    });
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(refusal.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(refusal.outcome, Outcome::kUnknown);
}

TEST(CompletionTest, ACompletedOneIsCalledOnce) {
  int value = 0;
  int calls = 0;
  {
    Completion<int> completion([&](Reply<int> reply) {
      ++calls;
      value = reply.value;
    });
    Completion<int> moved = std::move(completion);
    std::move(moved).Complete(7);
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(value, 7);
}

}  // namespace
}  // namespace partition
