#include "client/countermap.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "atomix/multiraft/countermap/v1/service.grpc.pb.h"
#include "base/status_macros.h"
#include "client/cluster_client.h"
#include "client/duration.h"
#include "client/key_locks.h"
#include "client/primitive.h"
#include "client/spread.h"

namespace client {
namespace {

namespace api = atomix::multiraft::countermap::v1;

using One = Primitive<api::CounterMap>;
using Stub = api::CounterMap::Stub;

CounterMapEvent FromApi(api::Event&& event) {
  CounterMapEvent result;
  result.key = std::move(*event.mutable_key());
  switch (event.event_case()) {
    case api::Event::kUpdated:
      result.kind = CounterMapEvent::Kind::kUpdated;
      result.value = event.updated().value();
      result.prev_value = event.updated().prev_value();
      break;
    case api::Event::kRemoved:
      result.kind = CounterMapEvent::Kind::kRemoved;
      result.value = event.removed().value();
      break;
    default:
      result.kind = CounterMapEvent::Kind::kInserted;
      result.value = event.inserted().value();
  }
  return result;
}

// As the server counts: wrapping around.
int64_t Sum(int64_t a, uint64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + b);
}

template <class Input>
Input InputOf(absl::string_view key) {
  Input input;
  input.set_key(std::string(key));
  return input;
}

}  // namespace

struct CounterMap::Rep {
  std::shared_ptr<Spread<api::CounterMap>> spread;

  absl::StatusOr<int64_t> Get(absl::string_view key) {
    ASSIGN_OR_RETURN(
        const auto output,
        spread->RunOf(key, &Stub::Get, InputOf<api::GetInput>(key)));
    return output.value();
  }

  // The value, 0 if there is none.
  absl::StatusOr<int64_t> Read(absl::string_view key) {
    absl::StatusOr<int64_t> value = Get(key);
    if (absl::IsNotFound(value.status())) return 0;
    return value;
  }

  static std::unique_ptr<Stream<CounterMapUpdate>> Entries(One& one,
                                                           bool watch) {
    api::EntriesInput input;
    input.set_watch(watch);
    return one.Watch<CounterMapUpdate>(
        &Stub::Entries, std::move(input),
        [](api::EntriesOutput output) {
          return CounterMapUpdate{
              .entry = {std::move(*output.mutable_entry()->mutable_key()),
                        output.entry().value()}};
        },
        [] {
          return CounterMapUpdate{.kind = CounterMapUpdate::Kind::kRestarted};
        },
        watch ? StreamEnd::kNone : StreamEnd::kNatural);
  }

  class WatchStream;
};

// The protocol says that a key is gone by sending its entry once more, and so
// it says that the same value was stored again. So what comes twice is looked
// up. What is told may be behind what a lookup found: of a key that it did not
// find, the messages of its last changes may still come. So those are looked up
// too, and say nothing while the key is gone.
class CounterMap::Rep::WatchStream : public Stream<CounterMapUpdate> {
 public:
  explicit WatchStream(std::shared_ptr<Rep> rep)
      : rep_(std::move(rep)),
        entries_(rep_->spread->StreamOf<CounterMapUpdate>(
            rep_->spread->all(),
            [](One& one) { return Rep::Entries(one, /*watch=*/true); })) {}

  absl::StatusOr<std::optional<CounterMapUpdate>> Next() override {
    while (true) {
      RETURN_IF_ERROR(failed_);
      auto next = entries_->Next();
      if (!next.ok() || !next->has_value()) return next;
      ASSIGN_OR_RETURN(const bool is_news, Judge(**next));
      if (is_news) return next;
    }
  }

  void Cancel() override { entries_->Cancel(); }

 private:
  // So many keys are remembered to be gone. The changes that a server keeps for
  // a watch, before it lets it begin anew, are fewer.
  static constexpr size_t kGoneMax = size_t{1} << 17;

  struct Seen {
    std::optional<int64_t> value;  // Nothing: a lookup found no such key.
    uint64_t lookup = 0;           // Which; 0: it has a value.
  };

