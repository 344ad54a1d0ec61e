// Power cuts at every call to the disk, and every call failing in every way:
// what was acknowledged is there, what is there is whole, and after a failure
// nothing is acknowledged (D1-D3, D5, P28, P32, P33, P35, P36).

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/crash_model.h"
#include "storage/io_hooks.h"
#include "storage/log_builder.h"
#include "storage/store.h"
#include "storage/test_directory.h"

namespace storage {
namespace {

constexpr base::PartitionId kOne{1};
constexpr base::PartitionId kTwo{2};

// A partition's part of the work, and what it was told.
//
// Step i appends one entry, with hard state {term i}. Each fifth step writes
// two image rows and then the pointer; each tenth trims behind it. Step 12 and
// step 24 install an image made elsewhere instead, after a first try that is
// broken off half way (P38, P42).
class Work {
 public:
  explicit Work(base::PartitionId partition)
      : partition_(partition), log_(partition) {}

  bool Create(Store& store) {
    created_ = store.CreatePartition(partition_, OneVoter()).ok();
    return created_;
  }

  // False once the store refuses.
  bool Step(Store& store) {
    const uint64_t term = ++steps_;
    if (steps_ % 12 == 0) return Install(store);
    LogWrite write{.partition = partition_,
                   .hard_state = raft::HardState{.term = raft::Term{term}},
                   .entries = {log_.Next(term, std::string(3000, 'p'))}};
    if (!Persist(store, std::move(write)).ok()) return false;
    acknowledged_ = term;
    return steps_ % 5 != 0 || Checkpoint(store);
  }

  // What a store on the same disk must show.
  void Check(Store& store) const {
    auto stored = store.LoadPartition(partition_);
    if (!created_) return;
    ASSERT_OK(stored.status());
    // D1: nothing acknowledged is missing, and at most one step is unknown.
    const uint64_t last = stored->entries.empty()
                              ? stored->image.position.index.value()
                              : stored->entries.back().index.value();
    EXPECT_GE(last, acknowledged_);
    EXPECT_LE(last, steps_);
    // D2: entry and hard state of a step are there together.
    EXPECT_EQ(stored->hard_state.term.value(), last);
    // P35: the log reaches back to the image.
    EXPECT_GE(stored->image.checkpoint, image_);
    EXPECT_LE(stored->first_index, stored->image.position.index + 1);
    // The image is whole: both rows, of the pointer's checkpoint.
    if (stored->image.checkpoint > 0) CheckImage(store, *stored);
    // P38: an installed image and the log behind it change places together.
    if (installed_ > 0) {
      EXPECT_GE(stored->image.position.index.value(), installed_);
      EXPECT_GT(stored->first_index.value(), installed_);
    }
  }

  uint64_t acknowledged() const { return acknowledged_; }

 private:
  static absl::Status Wait(
      std::function<void(absl::AnyInvocable<void(absl::Status)>)> start) {
    base::Mutex mu;
    base::CondVar changed;
    std::optional<absl::Status> result;
    start([&](absl::Status status) {
      base::MutexLock lock(mu);
      result = status;
      changed.Signal();
    });
    base::MutexLock lock(mu);
    while (!result.has_value()) changed.Wait(mu);
    return *result;
  }

  static absl::Status Persist(Store& store, LogWrite write) {
    return Wait([&](auto done) {
      write.done = std::move(done);
      store.Write(std::move(write));
    });
  }

  bool WriteRows(Store& store, ImageBatch batch) {
    return Wait([&](auto done) {
             batch.done = std::move(done);
             store.WriteImage(std::move(batch));
           })
        .ok();
  }

  ImageBatch RowOfInstall(const char* key, std::string value) const {
    return {.partition = partition_,
            .generation = generation_ + 1,
            .rows = {{.table = 1,
                      .key = key,
                      .checkpoint = steps_,
                      .value = std::move(value)}}};
  }

  bool Install(Store& store) {
    // Broken off, with a row that the image does not have.
    if (!WriteRows(store, RowOfInstall("c", "broken off"))) return false;

    ImageBatch first = RowOfInstall("a", std::to_string(steps_));
    first.clears_generation = true;
    if (!WriteRows(store, std::move(first)) ||
        !WriteRows(store, RowOfInstall("b", std::to_string(steps_)))) {
      return false;
    }
    ImagePointer pointer{.position = {.index = raft::Index{steps_},
                                      .term = raft::Term{steps_},
                                      .time_ns = log_.position().time_ns,
                                      .chain = 4711}};
    pointer.configuration = OneVoter();
    pointer.generation = generation_ + 1;
    pointer.checkpoint = steps_;
    const absl::Status installed = Persist(
        store, {.partition = partition_,
                .hard_state = raft::HardState{.term = raft::Term{steps_}},
                .image = pointer});
    if (!installed.ok()) return false;
    log_.Rewind(pointer.position);
    generation_ = pointer.generation;
    previous_image_ = 0;
    acknowledged_ = image_ = installed_ = steps_;
    return true;
  }

