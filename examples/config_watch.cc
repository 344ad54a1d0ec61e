// Configuration that programs follow while it changes.
//
//   config_watch NAME           # prints it, and each change
//   config_watch NAME VALUE     # changes it
//
// Start the first in several terminals, then the second. Kill a node, or all of
// them: the watches go on when there is a server again. Servers:
// $MULTIRAFT_SERVERS.

#include <cstdlib>
#include <iostream>
#include <optional>
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

absl::Status Change(client::Value& config, const std::string& value) {
  const auto now = config.Get();
  if (absl::IsNotFound(now.status())) {
    return config.Insert(value, std::nullopt).status();
  }
  RETURN_IF_ERROR(now.status());
  // Only if nobody has changed it since: kAborted otherwise.
  return config.Update(value, {.prev_index = now->index}).status();
}

absl::Status Watch(client::Value& config) {
  // What there is now, then each change. (Value::Events has each change and who
  // was replaced, but not what there is.)
  const auto watch = config.Watch();
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<client::ValueUpdate> update,
                     watch->Next());
    if (!update.has_value()) return absl::OkStatus();
    switch (update->kind) {
      case client::ValueUpdate::Kind::kValue:
        std::cout << "now " << update->value.value << std::endl;
        break;
      case client::ValueUpdate::Kind::kDeleted:
        std::cout << "now none" << std::endl;
        break;
      case client::ValueUpdate::Kind::kRestarted:
        // Changes may have been missed; if there is a value, it follows.
        std::cout << "the connection broke" << std::endl;
        break;
    }
  }
}

absl::Status Run(const std::string& name, const char* value) {
  ASSIGN_OR_RETURN(const auto client, client::Client::Connect(Servers(), {}));
  ASSIGN_OR_RETURN(auto config, client::Value::Open(*client, name));
  return value != nullptr ? Change(config, value) : Watch(config);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: config_watch NAME [VALUE]\n";
    return 2;
  }
  const absl::Status status = Run(argv[1], argc == 3 ? argv[2] : nullptr);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
