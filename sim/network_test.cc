#include "sim/network.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace sim {
namespace {

constexpr base::NodeId kOne{1};
constexpr base::NodeId kTwo{2};
constexpr base::PartitionId kPartition{5};

// Node one sends heartbeats, numbered by their term, to node two.
class NetworkTest : public testing::Test, public partition::Receiver {
 protected:
  void Open(const NetworkOptions& options) {
    network_ = std::make_unique<Network>(loop_, options, 1);
    port_ = network_->TransportOf(kOne);
    port_->SetMembers(kPartition, raft::ReplicaId{1},
                      {{.replica = raft::ReplicaId{1}, .node = kOne},
                       {.replica = raft::ReplicaId{2}, .node = kTwo}});
    Listen();
  }
  void Listen(uint64_t replica = 2) {
    network_->Attach(kTwo, *this,
                     [this](base::PartitionId partition, raft::ReplicaId to) {
                       EXPECT_EQ(partition, kPartition);
                       unknown_.push_back(to.value());
                     });
    network_->TransportOf(kTwo)->SetMembers(kPartition,
                                            raft::ReplicaId{replica}, {});
  }
  void Receive(base::PartitionId partition,
               std::vector<raft::Message> messages) override {
    EXPECT_EQ(partition, kPartition);
    for (const raft::Message& message : messages) {
      arrived_.push_back(message.term.value());
      last_arrival_ns_ = loop_.now_ns();
    }
  }
  void ReceiveImage(base::PartitionId, partition::ImageMessage) override {
    FAIL() << "no image was sent";
  }
  void ReceiveNote(base::PartitionId, partition::Note) override {
    FAIL() << "no note was sent";
  }
  void Send(uint64_t number) {
    port_->Send(kPartition, {{.from = raft::ReplicaId{1},
                              .to = raft::ReplicaId{2},
                              .term = raft::Term{number},
                              .body = raft::Heartbeat{}}});
  }
  void RunAll() {
    while (loop_.RunOne()) {
    }
  }

  EventLoop loop_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<partition::Transport> port_;
  std::vector<uint64_t> arrived_;
  uint64_t last_arrival_ns_ = 0;
  std::vector<uint64_t> unknown_;
};

TEST_F(NetworkTest, WhatIsForAnotherReplicaIsDroppedAndTold) {  // P45
  Open({});
  network_->Detach(kTwo);
  Listen(7);
  Send(1);
  RunAll();
  EXPECT_TRUE(arrived_.empty());
  EXPECT_EQ(unknown_, std::vector<uint64_t>{2});
  // Nobody but a leader can have made it a member.
  port_->Send(kPartition, {{.from = raft::ReplicaId{1},
                            .to = raft::ReplicaId{2},
                            .body = raft::PreVote{}}});
  RunAll();
  EXPECT_EQ(unknown_.size(), 1u);
}

TEST_F(NetworkTest, SomeMessagesComeOnceMoreMuchLater) {
  Open({.delay_ns_min = 10,
        .delay_ns_max = 20,
        .late_one_in = 1,
        .late_ns_max = 1 * kSeconds});
  Send(1);
  RunAll();
  EXPECT_EQ(arrived_, (std::vector<uint64_t>{1, 1}));
  EXPECT_GT(last_arrival_ns_, 20u);
}

TEST_F(NetworkTest, MessageArrivesWithinItsDelay) {
  Open({.delay_ns_min = 10, .delay_ns_max = 20});
  Send(1);
  RunAll();
  EXPECT_EQ(arrived_, std::vector<uint64_t>{1});
  EXPECT_GE(last_arrival_ns_, 10u);
  EXPECT_LE(last_arrival_ns_, 20u);
}

TEST_F(NetworkTest, MessagesOvertakeEachOther) {
  Open({.delay_ns_min = 1, .delay_ns_max = 1000});
  for (uint64_t i = 1; i <= 50; ++i) Send(i);
  RunAll();
  EXPECT_EQ(arrived_.size(), 50u);
  EXPECT_FALSE(std::is_sorted(arrived_.begin(), arrived_.end()));
}

TEST_F(NetworkTest, SomeAreLost) {
  Open({.lose_one_in = 4});
  for (uint64_t i = 1; i <= 400; ++i) Send(i);
  RunAll();
  EXPECT_GT(arrived_.size(), 200u);
  EXPECT_LT(arrived_.size(), 400u);
}

TEST_F(NetworkTest, SomeArriveTwice) {
  Open({.repeat_one_in = 4});
  for (uint64_t i = 1; i <= 400; ++i) Send(i);
  RunAll();
  EXPECT_GT(arrived_.size(), 400u);
  EXPECT_LE(arrived_.size(), 800u);
}

TEST_F(NetworkTest, CutStopsOneDirectionUntilItIsHealed) {
  Open({});
  network_->Cut(kTwo, kOne);
  Send(1);
  RunAll();
  EXPECT_EQ(arrived_.size(), 1u);
  network_->Cut(kOne, kTwo);
  Send(2);
  RunAll();
  EXPECT_EQ(arrived_.size(), 1u);
  network_->Heal(kOne, kTwo);
  Send(3);
  RunAll();
  EXPECT_EQ(arrived_, (std::vector<uint64_t>{1, 3}));
}

TEST_F(NetworkTest, NobodyHearsWhatArrivesAtADeadNode) {
  Open({});
  network_->Detach(kTwo);
  Send(1);
  RunAll();
  Listen();
  Send(2);
  RunAll();
  EXPECT_EQ(arrived_, std::vector<uint64_t>{2});
}

TEST_F(NetworkTest, MessageToAReplicaWithoutAPlaceIsLost) {
  Open({});
  port_->Send(kPartition, {{.from = raft::ReplicaId{1},
                            .to = raft::ReplicaId{9},
                            .term = raft::Term{1},
                            .body = raft::Heartbeat{}}});
  RunAll();
  EXPECT_TRUE(arrived_.empty());
}

TEST_F(NetworkTest, CalmEndsAllFaults) {
  Open({.lose_one_in = 2, .repeat_one_in = 2});
  network_->Cut(kOne, kTwo);
  network_->Calm();
  for (uint64_t i = 1; i <= 100; ++i) Send(i);
  RunAll();
  EXPECT_EQ(arrived_.size(), 100u);
}

}  // namespace
}  // namespace sim
