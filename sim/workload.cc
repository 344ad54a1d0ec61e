#include "sim/workload.h"

#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "atomix/multiraft/counter/v1/fsm.pb.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/check.h"

namespace sim {
namespace {

namespace counter = ::atomix::multiraft::counter::v1;
namespace map = ::atomix::multiraft::map::v1;
using session::OperationStatus;
using session::PrimitiveId;
using session::Result;

const session::PrimitiveType& TypeNamed(const session::Registry& registry,
                                        const std::string& name) {
  const session::PrimitiveType* type = registry.FindByName(name);
  CHECK(type != nullptr) << name;
  return *type;
}

template <class Input>
void SetTtl(Input& input, uint64_t ttl_ns) {
  if (ttl_ns == 0) return;
  input.mutable_ttl()->set_seconds(static_cast<int64_t>(ttl_ns / kSeconds));
  input.mutable_ttl()->set_nanos(static_cast<int32_t>(ttl_ns % kSeconds));
}

// All outputs of a counter's operations have the value in the same field.
int64_t CounterValue(const Result& result) {
  counter::GetOutput output;
  CHECK(output.ParseFromString(result.output));
  return output.value();
}

std::string InputOf(const MapCall& call) {
  switch (call.kind) {
    case MapCall::Kind::kPut: {
      map::PutInput input;
      input.set_key(call.key);
      input.set_value(call.value);
      input.set_prev_index(call.prev_index);
      SetTtl(input, call.ttl_ns);
      return input.SerializeAsString();
    }
    case MapCall::Kind::kInsert: {
      map::InsertInput input;
      input.set_key(call.key);
      input.set_value(call.value);
      SetTtl(input, call.ttl_ns);
      return input.SerializeAsString();
    }
    case MapCall::Kind::kUpdate: {
      map::UpdateInput input;
      input.set_key(call.key);
      input.set_value(call.value);
      input.set_prev_index(call.prev_index);
      SetTtl(input, call.ttl_ns);
      return input.SerializeAsString();
    }
    case MapCall::Kind::kRemove: {
      map::RemoveInput input;
      input.set_key(call.key);
      input.set_prev_index(call.prev_index);
      return input.SerializeAsString();
    }
    case MapCall::Kind::kClear:
      return map::ClearInput().SerializeAsString();
    case MapCall::Kind::kGet: {
      map::GetInput input;
      input.set_key(call.key);
      return input.SerializeAsString();
    }
  }
  return "";
}

const char* RpcOf(MapCall::Kind kind) {
  switch (kind) {
    case MapCall::Kind::kPut:
      return "Put";
    case MapCall::Kind::kInsert:
      return "Insert";
    case MapCall::Kind::kUpdate:
      return "Update";
    case MapCall::Kind::kRemove:
      return "Remove";
    case MapCall::Kind::kClear:
      return "Clear";
    case MapCall::Kind::kGet:
      return "Get";
  }
  return "";
}

MapCall::Outcome OutcomeOf(const MapCall& call, const Result& result) {
  MapCall::Outcome outcome{.status = result.status};
  if (result.status != OperationStatus::kOk) return outcome;
  switch (call.kind) {
    case MapCall::Kind::kPut:
    case MapCall::Kind::kUpdate: {  // UpdateOutput is the same message.
      map::PutOutput output;
      CHECK(output.ParseFromString(result.output));
      outcome.index = output.index();
      if (output.has_prev_value()) outcome.value = output.prev_value().value();
      return outcome;
    }
    case MapCall::Kind::kInsert: {
      map::InsertOutput output;
      CHECK(output.ParseFromString(result.output));
      outcome.index = output.index();
      return outcome;
    }
    case MapCall::Kind::kRemove:
    case MapCall::Kind::kGet: {  // RemoveOutput is the same message.
      map::GetOutput output;
      CHECK(output.ParseFromString(result.output));
      outcome.index = output.value().index();
      outcome.value = output.value().value();
      return outcome;
    }
    case MapCall::Kind::kClear:
      return outcome;
  }
  return outcome;
}

}  // namespace

// --- Worker ------------------------------------------------------------------

class Workload::Worker {
 public:
  Worker(Workload& workload, Client& client, uint64_t seed)
      : workload_(workload), client_(client), random_(seed) {}

