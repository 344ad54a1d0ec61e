// bazel run //bench:restart -- [--entries=1000000] [--rows=1000000]
//     [--value_bytes=64] [--stall_seconds=10] [--restarts=3]
//
// Fills a real server, kills it with SIGKILL and measures how soon it serves
// again, with the content it had: first a log of so many entries without an
// image, then so many rows of a map in a durable image with a log behind it.
// Then writes to all of those rows with and without checkpoints under way: what
// a checkpoint adds to latencies, and the longest time without any answer.
//
// Fails if a command is lost or repeated, or the log is not trimmed.

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/wait_until.h"
#include "bench/child.h"
#include "bench/filler.h"

ABSL_FLAG(uint64_t, entries, 1'000'000, "Entries of the log; 0: skip it");
ABSL_FLAG(uint64_t, rows, 1'000'000, "Rows of the image; 0: skip it");
ABSL_FLAG(uint64_t, value_bytes, 64, "Size of a row's value");
ABSL_FLAG(double, stall_seconds, 10,
          "How long to write with and without checkpoints; 0: skip it");
ABSL_FLAG(int, restarts, 3, "How often each is killed and started");
ABSL_FLAG(std::string, server, "server/server",
          "The server to start, relative to the runfiles");
ABSL_FLAG(std::string, directory, "",
          "Where to put data: on the disk to be measured; empty: $TMPDIR");

namespace bench {
namespace {

using Arguments = std::vector<std::string>;

constexpr uint64_t kWaitNsMax = 120'000'000'000;
constexpr uint64_t kLookNs = 20'000'000;
constexpr uint64_t kBehindImage = 10'000;  // Increments behind the image.
constexpr uint64_t kSamples = 1000;
constexpr uint64_t kKeptMax = 40'000;  // Entries in --log_keep_bytes.

// A checkpoint is never due.
const Arguments kNoCheckpoints = {"--checkpoint_log_bytes=64GiB",
                                  "--checkpoint_interval=10h",
                                  "--checkpoint_dirty_bytes=64GiB"};

double Seconds(int64_t since_ns) {
  return static_cast<double>(base::SystemClock().MonotonicNanos() - since_ns) /
         1e9;
}

std::unique_ptr<Child> StartServer(const std::string& data,
                                   const Arguments& more) {
  Arguments arguments = {absl::GetFlag(FLAGS_server), "--listen=127.0.0.1:0",
                         "--peer_listen=127.0.0.1:0",
                         absl::StrCat("--data_dir=", data)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return std::make_unique<Child>(arguments, "clients");
}

void PrintFiles(const std::string& data) {
  uint64_t logs = 0;
  uint64_t tables = 0;
  for (const auto& file : std::filesystem::directory_iterator(data + "/db")) {
    if (file.path().extension() == ".log") logs += file.file_size();
    if (file.path().extension() == ".sst") tables += file.file_size();
  }
  absl::PrintF("  on disk: %.0f MiB of write-ahead log, %.0f MiB of tables\n",
               static_cast<double>(logs) / (1 << 20),
               static_cast<double>(tables) / (1 << 20));
}

// Kills `server` and starts it again, so many times; prints how long each took
// to serve. The last one stays.
void Restart(const std::string& data, const Arguments& arguments,
             std::unique_ptr<Child>& server) {
  std::vector<double> all;
  for (int i = 0; i < absl::GetFlag(FLAGS_restarts); ++i) {
    server = nullptr;  // SIGKILL.
    PrintFiles(data);
    const int64_t start = base::SystemClock().MonotonicNanos();
    server = StartServer(data, arguments);
    server->WaitForLine("ready");
    all.push_back(Seconds(start));
    absl::PrintF("  restart: serving in %.2f s (%.2f s of CPU, %.0f MiB)\n",
                 all.back(), server->CpuSeconds(), server->ResidentMegabytes());
  }
  std::sort(all.begin(), all.end());
  absl::PrintF("  median %.2f s\n", all[all.size() / 2]);
}

absl::Status Expect(const char* what, uint64_t is, uint64_t should_be) {
  if (is == should_be) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(what, " is ", is, " and should be ", should_be));
}

void Print(const char* what, const FillResult& result) {
  const auto ms = [](uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  absl::PrintF(
      "  %-28s %8.0f/s, p50 %.2f ms, p99 %.2f ms, max %.1f ms; longest time "
      "without an answer %.1f ms\n",
      what, static_cast<double>(result.acknowledged) / result.seconds,
      ms(result.latency.Percentile(0.5)), ms(result.latency.Percentile(0.99)),
      ms(result.longest_ns), ms(result.longest_gap_ns));
}

// Waits until an image at `index` or behind it is durable.
absl::Status WaitForImage(Filler& filler, uint64_t index) {
  absl::Status status;
  const bool made = base::WaitUntil(
      [&] {
        const auto now = filler.Status();
        status = now.status();
        return !now.ok() || now->image_index() >= index;
      },
      {.timeout_ns = kWaitNsMax, .look_every_ns = kLookNs});
  RETURN_IF_ERROR(status);
  return made ? absl::OkStatus()
              : absl::DeadlineExceededError("no image was made");
}

absl::Status LongLog(const std::string& data) {
  const uint64_t entries = absl::GetFlag(FLAGS_entries);
  absl::PrintF("a log of %u entries without an image\n", entries);
  std::unique_ptr<Child> server = StartServer(data, kNoCheckpoints);
  {
    ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
    ASSIGN_OR_RETURN(const FillResult filled, filler->Increment(entries));
    Print("increments", filled);
  }
  Restart(data, kNoCheckpoints, server);
  ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
  ASSIGN_OR_RETURN(const auto status, filler->Status());
  RETURN_IF_ERROR(Expect("first_index", status.first_index(), 1));
  ASSIGN_OR_RETURN(const int64_t value, filler->ReadCounter());
  return Expect("the counter", static_cast<uint64_t>(value), entries);
}

absl::Status CheckRows(Filler& filler) {
  const uint64_t rows = absl::GetFlag(FLAGS_rows);
  ASSIGN_OR_RETURN(const uint64_t size, filler.MapSize());
  RETURN_IF_ERROR(Expect("the map's size", size, rows));
  for (uint64_t i = 0; i < kSamples; ++i) {
    const uint64_t row = i * 7'919 % rows;
    ASSIGN_OR_RETURN(const std::string value, filler.Get(row));
    if (value != Filler::ValueOf(row, absl::GetFlag(FLAGS_value_bytes))) {
      return absl::DataLossError(absl::StrCat("row ", row, " is ", value));
    }
  }
  ASSIGN_OR_RETURN(const int64_t value, filler.ReadCounter());
  return Expect("the counter", static_cast<uint64_t>(value), kBehindImage);
}

absl::Status LargeImage(const std::string& data) {
  const uint64_t rows = absl::GetFlag(FLAGS_rows);
  const size_t value_bytes = absl::GetFlag(FLAGS_value_bytes);
  absl::PrintF("an image of %u rows of %u bytes, %u entries behind it\n", rows,
               value_bytes, kBehindImage);
  const Arguments keep_little = {"--log_keep_bytes=1MiB"};
  std::unique_ptr<Child> server = StartServer(data, keep_little);
  uint64_t filled_to = 0;
  {
    ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
    ASSIGN_OR_RETURN(const FillResult filled,
                     filler->Put(0, rows, rows, value_bytes));
    Print("puts", filled);
    ASSIGN_OR_RETURN(const auto status, filler->Status());
    filled_to = status.last_index();
  }
  {  // One more start with a short interval makes the image of all of it.
    Arguments soon = keep_little;
    soon.push_back("--checkpoint_interval=100ms");
    server = nullptr;
    server = StartServer(data, soon);
    ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
    RETURN_IF_ERROR(filler->Increment(kBehindImage / 2).status());
    RETURN_IF_ERROR(WaitForImage(*filler, filled_to));
  }
  server = nullptr;
  server = StartServer(data, kNoCheckpoints);
  {
    ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
    RETURN_IF_ERROR(
        filler->Increment(kBehindImage - kBehindImage / 2).status());
    ASSIGN_OR_RETURN(const auto status, filler->Status());
    absl::PrintF("  image at %u, log from %u to %u, %.0f MiB of state\n",
                 status.image_index(), status.first_index(),
                 status.last_index(),
                 static_cast<double>(status.state_bytes()) / (1 << 20));
    if (status.first_index() + kKeptMax < status.image_index()) {
      return absl::InternalError("the log is not trimmed behind the image");
    }
  }
  Restart(data, kNoCheckpoints, server);
  ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address()}));
  return CheckRows(*filler);
}