  bool Checkpoint(Store& store) {
    ImageBatch batch{.partition = partition_, .generation = generation_};
    const std::string value = std::to_string(steps_);
    for (const char* key : {"a", "b"}) {
      batch.rows.push_back(
          {.table = 1, .key = key, .checkpoint = steps_, .value = value});
      if (previous_image_ > 0) {
        batch.obsolete.push_back(
            {.table = 1, .key = key, .checkpoint = previous_image_});
      }
    }
    if (!WriteRows(store, std::move(batch))) return false;
    ImagePointer pointer{.position = log_.position()};
    pointer.configuration = OneVoter();
    pointer.generation = generation_;
    pointer.checkpoint = steps_;
    LogWrite write{.partition = partition_, .image = pointer};
    if (steps_ % 10 == 0) write.trim_below = log_.position().index - 2;
    if (!Persist(store, std::move(write)).ok()) return false;
    previous_image_ = image_;
    image_ = steps_;
    return true;
  }

  void CheckImage(Store& store, const StoredPartition& stored) const {
    ASSERT_OK_AND_ASSIGN(auto reader, store.OpenImage(partition_));
    ASSERT_OK_AND_ASSIGN(auto rows, reader->Next(1 << 20));
    ASSERT_THAT(rows, ::testing::SizeIs(2));
    for (const ImageRow& row : rows) {
      EXPECT_EQ(row.value, std::to_string(stored.image.checkpoint));
    }
  }

  const base::PartitionId partition_;
  LogBuilder log_;
  bool created_ = false;
  uint64_t steps_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t image_ = 0;
  uint64_t previous_image_ = 0;
  uint64_t installed_ = 0;
  uint64_t generation_ = 0;
};

class CrashTest : public ::testing::Test {
 protected:
  CrashTest() { Reset(); }

  // A new disk and new work.
  void Reset() {
    Clean();
    run_ = std::make_unique<OneRun>();
    fatal_ = false;
    opened_ = false;
  }

  CrashModel& model() { return run_->model; }
  Work& one() { return run_->one; }
  Work& two() { return run_->two; }

  // Small buffers, so that a run has flushes, log switches and new MANIFESTs.
  StoreOptions Options(const std::string& directory, IoHooks* hooks) {
    StoreOptions options;
    options.directory = directory;
    options.identity = {.cluster = "crash",
                        .node = base::NodeId{1},
                        .mode = "single",
                        .partitions = 2};
    options.write_buffer_bytes = 64 << 10;
    options.wal_bytes_max = 256 << 10;
    options.io_hooks = hooks;
    return options;
  }

  // Both partitions work until the store refuses or `steps` are done.
  void Run(int steps) {
    StoreOptions options = Options(directory_, &model());
    options.on_fatal = [this](absl::Status cause) {
      fatal_ = true;
      cause_ = std::string(cause.message());
    };
    auto store = Store::Open(std::move(options));
    if (!store.ok()) return;
    opened_ = true;
    if (!one().Create(**store) || !two().Create(**store)) return;
    for (int i = 0; i < steps; ++i) {
      // Read before the step: what it is told afterwards must not be OK.
      const bool was_fatal = fatal_;
      const bool stepped = one().Step(**store) && two().Step(**store);
      EXPECT_FALSE(was_fatal && stepped);
      if (!stepped) break;
    }
  }

  // Opens what the power cut left.
  void CheckCrashImage(base::Random& random) {
    std::filesystem::remove_all(image_directory_);
    std::filesystem::create_directories(image_directory_);
    if (std::filesystem::exists(directory_ + "/watermark")) {
      std::filesystem::copy(directory_ + "/watermark", image_directory_);
    }
    model().WriteCrashImage(directory_ + "/db", image_directory_ + "/db",
                            random);
    CheckDirectory(image_directory_);
    // What recovery wrote must be recoverable as well.
    if (random.OneIn(4)) CheckDirectory(image_directory_);
  }

  // Opens what the process left.
  void CheckReopened() { CheckDirectory(directory_); }

  bool opened_ = false;
  std::string cause_;  // Why it was fatal.
  std::atomic<bool> fatal_{false};

  const TestDirectory test_directory_;
  const TestDirectory test_image_;
  const std::string directory_ = test_directory_.path();
  const std::string image_directory_ = test_image_.path();

