// What every LogStore must do, as one suite for all of them.
//
//   INSTANTIATE_TEST_SUITE_P(Memory, LogStoreConformance,
//                            ::testing::Values(+[] { return MakeHarness(); }));

#ifndef STORAGE_LOG_STORE_CONFORMANCE_H_
#define STORAGE_LOG_STORE_CONFORMANCE_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/types.h"
#include "storage/log_builder.h"
#include "storage/log_store.h"

namespace storage {

// One store under test and its disk.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual LogStore& store() = 0;
  // Lets the store work until `finished` returns true.
  virtual void RunUntil(const std::function<bool()>& finished) = 0;
  // Closes the store in order and opens another on the same disk.
  virtual void Reopen() = 0;
  // As Reopen, but the process is killed first.
  virtual void KillAndReopen() = 0;
};

using HarnessFactory = std::unique_ptr<StoreHarness> (*)();

inline std::string Describe(const raft::Entry& entry) {
  return std::to_string(entry.index.value()) + "/" +
         std::to_string(entry.term.value()) + ":" + std::string(entry.bytes());
}

inline std::vector<std::string> Describe(
    const std::vector<raft::Entry>& entries) {
  std::vector<std::string> out;
  for (const raft::Entry& entry : entries) out.push_back(Describe(entry));
  return out;
}

inline std::string Describe(const ImageRow& row) {
  return std::to_string(row.table) + "/" + row.key + "=" +
         (row.erased ? "(erased)" : row.value);
}

class LogStoreConformance : public ::testing::TestWithParam<HarnessFactory> {
 protected:
  static constexpr base::PartitionId kOne{1};
  static constexpr base::PartitionId kTwo{2};

  void SetUp() override {
    harness_ = GetParam()();
    ASSERT_OK(store().CreatePartition(kOne, OneVoter()));
  }

  LogStore& store() { return harness_->store(); }

  // Makes `write` durable.
  absl::Status Persist(LogWrite write) {
    auto result = std::make_shared<Result>();
    write.done = [result](absl::Status status) { result->Set(status); };
    store().Write(std::move(write));
    harness_->RunUntil([&] { return result->Get().has_value(); });
    return *result->Get();
  }

  absl::Status Drop(base::PartitionId partition, raft::ReplicaId replica) {
    auto result = std::make_shared<Result>();
    store().DropReplica(partition, replica,
                        [result](absl::Status status) { result->Set(status); });
    harness_->RunUntil([&] { return result->Get().has_value(); });
    return *result->Get();
  }

  absl::Status PersistEntries(std::vector<raft::Entry> entries) {
    return Persist({.partition = kOne, .entries = std::move(entries)});
  }

  absl::Status PersistRows(ImageBatch batch) {
    auto result = std::make_shared<Result>();
    batch.done = [result](absl::Status status) { result->Set(status); };
    store().WriteImage(std::move(batch));
    harness_->RunUntil([&] { return result->Get().has_value(); });
    return *result->Get();
  }

  absl::StatusOr<std::vector<raft::Entry>> Read(base::PartitionId partition,
                                                uint64_t from,
                                                uint64_t bytes_max) {
    base::Mutex mu;
    std::optional<absl::StatusOr<std::vector<raft::Entry>>> answer;
    store().ReadEntries(partition, raft::Index{from}, bytes_max,
                        [&](absl::StatusOr<std::vector<raft::Entry>> entries) {
                          base::MutexLock lock(mu);
                          answer = std::move(entries);
                        });
    harness_->RunUntil([&] {
      base::MutexLock lock(mu);
      return answer.has_value();
    });
    return *std::move(answer);
  }

  absl::StatusOr<PinnedImage> Pin(base::PartitionId partition) {
    return Answer<PinnedImage>(
        [&](auto done) { store().PinImage(partition, std::move(done)); });
  }

  absl::StatusOr<ImageSlice> ReadPinned(ImagePin pin,
                                        std::optional<ImageRowId> after,
                                        uint64_t bytes_max) {
    return Answer<ImageSlice>([&](auto done) {
      store().ReadImage(pin, after, bytes_max, std::move(done));
    });
  }

  // Waits for what `start` was answered.
  template <class T>
  absl::StatusOr<T> Answer(
      std::function<void(absl::AnyInvocable<void(absl::StatusOr<T>)>)> start) {
    base::Mutex mu;
    std::optional<absl::StatusOr<T>> answer;
    start([&](absl::StatusOr<T> result) {
      base::MutexLock lock(mu);
      answer = std::move(result);
    });
    harness_->RunUntil([&] {
      base::MutexLock lock(mu);
      return answer.has_value();
    });
    return *std::move(answer);
  }