  void Start() {
    client_.Start([this] { OnSession(); });
  }

  // Hands over what its streams have had.
  void TakeStreams() {
    for (auto& [map, stream] : streams_) {
      map->history.OtherStream(stream->filter, stream->outputs);
    }
    streams_.clear();
  }

 private:
  struct Listened {
    std::string filter;
    std::vector<std::string> outputs;
  };

  void OnSession() {
    TakeStreams();
    counter_ids_.clear();
    map_ids_.clear();
    for (const auto& counter : workload_.counters_) {
      client_.CreatePrimitive(workload_.counter_type_.type_strings.front(),
                              counter->name,
                              [this, counter = counter.get()](PrimitiveId id) {
                                counter_ids_.push_back({counter, id});
                              });
    }
    for (const auto& map : workload_.maps_) {
      client_.CreatePrimitive(workload_.map_type_.type_strings.front(),
                              map->name,
                              [this, map = map.get()](PrimitiveId id) {
                                map_ids_.push_back({map, id});
                                if (random_.OneIn(2)) Listen(*map, id);
                              });
    }
    for (uint64_t i = 0; i < workload_.options_.lanes; ++i) Next();
  }

  // One lane's next request, after a pause.
  void Next() {
    workload_.loop_.After(
        random_.Below(workload_.options_.think_ns_max + 1),
        [this, session = client_.session()] {
          // A lane ends with its session; the next one has its own.
          if (workload_.finished_ || client_.session() != session) return;
          if (!map_ids_.empty() && random_.OneIn(2)) {
            auto& [map, id] = map_ids_[random_.Below(map_ids_.size())];
            if (map->ready) return UseMap(*map, id);
          } else if (!counter_ids_.empty()) {
            auto& [counter, id] =
                counter_ids_[random_.Below(counter_ids_.size())];
            return UseCounter(*counter, id);
          }
          Next();
        });
  }

  // The end of a request: the lane goes on unless its session is gone.
  void Done() {
    if (client_.has_session()) Next();
  }

  void UseCounter(SharedCounter& shared, PrimitiveId id) {
    using Kind = CounterCall::Kind;
    CounterCall call;
    std::string rpc = "Get";
    std::string input;
    const uint64_t dice = random_.Below(10);
    if (dice < 3) {
      call.kind = Kind::kGet;
    } else if (shared.only_ones || dice < 6) {
      call.kind = Kind::kAdd;
      call.argument =
          shared.only_ones ? 1 : static_cast<int64_t>(random_.Below(100)) - 50;
      rpc = "Increment";
      counter::IncrementInput message;
      message.set_delta(call.argument);
      input = message.SerializeAsString();
    } else if (dice < 8) {
      call.kind = Kind::kSet;
      call.argument = static_cast<int64_t>(random_.Below(5));
      rpc = "Set";
      counter::SetInput message;
      message.set_value(call.argument);
      input = message.SerializeAsString();
    } else {
      call.kind = Kind::kSwap;
      call.compare = last_value_[&shared];
      call.argument = static_cast<int64_t>(random_.Below(1000));
      rpc = "Update";
      counter::UpdateInput message;
      message.set_compare(call.compare);
      message.set_update(call.argument);
      input = message.SerializeAsString();
    }
    const bool is_query = call.kind == Kind::kGet;
    const size_t number =
        shared.history.Called(call, workload_.loop_.NextStamp());
    auto done = [this, &shared, number](std::optional<Result> result) {
      if (result.has_value()) {
        CounterCall::Outcome outcome;
        outcome.conflict = result->status == OperationStatus::kConflict;
        if (!outcome.conflict && result->status != OperationStatus::kOk) {
          workload_.judge_.Fail(absl::StrCat(shared.name, ": status ",
                                             static_cast<int>(result->status),
                                             " ", result->message));
        } else if (!outcome.conflict) {
          outcome.value = CounterValue(*result);
          last_value_[&shared] = outcome.value;
        }
        shared.history.Returned(number, outcome, workload_.loop_.NextStamp());
      }
      Done();
    };
    if (is_query) {
      client_.Query(id, workload_.counter_type_, rpc, input, std::move(done));
    } else {
      client_.Command(id, workload_.counter_type_, rpc, input, std::move(done));
    }
  }

