#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "atomix/multiraft/map/v1/fsm.pb.h"
#include "base/random.h"
#include "base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "primitive/map.h"
#include "primitive/map_transactions.h"
#include "primitive/testing/harness.h"
#include "primitive/testing/map_inputs.h"
#include "session/limits.h"
#include "session/row_key.h"
#include "session/row_store.h"
#include "session/types.h"

namespace primitive {
namespace {

namespace pb = ::atomix::multiraft::map::v1;
using namespace ::primitive::testing;  // NOLINT: the tests' small language.
using ::base::testing::StatusIs;
using ::session::CommandKey;
using ::session::OperationStatus;
using ::session::Result;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kLifetime = MapTransactions::kLifetimeNs;

// "put 102", "put 102 was 1@101", "insert 102", "update 102 was 1@101",
// "remove 1@101", "remove -".
std::string ToText(const pb::MapOutput& output) {
  const auto written = [](const char* how, const auto& written) {
    std::string text = absl::StrCat(how, " ", written.index());
    if constexpr (requires { written.has_prev_value(); }) {
      if (written.has_prev_value()) {
        absl::StrAppend(&text, " was ",
                        ::primitive::testing::ToText(written.prev_value()));
      }
    }
    return text;
  };
  switch (output.output_case()) {
    case pb::MapOutput::kPut:
      return written("put", output.put());
    case pb::MapOutput::kInsert:
      return written("insert", output.insert());
    case pb::MapOutput::kUpdate:
      return written("update", output.update());
    case pb::MapOutput::kRemove:
      return output.remove().has_value()
                 ? absl::StrCat("remove ", ::primitive::testing::ToText(
                                               output.remove().value()))
                 : "remove -";
    default:
      return "?";
  }
}

class MapTransactTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kOther = 2;  // Another session.

  void Put(const std::string& key, const std::string& value,
           const Stored& stored = {}) {
    map_.Ok<pb::PutOutput>("Put", PutOf(key, value, stored));
  }
  // "value@index", or "-".
  std::string Get(const std::string& key) {
    const Result result = map_.Call("Get", GetOf(key));
    if (result.status == OperationStatus::kNotFound) return "-";
    return ::primitive::testing::ToText(
        Harness::Parse<pb::GetOutput>(result).value());
  }
  OperationStatus Prepare(uint64_t number, const Changes& changes,
                          uint64_t session = Harness::kDefaultSession) {
    return map_.Call(session, "Prepare", PrepareOf(number, changes)).status;
  }
  template <class Output>
  static std::vector<std::string> Outputs(const Result& result) {
    std::vector<std::string> texts;
    const auto parsed = Harness::Parse<Output>(result);
    for (const pb::MapOutput& output : parsed.outputs()) {
      texts.push_back(ToText(output));
    }
    return texts;
  }
  std::vector<std::string> Commit(uint64_t number) {
    return Outputs<pb::CommitOutput>(map_.Call("Commit", CommitOf(number)));
  }
  void Abort(uint64_t number) {
    map_.Ok<pb::AbortOutput>("Abort", AbortOf(number));
  }
  std::vector<std::string> Apply(const Changes& changes) {
    return Outputs<pb::ApplyOutput>(map_.Call("Apply", ApplyOf(changes)));
  }
  OperationStatus TryApply(const Changes& changes) {
    return map_.Status("Apply", ApplyOf(changes));
  }
  std::vector<std::string> Events(CommandKey listener) {
    std::vector<std::string> texts;
    for (const auto& event : map_.ParsedEvents<pb::EventsOutput>(listener)) {
      texts.push_back(::primitive::testing::ToText(event));
    }
    return texts;
  }

