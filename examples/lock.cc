// A distributed lock, and why it has a fencing token.
//
//   lock [NAME]
//
// Two clients want to write to one storage, which only the holder of a lock
// may. The first one gets the lock and then is held up: its process is paused,
// or its network is gone. Its session ends, and the second one gets the lock.
// When the first one goes on it still believes that it holds it. What keeps its
// late write out is the token: the storage refuses one lower than it has seen.

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

// Whatever the lock protects. It compares one number.
class Storage {
 public:
  absl::Status Write(const std::string& who, uint64_t token) {
    if (token < highest_) {
      return absl::PermissionDeniedError(
          absl::StrCat("token ", token, " is older than ", highest_));
    }
    highest_ = token;
    std::cout << "storage: " << who << " has written, token " << token
              << std::endl;
    return absl::OkStatus();
  }

 private:
  uint64_t highest_ = 0;
};

absl::Status Demonstrate(const std::string& name) {
  Storage storage;
  ASSIGN_OR_RETURN(const auto first, client::Client::Connect(Servers(), {}));
  ASSIGN_OR_RETURN(const auto second, client::Client::Connect(Servers(), {}));
  ASSIGN_OR_RETURN(auto first_lock, client::Lock::Open(*first, name));
  ASSIGN_OR_RETURN(auto second_lock, client::Lock::Open(*second, name));

  ASSIGN_OR_RETURN(auto held, first_lock.Acquire({.limit = absl::Seconds(10)}));
  std::cout << "first holds the lock" << std::endl;
  RETURN_IF_ERROR(storage.Write("first", held.fencing_token()));

  const auto refused = second_lock.Acquire({.limit = absl::ZeroDuration()});
  if (!absl::IsAborted(refused.status())) return refused.status();
  std::cout << "second has to wait" << std::endl;

  // As if the first one's session had timed out while it was held up.
  RETURN_IF_ERROR(first->Close());
  ASSIGN_OR_RETURN(auto next,
                   second_lock.Acquire({.limit = absl::Seconds(10)}));
  std::cout << "second holds the lock" << std::endl;
  RETURN_IF_ERROR(storage.Write("second", next.fencing_token()));

  // The first one did not ask held.Check(), and would have been too late to.
  const absl::Status late = storage.Write("first", held.fencing_token());
  std::cout << "storage: refused first: " << late.message() << std::endl;
  return next.Release();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Demonstrate(argc > 1 ? argv[1] : "printer");
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