  void UseMap(SharedMap& shared, PrimitiveId id) {
    if (random_.OneIn(12)) return ListMap(shared, id);
    MapCall call = DrawMapCall(shared);
    const bool is_query = call.kind == MapCall::Kind::kGet;
    const std::string rpc = RpcOf(call.kind);
    const std::string input = InputOf(call);
    const size_t number =
        shared.history.Called(call, workload_.loop_.NextStamp());
    auto done = [this, &shared, number,
                 call = std::move(call)](std::optional<Result> result) {
      if (result.has_value()) {
        const MapCall::Outcome outcome = OutcomeOf(call, *result);
        last_index_[{&shared, call.key}] =
            call.kind == MapCall::Kind::kRemove ? 0 : outcome.index;
        shared.history.Returned(number, outcome, workload_.loop_.NextStamp());
      }
      Done();
    };
    if (is_query) {
      client_.Query(id, workload_.map_type_, rpc, input, std::move(done));
    } else {
      client_.Command(id, workload_.map_type_, rpc, input, std::move(done));
    }
  }

  MapCall DrawMapCall(const SharedMap& shared) {
    MapCall call{.called_ns = workload_.loop_.now_ns()};
    const bool expires = random_.OneIn(4);
    call.key = absl::StrCat(expires ? "ttl" : "key",
                            random_.Below(workload_.options_.keys));
    const uint64_t dice = random_.Below(10);
    if (shared.cleared && random_.OneIn(8)) {
      call.kind = MapCall::Kind::kClear;
      call.key.clear();
      return call;
    }
    call.kind = dice < 3   ? MapCall::Kind::kPut
                : dice < 4 ? MapCall::Kind::kInsert
                : dice < 6 ? MapCall::Kind::kUpdate
                : dice < 8 ? MapCall::Kind::kRemove
                           : MapCall::Kind::kGet;
    if (call.kind == MapCall::Kind::kGet) return call;
    if (call.kind != MapCall::Kind::kInsert && random_.OneIn(3)) {
      call.prev_index = last_index_[{&shared, call.key}];
    }
    if (call.kind == MapCall::Kind::kRemove) return call;
    call.value = absl::StrCat(client_.name(), "/", ++values_);
    if (expires) {
      call.ttl_ns = random_.Between(1, workload_.options_.ttl_ns_max);
    }
    return call;
  }

  void ListMap(SharedMap& shared, PrimitiveId id) {
    auto items = std::make_shared<std::vector<std::string>>();
    client_.List(
        id, workload_.map_type_, "Entries",
        map::EntriesInput().SerializeAsString(),
        [items](const std::string& item) { items->push_back(item); },
        [this, &shared, items](bool complete) {
          if (complete) shared.history.CheckListing(WithoutMarker(*items));
          Done();
        });
  }

  static std::vector<std::string> WithoutMarker(
      const std::vector<std::string>& items) {
    std::vector<std::string> result;
    for (const std::string& item : items) {
      map::EntriesOutput output;
      CHECK(output.ParseFromString(item));
      if (output.entry().key() != kMarkerKey) result.push_back(item);
    }
    return result;
  }

  void Listen(SharedMap& shared, PrimitiveId id) {
    auto listened = std::make_shared<Listened>();
    if (random_.OneIn(2)) listened->filter = "key0";
    streams_.emplace_back(&shared, listened);
    map::EventsInput input;
    input.set_key(listened->filter);
    client_.Events(id, workload_.map_type_, input.SerializeAsString(),
                   [listened](const std::string& output) {
                     const auto change = ParseMapChange(output);
                     if (change.has_value() && change->key == kMarkerKey)
                       return;
                     listened->outputs.push_back(output);
                   });
  }

  Workload& workload_;
  Client& client_;
  base::Random random_;
  uint64_t values_ = 0;
  // Of the present session.
  std::vector<std::pair<SharedCounter*, PrimitiveId>> counter_ids_;
  std::vector<std::pair<SharedMap*, PrimitiveId>> map_ids_;
  // Only looked up, never iterated into what happens.
  std::map<const SharedCounter*, int64_t> last_value_;
  std::map<std::pair<const SharedMap*, std::string>, uint64_t> last_index_;
  std::vector<std::pair<SharedMap*, std::shared_ptr<Listened>>> streams_;
};

// --- Reader ------------------------------------------------------------------

// Reads everything once, one object after the other.
class Workload::Reader {
 public:
  Reader(Workload& workload, Client& client,
         std::function<void(FinalState)> done)
      : workload_(workload), client_(client), done_(std::move(done)) {}