  // Makes of what the protocol says what the watch shows. False: nothing.
  absl::StatusOr<bool> Judge(CounterMapUpdate& update) {
    if (update.kind == CounterMapUpdate::Kind::kRestarted) {
      seen_.clear();
      gone_.clear();
      return true;
    }
    const auto [it, is_new] =
        seen_.emplace(update.entry.key, Seen{.value = update.entry.value});
    Seen& seen = it->second;
    const bool was_gone = !seen.value.has_value();
    if (is_new || (!was_gone && *seen.value != update.entry.value)) {
      seen.value = update.entry.value;
      return true;
    }
    const absl::StatusOr<int64_t> now = rep_->Get(update.entry.key);
    if (absl::IsNotFound(now.status())) {
      update.kind = CounterMapUpdate::Kind::kRemoved;
      if (!was_gone) Forget(update.entry.key, seen);
      return !was_gone;
    }
    if (!now.ok()) {
      failed_ = now.status();
      entries_->Cancel();
      return failed_;
    }
    if (was_gone) {
      update.entry.value = *now;
      seen = Seen{.value = *now};
    }
    return true;
  }

  // Of the keys that are gone, those that went first are not remembered.
  void Forget(const std::string& key, Seen& seen) {
    seen = Seen{.lookup = ++lookups_};
    gone_.emplace_back(key, seen.lookup);
    if (gone_.size() <= kGoneMax) return;
    const auto [oldest, lookup] = std::move(gone_.front());
    gone_.pop_front();
    const auto it = seen_.find(oldest);
    if (it != seen_.end() && it->second.lookup == lookup) seen_.erase(it);
  }

  const std::shared_ptr<Rep> rep_;  // Constant after construction.
  const std::unique_ptr<Stream<CounterMapUpdate>> entries_;

  // The thread that calls Next.
  absl::flat_hash_map<std::string, Seen> seen_;  // By key.
  // The keys that lookups did not find, and which, in order. May have keys that
  // came back.
  std::deque<std::pair<std::string, uint64_t>> gone_;
  uint64_t lookups_ = 0;  // Those that found nothing.
  absl::Status failed_;
};

absl::StatusOr<CounterMap> CounterMap::Open(Session& session,
                                            const PrimitiveName& name) {
  ASSIGN_OR_RETURN(auto spread, Spread<api::CounterMap>::Open(session, name));
  return CounterMap(std::make_shared<Rep>(Rep{std::move(spread)}));
}

absl::StatusOr<CounterMap> CounterMap::Open(Client& client,
                                            const PrimitiveName& name) {
  return CounterMap(std::make_shared<Rep>(
      Rep{Spread<api::CounterMap>::Over(client.pool(), name)}));
}

CounterMap::CounterMap(std::shared_ptr<Rep> rep) : rep_(std::move(rep)) {}
CounterMap::CounterMap(CounterMap&&) = default;
CounterMap& CounterMap::operator=(CounterMap&&) = default;
CounterMap::~CounterMap() = default;

absl::StatusOr<int64_t> CounterMap::Get(absl::string_view key) {
  return rep_->Get(key);
}

absl::StatusOr<uint32_t> CounterMap::Size() {
  ASSIGN_OR_RETURN(const auto outputs,
                   rep_->spread->RunAll(&Stub::Size, api::SizeInput()));
  uint32_t size = 0;
  for (const auto& output : outputs) size += output.size();
  return size;
}

absl::StatusOr<std::vector<CounterMapEntry>> CounterMap::List() {
  ASSIGN_OR_RETURN(auto updates,
                   rep_->spread->GatherAll<CounterMapUpdate>([](One& one) {
                     return Rep::Entries(one, /*watch=*/false);
                   }));
  std::vector<CounterMapEntry> entries;
  entries.reserve(updates.size());
  for (CounterMapUpdate& update : updates)
    entries.push_back(std::move(update.entry));
  // Those of each partition are in order.
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return entries;
}