 private:
  struct OneRun {
    TestDirectory graveyard;
    CrashModel model{graveyard.path()};
    Work one{kOne};
    Work two{kTwo};
  };

  void CheckDirectory(const std::string& directory) {
    auto store = Store::Open(Options(directory, nullptr));
    ASSERT_OK(store.status());
    one().Check(**store);
    two().Check(**store);
  }

  void Clean() {
    std::filesystem::remove_all(directory_);
    std::filesystem::remove_all(image_directory_);
  }

  std::unique_ptr<OneRun> run_;
};

// Enough for flushes, log switches and trims; about 250 calls to the disk.
constexpr int kSteps = 30;

TEST_F(CrashTest, RunWithoutAFaultSwitchesLogs) {
  Run(kSteps);
  EXPECT_EQ(one().acknowledged(), uint64_t{kSteps});
  EXPECT_FALSE(fatal_) << cause_;
  // The first log is long gone, or about to go: a newer one was begun.
  std::string newest;
  for (const auto& file :
       std::filesystem::directory_iterator(directory_ + "/db")) {
    if (file.path().extension() != ".log") continue;
    newest = std::max(newest, file.path().filename().string());
  }
  EXPECT_GT(newest, "000004.log");
  base::Random random(1);
  CheckCrashImage(random);
}

// One test case cuts at every kCutShards-th call, beginning with its own.
constexpr uint64_t kCutShards = 8;

class PowerCutTest : public CrashTest,
                     public ::testing::WithParamInterface<uint64_t> {};

TEST_P(PowerCutTest, AcknowledgedIsThereAndNothingIsHalfThere) {
  for (uint64_t call = 1 + GetParam();; call += kCutShards) {
    Reset();
    model().CutPowerAt(call);
    Run(kSteps);
    if (!model().fired()) break;
    SCOPED_TRACE(
        absl::StrCat("power cut at call ", call, ", ", model().fired_on()));
    base::Random random(call);
    CheckCrashImage(random);
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, PowerCutTest,
                         ::testing::Range(uint64_t{0}, kCutShards));

// A call that fails, once, in every way, at several places of a run each.
struct Failure {
  FileKind file;
  IoCall call;
  IoFault fault;
  bool fatal;  // Nothing may be acknowledged after it.
};

void PrintTo(const Failure& failure, std::ostream* out) {
  *out << IoCallName(failure.call) << " of " << FileKindName(failure.file)
       << " fault " << static_cast<int>(failure.fault);
}

class FailureTest : public CrashTest,
                    public ::testing::WithParamInterface<Failure> {};

// P32; and P34, where the failure is a full disk.
TEST_P(FailureTest, StoreIsFencedAndReopenHasEverythingAcknowledged) {
  const Failure& failure = GetParam();
  bool happened = false;
  for (const uint64_t nth : {1, 2, 3, 5, 9, 17}) {
    Reset();
    model().FailAt(nth, failure.fault, [&](const IoEvent& event) {
      return event.file == failure.file && event.call == failure.call;
    });
    // Tables are written in the background, some time later.
    Run(failure.fatal ? kSteps : 4 * kSteps);
    if (!model().fired()) break;
    happened = true;
    SCOPED_TRACE(absl::StrCat("at the ", nth, ". ", model().fired_on()));
    EXPECT_TRUE(fatal_ || !failure.fatal || !opened_);
    CheckReopened();
  }
  EXPECT_TRUE(happened);
}

std::vector<Failure> AllFailures() {
  std::vector<Failure> failures;
  for (const IoFault fault :
       {IoFault::kIoError, IoFault::kNoSpace, IoFault::kShortWrite}) {
    for (const FileKind file : {FileKind::kLog, FileKind::kManifest}) {
      for (const IoCall call :
           {IoCall::kCreate, IoCall::kAppend, IoCall::kSync}) {
        failures.push_back({file, call, fault, true});
      }
    }
    failures.push_back({FileKind::kManifest, IoCall::kRename, fault, true});
    failures.push_back({FileKind::kOther, IoCall::kSyncDirectory, fault, true});
    for (const IoCall call :
         {IoCall::kCreate, IoCall::kAppend, IoCall::kSync}) {
      failures.push_back({FileKind::kTable, call, fault, false});
    }
    failures.push_back({FileKind::kLog, IoCall::kDelete, fault, false});
  }
  return failures;
}

INSTANTIATE_TEST_SUITE_P(Calls, FailureTest,
                         ::testing::ValuesIn(AllFailures()));

}  // namespace
}  // namespace storage
