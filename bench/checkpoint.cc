// bazel run //bench:checkpoint -- [--rows=1000000] [--value_bytes=1024]
//     [--in_flight=64] [--seconds=5]
//
// How long checkpoints of a large state keep its partition from applying: a
// partition in this process, on a real store and a real worker, whose tasks are
// timed one by one. All rows of a map are written, and then a checkpoint is
// made while writes go on; twice, since the second also removes what the first
// one wrote. A piece of work is one task of the worker, which does one thing at
// a time: the longest piece is the longest pause.
//
// Kinds of pieces: those that write rows or the pointer of an image, that
// freeze the cut (they write the first rows as well), that remove replaced
// rows, that hear of an image write, and all others: turns that propose and
// apply. The bystander shows how long the machine keeps a thread from running
// that does none of it.

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "atomix/multiraft/v1/fsm.pb.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/wait_until.h"
#include "bench/histogram.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/host.h"
#include "primitive/registry.h"
#include "server/worker.h"
#include "sim/commands.h"
#include "sim/passing_store.h"
#include "storage/store.h"

ABSL_FLAG(uint64_t, rows, 1'000'000, "Rows of the map");
ABSL_FLAG(uint64_t, value_bytes, 1024, "Size of a row's value");
ABSL_FLAG(uint64_t, in_flight, 64, "Writes under way");
ABSL_FLAG(double, seconds, 5, "How long to write without a checkpoint");
ABSL_FLAG(std::string, directory, "",
          "Where to put data: on the disk to be measured; empty: $TMPDIR");