absl::StatusOr<int64_t> CounterMap::Set(absl::string_view key, int64_t value) {
  auto input = InputOf<api::SetInput>(key);
  input.set_value(value);
  ASSIGN_OR_RETURN(const auto output,
                   rep_->spread->RunOf(key, &Stub::Set, std::move(input)));
  return output.prev_value();
}

absl::Status CounterMap::Insert(absl::string_view key, int64_t value) {
  auto input = InputOf<api::InsertInput>(key);
  input.set_value(value);
  return rep_->spread->RunOf(key, &Stub::Insert, std::move(input)).status();
}

absl::Status CounterMap::CompareAndSet(absl::string_view key, int64_t expected,
                                       int64_t value) {
  auto input = InputOf<api::UpdateInput>(key);
  input.set_value(value);
  input.set_prev_value(expected);
  return rep_->spread->RunOf(key, &Stub::Update, std::move(input)).status();
}

// On the wire a delta of 0 means 1.
absl::StatusOr<int64_t> CounterMap::Increment(absl::string_view key,
                                              int64_t delta) {
  if (delta == 0) return rep_->Read(key);
  auto input = InputOf<api::IncrementInput>(key);
  input.set_delta(delta);
  ASSIGN_OR_RETURN(const auto output, rep_->spread->RunOf(key, &Stub::Increment,
                                                          std::move(input)));
  return Sum(output.prev_value(), static_cast<uint64_t>(delta));
}

absl::StatusOr<int64_t> CounterMap::Decrement(absl::string_view key,
                                              int64_t delta) {
  if (delta == 0) return rep_->Read(key);
  auto input = InputOf<api::DecrementInput>(key);
  input.set_delta(delta);
  ASSIGN_OR_RETURN(const auto output, rep_->spread->RunOf(key, &Stub::Decrement,
                                                          std::move(input)));
  return Sum(output.prev_value(), uint64_t{0} - static_cast<uint64_t>(delta));
}

absl::Status CounterMap::CompareAndRemove(absl::string_view key,
                                          int64_t expected) {
  auto input = InputOf<api::RemoveInput>(key);
  input.set_prev_value(expected);
  return rep_->spread->RunOf(key, &Stub::Remove, std::move(input)).status();
}

absl::StatusOr<int64_t> CounterMap::Remove(absl::string_view key) {
  while (true) {
    ASSIGN_OR_RETURN(const int64_t value, Get(key));
    const absl::Status removed = CompareAndRemove(key, value);
    if (removed.ok()) return value;
    if (!absl::IsAborted(removed)) return removed;
  }
}

absl::Status CounterMap::Clear() {
  return rep_->spread->RunAll(&Stub::Clear, api::ClearInput()).status();
}

absl::Status CounterMap::LockKeys(const std::vector<std::string>& keys,
                                  const WaitOptions& options) {
  return client::LockKeys(*rep_->spread, &Stub::Lock, &Stub::Unlock, keys,
                          options);
}

absl::Status CounterMap::UnlockKeys(const std::vector<std::string>& keys) {
  return client::UnlockKeys(*rep_->spread, &Stub::Unlock, keys);
}

std::unique_ptr<Stream<CounterMapEvent>> CounterMap::Events(
    absl::string_view key) {
  return rep_->spread->StreamOf<CounterMapEvent>(
      rep_->spread->PartsOf(key),
      [input = InputOf<api::EventsInput>(key)](One& one) {
        return one.Watch<CounterMapEvent>(
            &Stub::Events, input,
            [](api::EventsOutput output) {
              return FromApi(std::move(*output.mutable_event()));
            },
            /*restarted=*/nullptr, StreamEnd::kNone);
      });
}

std::unique_ptr<Stream<CounterMapUpdate>> CounterMap::Watch() {
  return std::make_unique<Rep::WatchStream>(rep_);
}

absl::Status CounterMap::Close() { return rep_->spread->Close(); }

}  // namespace client
