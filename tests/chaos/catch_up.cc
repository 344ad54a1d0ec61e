#include "tests/chaos/catch_up.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/wait_until.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/run.h"
#include "client/client.h"
#include "multiraft/admin/v1/admin.pb.h"

namespace tests {
namespace {

namespace admin = ::multiraft::admin::v1;

constexpr uint64_t kValueBytes = 16 << 10;
constexpr uint64_t kPatienceNs = 600'000'000'000;
constexpr uint64_t kLookEveryNs = 10'000'000;
// Of what was to be sent: what breaks may have sent again.
constexpr double kCarriedMax = 1.05;

int64_t NowNs() { return base::SystemClock().MonotonicNanos(); }
double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }
double MiB(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Threads that put values into one map as fast as they can.
class Writers {
 public:
  // Keys are a power of two.
  Writers(const std::string& server, int count, uint64_t keys)
      : server_(server), count_(count), keys_(keys) {
    base::Random random(1);
    while (bytes_.size() < 2 * kValueBytes) {
      bytes_.push_back(static_cast<char>(random.Below(256)));
    }
  }

  // So many puts, over all keys, or until `stop`. True: none failed.
  bool Write(uint64_t puts, const std::atomic<bool>* stop) {
    const uint64_t end = next_.load() + puts;
    std::atomic<bool> ok{true};
    std::vector<std::thread> threads;
    for (int i = 0; i < count_; ++i) {
      threads.emplace_back([this, end, stop, &ok] {
        if (!Put(end, stop)) ok.store(false);
      });
    }
    for (std::thread& thread : threads) thread.join();
    next_.store(end);
    return ok.load();
  }

  uint64_t done() const { return done_.load(); }
  int64_t slowest_ns() const { return slowest_ns_.load(); }
  void Forget() { slowest_ns_.store(0); }

 private:
  bool Put(uint64_t end, const std::atomic<bool>* stop) {
    client::Connection connection({.server = server_});
    const auto session = client::Session::Open(connection, {});
    if (!session.ok()) return Failed(session.status());
    auto map = client::Map::Open(**session, "rows");
    if (!map.ok()) return Failed(map.status());
    while (stop == nullptr || !stop->load()) {
      const uint64_t i = next_.fetch_add(1);
      if (i >= end) break;
      // An odd step visits each key once a round, in no order.
      const uint64_t key = i * 0x9e3779b1 % keys_;
      const int64_t sent_ns = NowNs();
      const auto put = map->Put(
          absl::StrCat("key", key),
          absl::string_view(bytes_).substr(i % kValueBytes, kValueBytes));
      if (!put.ok()) return Failed(put.status());
      const int64_t took_ns = NowNs() - sent_ns;
      int64_t slowest_ns = slowest_ns_.load();
      while (took_ns > slowest_ns &&
             !slowest_ns_.compare_exchange_weak(slowest_ns, took_ns)) {
      }
      done_.fetch_add(1);
    }
    return (*session)->Close().ok();
  }

  static bool Failed(const absl::Status& status) {
    std::printf("a write failed: %s\n", status.ToString().c_str());
    return false;
  }

  const std::string server_;
  const int count_;
  const uint64_t keys_;
  std::string bytes_;
  std::atomic<uint64_t> next_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<int64_t> slowest_ns_{0};
};

// The one partition as this server has it.
admin::PartitionStatus Partition(const std::string& server) {
  client::Connection connection({.server = server});
  const auto status = client::NodeStatus(connection);
  if (!status.ok() || status->partitions_size() != 1) return {};
  return status->partitions(0);
}

// True: the command said that it was done.
bool Type(const std::string& server, const std::string& line) {
  std::ostringstream out;
  cli::Interrupt interrupt;
  const cli::ExitCode code = cli::RunCli(
      absl::StrSplit(line, ' ', absl::SkipEmpty()), {.out = out,
                                                     .err = out,
                                                     .interrupt = interrupt,
                                                     .default_server = server});
  std::printf("%s\n%s", line.c_str(), out.str().c_str());
  return code == cli::kOk;
}

}  // namespace

int CatchUp::BreakUntil(int node, const std::function<bool()>& is_over) {
  const uint64_t before = cluster_.BytesTo(node);
  const uint64_t step =
      options_.bytes / (static_cast<uint64_t>(options_.breaks) + 1);
  int breaks = 0;
  const auto look = [&] {
    if (breaks < options_.breaks &&
        cluster_.BytesTo(node) - before >=
            step * (static_cast<uint64_t>(breaks) + 1)) {
      cluster_.BreakConnections(node);
      ++breaks;
    }
    return is_over();
  };
  if (!base::WaitUntil(
          look, {.timeout_ns = kPatienceNs, .look_every_ns = kLookEveryNs})) {
    std::printf("node %d has not caught up in time\n", node);
    return -1;
  }
  return breaks;
}

bool CatchUp::FromLog() {
  const int away = cluster_.size();
  const std::vector<std::string> servers = cluster_.addresses();
  const std::string& server = servers.front();
  const std::string& own = servers.back();
  Writers writers(server, options_.writers, /*keys=*/1024);
  // It was there, so others keep the log for it.
  if (!writers.Write(1, nullptr)) return false;
  const auto has_all = [&](uint64_t last) {
    return Partition(own).applied_index() >= last;
  };
  const uint64_t first = Partition(server).last_index();
  base::WaitUntil([&] { return has_all(first); });
  cluster_.Kill(away);
  const int64_t began_ns = NowNs();
  if (!writers.Write(options_.bytes / kValueBytes, nullptr)) return false;
  const uint64_t last = Partition(server).last_index();
  std::printf("%.0f MiB written in %.1f s while node %d was away\n",
              MiB(options_.bytes), Seconds(NowNs() - began_ns), away);
  const uint64_t kept = Partition(server).first_index();
  if (kept > first + 1) {
    std::printf("the log begins at %llu, the node ends at %llu\n",
                static_cast<unsigned long long>(kept),
                static_cast<unsigned long long>(first));
    return false;
  }

  const uint64_t before = cluster_.BytesTo(away);
  const int64_t started_ns = NowNs();
  if (!cluster_.Restart(away)) return false;
  const int breaks = BreakUntil(away, [&] { return has_all(last); });
  const uint64_t carried = cluster_.BytesTo(away) - before;
  const double ratio =
      static_cast<double>(carried) / static_cast<double>(options_.bytes);
  std::printf(
      "by the log: caught up in %.1f s, %d breaks, %.1f MiB carried: %.3f x\n",
      Seconds(NowNs() - started_ns), breaks, MiB(carried), ratio);
  return breaks == options_.breaks && ratio <= kCarriedMax;
}

bool CatchUp::FromImage() {
  const int fresh = cluster_.size();
  const std::string server = cluster_.addresses().front();
  const uint64_t rows = options_.bytes / kValueBytes;
  CHECK_EQ(rows & (rows - 1), 0u) << "rows must be a power of two";
  Writers writers(server, options_.writers, rows);
  const int64_t began_ns = NowNs();
  if (!writers.Write(rows, nullptr)) return false;
  std::printf("%llu rows, %.0f MiB, written in %.1f s\n",
              static_cast<unsigned long long>(rows), MiB(options_.bytes),
              Seconds(NowNs() - began_ns));
  writers.Forget();
  const uint64_t held = writers.done();
  if (!cluster_.Join(fresh)) return false;

  std::atomic<bool> stop{false};
  std::atomic<bool> added{false};
  bool written = false;
  bool is_member = false;
  std::thread write([&] { written = writers.Write(uint64_t{1} << 40, &stop); });
  std::thread add([&] {
    is_member = Type(
        server, absl::StrCat("member add ", fresh, " ",
                             cluster_.PeerAddress(fresh), " --timeout=600s"));
    added.store(true);
  });
  const uint64_t before = cluster_.BytesTo(fresh);
  const int64_t started_ns = NowNs();
  const int breaks = BreakUntil(fresh, [&] { return added.load(); });
  const int64_t took_ns = NowNs() - started_ns;
  const uint64_t carried = cluster_.BytesTo(fresh) - before;
  const uint64_t meanwhile = (writers.done() - held) * kValueBytes;
  stop.store(true);
  write.join();
  add.join();
  const double ratio = static_cast<double>(carried) /
                       static_cast<double>(options_.bytes + meanwhile);
  std::printf(
      "by the image: a voter in %.1f s, %d breaks, %.1f MiB carried, of %.1f "
      "that were there and %.1f written meanwhile: %.3f x; slowest write %.0f "
      "ms\n",
      Seconds(took_ns), breaks, MiB(carried), MiB(options_.bytes),
      MiB(meanwhile), ratio, Seconds(writers.slowest_ns()) * 1000);
  return is_member && written && breaks == options_.breaks &&
         ratio <= kCarriedMax;
}

}  // namespace tests