  // The log has one entry and the image, at it, these rows of table 1.
  void MakeImage(const std::vector<std::string>& keys) {
    ASSERT_OK(PersistEntries(log_.Many(1, 1)));
    ImageBatch batch{.partition = kOne};
    for (const std::string& key : keys) {
      batch.rows.push_back(
          {.table = 1, .key = key, .checkpoint = 1, .value = "v"});
    }
    ASSERT_OK(PersistRows(std::move(batch)));
    ASSERT_OK(
        Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  }

  // An image made elsewhere, far ahead of this log.
  static ImagePointer InstalledAt(uint64_t index, uint64_t generation) {
    ImagePointer pointer = PointerAt({.index = raft::Index{index},
                                      .term = raft::Term{4},
                                      .time_ns = 9,
                                      .chain = 123},
                                     index);
    pointer.generation = generation;
    return pointer;
  }

  std::vector<std::string> LoadedEntries(base::PartitionId partition) {
    absl::StatusOr<StoredPartition> stored = store().LoadPartition(partition);
    if (!stored.ok()) return {stored.status().ToString()};
    return Describe(stored->entries);
  }

  // An image at the log's position `at`, made of the rows of `checkpoint`.
  static ImagePointer PointerAt(const raft::Position& at, uint64_t checkpoint) {
    ImagePointer pointer{.position = at};
    pointer.command_index = at.index.value();
    pointer.configuration = OneVoter();
    pointer.checkpoint = checkpoint;
    pointer.machine_version = 1;
    pointer.digest = 4711;
    return pointer;
  }

  std::vector<std::string> ImageRows(
      std::vector<ObsoleteRow>* obsolete = nullptr) {
    absl::StatusOr<std::unique_ptr<ImageReader>> reader =
        store().OpenImage(kOne);
    if (!reader.ok()) return {reader.status().ToString()};
    std::vector<std::string> out;
    while (true) {
      auto rows = (*reader)->Next(/*bytes_max=*/1);
      if (!rows.ok()) return {rows.status().ToString()};
      if (rows->empty()) break;
      for (const ImageRow& row : *rows) out.push_back(Describe(row));
    }
    if (obsolete != nullptr) *obsolete = (*reader)->TakeObsolete();
    return out;
  }

  class Result {
   public:
    void Set(absl::Status status) {
      base::MutexLock lock(mu_);
      CHECK(!status_.has_value()) << "completed twice";
      status_ = std::move(status);
    }
    std::optional<absl::Status> Get() {
      base::MutexLock lock(mu_);
      return status_;
    }

   private:
    base::Mutex mu_;
    std::optional<absl::Status> status_ ABSL_GUARDED_BY(mu_);
  };

  std::unique_ptr<StoreHarness> harness_;
  LogBuilder log_{kOne};
};

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_P(LogStoreConformance, NewPartitionIsAnImageAtPositionZero) {
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.image.position, raft::Position());
  EXPECT_EQ(stored.image.configuration, OneVoter());
  EXPECT_EQ(stored.hard_state, raft::HardState());
  EXPECT_EQ(stored.first_index, raft::Index{1});
  EXPECT_THAT(stored.entries, IsEmpty());
  EXPECT_THAT(ImageRows(), IsEmpty());
}

TEST_P(LogStoreConformance, CreatedPartitionsAreListedAlsoAfterAKill) {
  ASSERT_OK(store().CreatePartition(kTwo, OneVoter()));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(auto partitions, store().ListPartitions());
  EXPECT_THAT(partitions, ElementsAre(kOne, kTwo));
}

