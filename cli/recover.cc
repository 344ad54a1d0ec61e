#include "cli/run.h"
#include "cli/verb.h"

namespace cli {
namespace {

constexpr char kHow[] =
    "When a majority of a partition's replicas is lost for good, one survivor "
    "can go on\nalone. What the lost nodes had acknowledged and it does not "
    "have is LOST. It is done\noffline, by the server's binary:\n\n"
    "1. Stop all survivors. On each of them:\n"
    "     multiraft --recover --dry_run --data_dir=...\n"
    "   The best one has the highest LAST TERM and, among those, the highest "
    "LAST INDEX.\n"
    "2. On that one:\n"
    "     multiraft --recover --data_dir=...          says what it does and "
    "loses\n"
    "     multiraft --recover --yes --data_dir=...    does it\n"
    "3. Start it as before; start the others with EMPTY directories and "
    "--join, "
    "and give\n   them replicas with `multiraftctl member add`.\n\n"
    "Never start another node of the old cluster with its old directory again. "
    "More is in\ndocs/operations.md.";

absl::Status Recover(Run& run) {
  Json object;
  object["how"] = kHow;
  run.Print(std::string(kHow) + "\n", object);
  return absl::OkStatus();
}

}  // namespace

const Group& RecoverGroup() {
  static const Group& group =
      *new Group{.name = "recover",
                 .summary = "When a majority is lost for good",
                 .verbs = {
                     {.summary = "Says how one survivor goes on alone",
                      .details = kHow,
                      .run = Recover},
                 }};
  return group;
}

}  // namespace cli
