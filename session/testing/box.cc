#include "session/testing/box.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/coding.h"
#include "session/table.h"
#include "session/versions.h"

namespace session::testing {
namespace {

struct BoxRow {
  std::string value;
  uint64_t due_ns = kNever;
  CommandKey command;

  void Encode(std::string& out) const {
    base::AppendU64(out, due_ns);
    base::AppendU64(out, command.session.value());
    base::AppendU64(out, command.sequence.value());
    out += value;
  }
  static bool Decode(absl::string_view bytes, BoxRow& row) {
    base::Reader reader(bytes);
    row.due_ns = reader.U64();
    row.command.session = SessionId(reader.U64());
    row.command.sequence = SequenceNum(reader.U64());
    row.value = std::string(reader.rest());
    return reader.ok();
  }
  size_t size_bytes() const { return sizeof(*this) + value.size(); }
};

std::string Numbered(const char* prefix, uint64_t a, uint64_t b = 0) {
  std::string key(prefix);
  base::AppendU64(key, a);
  base::AppendU64(key, b);
  return key;
}

// Rows: "count"; "k/KEY"; "lock"; "w/INDEX" who waits for it; "h/SESSION,N".
// Timers: "t" and the key of the row; "c" for the chores, "k/chores".
class Box final : public Primitive {
 public:
  Box(TableSet& tables, TableId table, PrimitiveId id)
      : rows_(tables, table, id.value()) {}

  void Command(CommandContext& context, uint32_t operation,
               absl::string_view input) override {
    const std::vector<std::string> words = absl::StrSplit(input, ' ');
    switch (operation) {
      case kAdd:
      case kLater:
        return context.Answer(Ok(Add()));
      case kPut:
        if (words.size() < 2) break;
        Put(context, words);
        return context.Answer(Ok(words[1]));
      case kDrop:
        Drop(context, words[0]);
        return context.Answer(Ok(""));
      case kLock:
        return Lock(context, words[0]);
      case kUnlock:
        return context.Answer(Unlock(context, context.command().session));
      case kHold:
        Hold(context.command(), Number(words[0]));
        return context.Answer(Ok(""));
      case kFail:
        return context.Answer(Failure(OperationStatus::kConflict, "as asked"));
      case kSilent:
        return;
      case kChores:
        rows_.Put(kChoresKey, {.value = words[0]});
        context.SetTimer("c", kAtOnce);
        return context.Answer(Ok(""));
      case kEvents:
        return context.Listen(
            words[0], context.generation() == Generation::kRsm ? "first" : "");
    }
    context.Answer(Failure(OperationStatus::kInternal, "what?"));
  }

  Result Query(uint32_t, absl::string_view input) const override {
    const BoxRow* row = rows_.Find(absl::StrCat("k/", input));
    if (row == nullptr) return Failure(OperationStatus::kNotFound, "no key");
    return Ok(row->value);
  }

  Listing List(const StreamQuery&, absl::string_view cursor,
               const SliceBounds& bounds) const override {
    Listing listing{.cursor = std::string(cursor), .done = true};
    rows_.ScanAfter(absl::StrCat("k/", cursor), [&](const std::string& key,
                                                    const BoxRow& row) {
      if (key.substr(0, 2) != "k/") return false;
      if (listing.outputs.size() == bounds.rows_max) {
        listing.done = false;
        return false;
      }
      listing.cursor = key.substr(2);
      listing.outputs.push_back(absl::StrCat(listing.cursor, "=", row.value));
      return true;
    });
    return listing;
  }

  bool Watches(const StreamQuery& query) const override {
    return query.input == "watch";
  }

  void TimerFired(PrimitiveContext& context, absl::string_view key) override {
    if (key == "c") return DoChore(context);
    const std::string row_key(key.substr(1));
    const BoxRow* row = rows_.Find(row_key);
    CHECK(row != nullptr && row->due_ns <= context.time_ns());
    if (row_key[0] == 'k') return Drop(context, row_key.substr(2));
    const CommandKey command = row->command;
    rows_.Erase(row_key);
    context.Complete(command, Failure(OperationStatus::kTimeout, "too late"));
  }

  void WaiterCancelled(PrimitiveContext& context, CommandKey command) override {
    std::string found;
    rows_.ScanFrom("w/", [&](const std::string& key, const BoxRow& row) {
      if (key.substr(0, 2) == "w/" && row.command == command) found = key;
      return found.empty();
    });
    CHECK(!found.empty());
    context.CancelTimer("t" + found);
    rows_.Erase(found);
  }

  bool SessionClosed(PrimitiveContext& context, SessionId session,
                     size_t items_max) override {
    Unlock(context, session);
    for (size_t i = 0; i < items_max; ++i) {
      std::optional<std::string> held;
      rows_.ScanFrom(Numbered("h/", session.value()),
                     [&](const std::string& key, const BoxRow& row) {
                       if (key[0] == 'h' && row.command.session == session) {
                         held = key;
                       }
                       return false;
                     });
      if (!held) return true;
      rows_.Erase(*held);
    }
    return false;
  }

  void Loaded(PrimitiveContext& context) override {
    rows_.Scan([&](const std::string& key, const BoxRow& row) {
      if (row.due_ns != kNever) context.SetTimer("t" + key, row.due_ns);
      if (key == kChoresKey) context.SetTimer("c", kAtOnce);
      return true;
    });
  }

 private:
  static constexpr char kChoresKey[] = "k/chores";

  static uint64_t Number(const std::string& word) {
    uint64_t number = 0;
    return absl::SimpleAtoi(word, &number) ? number : 0;
  }

