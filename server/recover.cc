#include "server/recover.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "multiraft/disk/v1/command.pb.h"
#include "partition/membership.h"
#include "raft/configuration.h"
#include "storage/log_store.h"
#include "storage/store.h"

namespace server {
namespace {

// More empty entries than this are not worth an id that was never used.
constexpr uint64_t kFillMax = 1'000'000;

// A partition as this directory has it; without `stored` it is not here.
struct Found {
  base::PartitionId partition;
  std::optional<storage::StoredPartition> stored;
  raft::Position last;                // Of the log.
  raft::Configuration configuration;  // The newest.
  raft::ReplicaId dropped;
};

absl::StatusOr<Found> Look(storage::Store& store, base::PartitionId partition,
                           bool is_here) {
  Found found{.partition = partition,
              .dropped = store.DroppedReplica(partition)};
  if (!is_here) return found;
  ASSIGN_OR_RETURN(found.stored, store.LoadPartition(partition));
  found.last = found.stored->image.position;
  found.configuration = found.stored->image.configuration;
  for (const raft::Entry& entry : found.stored->entries) {
    found.last = raft::PositionOf(entry);
    if (entry.type != raft::EntryType::kConfChange) continue;
    ASSIGN_OR_RETURN(found.configuration,
                     raft::DecodeConfiguration(entry.bytes()));
  }
  return found;
}

absl::StatusOr<std::vector<Found>> LookAtAll(storage::Store& store,
                                             uint32_t partitions) {
  ASSIGN_OR_RETURN(const std::vector<base::PartitionId> listed,
                   store.ListPartitions());
  const std::set<base::PartitionId> here(listed.begin(), listed.end());
  // Of a managed cluster nobody knows the number: those that are here, then.
  std::set<base::PartitionId> wanted = here;
  for (uint32_t i = 1; i <= partitions; ++i) {
    wanted.insert(base::PartitionId(i));
  }
  std::vector<Found> all;
  for (const base::PartitionId partition : wanted) {
    ASSIGN_OR_RETURN(Found found,
                     Look(store, partition, here.contains(partition)));
    all.push_back(std::move(found));
  }
  return all;
}

std::string NodesOf(const raft::Configuration& configuration) {
  return absl::StrJoin(configuration.members, " ",
                       [](std::string* out, const raft::Member& member) {
                         absl::StrAppend(out, member.node.value());
                       });
}

void PrintTable(const std::vector<Found>& all, std::ostream& out) {
  constexpr char kRow[] = "%-11s%-11s%-12s%-11s%-8s%s\n";
  out << absl::StrFormat(kRow, "PARTITION", "LAST TERM", "LAST INDEX",
                         "COMMITTED", "IMAGE", "MEMBERS");
  for (const Found& found : all) {
    const std::string id = absl::StrCat(found.partition.value());
    if (!found.stored.has_value()) {
      out << absl::StrFormat(kRow, id, "-", "-", "-", "-", "not on this node");
      continue;
    }
    const storage::StoredPartition& stored = *found.stored;
    const uint64_t committed = std::max(stored.hard_state.commit_index.value(),
                                        stored.image.position.index.value());
    out << absl::StrFormat(kRow, id, absl::StrCat(found.last.term.value()),
                           absl::StrCat(found.last.index.value()),
                           absl::StrCat(committed),
                           absl::StrCat(stored.image.position.index.value()),
                           NodesOf(found.configuration));
  }
}

// Appends entries behind what a log has.
class Appender {
 public:
  Appender(base::PartitionId partition, raft::Position last, raft::Term term)
      : partition_(partition), last_(last), term_(term) {}

  void Append(raft::EntryType type, std::string payload) {
    raft::Entry entry{.term = term_,
                      .index = last_.index + 1,
                      .type = type,
                      .time_ns = last_.time_ns,
                      .payload_crc = base::Crc32c(payload)};
    if (!payload.empty()) {
      entry.payload = std::make_shared<const std::string>(std::move(payload));
    }
    entry.chain = raft::ChainOf(last_.chain, partition_, entry);
    last_ = raft::PositionOf(entry);
    entries_.push_back(std::move(entry));
  }

  raft::Index next() const { return last_.index + 1; }
  std::vector<raft::Entry> Take() { return std::move(entries_); }

