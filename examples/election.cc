// Leader election: of all programs that run this, one leads.
//
//   election JOB NAME
//
// Start several with the same job and different names. End the one that leads,
// kill -9 will do: the next in line leads when its session has timed out, three
// seconds later. Servers: $MULTIRAFT_SERVERS.

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/client.h"

namespace {

std::vector<std::string> Servers() {
  const char* servers = std::getenv("MULTIRAFT_SERVERS");
  return absl::StrSplit(servers != nullptr ? servers : "127.0.0.1:5678", ',');
}

absl::Status Campaign(const std::string& job, const std::string& name) {
  // How long nobody leads when a leader dies, and how long a leader may be
  // paused or cut off without being taken for dead.
  ASSIGN_OR_RETURN(const auto client,
                   client::Client::Connect(
                       Servers(), {.session_timeout = absl::Seconds(3)}));
  ASSIGN_OR_RETURN(auto election, client::Election::Open(*client, job));
  ASSIGN_OR_RETURN(const auto term, election.Term());
  if (!term.leader.empty()) {
    std::cout << name << " waits behind " << term.leader << std::endl;
  }
  while (true) {
    // In line until it leads. A session that is lost meanwhile is opened again,
    // and it stands at the end of the line.
    auto lead = election.Lead(name, {});
    if (absl::IsAborted(lead.status())) continue;  // Somebody evicted it.
    RETURN_IF_ERROR(lead.status());
    std::cout << name << " leads, term " << lead->fencing_token() << std::endl;

    // Here it would work, with the term as fencing token, until this returns.
    const absl::Status over = lead->AwaitEnd({});
    std::cout << name << " leads no more: " << over.message() << std::endl;
    if (!absl::IsAborted(over) && !client::IsSessionLost(over)) return over;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: election JOB NAME\n";
    return 2;
  }
  const absl::Status status = Campaign(argv[1], argv[2]);
  std::cerr << status << "\n";
  return 1;
}