  std::string Add() {
    const BoxRow* row = rows_.Find("count");
    std::string count =
        absl::StrCat(row == nullptr ? 1 : Number(row->value) + 1);
    rows_.Put("count", {.value = count});
    return count;
  }

  void Put(PrimitiveContext& context, const std::vector<std::string>& words) {
    const std::string key = "k/" + words[0];
    BoxRow row{.value = words[1]};
    if (words.size() > 2) {
      row.due_ns = context.time_ns() + Number(words[2]);
      context.SetTimer("t" + key, row.due_ns);
    } else {
      context.CancelTimer("t" + key);
    }
    rows_.Put(key, row);
    Tell(context, words[0], absl::StrCat(words[0], "=", words[1]));
  }

  void Drop(PrimitiveContext& context, const std::string& key) {
    context.CancelTimer("tk/" + key);
    if (rows_.Erase("k/" + key)) Tell(context, key, key + "!");
  }

  void DoChore(PrimitiveContext& context) {
    context.Charge(kChoreItems);
    const uint64_t left = Number(rows_.Find(kChoresKey)->value) - 1;
    if (left == 0) {
      rows_.Erase(kChoresKey);
      return;
    }
    rows_.Put(kChoresKey, {.value = absl::StrCat(left)});
    context.SetTimer("c", kAtOnce);
  }

  void Tell(PrimitiveContext& context, const std::string& key,
            const std::string& what) {
    if (context.has_listeners()) context.Publish(context.index(), key, what);
    if (context.has_watchers()) context.Notify(key, what);
  }

  void Lock(CommandContext& context, const std::string& timeout) {
    if (rows_.Find("lock") == nullptr) {
      rows_.Put("lock", {.command = context.command()});
      return context.Answer(Ok("locked"));
    }
    const std::string key = Numbered("w/", context.index());
    BoxRow row{.command = context.command()};
    if (!timeout.empty()) {
      row.due_ns = context.time_ns() + Number(timeout);
      context.SetTimer("t" + key, row.due_ns);
    }
    rows_.Put(key, row);
    context.KeepOpen();
  }

  Result Unlock(PrimitiveContext& context, SessionId session) {
    const BoxRow* lock = rows_.Find("lock");
    if (lock == nullptr || lock->command.session != session) {
      return Failure(OperationStatus::kConflict, "not yours");
    }
    rows_.Erase("lock");
    std::string next;
    CommandKey command;
    rows_.ScanFrom("w/", [&](const std::string& key, const BoxRow& row) {
      if (key.substr(0, 2) == "w/") next = key;
      command = row.command;
      return false;
    });
    if (next.empty()) return Ok("");
    context.CancelTimer("t" + next);
    rows_.Erase(next);
    rows_.Put("lock", {.command = command});
    context.Complete(command, Ok("locked"));
    return Ok("");
  }

  void Hold(CommandKey command, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      rows_.Put(Numbered("h/", command.session.value(),
                         command.sequence.value() * 1'000'000 + i),
                {.command = command});
    }
  }

  Table<std::string, BoxRow> rows_;
};

std::unique_ptr<Primitive> MakeBox(TableSet& tables, PrimitiveId id) {
  return std::make_unique<Box>(tables, static_cast<TableId>(1000), id);
}
std::unique_ptr<Primitive> MakeCrate(TableSet& tables, PrimitiveId id) {
  return std::make_unique<Box>(tables, static_cast<TableId>(1001), id);
}

std::unique_ptr<Primitive> MakeChest(TableSet& tables, PrimitiveId id) {
  return std::make_unique<Box>(tables, static_cast<TableId>(1002), id);
}

std::vector<Operation> Operations() {
  return {
      {.id = kAdd, .rpc = "Add", .kind = OperationKind::kCommand},
      {.id = kPut,
       .rpc = "Put",
       .kind = OperationKind::kCommand,
       .grows = true},
      {.id = kDrop, .rpc = "Drop", .kind = OperationKind::kCommand},
      {.id = kLock, .rpc = "Lock", .kind = OperationKind::kCommand},
      {.id = kUnlock, .rpc = "Unlock", .kind = OperationKind::kCommand},
      {.id = kHold, .rpc = "Hold", .kind = OperationKind::kCommand},
      {.id = kFail, .rpc = "Fail", .kind = OperationKind::kCommand},
      {.id = kSilent, .rpc = "Silent", .kind = OperationKind::kCommand},
      {.id = kEvents, .rpc = "Events", .kind = OperationKind::kStreamCommand},
      {.id = kGet, .rpc = "Get", .kind = OperationKind::kQuery},
      {.id = kList, .rpc = "List", .kind = OperationKind::kStreamQuery},
      {.id = kLater,
       .rpc = "Later",
       .kind = OperationKind::kCommand,
       .since_version = kMachineVersionNext},
      {.id = kChores, .rpc = "Chores", .kind = OperationKind::kCommand},
  };
}

}  // namespace

const Registry& BoxRegistry() {
  static const Registry* registry = new Registry({
      {.name = "box",
       .service = "test.Box",
       .type_strings = {"test.Box", "test.OldBox"},
       .operations = Operations(),
       .create = MakeBox},
      {.name = "crate",
       .service = "test.Crate",
       .type_strings = {"test.Crate"},
       .operations = Operations(),
       .create = MakeCrate},
      {.name = "chest",
       .service = "test.Chest",
       .type_strings = {"test.Chest"},
       .operations = Operations(),
       .create = MakeChest,
       .since_version = kMachineVersionNext},
  });
  return *registry;
}

}  // namespace session::testing
