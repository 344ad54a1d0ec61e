#include "partition/load.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace partition {
namespace {

constexpr size_t kReadBytes = 1 << 20;

absl::Status LoadImage(const Options& options, const Ports& ports,
                       const storage::ImagePointer& pointer,
                       const std::shared_ptr<const void>& life,
                       session::StateMachine& state_machine) {
  RETURN_IF_ERROR(state_machine.CanLoad(pointer.machine_version));
  ASSIGN_OR_RETURN(std::unique_ptr<storage::ImageReader> reader,
                   ports.store.OpenImage(options.id));
  while (true) {
    ASSIGN_OR_RETURN(std::vector<storage::ImageRow> rows,
                     reader->Next(kReadBytes));
    if (rows.empty()) break;
    for (storage::ImageRow& row : rows) {
      RETURN_IF_ERROR(
          state_machine.LoadRow({.table = session::TableId{row.table},
                                 .key = std::move(row.key),
                                 .checkpoint = row.checkpoint,
                                 .erased = row.erased,
                                 .value = std::move(row.value)}));
    }
  }
  RETURN_IF_ERROR(
      state_machine.FinishLoad({.log_index = pointer.position.index.value(),
                                .term = pointer.position.term.value(),
                                .time_ns = pointer.position.time_ns,
                                .command_index = pointer.command_index,
                                .machine_version = pointer.machine_version,
                                .checkpoint = pointer.checkpoint,
                                .digest = pointer.digest}));

  // What an unfinished checkpoint left behind, and replaced versions whose
  // removal a crash cut short.
  std::vector<storage::ObsoleteRow> obsolete = reader->TakeObsolete();
  const auto clean = [&](storage::ImageBatch batch) {
    batch.partition = options.id;
    // A failure fences the store, and shows at the first write.
    batch.done = [life](absl::Status) {};
    ports.store.WriteImage(std::move(batch));
  };
  if (!obsolete.empty()) {
    clean({.generation = pointer.generation, .obsolete = std::move(obsolete)});
  }
  // And what an install left that a crash broke off (P42).
  if (reader->has_unfinished_install()) {
    clean({.generation = pointer.generation + 1, .clears_generation = true});
  }
  return absl::OkStatus();
}

// One of the replicas that the partition began with.
absl::StatusOr<raft::ReplicaId> FindSelf(
    const Options& options, const raft::Configuration& configuration) {
  for (const raft::Member& member : configuration.members) {
    if (member.node == options.node) return member.replica;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("node ", options.node.value(), " is not a member"));
}

absl::StatusOr<Loaded> LoadUnnamed(const Options& options, const Ports& ports,
                                   uint64_t seed,
                                   const std::shared_ptr<const void>& life) {
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.stored, ports.store.LoadPartition(options.id));
  const storage::ImagePointer& image = loaded.stored.image;
  loaded.self = loaded.stored.replica;
  if (loaded.self == raft::ReplicaId{0}) {
    ASSIGN_OR_RETURN(loaded.self, FindSelf(options, image.configuration));
  }

  loaded.state_machine = std::make_unique<session::StateMachine>(
      ports.registry, options.limits, options.apply_limits);
  RETURN_IF_ERROR(
      LoadImage(options, ports, image, life, *loaded.state_machine));

  raft::Config config = options.raft;
  config.partition = options.id;
  config.self = loaded.self;
  config.seed = seed;
  ASSIGN_OR_RETURN(
      loaded.core,
      raft::Raft::Create(config, {.hard_state = loaded.stored.hard_state,
                                  .snapshot = image.position,
                                  .configuration = image.configuration,
                                  .entries = std::move(loaded.stored.entries),
                                  .first_index = loaded.stored.first_index}));
  loaded.stored.entries.clear();
  loaded.seed = seed;
  return loaded;
}

}  // namespace

absl::StatusOr<Loaded> Load(const Options& options, const Ports& ports,
                            uint64_t seed,
                            const std::shared_ptr<const void>& life) {
  absl::StatusOr<Loaded> loaded = LoadUnnamed(options, ports, seed, life);
  if (loaded.ok()) return loaded;
  return absl::Status(loaded.status().code(),
                      absl::StrCat("partition ", options.id.value(), ": ",
                                   loaded.status().message()));
}

absl::StatusOr<std::shared_ptr<Partition>> Partition::Open(
    const Options& options, const Ports& ports, uint64_t seed,
    OwnerHooks hooks) {
  ASSIGN_OR_RETURN(Loaded loaded, Load(options, ports, seed, hooks.life));
  return std::make_shared<Driver>(options, ports, std::move(loaded),
                                  std::move(hooks));
}

}  // namespace partition
