#include "absl/strings/str_cat.h"
#include "cli/map_format.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

absl::Status WatchMap(Run& run) {
  ASSIGN_OR_RETURN(client::Map map, run.Open<client::Map>(0));
  const auto watch = map.Watch();
  return run.Follow<client::MapUpdate>(
      *watch, [&run](const client::MapUpdate& update) {
        run.Print(ToText(update), ToJson(update));
      });
}

absl::Status WatchLeader(Run& run) {
  ASSIGN_OR_RETURN(client::Connection * connection, run.connection());
  ASSIGN_OR_RETURN(const uint32_t partition, run.partition());
  const auto watch = client::WatchLeader(*connection, partition);
  return run.Follow<client::Leader>(*watch, [&](const client::Leader& leader) {
    Json object;
    object["partition"] = partition;
    object["term"] = leader.term;
    object["leader"] = leader.leader;
    run.Print(leader.leader == 0
                  ? absl::StrCat("term ", leader.term, ": no leader\n")
                  : absl::StrCat("term ", leader.term, ": replica ",
                                 leader.leader, " leads\n"),
              object);
  });
}

}  // namespace

const Group& WatchGroup() {
  const Flag count = {"count", "N", "End after so many lines"};
  static const Group& group = *new Group{
      .name = "watch",
      .summary = "What there is now, and each change, until Ctrl-C",
      .verbs = {
          {.name = "map",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Entries of a map",
           .details =
               "When the connection breaks, a line says so and all entries "
               "follow again.\n`map events` misses nothing instead.",
           .flags = {count},
           .run = WatchMap},
          {.name = "leader",
           .summary = "Who leads the partition",
           .flags = {count},
           .run = WatchLeader},
      }};
  return group;
}

}  // namespace cli