// Steady writes to all rows, without checkpoints and with one after the other.
absl::Status Stalls(const std::string& data) {
  const double seconds = absl::GetFlag(FLAGS_stall_seconds);
  const uint64_t rows = absl::GetFlag(FLAGS_rows);
  absl::PrintF("writes to these rows, 16 in flight, for %.0f s each\n",
               seconds);
  for (const bool checkpoints : {false, true}) {
    std::unique_ptr<Child> server =
        StartServer(data, checkpoints ? Arguments{"--checkpoint_interval=2s"}
                                      : kNoCheckpoints);
    server->WaitForLine("ready");
    ASSIGN_OR_RETURN(auto filler, Filler::Open({.address = server->address(),
                                                .in_flight = 16}));
    ASSIGN_OR_RETURN(const auto before, filler->Status());
    ASSIGN_OR_RETURN(
        const FillResult result,
        filler->PutFor(seconds, rows, absl::GetFlag(FLAGS_value_bytes)));
    Print(checkpoints ? "checkpoint every 2 s" : "no checkpoint", result);
    ASSIGN_OR_RETURN(const auto after, filler->Status());
    if (checkpoints && after.image_index() == before.image_index()) {
      return absl::InternalError("no checkpoint was made");
    }
    PrintFiles(data);
  }
  return absl::OkStatus();
}

absl::Status Run(const std::string& directory) {
  if (absl::GetFlag(FLAGS_entries) > 0) {
    RETURN_IF_ERROR(LongLog(directory + "/log"));
    std::filesystem::remove_all(directory + "/log");
  }
  if (absl::GetFlag(FLAGS_rows) == 0) return absl::OkStatus();
  RETURN_IF_ERROR(LargeImage(directory + "/image"));
  if (absl::GetFlag(FLAGS_stall_seconds) == 0) return absl::OkStatus();
  return Stalls(directory + "/image");
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Measures restarts with a long log and with a large image, and what "
      "checkpoints add to writes.");
  absl::ParseCommandLine(argc, argv);
  std::string directory = absl::GetFlag(FLAGS_directory);
  if (directory.empty()) {
    directory = std::filesystem::temp_directory_path().string();
  }
  directory += "/multiraft-restart-XXXXXX";
  CHECK(mkdtemp(directory.data()) != nullptr) << directory;
  const absl::Status status = Run(directory);
  std::filesystem::remove_all(directory);
  if (!status.ok()) std::cerr << "restart: " << status.ToString() << std::endl;
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
