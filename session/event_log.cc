#include "session/event_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace session {
namespace {

constexpr uint64_t kOutputOverhead = 48;

}  // namespace

EventLog::EventLog(TableSet& tables, const Limits& limits, LogTime& log_time)
    : limits_(limits),
      log_time_(log_time),
      listeners_(tables, TableId::kListeners),
      events_(tables, TableId::kEvents) {}

uint64_t EventLog::CachedBytes(const EventRow& event) {
  return kOutputOverhead + event.output.size();
}

bool EventLog::HasListeners(PrimitiveId primitive) const {
  return audiences_.contains(primitive);
}

void EventLog::Publish(PrimitiveId primitive, uint64_t change_index,
                       absl::string_view key, std::string output,
                       std::vector<CommandKey>& touched) {
  auto audience = audiences_.find(primitive);
  if (audience == audiences_.end()) return;

  // In the order of commands: the same on every replica.
  std::vector<CommandKey> wanted;
  auto gather = [&](const Members& from) {
    for (const auto& [command, index] : from) {
      if (index <= change_index) wanted.push_back(command);
    }
  };
  gather(audience->second.to_all);
  if (!key.empty()) {
    auto it = audience->second.by_key.find(std::string(key));
    if (it != audience->second.by_key.end()) {
      gather(it->second);
      std::sort(wanted.begin(), wanted.end());
    }
  }

  uint64_t position = 0;
  uint64_t bytes = 0;
  for (const CommandKey& command : wanted) {
    touched.push_back(command);
    std::string error =
        BoundReached(command.session, outputs_.at(RowKeyOf(command)));
    if (!error.empty()) {
      // This event, if others got it already, is not one of its outputs.
      const uint64_t last =
          position == 0 ? log_time_.event_position() : position - 1;
      End(command, last, std::move(error));
      continue;
    }
    if (position == 0) {
      position = log_time_.NextEventPosition();
      EventRow event{.change_index = change_index,
                     .key = std::string(key),
                     .output = std::move(output)};
      bytes = CachedBytes(event);
      events_.Insert({primitive, position}, std::move(event));
    }
    AddOutput(command, position, bytes);
  }
}

std::string EventLog::BoundReached(SessionId session,
                                   const Listener& listener) const {
  if (listener.positions.size() >= limits_.stream_outputs_max) {
    return absl::StrCat("more than ", limits_.stream_outputs_max,
                        " outputs are not acknowledged");
  }
  if (listener.bytes >= limits_.stream_bytes_max) {
    return absl::StrCat("more than ", limits_.stream_bytes_max,
                        " bytes of outputs are not acknowledged");
  }
  if (cached_bytes(session) >= 2 * limits_.session_cache_bytes_max) {
    return absl::StrCat(
        "more than ", 2 * limits_.session_cache_bytes_max,
        " bytes of outputs of the session are not acknowledged");
  }
  return "";
}

void EventLog::Listen(CommandKey command, PrimitiveId primitive,
                      absl::string_view filter, std::string first_output) {
  ListenerRow row{.primitive = primitive,
                  .index = log_time_.index(),
                  .filter = std::string(filter),
                  .released_position = log_time_.event_position()};
  outputs_[RowKeyOf(command)];
  Join(command, listeners_.Insert(RowKeyOf(command), std::move(row)));
  if (first_output.empty()) return;

  const uint64_t position = log_time_.NextEventPosition();
  EventRow event{.change_index = log_time_.index(),
                 .only = command,
                 .output = std::move(first_output)};
  const uint64_t bytes = CachedBytes(event);
  events_.Insert({primitive, position}, std::move(event));
  AddOutput(command, position, bytes);
}

bool EventLog::Acknowledge(CommandKey command, uint64_t number) {
  const ListenerRow* row = FindRow(command);
  if (row == nullptr || row->forgotten) return false;
  const Listener& listener = outputs_.at(RowKeyOf(command));
  // Not above what it was given: the next outputs are not acknowledged yet.
  number = std::min(number, row->released_number + listener.positions.size() +
                                (row->end_position != 0 ? 1 : 0));
  if (number <= row->acked_number) return false;
  listeners_.Update(RowKeyOf(command),
                    [number](ListenerRow& r) { r.acked_number = number; });
  return !listener.positions.empty();
}

bool EventLog::Forget(CommandKey command) {
  const ListenerRow* row = FindRow(command);
  CHECK(row != nullptr && !row->forgotten);
  if (row->end_position == 0) Leave(command, *row);
  if (outputs_.at(RowKeyOf(command)).positions.empty()) {
    outputs_.erase(RowKeyOf(command));
    listeners_.Erase(RowKeyOf(command));
    return false;
  }
  listeners_.Update(RowKeyOf(command), [this](ListenerRow& r) {
    r.forgotten = true;
    // What comes from now on is not for it.
    if (r.end_position == 0) r.end_position = log_time_.event_position();
  });
  return true;
}