  void Start() {
    client_.Start([this] {
      state_ = {};
      ReadCounter(0);
    });
  }

 private:
  void ReadCounter(size_t number) {
    if (number == workload_.counters_.size()) return ReadMap(0);
    const std::string name = workload_.counters_[number]->name;
    client_.CreatePrimitive(
        workload_.counter_type_.type_strings.front(), name,
        [this, number, name](PrimitiveId id) {
          client_.Query(id, workload_.counter_type_, "Get", "",
                        [this, number, name](std::optional<Result> result) {
                          if (!result.has_value()) return;
                          state_.counters[name] = CounterValue(*result);
                          ReadCounter(number + 1);
                        });
        });
  }

  void ReadMap(size_t number) {
    if (number == workload_.maps_.size()) return Write();
    const std::string name = workload_.maps_[number]->name;
    client_.CreatePrimitive(
        workload_.map_type_.type_strings.front(), name,
        [this, number, name](PrimitiveId id) { ListMap(number, name, id); });
  }

  void ListMap(size_t number, const std::string& name, PrimitiveId id) {
    state_.maps[name].clear();
    client_.List(
        id, workload_.map_type_, "Entries",
        map::EntriesInput().SerializeAsString(),
        [this, name](const std::string& item) {
          map::EntriesOutput output;
          CHECK(output.ParseFromString(item));
          if (output.entry().key() == kMarkerKey) return;
          state_.maps[name][output.entry().key()] =
              output.entry().value().value();
        },
        [this, number, name, id](bool complete) {
          if (complete) return ReadMap(number + 1);
          if (client_.has_session()) ListMap(number, name, id);
        });
  }

  // A fresh client can work, not only look.
  void Write() {
    client_.CreatePrimitive(workload_.counter_type_.type_strings.front(),
                            "last", [this](PrimitiveId id) {
                              counter::SetInput input;
                              input.set_value(7);
                              client_.Command(
                                  id, workload_.counter_type_, "Set",
                                  input.SerializeAsString(),
                                  [this](std::optional<Result> result) {
                                    if (!result.has_value()) return;
                                    CHECK_EQ(CounterValue(*result), 7);
                                    done_(state_);
                                  });
                            });
  }

