#include "sim/mutants.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "partition/transport.h"
#include "primitive/registry.h"
#include "raft/message.h"
#include "session/primitive.h"
#include "session/registry.h"
#include "sim/passing_primitive.h"
#include "sim/passing_store.h"
#include "sim/sim_clock.h"
#include "storage/log_store.h"

namespace sim {
namespace {

// --- Stores ------------------------------------------------------------------

class AcknowledgesBeforeTheSync : public PassingStore {
 public:
  using PassingStore::PassingStore;

  void Write(storage::LogWrite write) override {
    auto done = std::exchange(write.done, nullptr);
    write.done = [](absl::Status) {};
    PassingStore::Write(std::move(write));
    done(absl::OkStatus());
  }
};

// Only those without entries: of terms and votes (P1).
class TellsItsVoteBeforeTheSync : public PassingStore {
 public:
  using PassingStore::PassingStore;

  void Write(storage::LogWrite write) override {
    if (!write.entries.empty() || !write.hard_state.has_value()) {
      return PassingStore::Write(std::move(write));
    }
    auto done = std::exchange(write.done, nullptr);
    write.done = [](absl::Status) {};
    PassingStore::Write(std::move(write));
    done(absl::OkStatus());
  }
};

class LosesAnImageRow : public PassingStore {
 public:
  using PassingStore::PassingStore;

  void WriteImage(storage::ImageBatch batch) override {
    if (!batch.rows.empty() && random_.OneIn(20)) batch.rows.pop_back();
    PassingStore::WriteImage(std::move(batch));
  }
};

// The pointer overtakes rows that it makes visible.
class WritesImageRowsLate : public PassingStore {
 public:
  using PassingStore::PassingStore;

  void WriteImage(storage::ImageBatch batch) override {
    if (!batch.rows.empty() && random_.OneIn(4)) {
      auto done = std::exchange(batch.done, nullptr);
      batch.done = [](absl::Status) {};
      held_.push_back(std::move(batch));
      return done(absl::OkStatus());
    }
    PassingStore::WriteImage(std::move(batch));
  }
  void Write(storage::LogWrite write) override {
    const bool is_pointer = write.image.has_value();
    PassingStore::Write(std::move(write));
    if (is_pointer) return;
    for (storage::ImageBatch& batch : std::exchange(held_, {})) {
      PassingStore::WriteImage(std::move(batch));
    }
  }

 private:
  std::vector<storage::ImageBatch> held_;
};

class KeepsAnObsoleteRow : public PassingStore {
 public:
  using PassingStore::PassingStore;

  // A tombstone is lost, so the row that was erased comes back.
  void WriteImage(storage::ImageBatch batch) override {
    std::erase_if(batch.rows, [this](const storage::ImageRow& row) {
      return row.erased && random_.OneIn(4);
    });
    PassingStore::WriteImage(std::move(batch));
  }
};

class ForgetsTheLastEntry : public PassingStore {
 public:
  using PassingStore::PassingStore;

  absl::StatusOr<storage::StoredPartition> LoadPartition(
      base::PartitionId partition) override {
    auto stored = PassingStore::LoadPartition(partition);
    if (stored.ok() && !stored->entries.empty()) stored->entries.pop_back();
    return stored;
  }
};

class ForgetsTheTerm : public PassingStore {
 public:
  using PassingStore::PassingStore;

  absl::StatusOr<storage::StoredPartition> LoadPartition(
      base::PartitionId partition) override {
    auto stored = PassingStore::LoadPartition(partition);
    if (stored.ok() && stored->hard_state.term.value() > 0) {
      stored->hard_state.term = stored->hard_state.term - 1;
      stored->hard_state.voted_for = raft::ReplicaId{};
    }
    return stored;
  }
};

template <class Store>
Defect WithStore() {
  return {.wrap_store = [](storage::LogStore& store, uint64_t seed) {
    return std::make_unique<Store>(store, seed);
  }};
}

// --- Transports --------------------------------------------------------------

// Changes messages as they leave.
class ChangingTransport : public partition::Transport {
 public:
  ChangingTransport(partition::Transport& transport, uint64_t seed)
      : random_(seed), transport_(transport) {}