TEST_P(LogStoreConformance, PartitionIsCreatedOnce) {
  EXPECT_THAT(store().CreatePartition(kOne, OneVoter()),
              base::testing::StatusIs(absl::StatusCode::kAlreadyExists));
  harness_->Reopen();
  EXPECT_THAT(store().CreatePartition(kOne, OneVoter()),
              base::testing::StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_P(LogStoreConformance, AReplicaThatJoinsKnowsOnlyItsName) {
  ASSERT_OK(store().CreateReplica(kTwo, raft::ReplicaId{9}));
  EXPECT_THAT(store().CreateReplica(kTwo, raft::ReplicaId{10}),
              base::testing::StatusIs(absl::StatusCode::kAlreadyExists));
  LogBuilder log(kTwo);
  ASSERT_OK(Persist({.partition = kTwo, .entries = log.Many(3, 2, "x")}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kTwo));
  EXPECT_EQ(stored.replica, raft::ReplicaId{9});
  EXPECT_EQ(stored.image.configuration, raft::Configuration());
  EXPECT_EQ(stored.hard_state, raft::HardState());
  EXPECT_EQ(stored.first_index, raft::Index{1});
  EXPECT_THAT(Describe(stored.entries), ElementsAre("1/3:x1", "2/3:x2"));
  ASSERT_OK_AND_ASSIGN(stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.replica, raft::ReplicaId{0});
}

// Who was taken away may have voted: it must not come back with another memory
// (U8).
TEST_P(LogStoreConformance, ADroppedReplicaLeavesItsTombstoneAndNothingElse) {
  EXPECT_EQ(store().DroppedReplica(kOne), raft::ReplicaId{0});
  ASSERT_OK(Persist({.partition = kOne,
                     .hard_state = raft::HardState{.term = raft::Term{3}},
                     .entries = log_.Many(3, 2)}));
  ASSERT_OK(Drop(kOne, raft::ReplicaId{1}));
  harness_->KillAndReopen();
  EXPECT_EQ(store().DroppedReplica(kOne), raft::ReplicaId{1});
  ASSERT_OK_AND_ASSIGN(const auto partitions, store().ListPartitions());
  EXPECT_THAT(partitions, IsEmpty());
  EXPECT_THAT(store().LoadPartition(kOne).status(),
              base::testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store().CreatePartition(kOne, OneVoter()),
              base::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store().CreateReplica(kOne, raft::ReplicaId{1}),
              base::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(LogStoreConformance, ALaterReplicaTakesThePlaceOfADroppedOne) {
  ASSERT_OK(Persist({.partition = kOne,
                     .hard_state = raft::HardState{.term = raft::Term{3}},
                     .entries = log_.Many(3, 2)}));
  ASSERT_OK(Drop(kOne, raft::ReplicaId{1}));
  ASSERT_OK(store().CreateReplica(kOne, raft::ReplicaId{5}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.replica, raft::ReplicaId{5});
  EXPECT_EQ(stored.hard_state, raft::HardState());
  EXPECT_THAT(stored.entries, IsEmpty());
  EXPECT_EQ(store().DroppedReplica(kOne), raft::ReplicaId{1});
  ASSERT_OK(Drop(kOne, raft::ReplicaId{5}));
  EXPECT_EQ(store().DroppedReplica(kOne), raft::ReplicaId{5});
  EXPECT_THAT(store().CreateReplica(kOne, raft::ReplicaId{4}),
              base::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(LogStoreConformance, NothingIsWrittenToADroppedReplica) {
  ASSERT_OK(Drop(kOne, raft::ReplicaId{1}));
  EXPECT_THAT(PersistEntries(log_.Many(1, 1)),
              base::testing::StatusIs(absl::StatusCode::kUnavailable));
  harness_->KillAndReopen();
  EXPECT_THAT(store().LoadPartition(kOne).status(),
              base::testing::StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(LogStoreConformance, UnknownPartitionIsNotFound) {
  EXPECT_THAT(store().LoadPartition(kTwo).status(),
              base::testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store().OpenImage(kTwo).status(),
              base::testing::StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(LogStoreConformance, AcknowledgedWriteSurvivesAKill) {
  const raft::HardState hard_state{.term = raft::Term{3},
                                   .voted_for = raft::ReplicaId{1},
                                   .commit_index = raft::Index{1}};
  ASSERT_OK(Persist({.partition = kOne,
                     .hard_state = hard_state,
                     .entries = log_.Many(3, 2)}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.hard_state, hard_state);
  EXPECT_THAT(Describe(stored.entries), ElementsAre("1/3:x1", "2/3:x2"));
}

TEST_P(LogStoreConformance, EntryKeepsEveryField) {
  raft::Entry entry = log_.Next(9, std::string("\0binary\xff", 8));
  raft::Entry empty = log_.Next(9, "");
  ASSERT_OK(PersistEntries({entry, empty}));
  harness_->Reopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  ASSERT_THAT(stored.entries, SizeIs(2));
  EXPECT_EQ(raft::PositionOf(stored.entries[0]), raft::PositionOf(entry));
  EXPECT_EQ(stored.entries[0].type, raft::EntryType::kApp);
  EXPECT_EQ(stored.entries[0].payload_crc, entry.payload_crc);
  EXPECT_EQ(*stored.entries[0].payload, *entry.payload);
  EXPECT_EQ(stored.entries[1].payload, nullptr);
}

TEST_P(LogStoreConformance, WritesCompleteInTheOrderTheyWereQueued) {
  base::Mutex mu;
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    LogWrite write{.partition = kOne, .entries = log_.Many(1, 1)};
    write.done = [&, i](absl::Status status) {
      EXPECT_OK(status);
      base::MutexLock lock(mu);
      order.push_back(i);
    };
    store().Write(std::move(write));
  }
  harness_->RunUntil([&] {
    base::MutexLock lock(mu);
    return order.size() == 20;
  });
  base::MutexLock lock(mu);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(LogStoreConformance, CompletionMayWriteAgain) {
  auto result = std::make_shared<Result>();
  LogWrite first{.partition = kOne, .entries = log_.Many(1, 1)};
  std::vector<raft::Entry> more = log_.Many(1, 1);
  first.done = [&](absl::Status status) {
    EXPECT_OK(status);
    LogWrite second{.partition = kOne, .entries = std::move(more)};
    second.done = [&](absl::Status status) { result->Set(status); };
    store().Write(std::move(second));
  };
  store().Write(std::move(first));
  harness_->RunUntil([&] { return result->Get().has_value(); });
  EXPECT_OK(*result->Get());
  EXPECT_THAT(LoadedEntries(kOne), SizeIs(2));
}

TEST_P(LogStoreConformance, ConflictTruncatesOnlyTheSuffix) {
  std::vector<raft::Entry> old = log_.Many(1, 5);
  ASSERT_OK(PersistEntries(old));
  log_.Rewind(raft::PositionOf(old[1]));
  ASSERT_OK(PersistEntries(log_.Many(2, 1, "new")));
  harness_->KillAndReopen();
  EXPECT_THAT(LoadedEntries(kOne), ElementsAre("1/1:x1", "2/1:x2", "3/2:new3"));
}

TEST_P(LogStoreConformance, LongConflictingSuffixIsGoneToo) {
  std::vector<raft::Entry> old = log_.Many(1, 300);
  ASSERT_OK(PersistEntries(old));
  log_.Rewind(raft::PositionOf(old[0]));
  ASSERT_OK(PersistEntries(log_.Many(2, 1, "new")));
  ASSERT_OK(PersistEntries(log_.Many(2, 1, "new")));
  harness_->KillAndReopen();
  EXPECT_THAT(LoadedEntries(kOne),
              ElementsAre("1/1:x1", "2/2:new2", "3/2:new3"));
}

TEST_P(LogStoreConformance, PartitionsDoNotSeeEachOther) {
  ASSERT_OK(store().CreatePartition(kTwo, OneVoter()));
  LogBuilder other(kTwo);
  ASSERT_OK(PersistEntries(log_.Many(1, 1, "one")));
  ASSERT_OK(Persist({.partition = kTwo, .entries = other.Many(5, 2, "two")}));
  EXPECT_THAT(LoadedEntries(kOne), ElementsAre("1/1:one1"));
  EXPECT_THAT(LoadedEntries(kTwo), ElementsAre("1/5:two1", "2/5:two2"));
}

TEST_P(LogStoreConformance, ReadEntriesKeepsToItsBytesButReturnsOne) {
  ASSERT_OK(PersistEntries(log_.Many(1, 10, std::string(100, 'x'))));
  ASSERT_OK_AND_ASSIGN(auto one, Read(kOne, 4, 1));
  ASSERT_THAT(one, SizeIs(1));
  EXPECT_EQ(one[0].index, raft::Index{4});
  ASSERT_OK_AND_ASSIGN(auto some, Read(kOne, 1, 250));
  EXPECT_THAT(some, SizeIs(3));
  ASSERT_OK_AND_ASSIGN(auto rest, Read(kOne, 8, 1 << 20));
  EXPECT_THAT(rest, SizeIs(3));
}

TEST_P(LogStoreConformance, ReadOutsideTheLogIsOutOfRange) {
  ASSERT_OK(PersistEntries(log_.Many(1, 3)));
  EXPECT_THAT(Read(kOne, 4, 100).status(),
              base::testing::StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(Read(kOne, 0, 100).status(),
              base::testing::StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_P(LogStoreConformance, RowsAreVisibleOnlyThroughThePointer) {
  ASSERT_OK(PersistEntries(log_.Many(1, 3)));
  const raft::Position at = log_.position();
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "a", .checkpoint = 3, .value = "A"},
                {.table = 2, .key = "b", .checkpoint = 3, .value = "B"}}}));
  EXPECT_THAT(ImageRows(), IsEmpty());
  ASSERT_OK(Persist({.partition = kOne, .image = PointerAt(at, 3)}));
  harness_->KillAndReopen();
  EXPECT_THAT(ImageRows(), ElementsAre("1/a=A", "2/b=B"));
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.image, PointerAt(at, 3));
  EXPECT_EQ(stored.hard_state.commit_index, at.index);
  EXPECT_EQ(stored.first_index, raft::Index{1});
  EXPECT_THAT(stored.entries, IsEmpty());
}

TEST_P(LogStoreConformance, ReaderTakesTheNewestVersionNotAboveThePointer) {
  ASSERT_OK(PersistEntries(log_.Many(1, 9)));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "kept", .checkpoint = 3, .value = "old"},
                {.table = 1, .key = "gone", .checkpoint = 3, .value = "old"},
                {.table = 1, .key = "kept", .checkpoint = 5, .value = "new"},
                {.table = 1, .key = "gone", .checkpoint = 5, .erased = true},
                // An unfinished checkpoint:
                {.table = 1, .key = "kept", .checkpoint = 9, .value = "no"},
                {.table = 1, .key = "late", .checkpoint = 9, .value = "no"}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 5)}));
  std::vector<ObsoleteRow> obsolete;
  EXPECT_THAT(ImageRows(&obsolete), ElementsAre("1/kept=new"));
  EXPECT_THAT(obsolete, SizeIs(5));

  ASSERT_OK(PersistRows({.partition = kOne, .obsolete = obsolete}));
  EXPECT_THAT(ImageRows(&obsolete), ElementsAre("1/kept=new"));
  EXPECT_THAT(obsolete, IsEmpty());
}

TEST_P(LogStoreConformance, RowsComeInTheOrderOfTheirKeys) {
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  const std::string zero("k\0", 2);
  const std::string zero_z("k\0z", 3);
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "k\x01", .checkpoint = 1, .value = "3"},
                {.table = 1, .key = zero_z, .checkpoint = 1, .value = "2"},
                {.table = 1, .key = zero, .checkpoint = 1, .value = "1"},
                {.table = 1, .key = "k", .checkpoint = 1, .value = "0"},
                {.table = 0, .key = "z", .checkpoint = 1, .value = "-"}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  EXPECT_THAT(ImageRows(), ElementsAre("0/z=-", "1/k=0", "1/" + zero + "=1",
                                       "1/" + zero_z + "=2", "1/k\x01=3"));
}

TEST_P(LogStoreConformance, ObsoletePrefixTakesEveryVersionBelowIt) {
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  const std::string prefix("p\xff\x00", 3);
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {
           {.table = 1, .key = "p\xff", .checkpoint = 1, .value = "stays"},
           {.table = 1, .key = prefix, .checkpoint = 1, .value = "goes"},
           {.table = 1, .key = prefix + "q", .checkpoint = 1, .value = "goes"},
           {.table = 1, .key = "p\xff\x01", .checkpoint = 1, .value = "stays"},
           {.table = 2, .key = prefix, .checkpoint = 1, .value = "stays"}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  ASSERT_OK(
      PersistRows({.partition = kOne,
                   .obsolete_prefixes = {{.table = 1, .prefix = prefix}}}));
  EXPECT_THAT(ImageRows(), ElementsAre("1/p\xff=stays", "1/p\xff\x01=stays",
                                       "2/" + prefix + "=stays"));
}

TEST_P(LogStoreConformance, ReaderIsPinned) {
  ASSERT_OK(PersistEntries(log_.Many(1, 2)));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "a", .checkpoint = 1, .value = "old"}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  ASSERT_OK_AND_ASSIGN(auto reader, store().OpenImage(kOne));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "a", .checkpoint = 2, .value = "new"}},
       .obsolete = {{.table = 1, .key = "a", .checkpoint = 1}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 2)}));
  ASSERT_OK_AND_ASSIGN(auto rows, reader->Next(1 << 20));
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].value, "old");
  EXPECT_EQ(reader->pointer().checkpoint, 1u);
  EXPECT_THAT(ImageRows(), ElementsAre("1/a=new"));
}

