// bazel run //bench -- [--rounds=5] [--seconds=2] [--address=host:port]
//
// Measures one node against the floor, in one run: a bare gRPC echo of the same
// messages, a synced RocksDB batch, and the server. Rounds are interleaved and
// medians are given, because machines are noisy. Without --address it starts
// //server:server itself, in a directory that it removes.

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "bench/child.h"
#include "bench/counter_load.h"
#include "bench/floor.h"

ABSL_FLAG(int, rounds, 5, "Repetitions of everything, interleaved");
ABSL_FLAG(double, seconds, 2, "Length of each measurement");
ABSL_FLAG(std::vector<std::string>, in_flight,
          std::vector<std::string>({"1", "8", "128"}),
          "Requests in flight: a lone client, a few, enough to keep all busy");
ABSL_FLAG(std::string, address, "",
          "A running server, \"host:port\"; empty: start one");
ABSL_FLAG(std::string, server, "server/server",
          "The server to start, relative to the runfiles");
ABSL_FLAG(std::string, directory, "",
          "Where to put data: on the disk to be measured; empty: $TMPDIR");
ABSL_FLAG(bool, echo_server, false, "Internal: serve the echo until killed");
ABSL_FLAG(std::string, echo_directory, "",
          "Internal: the echo writes a synced batch here before it answers");

namespace bench {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Low(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

double High(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

struct Series {
  std::vector<double> per_second;
  std::vector<double> p50_us;
  std::vector<double> p99_us;

  void Add(double rate, const Histogram& latency) {
    per_second.push_back(rate);
    p50_us.push_back(static_cast<double>(latency.Percentile(0.5)) / 1000);
    p99_us.push_back(static_cast<double>(latency.Percentile(0.99)) / 1000);
  }
  void Print(const std::string& name) const {
    absl::PrintF("%-28s %8.0f/s   p50 %6.0f us (%.0f-%.0f)   p99 %6.0f us\n",
                 name, Median(per_second), Median(p50_us), Low(p50_us),
                 High(p50_us), Median(p99_us));
  }
};

absl::Status MeasureLoad(const std::string& address, bool echo, int in_flight,
                         Series& series) {
  ASSIGN_OR_RETURN(CounterLoadResult result,
                   RunCounterLoad({.address = address,
                                   .echo = echo,
                                   .in_flight = in_flight,
                                   .connections = in_flight == 1 ? 1 : 4,
                                   .seconds = absl::GetFlag(FLAGS_seconds)}));
  if (!echo &&
      result.final_value != static_cast<int64_t>(result.acknowledged)) {
    return absl::DataLossError(
        absl::StrCat("the counter says ", result.final_value, " after ",
                     result.acknowledged, " acknowledged increments"));
  }
  series.Add(result.per_second, result.latency);
  return absl::OkStatus();
}

// Both servers with the same number of requests in flight.
struct Load {
  int in_flight;
  Series echo, ours;

  // `batches` ran in the same rounds.
  void Print(const Series& batches) const {
    echo.Print(absl::StrCat("echo, ", in_flight, " in flight"));
    ours.Print(absl::StrCat("multiraft, ", in_flight, " in flight"));
    std::vector<double> latency, throughput;
    for (size_t i = 0; i < ours.p50_us.size(); ++i) {
      latency.push_back(ours.p50_us[i] / (echo.p50_us[i] + batches.p50_us[i]));
      throughput.push_back(ours.per_second[i] / echo.per_second[i]);
    }
    if (in_flight == 1) {
      absl::PrintF("  p50: %.2f x (echo + batch), %.2f-%.2f\n", Median(latency),
                   Low(latency), High(latency));
    }
    absl::PrintF("  throughput: %.2f x echo, %.2f-%.2f\n", Median(throughput),
                 Low(throughput), High(throughput));
  }
};

absl::Status Compare(const std::string& self, const std::string& directory) {
  Child echo({self, "--echo_server"}, "listening");
  Child both({self, "--echo_server",
              absl::StrCat("--echo_directory=", directory, "/both")},
             "listening");
  std::unique_ptr<Child> server;
  std::string address = absl::GetFlag(FLAGS_address);
  if (address.empty()) {
    server = std::make_unique<Child>(
        std::vector<std::string>{
            absl::GetFlag(FLAGS_server), "--listen=127.0.0.1:0",
            "--peer_listen=127.0.0.1:0",
            absl::StrCat("--data_dir=", directory, "/node")},
        "clients");
    address = server->address();
  }

  const double seconds = absl::GetFlag(FLAGS_seconds);
  Series batches, both1;
  std::vector<Load> loads;
  for (const std::string& number : absl::GetFlag(FLAGS_in_flight)) {
    int in_flight = 0;
    if (!absl::SimpleAtoi(number, &in_flight) || in_flight < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--in_flight: ", number, " is no number of requests"));
    }
    loads.push_back({.in_flight = in_flight});
  }
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    ASSIGN_OR_RETURN(
        Histogram batch,
        MeasureSyncedBatches(absl::StrCat(directory, "/floor-", round), 1,
                             seconds));
    batches.Add(static_cast<double>(batch.count()) / seconds, batch);
    RETURN_IF_ERROR(MeasureLoad(both.address(), true, 1, both1));
    for (Load& load : loads) {
      RETURN_IF_ERROR(
          MeasureLoad(echo.address(), true, load.in_flight, load.echo));
      RETURN_IF_ERROR(MeasureLoad(address, false, load.in_flight, load.ours));
    }
  }
  batches.Print("synced RocksDB batch of 1");
  both1.Print("echo with batch, 1 in flight");
  for (const Load& load : loads) load.Print(batches);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Measures one node against a bare echo and a synced RocksDB batch.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_echo_server)) {
    absl::StatusOr<std::unique_ptr<EchoServer>> server =
        EchoServer::Start(absl::GetFlag(FLAGS_echo_directory));
    CHECK(server.ok()) << server.status();
    std::cout << "listening " << (*server)->address() << std::endl;
    while (true) pause();
  }
  std::string directory = absl::GetFlag(FLAGS_directory);
  if (directory.empty()) {
    directory = std::filesystem::temp_directory_path().string();
  }
  directory += "/multiraft-bench-XXXXXX";
  CHECK(mkdtemp(directory.data()) != nullptr) << directory;
  const absl::Status status = Compare(argv[0], directory);
  std::filesystem::remove_all(directory);
  if (!status.ok()) std::cerr << "bench: " << status.ToString() << std::endl;
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