bool EventLog::Release(CommandKey command, uint64_t& budget) {
  const ListenerRow* row = FindRow(command);
  if (row == nullptr) return true;
  Listener& listener = outputs_.at(RowKeyOf(command));
  const uint64_t wanted =
      row->forgotten ? listener.positions.size()
      : row->acked_number > row->released_number
          ? std::min<uint64_t>(row->acked_number - row->released_number,
                               listener.positions.size())
          : 0;
  const uint64_t released = std::min(wanted, budget);
  budget -= released;
  if (released > 0) {
    const uint64_t last = listener.positions[released - 1];
    const PrimitiveId primitive = row->primitive;
    for (uint64_t i = 0; i < released; ++i) {
      DropFirstOutput(command.session, primitive, listener);
    }
    listeners_.Update(RowKeyOf(command), [&](ListenerRow& r) {
      r.released_number += released;
      r.released_position = last;
    });
  }
  if (released < wanted) return false;
  if (FindRow(command)->forgotten) {
    outputs_.erase(RowKeyOf(command));
    listeners_.Erase(RowKeyOf(command));
  }
  return true;
}

EventLog::Read EventLog::ReadOutput(CommandKey command, uint64_t after) const {
  const ListenerRow* row = FindRow(command);
  if (row == nullptr || row->forgotten) return {.kind = Read::Kind::kEnded};
  const Listener& listener = outputs_.at(RowKeyOf(command));
  after = std::max(after, row->acked_number);
  const uint64_t last = row->released_number + listener.positions.size();
  if (after < last) {
    // acked_number >= released_number, so this one is still there.
    const uint64_t position = listener.positions[after - row->released_number];
    const EventRow* event = events_.Find({row->primitive, position});
    return {.kind = Read::Kind::kOutput,
            .number = after + 1,
            .result = Ok(event->output)};
  }
  if (row->end_position == 0) return {.kind = Read::Kind::kNothingYet};
  if (after > last) return {.kind = Read::Kind::kEnded};
  return {.kind = Read::Kind::kOutput,
          .number = last + 1,
          // Events are lost to this stream, and that is final. Not
          // kUnavailable, which no driver retries here (semantics 8.5).
          .result = Failure(OperationStatus::kFault, row->error)};
}

uint64_t EventLog::cached_bytes(SessionId session) const {
  auto it = cached_bytes_.find(session);
  return it == cached_bytes_.end() ? 0 : it->second;
}

void EventLog::Loaded() {
  listeners_.Scan([&](const SequenceKey& key, const ListenerRow& row) {
    outputs_[key];
    Join({key.first, key.second}, row);
    return true;
  });
  // Every listener is in its audience now, ended and forgotten ones too, so the
  // events find whom they were given to.
  std::vector<CommandKey> holders;
  events_.Scan([&](const EventKey& key, const EventRow& event) {
    holders.clear();
    auto consider = [&](const CommandKey& command) {
      const ListenerRow* row = FindRow(command);
      if (row == nullptr || row->index > event.change_index) return;
      if (key.second <= row->released_position) return;
      if (row->end_position != 0 && key.second > row->end_position) return;
      holders.push_back(command);
    };
    if (event.only.session.value() != 0) {
      consider(event.only);
    } else if (auto it = audiences_.find(key.first); it != audiences_.end()) {
      for (const auto& [command, index] : it->second.to_all) consider(command);
      auto by_key = it->second.by_key.find(event.key);
      if (!event.key.empty() && by_key != it->second.by_key.end()) {
        for (const auto& [command, index] : by_key->second) consider(command);
      }
    }
    for (const CommandKey& command : holders) {
      AddOutput(command, key.second, CachedBytes(event));
    }
    return true;
  });
  listeners_.Scan([&](const SequenceKey& key, const ListenerRow& row) {
    if (row.forgotten || row.end_position != 0) {
      Leave({key.first, key.second}, row);
    }
    return true;
  });
}

void EventLog::Join(CommandKey command, const ListenerRow& row) {
  Audience& audience = audiences_[row.primitive];
  if (row.filter.empty()) {
    audience.to_all[command] = row.index;
  } else {
    audience.by_key[row.filter][command] = row.index;
  }
  ++audience.size;
}

void EventLog::Leave(CommandKey command, const ListenerRow& row) {
  auto it = audiences_.find(row.primitive);
  Audience& audience = it->second;
  if (row.filter.empty()) {
    audience.to_all.erase(command);
  } else {
    auto by_key = audience.by_key.find(row.filter);
    by_key->second.erase(command);
    if (by_key->second.empty()) audience.by_key.erase(by_key);
  }
  if (--audience.size == 0) audiences_.erase(it);
}

void EventLog::AddOutput(CommandKey command, uint64_t position,
                         uint64_t bytes) {
  Listener& listener = outputs_.at(RowKeyOf(command));
  listener.positions.push_back(position);
  listener.bytes += bytes;
  cached_bytes_[command.session] += bytes;
  ++holders_[position];
}

void EventLog::End(CommandKey command, uint64_t position, std::string error) {
  Leave(command, *FindRow(command));
  listeners_.Update(RowKeyOf(command), [&](ListenerRow& row) {
    row.end_position = position;
    row.error = std::move(error);
  });
}

void EventLog::DropFirstOutput(SessionId session, PrimitiveId primitive,
                               Listener& listener) {
  const EventKey key{primitive, listener.positions.front()};
  listener.positions.pop_front();
  const uint64_t bytes = CachedBytes(*events_.Find(key));
  listener.bytes -= bytes;
  auto cached = cached_bytes_.find(session);
  cached->second -= bytes;
  if (cached->second == 0) cached_bytes_.erase(cached);
  auto holders = holders_.find(key.second);
  if (--holders->second > 0) return;
  holders_.erase(holders);
  events_.Erase(key);
}

}  // namespace session