TEST_P(LogStoreConformance, LargeImageBatchArrivesWhole) {
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  ImageBatch batch{.partition = kOne};
  for (int i = 0; i < 300; ++i) {
    batch.rows.push_back({.table = 1,
                          .key = std::to_string(1000 + i),
                          .checkpoint = 1,
                          .value = std::string(2000, 'v')});
  }
  batch.rows.push_back({.table = 2,
                        .key = "big",
                        .checkpoint = 1,
                        .value = std::string(500'000, 'v')});
  ASSERT_OK(PersistRows(std::move(batch)));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  harness_->KillAndReopen();
  EXPECT_THAT(ImageRows(), SizeIs(301));
}

TEST_P(LogStoreConformance, InstalledGenerationReplacesTheOldInOneStep) {
  ASSERT_OK(PersistEntries(log_.Many(1, 2)));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "old", .checkpoint = 1, .value = "o"}}}));
  ASSERT_OK(
      Persist({.partition = kOne, .image = PointerAt(log_.position(), 1)}));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .generation = 1,
       .rows = {{.table = 1, .key = "new", .checkpoint = 50, .value = "n"}}}));
  EXPECT_THAT(ImageRows(), ElementsAre("1/old=o"));

  const ImagePointer pointer = InstalledAt(50, 1);
  ASSERT_OK(Persist({.partition = kOne, .image = pointer}));
  LogBuilder behind(kOne, pointer.position);
  ASSERT_OK(PersistEntries(behind.Many(4, 1)));
  harness_->KillAndReopen();
  EXPECT_THAT(ImageRows(), ElementsAre("1/new=n"));
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.first_index, raft::Index{51});
  EXPECT_THAT(Describe(stored.entries), ElementsAre("51/4:x51"));
}