namespace bench {
namespace {

namespace map = ::atomix::multiraft::map::v1;

constexpr base::PartitionId kPartition{1};
constexpr uint64_t kHourNs = 3'600'000'000'000;
constexpr uint64_t kKeepAliveEvery = 1000;  // Commands.

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }

// --- Pieces of work ----------------------------------------------------------

enum class Kind : uint8_t { kTurn, kFreeze, kRows, kPointer, kClean, kNothing };
constexpr std::array<const char*, 6> kKindNames = {
    "turns",    "freeze and first rows", "rows", "pointer",
    "cleaning", "(a bystander)"};

struct Pieces {
  Histogram lengths;
  uint64_t longest_ns = 0;
  uint64_t longest_cpu_ns = 0;  // Others of the machine left aside.
  uint64_t kernel_ns = 0;       // Of those.
  int64_t faults = 0;           // Pages mapped by the same piece.
};

rusage ThreadUsage() {
  rusage usage = {};
  CHECK_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage;
}

uint64_t KernelNs(const rusage& usage) {
  return static_cast<uint64_t>(usage.ru_stime.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(usage.ru_stime.tv_usec) * 1'000;
}

uint64_t ThreadCpuNs() {
  timespec now = {};
  CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(now.tv_nsec);
}

// Times the tasks of one worker, by the kind that the store says they are.
class TimedExecutor : public partition::Executor {
 public:
  explicit TimedExecutor(server::Worker& worker) : worker_(worker) {}

  void Post(absl::AnyInvocable<void()> task) override {
    worker_.Post([this, task = std::move(task)]() mutable { Run(task); });
  }
  void PostLater(absl::AnyInvocable<void()> task) override {
    worker_.PostLater([this, task = std::move(task)]() mutable { Run(task); });
  }
  void PostAfter(uint64_t delay_ns, absl::AnyInvocable<void()> task) override {
    worker_.PostAfter(delay_ns,
                      [this, task = std::move(task)]() mutable { Run(task); });
  }

  // From within a task: what it is.
  void Is(Kind kind) { kind_ = std::max(kind_, kind); }

  // Times `work`, on any thread, as if it were a piece of the worker's.
  template <class Work>
  void Time(Work work, const Kind& kind) {
    const int64_t start = NowNs();
    const rusage before = ThreadUsage();
    const uint64_t start_cpu = ThreadCpuNs();
    work();
    const uint64_t took_cpu = ThreadCpuNs() - start_cpu;
    const rusage after = ThreadUsage();
    const auto took = static_cast<uint64_t>(NowNs() - start);
    base::MutexLock lock(mu_);
    Pieces& pieces = pieces_[static_cast<size_t>(kind)];
    pieces.lengths.Add(took);
    pieces.longest_ns = std::max(pieces.longest_ns, took);
    if (took_cpu > pieces.longest_cpu_ns) {
      pieces.longest_cpu_ns = took_cpu;
      pieces.kernel_ns = KernelNs(after) - KernelNs(before);
      pieces.faults = after.ru_minflt - before.ru_minflt;
    }
  }

  // What was timed since the last call.
  std::array<Pieces, kKindNames.size()> Take() {
    base::MutexLock lock(mu_);
    return std::exchange(pieces_, {});
  }

 private:
  void Run(absl::AnyInvocable<void()>& task) {
    kind_ = Kind::kTurn;
    Time(
        [&] {
          task();
          task = nullptr;
        },
        kind_);
  }

  server::Worker& worker_;
  Kind kind_ = Kind::kTurn;  // Of the task that runs.
  base::Mutex mu_;
  std::array<Pieces, kKindNames.size()> pieces_ ABSL_GUARDED_BY(mu_);
};

// A thread that does 100 us of arithmetic two hundred times a second, and
// nothing else: what takes it longer is the machine.
class Bystander {
 public:
  explicit Bystander(TimedExecutor& executor)
      : executor_(executor), thread_([this] { Run(); }) {}
  ~Bystander() {
    {
      base::MutexLock lock(mu_);
      over_ = true;
      ended_.Signal();
    }
    thread_.join();
  }

 private:
  void Run() {
    base::MutexLock lock(mu_);
    while (!over_) {
      executor_.Time(
          [this] {
            for (int i = 0; i < 100'000; ++i) sum_ = sum_ * 31 + 7;
          },
          Kind::kNothing);
      ended_.WaitFor(mu_, 5'000'000);
    }
  }

  TimedExecutor& executor_;
  volatile uint64_t sum_ = 0;
  base::Mutex mu_;
  base::CondVar ended_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// Sees what each task asks of the store.
class WatchedStore : public sim::PassingStore {
 public:
  WatchedStore(storage::LogStore& store, TimedExecutor& executor)
      : PassingStore(store, 1), executor_(executor) {}

  void Write(storage::LogWrite write) override {
    if (write.image.has_value()) {
      executor_.Is(Kind::kPointer);
      begun_ = false;
    }
    PassingStore::Write(std::move(write));
  }
  void WriteImage(storage::ImageBatch batch) override {
    if (!batch.rows.empty()) {
      executor_.Is(begun_ ? Kind::kRows : Kind::kFreeze);
      begun_ = true;
    } else {
      executor_.Is(Kind::kClean);
    }
    PassingStore::WriteImage(std::move(batch));
  }

 private:
  TimedExecutor& executor_;
  bool begun_ = false;
};

// --- The load ----------------------------------------------------------------

// Writes rows of one map, so many at once.
class Load {
 public:
  explicit Load(partition::Partition& partition)
      : partition_(partition),
        type_(*primitive::BuiltinRegistry().FindByName("map")) {
    const session::Applied opened =
        Await(sim::OpenSessionRequest(24 * kHourNs));
    session_ = opened.session;
    const session::Applied created =
        Await(sim::CreatePrimitiveRequest(NextKey(), type_.service, "rows"));
    atomix::multiraft::v1::CreatePrimitiveOutput output;
    CHECK(output.ParseFromString(created.output.result.output));
    map_ = session::PrimitiveId{output.primitive_id()};
  }
  ~Load() { Drain(); }

  // Writes rows `next(i)` for i = 0, 1 ... until `stop(i)`; returns how many.
  template <class Next, class Stop>
  uint64_t Write(Next next, Stop stop) {
    uint64_t count = 0;
    for (; !stop(count); ++count) {
      if (sequence_ % kKeepAliveEvery == 0) KeepAlive();
      Start(next(count));
    }
    return count;
  }

  void Drain() {
    base::MutexLock lock(mu_);
    while (!open_.empty()) answered_.Wait(mu_);
  }

  // Makes a checkpoint due, and returns without waiting for it.
  void Checkpoint() {
    multiraft::disk::v1::Command command;
    command.mutable_checkpoint();
    partition_.Propose({.kind = partition::CommandRequest::Kind::kKeepAlive,
                        .bytes = command.SerializeAsString()},
                       partition::Completion<session::Applied>(
                           [](partition::Reply<session::Applied> reply) {
                             CHECK(reply.ok()) << reply.refusal.status;
                           }));
  }

  // Latencies since the last call.
  Histogram TakeLatencies() {
    base::MutexLock lock(mu_);
    return std::exchange(latencies_, {});
  }

 private:
  session::CommandKey NextKey() {
    return {.session = session_, .sequence = session::SequenceNum{++sequence_}};
  }

  session::Applied Await(partition::CommandRequest request) {
    base::Mutex mu;
    base::CondVar done;
    std::unique_ptr<session::Applied> applied;
    partition_.Propose(std::move(request),
                       partition::Completion<session::Applied>(
                           [&](partition::Reply<session::Applied> reply) {
                             CHECK(reply.ok()) << reply.refusal.status;
                             base::MutexLock lock(mu);
                             applied = std::make_unique<session::Applied>(
                                 std::move(reply.value));
                             done.Signal();
                           }));
    base::MutexLock lock(mu);
    while (applied == nullptr) done.Wait(mu);
    return *applied;
  }

  void Start(uint64_t row) {
    map::PutInput input;
    input.set_key(absl::StrFormat("row-%09u", row));
    input.set_value(
        std::string(absl::GetFlag(FLAGS_value_bytes),
                    static_cast<char>('a' + (row + sequence_) % 26)));
    const session::CommandKey key = NextKey();
    partition::CommandRequest request = sim::OperationRequest(
        key, map_, type_, "Put", input.SerializeAsString());
    {
      base::MutexLock lock(mu_);
      while (open_.size() >= absl::GetFlag(FLAGS_in_flight)) {
        answered_.Wait(mu_);
      }
      open_.push_back(key.sequence.value());
    }
    partition_.Propose(
        std::move(request),
        partition::Completion<session::Applied>(
            [this, sequence = key.sequence.value(),
             start = NowNs()](partition::Reply<session::Applied> reply) {
              CHECK(reply.ok()) << reply.refusal.status;
              base::MutexLock lock(mu_);
              latencies_.Add(static_cast<uint64_t>(NowNs() - start));
              std::erase(open_, sequence);
              answered_.Signal();
            }));
  }

  // Acknowledges what was answered.
  void KeepAlive() {
    std::vector<uint64_t> open;
    {
      base::MutexLock lock(mu_);
      open = open_;
    }
    Await(sim::KeepAliveRequest(session_, sequence_, open, {}));
  }

  partition::Partition& partition_;
  const session::PrimitiveType& type_;
  session::SessionId session_;
  session::PrimitiveId map_;
  uint64_t sequence_ = 0;

  base::Mutex mu_;
  base::CondVar answered_;
  std::vector<uint64_t> open_ ABSL_GUARDED_BY(mu_);  // Sequence numbers.
  Histogram latencies_ ABSL_GUARDED_BY(mu_);
};

// --- The run -----------------------------------------------------------------

double Millis(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

void Print(const std::string& what, double seconds, uint64_t writes,
           const Histogram& latencies, TimedExecutor& executor) {
  absl::PrintF(
      "%s: %.1f s, %.0f writes/s, p50 %.2f ms, p99 %.2f ms, "
      "max %.2f ms\n",
      what, seconds, static_cast<double>(writes) / seconds,
      Millis(latencies.Percentile(0.5)), Millis(latencies.Percentile(0.99)),
      Millis(latencies.Percentile(1)));
  const auto all = executor.Take();
  for (size_t kind = 0; kind < all.size(); ++kind) {
    const Pieces& pieces = all[kind];
    if (pieces.lengths.count() == 0) continue;
    absl::PrintF(
        "  %-22s %8u pieces, p50 %.3f ms, p99.9 %.3f ms, longest %.3f ms; of "
        "CPU %.3f ms (kernel %.3f, %d faults)\n",
        kKindNames[kind], pieces.lengths.count(),
        Millis(pieces.lengths.Percentile(0.5)),
        Millis(pieces.lengths.Percentile(0.999)), Millis(pieces.longest_ns),
        Millis(pieces.longest_cpu_ns), Millis(pieces.kernel_ns), pieces.faults);
  }
}

partition::PartitionStatus StatusOf(partition::Partition& partition) {
  base::Mutex mu;
  base::CondVar done;
  std::unique_ptr<partition::PartitionStatus> status;
  partition.GetStatus([&](partition::PartitionStatus now) {
    base::MutexLock lock(mu);
    status = std::make_unique<partition::PartitionStatus>(std::move(now));
    done.Signal();
  });
  base::MutexLock lock(mu);
  while (status == nullptr) done.Wait(mu);
  return std::move(*status);
}

void Measure(partition::Partition& partition, TimedExecutor& executor) {
  const uint64_t rows = absl::GetFlag(FLAGS_rows);
  base::Random random(1);
  const auto any_row = [&](uint64_t) { return random.Below(rows); };
  Load load(partition);
  const auto run = [&](const std::string& what, auto next, auto stop) {
    executor.Take();
    load.TakeLatencies();
    const int64_t start = NowNs();
    const uint64_t writes = load.Write(next, stop);
    load.Drain();
    Print(what, static_cast<double>(NowNs() - start) / 1e9, writes,
          load.TakeLatencies(), executor);
  };
  const auto fill = [&](const std::string& what) {
    run(
        what, [](uint64_t i) { return i; },
        [&](uint64_t i) { return i == rows; });
  };
  // Writes until the checkpoint is durable and cleaned up after.
  const auto checkpoint = [&](const std::string& what) {
    const raft::Index before = StatusOf(partition).image_index;
    load.Checkpoint();
    run(what, any_row, [&](uint64_t i) {
      return i % 256 == 0 && StatusOf(partition).image_index > before;
    });
  };

  fill("all rows are written");
  absl::PrintF(
      "%.0f MiB of state\n",
      static_cast<double>(StatusOf(partition).state_bytes) / (1 << 20));
  const int64_t until =
      NowNs() + static_cast<int64_t>(absl::GetFlag(FLAGS_seconds) * 1e9);
  run("writes without a checkpoint", any_row,
      [&](uint64_t) { return NowNs() >= until; });
  checkpoint("the first checkpoint, of all rows");
  fill("all rows are written again");
  checkpoint("a checkpoint that replaces all rows");
  // Removes what the last one replaced.
  const int64_t end = NowNs() + 2'000'000'000;
  run("behind it", any_row, [&](uint64_t) { return NowNs() >= end; });
  checkpoint("a small checkpoint");
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Measures how long checkpoints keep a partition from applying.");
  absl::ParseCommandLine(argc, argv);
  std::string directory = absl::GetFlag(FLAGS_directory);
  if (directory.empty()) {
    directory = std::filesystem::temp_directory_path().string();
  }
  directory += "/multiraft-checkpoint-XXXXXX";
  CHECK(mkdtemp(directory.data()) != nullptr) << directory;

  auto store = storage::Store::Open({.directory = directory + "/data",
                                     .identity = {.cluster = "bench",
                                                  .node = base::NodeId{1},
                                                  .mode = "single",
                                                  .partitions = 1},
                                     .on_fatal = nullptr});
  CHECK(store.ok()) << store.status();
  CHECK((*store)
            ->CreatePartition(kPartition,
                              {.voters = {raft::ReplicaId{1}},
                               .members = {{.replica = raft::ReplicaId{1},
                                            .node = base::NodeId{1}}}})
            .ok());
  server::Worker worker("worker", base::SystemClock());
  server::Worker timer("timer", base::SystemClock());
  TimedExecutor executor(worker);
  WatchedStore watched(**store, executor);
  partition::NoTransport transport;
  partition::Options options;
  options.node = base::NodeId{1};
  // Only those that this program asks for.
  options.checkpoint_log_bytes = options.checkpoint_dirty_bytes = 1ull << 40;
  options.checkpoint_interval_ns = 24 * kHourNs;
  options.limits.state_bytes_max = options.apply_limits.state_bytes_max = 1ull
                                                                          << 40;
  worker.Start();
  timer.Start();
  auto host = partition::Host::Open(
      options,
      {.clock = base::SystemClock(),
       .executors = {&executor},
       .timer = timer,
       .store = watched,
       .transport = transport,
       .registry = primitive::BuiltinRegistry()},
      1, [](const absl::Status& status) { LOG(FATAL) << status; });
  CHECK(host.ok()) << host.status();
  (*host)->Start();
  partition::Partition& partition = *(*host)->Find(kPartition);
  CHECK(base::WaitUntil([&] { return partition.serving(); }));
  {
    const Bystander bystander(executor);
    Measure(partition, executor);
  }

  (*host)->Stop();
  (*store)->Close();
  timer.Stop();
  worker.Stop();
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
