// A counter that many programs count on together.
//
//   counter [NAME [DELTA]]
//
// Run it as often, and in as many places at once, as you like: each run counts
// once, also when a node dies in the middle of it. Servers: $MULTIRAFT_SERVERS.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"

namespace {

std::vector<std::string> Servers() {
  const char* servers = std::getenv("MULTIRAFT_SERVERS");
  return absl::StrSplit(servers != nullptr ? servers : "127.0.0.1:5678", ',');
}

absl::Status Count(const std::string& name, int64_t delta) {
  ASSIGN_OR_RETURN(const auto client, client::Client::Connect(Servers(), {}));
  // In the partition that the name belongs to; it is there from the first use.
  ASSIGN_OR_RETURN(auto counter, client::Counter::Open(*client, name));

  // Sent again until it is answered, and applied once.
  const absl::StatusOr<int64_t> value = counter.Increment(delta);
  if (client::IsOutcomeUnknown(value.status())) {
    std::cerr << "nobody answered in time: it may have been counted\n";
  }
  RETURN_IF_ERROR(value.status());
  std::cout << name << " is " << *value << std::endl;

  // A limit: sets it back to 0 at 100, unless somebody else has changed it.
  if (*value >= 100) {
    const absl::Status reset = counter.CompareAndSet(*value, 0).status();
    if (absl::IsAborted(reset)) {
      std::cout << "somebody else was faster" << std::endl;
    } else {
      RETURN_IF_ERROR(reset);
      std::cout << name << " begins anew" << std::endl;
    }
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "visits";
  int64_t delta = 1;
  if (argc > 2 && !absl::SimpleAtoi(argv[2], &delta)) {
    std::cerr << "usage: counter [NAME [DELTA]]\n";
    return 2;
  }
  const absl::Status status = Count(name, delta);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