// P38: what is behind the image here has nothing in common with it.
TEST_P(LogStoreConformance, InstalledGenerationDropsTheLogBehindItsPosition) {
  ASSERT_OK(PersistEntries(log_.Many(1, 100)));
  const ImagePointer pointer = InstalledAt(50, 1);
  ASSERT_OK(Persist({.partition = kOne, .image = pointer}));
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_THAT(stored.entries, IsEmpty());
  EXPECT_EQ(stored.first_index, raft::Index{51});
  for (const uint64_t index : {1, 50, 51, 100}) {
    EXPECT_THAT(Read(kOne, index, 100).status(),
                base::testing::StatusIs(absl::StatusCode::kOutOfRange));
  }
}

// The queue before and behind it stays right, though nothing is durable yet.
TEST_P(LogStoreConformance, WritesAreQueuedAroundAnInstalledGeneration) {
  const ImagePointer pointer = InstalledAt(50, 1);
  LogBuilder behind(kOne, pointer.position);
  auto result = std::make_shared<Result>();
  store().Write({.partition = kOne, .entries = log_.Many(1, 70)});
  store().Write({.partition = kOne, .image = pointer});
  store().Write({.partition = kOne, .entries = behind.Many(4, 2)});
  LogWrite last{.partition = kOne, .entries = behind.Many(4, 1)};
  last.done = [result](absl::Status status) { result->Set(status); };
  store().Write(std::move(last));
  harness_->RunUntil([&] { return result->Get().has_value(); });
  ASSERT_OK(*result->Get());
  harness_->KillAndReopen();
  EXPECT_THAT(LoadedEntries(kOne),
              ElementsAre("51/4:x51", "52/4:x52", "53/4:x53"));
}

