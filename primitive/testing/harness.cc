#include "primitive/testing/harness.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "primitive/input.h"
#include "session/limits.h"

namespace primitive::testing {

using session::CommandKey;
using session::OperationKind;
using session::Result;
using session::SequenceNum;
using session::SessionId;

namespace {

constexpr session::PrimitiveId kPrimitive{100};

}  // namespace

Harness::Harness(session::PrimitiveType type)
    : type_(std::move(type)),
      tables_(std::make_unique<session::TableSet>()),
      primitive_(type_.create(*tables_, kPrimitive)) {}

Harness::~Harness() = default;

void Harness::Tick(uint64_t ns) { BeginEntry(time_ns_ + ns); }

Result Harness::Call(uint64_t session, absl::string_view rpc,
                     const google::protobuf::Message& input) {
  const session::Operation& operation = Find(rpc);
  if (operation.kind == OperationKind::kQuery) {
    return Query(operation.id, input.SerializeAsString());
  }
  const CommandKey command = Start(session, rpc, input);
  const std::optional<Result> result = ResultOf(command);
  EXPECT_TRUE(result.has_value()) << rpc << " did not answer";
  return result.value_or(Result{.status = session::OperationStatus::kUnknown});
}

CommandKey Harness::Start(uint64_t session, absl::string_view rpc,
                          const google::protobuf::Message& input) {
  const session::Operation& operation = Find(rpc);
  const std::string bytes = input.SerializeAsString();
  const absl::Status status = operation.check(bytes, session::Limits());
  EXPECT_TRUE(status.ok()) << status.ToString();
  return Apply(session, operation.id, bytes);
}

CommandKey Harness::Apply(uint64_t session, uint32_t operation,
                          absl::string_view input) {
  BeginEntry(time_ns_);
  ++index_;
  command_ = {SessionId(session), SequenceNum(++sequence_)};
  replies_ = 0;
  primitive_->Command(*this, operation, input);
  EXPECT_EQ(replies_, 1) << "operation " << operation;
  return command_;
}

std::optional<Result> Harness::ResultOf(CommandKey command) const {
  auto it = results_.find(command);
  if (it == results_.end()) return std::nullopt;
  return it->second;
}

void Harness::Cancel(CommandKey command) {
  BeginEntry(time_ns_);
  listeners_.erase(command);
  if (open_.erase(command) > 0) primitive_->WaiterCancelled(*this, command);
}

size_t Harness::EndSession(uint64_t session, size_t items_max) {
  BeginEntry(time_ns_);
  const SessionId id(session);
  std::erase_if(listeners_,
                [&](const auto& entry) { return entry.first.session == id; });
  const std::set<CommandKey> open = open_;
  for (const CommandKey& command : open) {
    if (command.session != id || open_.erase(command) == 0) continue;
    primitive_->WaiterCancelled(*this, command);
  }
  size_t entries = 1;
  while (!primitive_->SessionClosed(*this, id, items_max)) {
    BeginEntry(time_ns_);
    ++entries;
  }
  return entries;
}

Result Harness::Query(uint32_t operation, absl::string_view input) const {
  return primitive_->Query(operation, input);
}

session::Listing Harness::ListSlice(uint32_t operation, absl::string_view input,
                                    absl::string_view cursor,
                                    const session::SliceBounds& bounds) const {
  const session::StreamQuery query{
      .operation = operation, .input = input, .generation = generation_};
  primitive_->Watches(query);
  return primitive_->List(query, cursor, bounds);
}

std::vector<std::string> Harness::List(absl::string_view rpc,
                                       const google::protobuf::Message& input,
                                       size_t rows_max) const {
  const session::Operation& operation = Find(rpc);
  const std::string bytes = input.SerializeAsString();
  std::vector<std::string> outputs;
  std::string cursor;
  while (true) {
    session::Listing listing = primitive_->List(
        {.operation = operation.id, .input = bytes, .generation = generation_},
        cursor, {.rows_max = rows_max, .bytes_max = UINT64_MAX});
    EXPECT_LE(listing.outputs.size(), rows_max);
    for (std::string& output : listing.outputs) {
      outputs.push_back(std::move(output));
    }
    if (listing.done) return outputs;
    CHECK(listing.cursor > cursor) << "a listing must make progress";
    cursor = listing.cursor;
  }
}

bool Harness::Watches(absl::string_view rpc,
                      const google::protobuf::Message& input) const {
  const std::string bytes = input.SerializeAsString();
  return primitive_->Watches(
      {.operation = Find(rpc).id, .input = bytes, .generation = generation_});
}

std::vector<std::string> Harness::Events(CommandKey command) {
  return std::exchange(listeners_.at(command).outputs, {});
}

Harness::Rows Harness::EncodeRows() {
  tables_->Freeze(++checkpoint_);
  std::vector<session::EncodedRow> rows;
  while (!tables_->EncodeSlice(100, 1 << 20, rows)) {
  }
  for (session::EncodedRow& row : rows) {
    if (row.erased) {
      disk_.erase({row.table, row.key});
    } else {
      disk_[{row.table, row.key}] = {row.checkpoint, std::move(row.value)};
    }
  }
  for (const session::ObsoleteRange& range : tables_->ImageDurable().ranges) {
    std::erase_if(disk_, [&](const auto& entry) {
      return entry.first.first == range.table &&
             absl::string_view(entry.first.second)
                     .substr(0, range.prefix.size()) == range.prefix;
    });
  }
  Rows image;
  for (const auto& [key, row] : disk_) {
    const auto& [table, bytes] = key;
    if (table == session::TableId::kEpochs) continue;
    // Owner u64, epoch u64, row key.
    image[{table, bytes.substr(16)}] = row.value;
  }
  return image;
}

void Harness::Restore() {
  EncodeRows();
  const uint64_t digest = tables_->digest();
  const std::map<std::string, uint64_t> timers = std::exchange(timers_, {});
  primitive_.reset();
  tables_ = std::make_unique<session::TableSet>();
  primitive_ = type_.create(*tables_, kPrimitive);
  for (const auto& [key, row] : disk_) {
    const absl::Status status = tables_->LoadRow({.table = key.first,
                                                  .key = key.second,
                                                  .checkpoint = row.checkpoint,
                                                  .value = row.value});
    CHECK(status.ok()) << status.ToString();
  }
  const absl::Status status = tables_->FinishLoad(digest);
  CHECK(status.ok()) << status.ToString();
  primitive_->Loaded(*this);
  EXPECT_EQ(timers_, timers);
}

void Harness::Publish(uint64_t change_index, absl::string_view key,
                      std::string output) {
  for (auto& [command, listener] : listeners_) {
    if (listener.index > change_index) continue;
    if (!listener.filter.empty() && listener.filter != key) continue;
    listener.outputs.push_back(output);
  }
}

void Harness::Notify(absl::string_view cursor, std::string output) {
  EXPECT_FALSE(cursor.empty());
  if (watching_) changes_.push_back(std::move(output));
}

void Harness::NotifyAt(uint64_t, int shift, std::string output) {
  EXPECT_TRUE(shift >= -1 && shift <= 1);
  if (watching_) {
    changes_.push_back(std::move(output));
  } else {
    EXPECT_EQ(output, "") << "nobody reads it";
  }
}

void Harness::SetTimer(absl::string_view key, uint64_t due_ns) {
  EXPECT_NE(due_ns, session::kNever);
  timers_[std::string(key)] = due_ns;
  new_timers_.insert(std::string(key));
}

void Harness::CancelTimer(absl::string_view key) {
  timers_.erase(std::string(key));
}

void Harness::CancelTimers(char prefix) {
  std::erase_if(timers_, [prefix](const auto& timer) {
    return !timer.first.empty() && timer.first[0] == prefix;
  });
}

void Harness::Complete(CommandKey command, Result result) {
  EXPECT_EQ(open_.erase(command), 1u) << "Complete of a command not waiting";
  results_[command] = std::move(result);
}

void Harness::Answer(Result result) {
  ++replies_;
  if (result.status != session::OperationStatus::kOk) {
    EXPECT_EQ(result.output, "");
  }
  results_[command_] = std::move(result);
}

void Harness::KeepOpen() {
  ++replies_;
  open_.insert(command_);
}

void Harness::Listen(absl::string_view filter, std::string first_output) {
  ++replies_;
  Listener& listener = listeners_[command_];
  listener = {.filter = std::string(filter), .index = index_};
  if (!first_output.empty()) {
    listener.outputs.push_back(std::move(first_output));
  }
}

const session::Operation& Harness::Find(absl::string_view rpc) const {
  auto it = std::find_if(type_.operations.begin(), type_.operations.end(),
                         [&](const session::Operation& operation) {
                           return operation.rpc == rpc;
                         });
  CHECK(it != type_.operations.end()) << "no operation " << rpc;
  return *it;
}

void Harness::BeginEntry(uint64_t time_ns) {
  charged_ = 0;
  CHECK(time_ns >= time_ns_);
  new_timers_.clear();
  while (!hold_timers_) {
    // The first that is due, by (due, key).
    auto first = timers_.end();
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->second > time_ns || new_timers_.contains(it->first)) continue;
      if (first == timers_.end() || it->second < first->second) first = it;
    }
    if (first == timers_.end()) break;
    const std::string key = first->first;
    time_ns_ = std::max(time_ns_, first->second);
    timers_.erase(first);
    primitive_->TimerFired(*this, key);
  }
  time_ns_ = time_ns;
}