  Workload& workload_;
  Client& client_;
  const std::function<void(FinalState)> done_;
  FinalState state_;
};

// --- Workload ----------------------------------------------------------------

Workload::Workload(EventLoop& loop, const session::Registry& registry,
                   const Options& options, uint64_t seed, Judge& judge)
    : loop_(loop),
      counter_type_(TypeNamed(registry, "counter")),
      map_type_(TypeNamed(registry, "map")),
      lock_type_(TypeNamed(registry, "lock")),
      options_(options),
      random_(seed),
      judge_(judge) {}

Workload::~Workload() = default;

void Workload::AddCounter(const std::string& name, bool only_ones) {
  counters_.push_back(std::make_unique<SharedCounter>(
      SharedCounter{.name = name, .only_ones = only_ones}));
}

void Workload::AddMap(const std::string& name, bool cleared) {
  maps_.push_back(std::make_unique<SharedMap>(name, cleared, judge_));
}

void Workload::AddLock(const std::string& name) {
  lock_ = std::make_unique<SharedLock>(SharedLock{.name = name});
}

void Workload::AddLockUser(Client& client) {
  lock_users_.push_back(
      std::make_unique<LockUser>(loop_, lock_type_, options_.lock, *lock_,
                                 client, random_.Next(), judge_));
  lock_users_.back()->Start();
}

void Workload::Finish() {
  finished_ = true;
  for (const auto& user : lock_users_) user->Finish();
}

void Workload::AddWorker(Client& client) {
  workers_.push_back(std::make_unique<Worker>(*this, client, random_.Next()));
  workers_.back()->Start();
}

void Workload::AddChronicler(Client& client, const std::string& name) {
  SharedMap* shared = nullptr;
  for (const auto& map : maps_) {
    if (map->name == name) shared = map.get();
  }
  CHECK(shared != nullptr) << name;
  // Writes the marker until an event shows that the stream is there.
  auto mark = std::make_shared<std::function<void(PrimitiveId)>>();
  *mark = [this, &client, shared, weak = std::weak_ptr(mark)](PrimitiveId id) {
    if (shared->ready || !client.has_session()) return;
    map::PutInput input;
    input.set_key(kMarkerKey);
    input.set_value(absl::StrCat("mark ", loop_.NextStamp()));
    client.Command(id, map_type_, "Put", input.SerializeAsString(),
                   [this, id, mark = weak.lock(), session = client.session(),
                    &client](std::optional<Result> result) {
                     if (!result.has_value()) return;
                     loop_.After(50 * kMillis, [id, mark, session, &client] {
                       if (client.session() == session) (*mark)(id);
                     });
                   });
  };
  client.Start([this, &client, shared, mark] {
    if (shared->ready) return shared->history.ChronicleLost();
    client.CreatePrimitive(
        map_type_.type_strings.front(), shared->name,
        [this, &client, shared, mark](PrimitiveId id) {
          client.Events(id, map_type_, map::EventsInput().SerializeAsString(),
                        [this, shared](const std::string& output) {
                          shared->ready = true;
                          const auto change = ParseMapChange(output);
                          if (change.has_value() && change->key == kMarkerKey) {
                            return;
                          }
                          shared->history.Chronicle(output, loop_.now_ns(),
                                                    options_.time.rate_max,
                                                    options_.time.slack_ns);
                        });
          (*mark)(id);
        });
  });
}

void Workload::AddSleeper(Client& client, uint64_t awake_ns) {
  ++sleeping_;
  auto probe = std::make_shared<std::function<void()>>();
  *probe = [this, &client, punctual = punctual_, weak = std::weak_ptr(probe)] {
    if (!client.has_session()) return SleeperGone(client, punctual);
    client.Probe([this, probe = weak.lock()](bool) {
      loop_.After(random_.Between(20 * kMillis, 200 * kMillis),
                  [probe] { (*probe)(); });
    });
  };
  client.Start([this, &client, awake_ns, probe, asleep = false]() mutable {
    if (std::exchange(asleep, true)) return;  // Lost before: not abandoned.
    loop_.After(awake_ns, [&client, probe] {
      client.Abandon();
      (*probe)();
    });
  });
}

void Workload::SleeperGone(const Client& client, bool punctual) {
  --sleeping_;
  const double asleep_ns =
      static_cast<double>(loop_.now_ns() - client.refreshed_ns());
  const double most_ns =
      static_cast<double>(client.session_timeout_ns()) /
          options_.time.rate_min +
      static_cast<double>(3 * options_.time.slack_ns + 1 * kSeconds);
  if (punctual && asleep_ns > most_ns) {
    judge_.Fail(absl::StrCat(
        client.name(), ": its session expired only ", asleep_ns / kMillis,
        " ms after it was refreshed; its timeout is ",
        client.session_timeout_ns() / kMillis, " ms (P50)"));
  }
}

void Workload::ReadAll(Client& client, std::function<void(FinalState)> done) {
  readers_.push_back(std::make_unique<Reader>(*this, client, std::move(done)));
  readers_.back()->Start();
}

void Workload::Check(const FinalState& state) {
  for (const auto& worker : workers_) worker->TakeStreams();
  for (const auto& counter : counters_) {
    counter->history.Check(counter->name, state.counters.at(counter->name),
                           judge_);
  }
  for (const auto& map : maps_) map->history.Check(state.maps.at(map->name));
  if (lock_ != nullptr) lock_->history.Check(lock_->name, judge_);
}

uint64_t Workload::call_count() const {
  uint64_t count = 0;
  for (const auto& counter : counters_) count += counter->history.size();
  for (const auto& map : maps_) count += map->history.size();
  if (lock_ != nullptr) count += lock_->history.size();
  return count;
}

uint64_t Workload::change_count() const {
  uint64_t count = 0;
  for (const auto& map : maps_) count += map->history.change_count();
  return count;
}

}  // namespace sim