  void SetMembers(base::PartitionId partition, raft::ReplicaId self,
                  std::vector<raft::Member> members) override {
    transport_.SetMembers(partition, self, std::move(members));
  }
  void Send(base::PartitionId partition,
            std::vector<raft::Message> messages) override {
    for (raft::Message& message : messages) Change(partition, message);
    transport_.Send(partition, std::move(messages));
  }
  void SendImage(base::PartitionId partition,
                 partition::ImageMessage message) override {
    transport_.SendImage(partition, std::move(message));
  }
  void SendNote(base::PartitionId partition, partition::Note note) override {
    transport_.SendNote(partition, std::move(note));
  }

 protected:
  virtual void Change(base::PartitionId partition, raft::Message& message) = 0;

  base::Random random_;

 private:
  partition::Transport& transport_;
};

// Heartbeats tell everybody the commit index, not only what he is known to have
// (P19).
class CommitsByHeartbeat : public ChangingTransport {
 public:
  using ChangingTransport::ChangingTransport;

  void Change(base::PartitionId partition, raft::Message& message) override {
    raft::Index& commit = commit_[partition];
    if (const auto* append = std::get_if<raft::AppendEntries>(&message.body)) {
      commit = std::max(commit, append->commit_index);
    } else if (auto* beat = std::get_if<raft::Heartbeat>(&message.body)) {
      beat->commit_index = std::max(beat->commit_index, commit);
    }
  }

 private:
  std::map<base::PartitionId, raft::Index> commit_;
};

class AcknowledgesTooMuch : public ChangingTransport {
 public:
  using ChangingTransport::ChangingTransport;

  void Change(base::PartitionId, raft::Message& message) override {
    auto* reply = std::get_if<raft::AppendEntriesReply>(&message.body);
    if (reply != nullptr && reply->accepted) ++reply->index;
  }
};

class GrantsEveryVote : public ChangingTransport {
 public:
  using ChangingTransport::ChangingTransport;

  void Change(base::PartitionId, raft::Message& message) override {
    if (auto* reply = std::get_if<raft::RequestVoteReply>(&message.body)) {
      reply->granted = true;
    }
  }
};

// A leader answers reads by what it knew when it was younger (P18, P47).
class AnswersReadsTooEarly : public ChangingTransport {
 public:
  using ChangingTransport::ChangingTransport;

  void Change(base::PartitionId, raft::Message& message) override {
    auto* reply = std::get_if<raft::ReadIndexReply>(&message.body);
    if (reply != nullptr && reply->index > raft::Index{5} &&
        random_.OneIn(10)) {
      reply->index = raft::Index{reply->index.value() - 5};
    }
  }
};

template <class Transport>
Defect WithTransport() {
  return {.wrap_transport = [](partition::Transport& transport, uint64_t seed) {
    return std::make_unique<Transport>(transport, seed);
  }};
}

// --- Primitives --------------------------------------------------------------

// Every fiftieth command, by its index, takes effect twice.
class ReplaysACommand : public PassingPrimitive {
 public:
  using PassingPrimitive::PassingPrimitive;

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    if (context.index() % 50 == 0) {
      Unanswered first(context);
      inner_->Command(first, operation, input);
    }
    inner_->Command(context, operation, input);
  }
};

// What it keeps, it does not find again after a restart: not replicated state,
// but a member.
class RemembersOutsideItsTables : public PassingPrimitive {
 public:
  using PassingPrimitive::PassingPrimitive;

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    if (++commands_ % 20 == 0) {
      return context.Answer(session::Failure(
          session::OperationStatus::kConflict, "the twentieth"));
    }
    inner_->Command(context, operation, input);
  }

 private:
  uint64_t commands_ = 0;
};

// Timers of a map fire at once.
class ExpiresEarly : public PassingPrimitive {
 public:
  using PassingPrimitive::PassingPrimitive;

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    Early early(context);
    inner_->Command(early, operation, input);
  }

 private:
  class Early : public Unanswered {
   public:
    explicit Early(session::CommandContext& context)
        : Unanswered(context), context_(context) {}
    void SetTimer(absl::string_view key, uint64_t) override {
      context_.SetTimer(key, context_.time_ns());
    }
    void Answer(session::Result result) override {
      context_.Answer(std::move(result));
    }
    void KeepOpen() override { context_.KeepOpen(); }
    void Listen(absl::string_view filter, std::string first) override {
      context_.Listen(filter, std::move(first));
    }

   private:
    session::CommandContext& context_;
  };
};