// A state that was replaced, not a log: what was acknowledged stays.
TEST_P(LogStoreConformance, InstalledGenerationMayKeepTheLog) {
  ASSERT_OK(PersistEntries(log_.Many(1, 3)));
  const raft::Position position = log_.position();
  ASSERT_OK(PersistEntries(log_.Many(1, 2)));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .rows = {{.table = 1, .key = "old", .checkpoint = 1, .value = "o"}}}));
  ImagePointer wrong = PointerAt(position, 1);
  wrong.suspect = true;
  ASSERT_OK(Persist({.partition = kOne, .image = wrong}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_TRUE(stored.image.suspect);

  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .generation = 1,
       .rows = {{.table = 1, .key = "new", .checkpoint = 3, .value = "n"}}}));
  ImagePointer right = PointerAt(position, 3);
  right.generation = 1;
  ASSERT_OK(Persist({.partition = kOne, .image = right, .keeps_log = true}));
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  harness_->KillAndReopen();
  EXPECT_THAT(ImageRows(), ElementsAre("1/new=n"));
  ASSERT_OK_AND_ASSIGN(stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.image, right);
  EXPECT_EQ(stored.first_index, raft::Index{1});
  EXPECT_THAT(Describe(stored.entries),
              ElementsAre("4/1:x4", "5/1:x5", "6/1:x6"));
}

TEST_P(LogStoreConformance, EntriesWithAnInstalledGenerationAreABug) {
  EXPECT_DEATH(store().Write({.partition = kOne,
                              .entries = log_.Many(1, 1),
                              .image = InstalledAt(50, 1)}),
               "partition 1");
}