  Harness map_{MapType()};
};

// --- Apply -------------------------------------------------------------------

TEST_F(MapTransactTest, ApplyMakesAllChangesInOrder) {
  Put("a", "1");
  Put("b", "1");
  Put("c", "1");
  const CommandKey listener = map_.Start(1, "Events", EventsOf(""));
  EXPECT_THAT(Apply({Change(UpdateOf("b", "2", {.prev_index = 102})),
                     Change(InsertOf("d", "1")), Change(PutOf("a", "2")),
                     Change(PutOf("e", "1")), Change(RemoveOf("c"))}),
              ElementsAre("update 105 was 1@102", "insert 105",
                          "put 105 was 1@101", "put 105", "remove 1@103"));
  EXPECT_THAT(Events(listener),
              ElementsAre("update b 2@105 was 1@102", "insert d 1@105",
                          "update a 2@105 was 1@101", "insert e 1@105",
                          "remove c 1@103"));
  EXPECT_EQ(Get("a"), "2@105");
  EXPECT_EQ(Get("c"), "-");
}

TEST_F(MapTransactTest, WhatRefusesOneChangeRefusesAll) {
  Put("a", "1");
  const auto rows = map_.EncodeRows();
  const pb::MapInput good = Change(PutOf("x", "1"));
  EXPECT_EQ(TryApply({good, Change(PutOf("a", "2", {.prev_index = 7}))}),
            OperationStatus::kConflict);
  EXPECT_EQ(TryApply({good, Change(InsertOf("a", "2"))}),
            OperationStatus::kAlreadyExists);
  EXPECT_EQ(TryApply({good, Change(UpdateOf("b", "2"))}),
            OperationStatus::kNotFound);
  EXPECT_EQ(TryApply({good, Change(UpdateOf("a", "2", {.prev_index = 7}))}),
            OperationStatus::kConflict);
  EXPECT_EQ(TryApply({good, Change(RemoveOf("b"))}),
            OperationStatus::kNotFound);
  EXPECT_EQ(TryApply({good, Change(RemoveOf("a", 7))}),
            OperationStatus::kConflict);
  EXPECT_EQ(TryApply({good, Change(RemoveOf("x"))}), OperationStatus::kConflict)
      << "a key twice";
  EXPECT_THAT(
      map_.Call("Apply", ApplyOf({good, Change(RemoveOf("b"))})).message,
      HasSubstr("input 1"));
  EXPECT_EQ(map_.EncodeRows(), rows);
}

TEST_F(MapTransactTest, ApplyOfNothingDoesNothing) {
  EXPECT_THAT(Apply({}), IsEmpty());
  EXPECT_THAT(map_.EncodeRows(), IsEmpty());
}

TEST_F(MapTransactTest, AnEqualPutChangesNothing) {
  Put("a", "1");
  EXPECT_THAT(Apply({Change(PutOf("a", "1")), Change(PutOf("b", "1"))}),
              ElementsAre("put 101", "put 102"));
}

TEST_F(MapTransactTest, WhatItReplacesMustFitOneAnswer) {
  const std::string large(1 << 20, 'v');
  Changes changes;
  for (const char* key : {"a", "b", "c"}) {
    Put(key, large);
    changes.push_back(Change(PutOf(key, "1")));
  }
  EXPECT_EQ(TryApply(changes), OperationStatus::kInvalid);
  EXPECT_EQ(Prepare(1, changes), OperationStatus::kInvalid);
  changes.pop_back();
  EXPECT_EQ(TryApply(changes), OperationStatus::kOk);
}

// --- Prepare, Commit, Abort --------------------------------------------------

TEST_F(MapTransactTest, CommitMakesWhatWasPrepared) {
  Put("a", "1");
  const CommandKey listener = map_.Start(1, "Events", EventsOf(""));
  EXPECT_EQ(Prepare(7, {Change(UpdateOf("a", "2", {.prev_index = 101})),
                        Change(InsertOf("b", "1", {.ttl = Duration(10)}))}),
            OperationStatus::kOk);
  EXPECT_THAT(Events(listener), IsEmpty());
  EXPECT_EQ(Get("a"), "1@101") << "reads are not kept out";
  EXPECT_EQ(Get("b"), "-");
  map_.Tick(5 * kSecond);
  map_.Restore();
  EXPECT_THAT(Commit(7), ElementsAre("update 104 was 1@101", "insert 104"));
  EXPECT_THAT(Events(listener),
              ElementsAre("update a 2@104 was 1@101", "insert b 1@104"));
  map_.Tick(10 * kSecond - 1);
  EXPECT_EQ(Get("b"), "1@104") << "from the commit on";
  map_.Tick(1);
  EXPECT_EQ(Get("b"), "-");
  EXPECT_EQ(map_.Status("Commit", CommitOf(7)), OperationStatus::kNotFound);
}

TEST_F(MapTransactTest, PreparedKeysAreKeptFromAllOtherChanges) {
  Put("a", "1");
  Put("b", "1");
  Prepare(7, {Change(PutOf("a", "2")), Change(InsertOf("n", "1"))});
  for (bool restart : {false, true}) {
    if (restart) map_.Restore();
    for (uint64_t session : {Harness::kDefaultSession, kOther}) {
      const auto status = [&](const char* rpc, const auto& input) {
        return map_.Call(session, rpc, input).status;
      };
      EXPECT_EQ(status("Put", PutOf("a", "1")), OperationStatus::kConflict);
      EXPECT_EQ(status("Insert", InsertOf("n", "1")),
                OperationStatus::kConflict);
      EXPECT_EQ(status("Update", UpdateOf("a", "3")),
                OperationStatus::kConflict);
      EXPECT_EQ(status("Remove", RemoveOf("a")), OperationStatus::kConflict);
      EXPECT_EQ(status("Clear", pb::ClearInput()), OperationStatus::kConflict);
      EXPECT_EQ(status("Apply", ApplyOf({Change(PutOf("a", "3"))})),
                OperationStatus::kConflict);
      EXPECT_EQ(status("Prepare", PrepareOf(8, {Change(PutOf("n", "3"))})),
                OperationStatus::kConflict);
      EXPECT_EQ(status("Put", PutOf("b", absl::StrCat(session, restart))),
                OperationStatus::kOk);
    }
  }
  EXPECT_EQ(Get("a"), "1@101");
  Commit(7);
  Put("a", "3");
  EXPECT_EQ(map_.Status("Clear", pb::ClearInput()), OperationStatus::kOk);
}

TEST_F(MapTransactTest, AbortForgetsAndFreesTheKeys) {
  Put("a", "1");
  Prepare(7, {Change(PutOf("a", "2"))});
  Abort(7);
  EXPECT_THAT(map_.timers(), IsEmpty());
  EXPECT_EQ(map_.EncodeRows().size(), 1u);
  Put("a", "3");
  EXPECT_EQ(map_.Status("Commit", CommitOf(7)), OperationStatus::kNotFound);
  Abort(7);
  Abort(99);
  EXPECT_EQ(Get("a"), "3@104");
}

TEST_F(MapTransactTest, ATransactionIsItsSessions) {
  Prepare(7, {Change(PutOf("a", "1"))});
  EXPECT_EQ(map_.Call(kOther, "Commit", CommitOf(7)).status,
            OperationStatus::kNotFound);
  EXPECT_EQ(map_.Call(kOther, "Abort", AbortOf(7)).status,
            OperationStatus::kOk);
  EXPECT_EQ(Prepare(7, {Change(PutOf("b", "1"))}, kOther),
            OperationStatus::kOk);
  EXPECT_THAT(Commit(7), ElementsAre("put 105"));
  EXPECT_EQ(Get("b"), "-");
}

TEST_F(MapTransactTest, ANumberIsPreparedOnce) {
  Prepare(7, {});
  EXPECT_EQ(Prepare(7, {Change(PutOf("a", "1"))}), OperationStatus::kConflict);
  EXPECT_THAT(Commit(7), IsEmpty());
  EXPECT_EQ(Prepare(7, {Change(PutOf("a", "1"))}), OperationStatus::kOk);
}

TEST_F(MapTransactTest, BugATransactionOfNothingKeepsNothingFromClear) {
  Put("a", "1");
  Prepare(7, {});
  EXPECT_EQ(map_.Status("Clear", pb::ClearInput()), OperationStatus::kOk);
  EXPECT_EQ(Get("a"), "-");
  EXPECT_THAT(Commit(7), IsEmpty());
}

TEST_F(MapTransactTest, WhatRefusesOneChangeRefusesToPrepare) {
  Put("a", "1");
  EXPECT_EQ(Prepare(7, {Change(PutOf("x", "1")), Change(InsertOf("a", "2"))}),
            OperationStatus::kAlreadyExists);
  EXPECT_EQ(Prepare(7, {Change(PutOf("x", "1")), Change(PutOf("x", "2"))}),
            OperationStatus::kConflict);
  EXPECT_EQ(map_.Status("Commit", CommitOf(7)), OperationStatus::kNotFound);
  Put("x", "1");
}

// Nothing but its time to live may take a prepared key away, and then the
// transaction is made of what is left.
TEST_F(MapTransactTest, AnExpiryDoesNotKeepATransactionFromItsCommit) {
  for (const char* key : {"put", "update", "remove"}) {
    Put(key, "1", {.ttl = Duration(10)});
  }
  Prepare(7, {Change(PutOf("put", "2", {.prev_index = 101})),
              Change(UpdateOf("update", "2", {.prev_index = 102})),
              Change(RemoveOf("remove", 103))});
  map_.Tick(10 * kSecond);
  EXPECT_EQ(Get("put"), "-");
  EXPECT_THAT(Commit(7), ElementsAre("put 105", "update 105", "remove -"));
  EXPECT_EQ(Get("put"), "2@105");
  EXPECT_EQ(Get("update"), "2@105");
  EXPECT_EQ(Get("remove"), "-");
}

// More may be due at once than one entry does (DoDue).
TEST_F(MapTransactTest, BugATransactionNeverSeesAValueWhoseTimeIsOver) {
  for (const char* key : {"p", "i", "u", "r"}) {
    Put(key, "1", {.ttl = Duration(10)});
  }
  const CommandKey listener = map_.Start(1, "Events", EventsOf(""));
  map_.HoldTimers();
  Prepare(7, {Change(UpdateOf("u", "2")), Change(RemoveOf("r"))});
  map_.Tick(10 * kSecond);
  EXPECT_EQ(TryApply({Change(PutOf("p", "2", {.prev_index = 101}))}),
            OperationStatus::kConflict);
  EXPECT_EQ(TryApply({Change(UpdateOf("p", "2"))}), OperationStatus::kNotFound);
  EXPECT_THAT(Apply({Change(PutOf("p", "1")), Change(InsertOf("i", "1"))}),
              ElementsAre("put 109", "insert 109"));
  EXPECT_THAT(Commit(7), ElementsAre("update 110", "remove -"));
  EXPECT_THAT(Events(listener),
              ElementsAre("expire p 1@101", "insert p 1@109", "expire i 1@102",
                          "insert i 1@109", "expire u 1@103", "insert u 2@110",
                          "expire r 1@104"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

// --- Lost clients ------------------------------------------------------------

TEST_F(MapTransactTest, TheEndOfASessionAbortsItsTransactions) {
  Prepare(7, {Change(PutOf("a", "1")), Change(PutOf("b", "1"))});
  Prepare(8, {Change(PutOf("c", "1"))});
  Prepare(7, {Change(PutOf("d", "1"))}, kOther);
  map_.Start(1, "Lock", LockOf({"x"}));
  map_.EndSession(1);
  for (const char* key : {"a", "b", "c"}) Put(key, "2");
  EXPECT_EQ(map_.Status("Put", PutOf("d", "2")), OperationStatus::kConflict);
  EXPECT_EQ(map_.ResultOf(map_.Start(kOther, "Lock", LockOf({"x"})))->status,
            OperationStatus::kOk);
}

TEST_F(MapTransactTest, NoEntryEndsMoreThanItsShare) {
  for (uint64_t number = 1; number <= 10; ++number) {
    Changes changes;
    for (int i = 0; i < 9; ++i) {
      changes.push_back(Change(PutOf(absl::StrCat(number, " ", i), "v")));
    }
    ASSERT_EQ(Prepare(number, changes), OperationStatus::kOk);
  }
  map_.Start(1, "Lock", LockOf({"x"}));
  EXPECT_EQ(map_.EndSession(1, 20), 6u);
  EXPECT_THAT(map_.EncodeRows(), IsEmpty());
}

TEST_F(MapTransactTest, AForgottenTransactionEndsByItself) {
  Prepare(7, {Change(PutOf("a", "1"))});
  map_.Tick(kLifetime / 2);
  Prepare(8, {Change(PutOf("b", "1"))});
  map_.Restore();
  map_.Tick(kLifetime / 2 - 1);
  EXPECT_EQ(map_.Status("Put", PutOf("a", "2")), OperationStatus::kConflict);
  map_.Tick(1);
  EXPECT_EQ(map_.Status("Commit", CommitOf(7)), OperationStatus::kNotFound);
  Put("a", "2");
  EXPECT_THAT(Commit(8), ElementsAre("put 106"));
  EXPECT_THAT(map_.timers(), IsEmpty());
}

// --- Bytes -------------------------------------------------------------------

TEST(MapTransactionRowTest, BytesAreAsOnDisk) {
  const MapTransactionRow row{
      .expire_ns = 0x0102,
      .changes = {{.kind = MapChange::Kind::kPut,
                   .key = "k",
                   .value = "v",
                   .ttl = Duration(-1, -2),
                   .prev_index = 3},
                  {.kind = MapChange::Kind::kRemove, .key = "r"}}};
  std::string bytes;
  row.Encode(bytes);
  EXPECT_EQ(bytes, std::string("\x01"
                               "\x00\x00\x00\x00\x00\x00\x01\x02"
                               "\x02"
                               "\x00\x00\x00\x01k"
                               "\x00\x00\x00\x01v"
                               "\x00\x00\x00\x00\x00\x00\x00\x03"
                               "\x01"
                               "\xff\xff\xff\xff\xff\xff\xff\xff"
                               "\xff\xff\xff\xfe"
                               "\x06"
                               "\x00\x00\x00\x01r"
                               "\x00\x00\x00\x00"
                               "\x00\x00\x00\x00\x00\x00\x00\x00"
                               "\x00",
                               60));
  MapTransactionRow read;
  ASSERT_TRUE(MapTransactionRow::Decode(bytes, read));
  EXPECT_EQ(read.expire_ns, 0x0102u);
  ASSERT_EQ(read.changes.size(), 2u);
  EXPECT_EQ(read.changes[0].key, "k");
  EXPECT_EQ(read.changes[0].value, "v");
  EXPECT_EQ(read.changes[0].ttl->seconds(), -1);
  EXPECT_EQ(read.changes[0].ttl->nanos(), -2);
  EXPECT_EQ(read.changes[0].prev_index, 3u);
  EXPECT_EQ(read.changes[1].kind, MapChange::Kind::kRemove);
  EXPECT_FALSE(read.changes[1].ttl.has_value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    // The end of a change is the end of a row.
    EXPECT_EQ(MapTransactionRow::Decode(bytes.substr(0, size), read),
              size == 9 || size == 41)
        << size;
  }
  std::string wrong = bytes;
  wrong[9] = 5;
  EXPECT_FALSE(MapTransactionRow::Decode(wrong, read)) << "of no kind";
  wrong = bytes;
  wrong[0] = 2;
  EXPECT_FALSE(MapTransactionRow::Decode(wrong, read))
      << "a version of the future";
}

// Commit must not make the state larger: it is let through when it is full.
TEST(MapTransactionRowTest, BugCountsTheRowsThatItsCommitMakes) {
  MapTransactionRow row;
  uint64_t made_bytes = 0;
  for (const char* key : {"", "a", "long key"}) {
    for (const auto& ttl : {std::optional(Duration(1)),
                            std::optional<google::protobuf::Duration>()}) {
      row.changes.push_back({.key = key, .value = "v", .ttl = ttl});
      made_bytes += session::kRowOverhead +
                    session::RowKey<std::string>::Size(key) +
                    MapRow{.value = "v"}.size_bytes();
    }
  }
  EXPECT_GE(row.size_bytes(), made_bytes);
}

TEST(MapTransactCheckTest, InputsAreChecked) {
  const session::Limits limits = {.key_bytes_max = 3, .value_bytes_max = 4};
  const auto check = [&](const Changes& changes) {
    const absl::Status apply = MapType().FindOperation(15)->check(
        ApplyOf(changes).SerializeAsString(), limits);
    EXPECT_EQ(MapType().FindOperation(12)->check(
                  PrepareOf(1, changes).SerializeAsString(), limits),
              apply);
    return apply;
  };
  const auto invalid = [](const char* what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what));
  };
  const pb::MapInput good = Change(PutOf("123", "1234"));
  EXPECT_OK(check({good}));
  EXPECT_THAT(check({good, Change(PutOf("1234", "1"))}),
              invalid("input.inputs[1]: input.key"));
  EXPECT_THAT(check({Change(InsertOf("1", "12345"))}), invalid("input.value"));
  EXPECT_THAT(check({Change(UpdateOf("1", "1", {.ttl = Duration(1, -1)}))}),
              invalid("input.ttl"));
  EXPECT_THAT(check({Change(RemoveOf("1234"))}), invalid("input.key"));
  pb::MapInput wrong;
  EXPECT_THAT(check({good, wrong}), invalid("input.inputs[1]"));
  wrong.mutable_get();
  EXPECT_THAT(check({wrong}), invalid("it changes no keys"));
  wrong.mutable_clear();
  EXPECT_THAT(check({wrong}), invalid("it changes no keys"));
  wrong.mutable_prepare();
  EXPECT_THAT(check({wrong}), invalid("it changes no keys"));
  Changes many(Map::kTransactionMax, good);
  EXPECT_OK(check(many));
  many.push_back(good);
  EXPECT_THAT(check(many), invalid("at most 1000"));
}

TEST(MapTransactFuzzTest, NoBytesCrash) {
  const Changes changes = {Change(PutOf("a", "1", {.ttl = Duration(3)})),
                           Change(RemoveOf("b", 101))};
  const auto prepare = PrepareOf(1, changes);
  const auto apply = ApplyOf(changes);
  const auto commit = CommitOf(1);
  FuzzOperations(MapType(), {&prepare, &apply, &commit});
}

// --- A model -----------------------------------------------------------------

// Random transactions of three sessions and single changes between them,
// against a map that is as simple as it can be.
class MapTransactModelTest : public ::testing::Test {
 protected:
  using Id = std::pair<uint64_t, uint64_t>;  // Session and number.
  struct Entry {
    std::string value;
    uint64_t index = 0;
  };

  std::string SomeKey() { return absl::StrCat("k", random_.Below(12)); }
  pb::MapInput SomeChange() {
    const std::string key = SomeKey();
    const std::string value = absl::StrCat("v", random_.Below(3));
    uint64_t prev = 0;
    if (random_.OneIn(3)) {
      prev = random_.OneIn(2) || !map_.contains(key) ? random_.Between(1, 300)
                                                     : map_.at(key).index;
    }
    switch (random_.Below(4)) {
      case 0:
        return Change(InsertOf(key, value));
      case 1:
        return Change(UpdateOf(key, value, {.prev_index = prev}));
      case 2:
        return Change(RemoveOf(key, prev));
      default:
        return Change(PutOf(key, value, {.prev_index = prev}));
    }
  }
  Changes SomeChanges() {
    Changes changes;
    for (uint64_t i = random_.Below(4); i > 0; --i) {
      changes.push_back(SomeChange());
    }
    return changes;
  }

  static const std::string& KeyOf(const pb::MapInput& change) {
    return change.has_put()      ? change.put().key()
           : change.has_insert() ? change.insert().key()
           : change.has_update() ? change.update().key()
                                 : change.remove().key();
  }
  bool IsHeld(const std::string& key) const {
    for (const auto& [id, changes] : prepared_) {
      for (const pb::MapInput& change : changes) {
        if (KeyOf(change) == key) return true;
      }
    }
    return false;
  }
  // What a change meets by itself.
  OperationStatus Expect(const pb::MapInput& change) const {
    const std::string& key = KeyOf(change);
    if (IsHeld(key)) return OperationStatus::kConflict;
    const auto it = map_.find(key);
    const bool present = it != map_.end();
    if (change.has_insert()) {
      return present ? OperationStatus::kAlreadyExists : OperationStatus::kOk;
    }
    if (!present && !change.has_put()) return OperationStatus::kNotFound;
    const uint64_t prev = change.has_put()      ? change.put().prev_index()
                          : change.has_update() ? change.update().prev_index()
                                                : change.remove().prev_index();
    if (prev > 0 && (!present || it->second.index != prev)) {
      return OperationStatus::kConflict;
    }
    return OperationStatus::kOk;
  }
  OperationStatus Expect(const Changes& changes) const {
    std::map<std::string, int> times;
    for (const pb::MapInput& change : changes) {
      if (++times[KeyOf(change)] > 1) return OperationStatus::kConflict;
      const OperationStatus status = Expect(change);
      if (status != OperationStatus::kOk) return status;
    }
    return OperationStatus::kOk;
  }
  void Make(const Changes& changes, uint64_t index) {
    for (const pb::MapInput& change : changes) {
      const std::string& key = KeyOf(change);
      if (change.has_remove()) {
        map_.erase(key);
        continue;
      }
      const std::string& value = change.has_put() ? change.put().value()
                                 : change.has_insert()
                                     ? change.insert().value()
                                     : change.update().value();
      if (change.has_put() && map_.contains(key) && map_[key].value == value) {
        continue;
      }
      map_[key] = {value, index};
    }
  }

  OperationStatus Call(uint64_t session, const char* rpc,
                       const google::protobuf::Message& input) {
    const Result result = replica_.Call(session, rpc, input);
    EXPECT_EQ(restored_.Call(session, rpc, input), result);
    return result.status;
  }
  void Single(uint64_t session, const pb::MapInput& change) {
    const OperationStatus expected = Expect(change);
    const OperationStatus status =
        change.has_put()      ? Call(session, "Put", change.put())
        : change.has_insert() ? Call(session, "Insert", change.insert())
        : change.has_update() ? Call(session, "Update", change.update())
                              : Call(session, "Remove", change.remove());
    ASSERT_EQ(status, expected);
    if (status == OperationStatus::kOk) Make({change}, replica_.index());
  }

  void Step() {
    const uint64_t session = random_.Between(1, 3);
    const Id id{session, random_.Below(4)};
    switch (random_.Below(9)) {
      case 0:
      case 1: {
        const Changes changes = SomeChanges();
        const OperationStatus expected = prepared_.contains(id)
                                             ? OperationStatus::kConflict
                                             : Expect(changes);
        ASSERT_EQ(Call(session, "Prepare", PrepareOf(id.second, changes)),
                  expected);
        if (expected == OperationStatus::kOk) prepared_[id] = changes;
        break;
      }
      case 2:
      case 3: {
        const bool present = prepared_.contains(id);
        ASSERT_EQ(Call(session, "Commit", CommitOf(id.second)),
                  present ? OperationStatus::kOk : OperationStatus::kNotFound);
        if (present) Make(prepared_.extract(id).mapped(), replica_.index());
        break;
      }
      case 4:
        ASSERT_EQ(Call(session, "Abort", AbortOf(id.second)),
                  OperationStatus::kOk);
        prepared_.erase(id);
        break;
      case 5: {
        const Changes changes = SomeChanges();
        const OperationStatus expected = Expect(changes);
        ASSERT_EQ(Call(session, "Apply", ApplyOf(changes)), expected);
        if (expected == OperationStatus::kOk) Make(changes, replica_.index());
        break;
      }
      case 6:
        if (!random_.OneIn(10)) break;
        replica_.EndSession(session);
        restored_.EndSession(session);
        std::erase_if(prepared_, [&](const auto& transaction) {
          return transaction.first.first == session;
        });
        break;
      case 7:
        if (!random_.OneIn(20)) break;
        ASSERT_EQ(
            Call(session, "Clear", pb::ClearInput()),
            AnyKeyIsHeld() ? OperationStatus::kConflict : OperationStatus::kOk);
        if (!AnyKeyIsHeld()) map_.clear();
        break;
      default:
        Single(session, SomeChange());
    }
  }

  void Run(int steps, uint64_t restore_in) {
    for (int i = 0; i < steps && !HasFatalFailure(); ++i) {
      Step();
      if (random_.OneIn(restore_in)) restored_.Restore();
      ASSERT_EQ(replica_.EncodeRows(), restored_.EncodeRows());
      std::vector<std::string> expected;
      for (const auto& [key, entry] : map_) {
        expected.push_back(
            absl::StrCat(key, "=", entry.value, "@", entry.index));
      }
      std::vector<std::string> listed;
      for (const std::string& output :
           restored_.List("Entries", EntriesOf(), 50)) {
        const auto entry = Harness::Parse<pb::EntriesOutput>(output).entry();
        listed.push_back(absl::StrCat(
            entry.key(), "=", ::primitive::testing::ToText(entry.value())));
      }
      ASSERT_EQ(listed, expected);
    }
  }

  base::Random random_{47};
  Harness replica_{MapType()};
  Harness restored_{MapType()};
  std::map<std::string, Entry> map_;
  // One without changes holds none.
  bool AnyKeyIsHeld() const {
    return std::any_of(
        prepared_.begin(), prepared_.end(),
        [](const auto& transaction) { return !transaction.second.empty(); });
  }

  std::map<Id, Changes> prepared_;
};

TEST_F(MapTransactModelTest, ThousandsOfCommands) { Run(8000, 60); }
TEST_F(MapTransactModelTest, RestoreAtEveryIndex) { Run(800, 1); }

}  // namespace
}  // namespace primitive