// Every fourth Release frees the lock, and nobody is told: the next one waits
// for ever (P53).
class ForgetsAWaiter : public PassingPrimitive {
 public:
  using PassingPrimitive::PassingPrimitive;

  void Command(session::CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    if (context.index() % 4 != 0) {
      return inner_->Command(context, operation, input);
    }
    Forgetful forgetful(context);
    inner_->Command(forgetful, operation, input);
  }

 private:
  class Forgetful : public Unanswered {
   public:
    explicit Forgetful(session::CommandContext& context)
        : Unanswered(context), context_(context) {}
    void Complete(session::CommandKey, session::Result) override {}
    void Answer(session::Result result) override {
      context_.Answer(std::move(result));
    }
    void KeepOpen() override { context_.KeepOpen(); }

   private:
    session::CommandContext& context_;
  };
};

template <class Wrapper, const char* kType>
std::unique_ptr<session::Primitive> CreateWrapped(session::TableSet& tables,
                                                  session::PrimitiveId id) {
  return std::make_unique<Wrapper>(
      primitive::BuiltinRegistry().FindByName(kType)->create(tables, id));
}

constexpr char kCounter[] = "counter";
constexpr char kLock[] = "lock";
constexpr char kMap[] = "map";

// The built-in registry with one type wrapped; never destroyed.
template <class Wrapper, const char* kType>
Defect WithPrimitive() {
  std::vector<session::PrimitiveType> types =
      primitive::BuiltinRegistry().types();
  for (session::PrimitiveType& type : types) {
    if (type.name == kType) type.create = &CreateWrapped<Wrapper, kType>;
  }
  return {.registry = new session::Registry(std::move(types))};
}

}  // namespace

std::vector<Mutant> AllMutants() {
  return {
      {"AcknowledgesBeforeTheSync", WithStore<AcknowledgesBeforeTheSync>()},
      {"TellsItsVoteBeforeTheSync", WithStore<TellsItsVoteBeforeTheSync>()},
      {"LosesAnImageRow", WithStore<LosesAnImageRow>()},
      {"WritesImageRowsLate", WithStore<WritesImageRowsLate>()},
      {"KeepsAnObsoleteRow", WithStore<KeepsAnObsoleteRow>()},
      {"ForgetsTheLastEntry", WithStore<ForgetsTheLastEntry>()},
      {"ForgetsTheTerm", WithStore<ForgetsTheTerm>()},
      {"ReplaysACounterCommand", WithPrimitive<ReplaysACommand, kCounter>()},
      {"ReplaysAMapCommand", WithPrimitive<ReplaysACommand, kMap>()},
      {"RemembersOutsideItsTables",
       WithPrimitive<RemembersOutsideItsTables, kCounter>()},
      {"ExpiresEarly", WithPrimitive<ExpiresEarly, kMap>()},
      {"ForgetsAWaiter", WithPrimitive<ForgetsAWaiter, kLock>()},
      {"CommitsByHeartbeat", WithTransport<CommitsByHeartbeat>()},
      {"AcknowledgesTooMuch", WithTransport<AcknowledgesTooMuch>()},
      {"GrantsEveryVote", WithTransport<GrantsEveryVote>()},
      {"AnswersReadsTooEarly", WithTransport<AnswersReadsTooEarly>()},
      {"RunsACopyAsANewCommand", {.link = {.renumber_copies = true}}},
      {"DropsAnEvent", {.link = {.drop_output_one_in = 50}}},
      {"AnswersAStaleRead", {.link = {.stale_answer_one_in = 20}}},
      // A removed replica is made anew, without its votes (P45).
      {"ForgetsATombstone", {.forgets_tombstones = true}},
      {"ClockRunsFast", {.clock_rate_ppm = 8 * SimClock::kTrueRatePpm}},
  };
}

}  // namespace sim