TEST_P(LogStoreConformance, WhatABrokenInstallLeftIsClearedInOneStep) {
  MakeImage({"mine"});
  for (const uint64_t generation : {1, 2}) {
    ASSERT_OK(PersistRows(
        {.partition = kOne,
         .generation = generation,
         .rows = {
             {.table = 0, .key = "a", .checkpoint = 9, .value = "x"},
             {.table = 9, .key = "\xff\xff", .checkpoint = 9, .value = "y"}}}));
  }
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));  // They are durable with it.
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(auto reader, store().OpenImage(kOne));
  EXPECT_TRUE(reader->has_unfinished_install());
  reader = nullptr;

  // The rows of the batch itself come behind the clearing.
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .generation = 1,
       .clears_generation = true,
       .rows = {{.table = 1, .key = "new", .checkpoint = 50, .value = "n"}}}));
  EXPECT_THAT(ImageRows(), ElementsAre("1/mine=v"));
  ASSERT_OK(Persist({.partition = kOne, .image = InstalledAt(50, 1)}));
  EXPECT_THAT(ImageRows(), ElementsAre("1/new=n"));
  ASSERT_OK_AND_ASSIGN(reader, store().OpenImage(kOne));
  EXPECT_FALSE(reader->has_unfinished_install());
}

TEST_P(LogStoreConformance, PinnedImageIsReadInSlices) {
  MakeImage({"a", "b", "c"});
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  EXPECT_EQ(pinned.pointer, PointerAt(log_.position(), 1));
  std::optional<ImageRowId> after;
  std::vector<std::string> rows;
  for (bool last = false; !last;) {
    ASSERT_OK_AND_ASSIGN(ImageSlice slice, ReadPinned(pinned.pin, after, 1));
    ASSERT_THAT(slice.rows, SizeIs(1));
    rows.push_back(Describe(slice.rows[0]));
    after = ImageRowId{slice.rows[0].table, slice.rows[0].key};
    last = slice.last;
  }
  EXPECT_THAT(rows, ElementsAre("1/a=v", "1/b=v", "1/c=v"));
  // Behind the last row there is nothing, however often it is asked.
  ASSERT_OK_AND_ASSIGN(ImageSlice end, ReadPinned(pinned.pin, after, 1));
  EXPECT_THAT(end.rows, IsEmpty());
  EXPECT_TRUE(end.last);
}

TEST_P(LogStoreConformance, PinnedImageResumesBehindAnyRow) {
  MakeImage({"a", "b", "c"});
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  const auto first_behind = [&](std::optional<ImageRowId> after) {
    absl::StatusOr<ImageSlice> slice = ReadPinned(pinned.pin, after, 1);
    return slice.ok() ? Describe(slice->rows.front())
                      : slice.status().ToString();
  };
  EXPECT_EQ(first_behind(ImageRowId{1, "b"}), "1/c=v");
  EXPECT_EQ(first_behind(ImageRowId{1, "a"}), "1/b=v");
  EXPECT_EQ(first_behind(ImageRowId{1, "a"}), "1/b=v");
  EXPECT_EQ(first_behind(ImageRowId{1, "ab"}), "1/b=v");
  EXPECT_EQ(first_behind(ImageRowId{0, "zzz"}), "1/a=v");
  EXPECT_EQ(first_behind(std::nullopt), "1/a=v");
}

