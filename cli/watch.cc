#include "absl/strings/str_cat.h"
#include "cli/countermap_format.h"
#include "cli/election_format.h"
#include "cli/indexedmap_format.h"
#include "cli/list_format.h"
#include "cli/map_format.h"
#include "cli/multimap_format.h"
#include "cli/run.h"
#include "cli/set_format.h"
#include "cli/value_format.h"
#include "cli/verb.h"
#include "client/client.h"

namespace cli {
namespace {

template <class Primitive, class Update>
absl::Status WatchPrimitive(Run& run) {
  ASSIGN_OR_RETURN(Primitive primitive, run.Open<Primitive>(0));
  const auto watch = primitive.Watch();
  return run.Follow<Update>(*watch, [&run](const Update& update) {
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
          {.name = "countermap",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Entries of a counter map",
           .details =
               "When the connection breaks, a line says so and all entries "
               "follow again.\n`countermap events` misses nothing instead.",
           .flags = {count},
           .run = WatchPrimitive<client::CounterMap, client::CounterMapUpdate>},
          {.name = "election",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Who leads in an election, and who is in line",
           .details = "Of changes that follow each other quickly some may be "
                      "left out, the last never.",
           .flags = {count},
           .run = WatchPrimitive<client::Election, client::ElectionTerm>},
          {.name = "map",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Entries of a map",
           .details =
               "When the connection breaks, a line says so and all entries "
               "follow again.\n`map events` misses nothing instead.",
           .flags = {count},
           .run = WatchPrimitive<client::Map, client::MapUpdate>},
          {.name = "multimap",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Keys of a multimap, each with all its values",
           .details =
               "When the connection breaks, a line says so and all entries "
               "follow again.\n`multimap events` misses nothing instead.",
           .flags = {count},
           .run = WatchPrimitive<client::MultiMap, client::MultiMapUpdate>},
          {.name = "set",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Elements of a set",
           .details =
               "When the connection breaks, a line says so and all elements "
               "follow again.\n`set events` misses nothing instead.",
           .flags = {count},
           .run = WatchPrimitive<client::Set, client::SetUpdate>},
          {.name = "value",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "A value",
           .details =
               "When the connection breaks, a line says so and the value "
               "follows again.\n`value events` misses nothing instead.",
           .flags = {count},
           .run = WatchPrimitive<client::Value, client::ValueUpdate>},
          {.name = "indexedmap",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Entries of an indexed map",
           .flags = {count},
           .run = WatchPrimitive<client::IndexedMap, client::IndexedMapUpdate>},
          {.name = "list",
           .operands = "NAME",
           .operands_min = 1,
           .operands_max = 1,
           .summary = "Items of a list, then where it changes",
           .details = "`list events` says what happened there.",
           .flags = {count},
           .run = WatchPrimitive<client::List, client::ListUpdate>},
          {.name = "leader",
           .summary = "Who leads the partition",
           .flags = {count},
           .run = WatchLeader},
      }};
  return group;
}

}  // namespace cli