void FuzzOperations(
    const session::PrimitiveType& type,
    const std::vector<const google::protobuf::Message*>& inputs) {
  base::Random random(17);
  Harness harness(type);
  auto make_bytes = [&] {
    std::string bytes;
    if (!inputs.empty() && !random.OneIn(3)) {
      bytes = inputs[random.Below(inputs.size())]->SerializeAsString();
      if (!bytes.empty()) {
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
        if (random.OneIn(4)) bytes.resize(random.Below(bytes.size()));
      }
    } else {
      bytes.resize(random.Below(24));
      for (char& c : bytes) c = static_cast<char>(random.Next());
    }
    return bytes;
  };
  for (int round = 0; round < 300; ++round) {
    const std::string bytes = make_bytes();
    for (const session::Operation& operation : type.operations) {
      const absl::Status status = operation.check(bytes, NoLimits());
      const CommandKey command =
          harness.Apply(1 + random.Below(3), operation.id, bytes);
      const std::optional<Result> result = harness.ResultOf(command);
      if (!status.ok()) {
        ASSERT_TRUE(result.has_value());
        EXPECT_TRUE(result->status == session::OperationStatus::kInternal ||
                    result->status == session::OperationStatus::kNotSupported);
      }
      harness.Query(operation.id, bytes);
      harness.ListSlice(operation.id, bytes, "");
    }
    harness.Apply(1, static_cast<uint32_t>(random.Next()), bytes);
    if (random.OneIn(10)) harness.Tick(random.Below(100 * kSecond));
    if (random.OneIn(50)) harness.EndSession(1 + random.Below(3));
    if (random.OneIn(100)) harness.Restore();
  }
}

}  // namespace primitive::testing