// P40: newer checkpoints, and even another image, leave it as it is.
TEST_P(LogStoreConformance, PinnedImageStaysUntilItIsUnpinned) {
  MakeImage({"a", "b"});
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  ASSERT_OK(PersistRows(
      {.partition = kOne,
       .generation = 1,
       .rows = {{.table = 1, .key = "new", .checkpoint = 50, .value = "n"}}}));
  ASSERT_OK(Persist({.partition = kOne, .image = InstalledAt(50, 1)}));
  ASSERT_OK_AND_ASSIGN(ImageSlice all,
                       ReadPinned(pinned.pin, std::nullopt, 1 << 20));
  EXPECT_THAT(all.rows, SizeIs(2));
  EXPECT_TRUE(all.last);
  ASSERT_OK_AND_ASSIGN(PinnedImage newer, Pin(kOne));
  EXPECT_NE(newer.pin, pinned.pin);
  EXPECT_EQ(newer.pointer.generation, 1u);

  store().UnpinImage(pinned.pin);
  EXPECT_THAT(ReadPinned(pinned.pin, std::nullopt, 1).status(),
              base::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(ReadPinned(newer.pin, std::nullopt, 1).status());
}

// What is on its way to be unpinned need not be waited for.
TEST_P(LogStoreConformance, PinnedImageOfADroppedReplicaStaysReadable) {
  MakeImage({"a", "b"});
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  ASSERT_OK(Drop(kOne, raft::ReplicaId{1}));
  ASSERT_OK_AND_ASSIGN(ImageSlice all,
                       ReadPinned(pinned.pin, std::nullopt, 1 << 20));
  EXPECT_THAT(all.rows, SizeIs(2));
  store().UnpinImage(pinned.pin);
}

TEST_P(LogStoreConformance, EmptyImageIsOneEmptyLastSlice) {
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  ASSERT_OK_AND_ASSIGN(ImageSlice slice,
                       ReadPinned(pinned.pin, std::nullopt, 1));
  EXPECT_THAT(slice.rows, IsEmpty());
  EXPECT_TRUE(slice.last);
  EXPECT_THAT(Pin(kTwo).status(),
              base::testing::StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(LogStoreConformance, StoreClosesWithImagesPinned) {
  MakeImage({"a"});
  ASSERT_OK_AND_ASSIGN(PinnedImage pinned, Pin(kOne));
  harness_->Reopen();
  EXPECT_THAT(ReadPinned(pinned.pin, std::nullopt, 1).status(),
              base::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_P(LogStoreConformance, TrimKeepsTheEntriesBehindTheImage) {
  std::vector<raft::Entry> entries = log_.Many(1, 10);
  ASSERT_OK(PersistEntries(entries));
  ASSERT_OK(Persist({.partition = kOne,
                     .image = PointerAt(raft::PositionOf(entries[5]), 1),
                     .trim_below = raft::Index{4}}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.first_index, raft::Index{4});
  ASSERT_THAT(stored.entries, SizeIs(4));
  EXPECT_EQ(stored.entries[0].index, raft::Index{7});
  EXPECT_THAT(Read(kOne, 3, 100).status(),
              base::testing::StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_OK(Read(kOne, 4, 100).status());
  // And goes on.
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  EXPECT_THAT(LoadedEntries(kOne), SizeIs(5));
}

TEST_P(LogStoreConformance, WholeLogMayBeTrimmed) {
  ASSERT_OK(PersistEntries(log_.Many(1, 3)));
  ASSERT_OK(Persist({.partition = kOne,
                     .image = PointerAt(log_.position(), 1),
                     .trim_below = raft::Index{4}}));
  harness_->KillAndReopen();
  ASSERT_OK_AND_ASSIGN(StoredPartition stored, store().LoadPartition(kOne));
  EXPECT_EQ(stored.first_index, raft::Index{4});
  ASSERT_OK(PersistEntries(log_.Many(1, 1)));
  EXPECT_THAT(LoadedEntries(kOne), ElementsAre("4/1:x4"));
}

TEST_P(LogStoreConformance, WriteWithoutADurableContentCompletesInOrder) {
  ASSERT_OK(Persist({.partition = kOne}));
}

TEST_P(LogStoreConformance, QueuedWritesCompleteWhenTheStoreCloses) {
  auto result = std::make_shared<Result>();
  LogWrite write{.partition = kOne, .entries = log_.Many(1, 1)};
  write.done = [result](absl::Status status) { result->Set(status); };
  store().Write(std::move(write));
  harness_->Reopen();
  ASSERT_TRUE(result->Get().has_value());
  // If it was acknowledged it is there.
  if (result->Get()->ok()) {
    EXPECT_THAT(LoadedEntries(kOne), SizeIs(1));
  }
}

TEST_P(LogStoreConformance, WrongChainIsDataLossThatNamesPartitionAndIndex) {
  std::vector<raft::Entry> entries = log_.Many(1, 3);
  entries[1].chain ^= 1;
  ASSERT_OK(PersistEntries(entries));
  EXPECT_THAT(store().LoadPartition(kOne).status(),
              base::testing::StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("partition 1, index 2")));
}

TEST_P(LogStoreConformance, WrongPayloadChecksumIsDataLoss) {
  std::vector<raft::Entry> entries = log_.Many(1, 3);
  entries[2].payload = std::make_shared<const std::string>("other");
  ASSERT_OK(PersistEntries(entries));
  EXPECT_THAT(store().LoadPartition(kOne).status(),
              base::testing::StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("partition 1, index 3")));
  EXPECT_THAT(Read(kOne, 3, 100).status(),
              base::testing::StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(LogStoreConformance, TrimBeyondTheImageIsABug) {
  ASSERT_OK(PersistEntries(log_.Many(1, 3)));
  EXPECT_DEATH(store().Write({.partition = kOne, .trim_below = raft::Index{2}}),
               "trim below 2 with an image at 0");
}

TEST_P(LogStoreConformance, HoleInTheLogIsABug) {
  raft::Entry first = log_.Next(1, "first");
  raft::Entry second = log_.Next(1, "second");
  EXPECT_DEATH(store().Write({.partition = kOne, .entries = {second}}),
               "leaves a hole");
}

}  // namespace storage

#endif  // STORAGE_LOG_STORE_CONFORMANCE_H_