 private:
  const base::PartitionId partition_;
  raft::Position last_;
  const raft::Term term_;
  std::vector<raft::Entry> entries_;
};

absl::StatusOr<storage::RecoveredPartition> Plan(const Found& found,
                                                 const raft::Member& self) {
  raft::Term term = found.last.term;
  if (found.stored.has_value()) {
    term = std::max(term, found.stored->hard_state.term);
  }
  // A replica id is the index of the entry that adds it, and is never used
  // again: it lies above all that were here, and above those of the beginning.
  uint64_t id =
      std::max({found.last.index.value() + 1,
                partition::kInitialReplicasMax + 1, found.dropped.value() + 1});
  for (const raft::Member& member : found.configuration.members) {
    id = std::max(id, member.replica.value() + 1);
  }
  if (id - found.last.index.value() > kFillMax) {
    return absl::FailedPreconditionError(absl::StrCat(
        "partition ", found.partition.value(),
        " was moved away from this node long ago: recover another one"));
  }
  storage::RecoveredPartition plan{.partition = found.partition,
                                   .replica = raft::ReplicaId(id)};
  if (!found.stored.has_value()) {
    raft::Member first = self;
    first.replica = raft::ReplicaId(1);
    plan.begin = {.voters = {first.replica}, .members = {first}};
  }
  raft::Member member = self;
  member.replica = plan.replica;
  Appender log(found.partition, found.last, term + 1);
  while (log.next().value() < id) log.Append(raft::EntryType::kNoop, "");
  log.Append(raft::EntryType::kConfChange,
             raft::EncodeConfiguration(
                 {.voters = {plan.replica}, .members = {member}}));
  ::multiraft::disk::v1::Command command;
  command.mutable_recover()->set_add_index(kRecoverIndexStep);
  log.Append(raft::EntryType::kApp, command.SerializeAsString());
  plan.hard_state = {.term = term + 1,
                     .voted_for = plan.replica,
                     .commit_index = log.next() - 1};
  plan.entries = log.Take();
  return plan;
}

// This node, as the others knew it.
raft::Member Self(const storage::Store& store, const Options& options,
                  const std::vector<Found>& all) {
  raft::Member self{.node = store.identity().node,
                    .incarnation = store.identity().incarnation};
  for (const storage::InitialMember& member :
       store.initial_cluster()->members) {
    if (member.node != self.node) continue;
    self.peer_address = member.peer_address;
    self.api_address = member.api_address;
  }
  for (const Found& found : all) {
    for (const raft::Member& member : found.configuration.members) {
      if (member.node != self.node || member.incarnation != self.incarnation) {
        continue;
      }
      self.peer_address = member.peer_address;
      self.api_address = member.api_address;
    }
  }
  if (!options.advertise_peer.empty()) {
    self.peer_address = options.advertise_peer;
  }
  if (!options.advertise_api.empty()) self.api_address = options.advertise_api;
  return self;
}

// A recovery of a recovered cluster takes the place of its own mark.
std::string NewClusterId(const std::string& id) {
  const std::string base = id.substr(0, id.find("+r"));
  return absl::StrFormat("%s+r%016x", base, base::SecureSeed());
}

// A controller gave it its partitions.
bool IsManaged(const storage::InitialCluster& cluster) {
  return cluster.partitions == 0;
}

void PrintPlan(const storage::InitialCluster& cluster, const raft::Member& self,
               const std::vector<Found>& all, bool done, std::ostream& out) {
  std::set<uint32_t> others;
  std::vector<std::string> missing;
  uint64_t unsure = 0;
  for (const Found& found : all) {
    for (const raft::Member& member : found.configuration.members) {
      if (member.node != self.node) others.insert(member.node.value());
    }
    if (!found.stored.has_value()) {
      missing.push_back(absl::StrCat(found.partition.value()));
      continue;
    }
    const uint64_t committed =
        std::max(found.stored->hard_state.commit_index.value(),
                 found.stored->image.position.index.value());
    unsure += found.last.index.value() - committed;
  }
  const char* const will = done ? "" : "will ";
  out << "\n"
      << (done ? "What was done, for good:" : "What --recover does, for good:")
      << "\n- Node " << self.node << " " << (done ? "is" : "will be")
      << " the only voter of every partition, in a new cluster.\n"
      << "- Nodes " << absl::StrJoin(others, " ")
      << " of the old one are refused. Never start them with their data again: "
         "they would\n  go on as the old cluster, beside this one. They come "
         "back empty, "
      << (IsManaged(cluster) ? "and join.\n" : "with --join.\n")
      << "- LOST: what a majority of them had acknowledged and this node does "
         "not have.\n"
      << "- Everything in its log counts as committed, also up to " << unsure
      << " entries that it did not know to be,\n  and of which clients may "
         "have "
         "been told nothing.\n"
      << "- Indexes that clients see (ids, versions, fencing tokens) " << will
      << "go up by " << kRecoverIndexStep << ".\n";
  if (!missing.empty()) {
    out << "- LOST: all of partition " << absl::StrJoin(missing, ", ")
        << ", which this node does not have; " << will << "begin"
        << (done ? "s" : "") << " empty.\n";
  }
  if (done) out << "\nnew cluster: " << cluster.id << "\n";
}

// The others of its cluster are lost, so the end of a log is not left alone for
// their sake (P31).
absl::StatusOr<std::unique_ptr<storage::Store>> Open(const Options& options,
                                                     std::ostream& out) {
  const auto open = [&options](bool last_resort) {
    return storage::Store::Open(
        {.directory = options.data_dir,
         .identity = {},
         .reserve_file_bytes = options.reserve_file_bytes(),
         .last_resort = last_resort});
  };
  auto store = open(/*last_resort=*/false);
  if (!absl::IsDataLoss(store.status())) return store;
  if (!options.yes || options.dry_run) {
    return absl::DataLossError(absl::StrCat(
        store.status().message(),
        ". If this node is the best there is, --recover --yes cuts off the "
        "damaged end of its log, unless something is behind the damage or is "
        "known to have been acknowledged"));
  }
  const absl::Status damage = store.status();
  store = open(/*last_resort=*/true);
  if (store.ok()) {
    out << "LOST: the damaged end of the write-ahead log (" << damage.message()
        << ")\n\n";
  }
  return store;
}

}  // namespace

absl::Status Recover(const Options& options, std::ostream& out) {
  if (!storage::Store::Exists(options.data_dir)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", options.data_dir, " has no data (--data_dir)"));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::Store> store,
                   Open(options, out));
  if (!store->initial_cluster().has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", options.data_dir,
        " is not that of a node in a cluster: there is nothing to recover"));
  }
  storage::InitialCluster cluster = *store->initial_cluster();
  ASSIGN_OR_RETURN(const std::vector<Found> all,
                   LookAtAll(*store, cluster.partitions));
  out << "node " << store->identity().node << " of cluster " << cluster.id
      << ", in " << options.data_dir << "\n\n";
  PrintTable(all, out);
  const raft::Member self = Self(*store, options, all);
  if (!options.yes || options.dry_run) {
    PrintPlan(cluster, self, all, /*done=*/false, out);
    out << "\nThe best survivor has the highest LAST TERM and, among those, "
           "the "
           "highest LAST INDEX:\ncompare this table on all of them.\n";
    if (options.dry_run) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "nothing was changed; with --yes it is done");
  }
  std::vector<storage::RecoveredPartition> plans;
  for (const Found& found : all) {
    ASSIGN_OR_RETURN(storage::RecoveredPartition plan, Plan(found, self));
    plans.push_back(std::move(plan));
  }
  cluster.id = NewClusterId(cluster.id);
  cluster.replication = 1;
  cluster.members = {{.node = self.node,
                      .incarnation = self.incarnation,
                      .peer_address = self.peer_address,
                      .api_address = self.api_address}};
  RETURN_IF_ERROR(store->Recover(cluster, plans));
  store->Close();
  PrintPlan(cluster, self, all, /*done=*/true, out);
  out << (IsManaged(cluster)
              ? "Start this node as before; then start the others, empty, and "
                "have the controller\ntell them to Join their groups.\n"
              : "Start this node as before; then start the others, empty, with "
                "--join, "
                "and give them\ntheir replicas with `multiraftctl member "
                "add`.\n");
  return absl::OkStatus();
}

}  // namespace server
