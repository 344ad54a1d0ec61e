// A work queue: jobs that wait in order, and workers that share them.
//
//   work_queue QUEUE add JOB...   # puts jobs at the end
//   work_queue QUEUE work         # does jobs until none is left
//
// A worker locks a job before it does it. The lock is its session's: if it dies
// the lock goes, and another worker does the job. So each job is done at least
// once, and by one worker at a time. Servers: $MULTIRAFT_SERVERS.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"

namespace {

std::vector<std::string> Servers() {
  const char* servers = std::getenv("MULTIRAFT_SERVERS");
  return absl::StrSplit(servers != nullptr ? servers : "127.0.0.1:5678", ',');
}

absl::Status Add(client::IndexedMap& jobs, const std::string& job) {
  // An indexed map keeps the order in which keys came; a key comes once.
  const auto added = jobs.Append(job, /*value=*/"");
  if (absl::IsAlreadyExists(added.status())) {
    std::cout << job << " is waiting already" << std::endl;
    return absl::OkStatus();
  }
  return added.status();
}

void Do(const std::string& job) {
  std::cout << "doing " << job << std::endl;  // Yours to fill.
}

absl::Status Work(client::IndexedMap& jobs, client::Map& claims) {
  uint64_t index = 0;
  while (true) {
    const auto next = jobs.Next(index);
    if (absl::IsNotFound(next.status())) return absl::OkStatus();
    RETURN_IF_ERROR(next.status());
    index = next->index;

    // Without waiting: what another worker is at is not for this one.
    const absl::Status claimed =
        claims.LockKeys({next->key}, {.limit = absl::ZeroDuration()});
    if (absl::IsAborted(claimed)) continue;
    RETURN_IF_ERROR(claimed);
    // Somebody may have done it between Next and LockKeys.
    const absl::Status still = jobs.GetAt(index).status();
    if (still.ok()) {
      Do(next->key);
      // The version: not what somebody has put there since.
      RETURN_IF_ERROR(jobs.Remove(next->key, next->version).status());
    } else if (!absl::IsNotFound(still)) {
      return still;
    }
    RETURN_IF_ERROR(claims.UnlockKeys({next->key}));
  }
}

absl::Status Run(const std::string& queue, int argc, char** argv) {
  ASSIGN_OR_RETURN(const auto client,
                   client::Client::Connect(
                       Servers(), {.session_timeout = absl::Seconds(10)}));
  ASSIGN_OR_RETURN(auto jobs, client::IndexedMap::Open(*client, queue));
  if (std::string(argv[2]) == "add") {
    for (int i = 3; i < argc; ++i) RETURN_IF_ERROR(Add(jobs, argv[i]));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(auto claims,
                   client::Map::Open(*client, absl::StrCat(queue, "-claims")));
  return Work(jobs, claims);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: work_queue QUEUE add JOB... | work_queue QUEUE work\n";
    return 2;
  }
  const absl::Status status = Run(argv[1], argc, argv);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
